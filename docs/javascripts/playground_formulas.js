// The formulas of keras_lr in float64, one entry a class: `rate` gives the function of the step,
// `length` the steps until the end, `validate` and `validateSteps` the rules between arguments.
// What falls to zero is computed from the steps that remain, so that it does not cancel.
(function (P) {
  "use strict";
  const LIMIT = 2 ** 31;
  const { ceiling, stair, turn } = P.lengths;

  const clip = (t, low, high) => Math.min(Math.max(t, low), high);
  const since = (t, start) => Math.max(t, start) - start;
  const progress = (t, n) => clip(t, 0, n) / n;
  const remaining = (t, n) => (n - clip(t, 0, n)) / n;
  const mix = (low, high, share) => (low === 0 ? share * high : (1 - share) * low + share * high);
  const power = (base, exponent) => Math.exp(exponent * Math.log(base));
  const raised = (value, exponent) => (exponent === 1 ? value : value ** exponent);

  // (1 − cos(π·left))/2, from 1 to 0 as the share that is left.
  const cosine = (left) => Math.sin((left * Math.PI) / 2) ** 2;

  // A fall from 1 at step 0 to 0 at step n.
  const falls = {
    linear: (gone, left) => left,
    cosine: (gone, left) => cosine(left),
    sqrt: (gone, left) => left / (1 + Math.sqrt(gone)),
    exponential: (gone, left) => Math.expm1(left * Math.LN2),
  };
  const fall = (shape, t, n) => falls[shape](progress(t, n), remaining(t, n));

  // 1 at step 0, and half as much after each half-life.
  const halving = (t, halfLife) => Math.exp(-t * (Math.LN2 / halfLife));

  // How many of the sorted edges have been reached.
  function segment(t, edges) {
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (edges[middle] <= t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  const float = (value) => P.floatRepr(value);
  const lengthOf = (schedule) => schedule.length();

  function notAbove(start, end) {
    return (a, refuse) => {
      if (a[end] > a[start]) {
        refuse(end, `at most \`${start}\` (${float(a[start])}); \`Warmup\` is for rates that rise`);
      }
    };
  }
  const endBelow = notAbove("initial_learning_rate", "end_learning_rate");

  function notBelow(a, refuse) {
    const low = a.initial_learning_rate;
    if (a.maximal_learning_rate < low) refuse("maximal_learning_rate", `at least \`initial_learning_rate\` (${float(low)})`);
  }

  // From the initial to the end rate, by the share that is left at a step.
  const between = (a, share) => (t) => mix(a.end_learning_rate, a.initial_learning_rate, share(t));
  const decaySteps = (a) => ceiling(a.decay_steps);

  const formulas = {
    Constant: { rate: (a) => () => a.learning_rate },
    StepDecay: {
      rate: (a) => (t) => a.initial_learning_rate * power(a.decay_rate, stair(t, a.decay_steps)),
    },
    MultiStepDecay: {
      rate: (a) => (t) => a.initial_learning_rate * a.decay_rate ** segment(t, a.milestones),
    },
    PiecewiseConstantDecay: {
      validate(a, refuse) {
        const count = a.boundaries.length + 1;
        if (a.values.length !== count) refuse("values", `one rate more than \`boundaries\` (${count})`);
      },
      // The old rate still holds at the boundary.
      rate: (a) => (t) => a.values[segment(t - 1, a.boundaries)],
    },
    PiecewiseInterpolation: {
      validate(a, refuse) {
        const count = a.boundaries.length;
        if (a.values.length !== count) refuse("values", `as many rates as there are \`boundaries\` (${count})`);
      },
      length: (a) => a.boundaries[a.boundaries.length - 1],
      rate: (a) => {
        const edges = a.boundaries;
        return (t) => {
          const held = clip(t, edges[0], edges[edges.length - 1]);
          if (edges.length === 1) return a.values[0];
          const i = segment(held, edges.slice(1, -1));
          const width = edges[i + 1] - edges[i];
          const gone = (held - edges[i]) / width;
          const left = (edges[i + 1] - held) / width;
          const [to, from] = a.shape === "cosine" ? [cosine(gone), cosine(left)] : [gone, left];
          return a.values[i] * from + a.values[i + 1] * to;
        };
      },
    },
    Tabulated: {
      length: (a) => a.values.length,
      rate: (a) => (t) => a.values[Math.min(t, a.values.length - 1)],
    },
    ExponentialDecay: {
      rate: (a) => (t) =>
        a.initial_learning_rate *
        (a.staircase
          ? power(a.decay_rate, stair(t, a.decay_steps))
          : Math.exp(t * (Math.log(a.decay_rate) / a.decay_steps))),
    },
    TimeBasedDecay: {
      rate: (a) => (t) => {
        const units = a.staircase ? stair(t, a.decay_steps) * a.decay_rate : t * (a.decay_rate / a.decay_steps);
        return a.initial_learning_rate / (1 + units);
      },
    },
    PolynomialDecay: {
      validate: endBelow,
      length: (a) => (a.cycle ? null : ceiling(a.decay_steps)),
      rate: (a) =>
        between(a, (t) => {
          if (!a.cycle) return raised(remaining(t, a.decay_steps), a.power);
          // Cycle c = ⌈t/S⌉, at least 1, ends at step c·S.
          const { count, since, until } = turn(t, a.decay_steps);
          return since === 0 && t > 0 ? raised(0, a.power) : raised(until / ((count + 1) * a.decay_steps), a.power);
        }),
    },
    LinearDecay: {
      validate: endBelow,
      length: decaySteps,
      rate: (a) => between(a, (t) => remaining(t, a.decay_steps)),
    },
    CosineDecay: {
      validate(a, refuse) {
        if (a.warmup_steps !== 0 && a.warmup_target === null) {
          refuse("warmup_steps", "0 when there is no `warmup_target`");
        }
      },
      length: (a) => ceiling(a.warmup_steps, a.decay_steps),
      rate: (a) => {
        const peak = a.warmup_target === null ? a.initial_learning_rate : a.warmup_target;
        return (t) =>
          t < a.warmup_steps
            ? mix(a.initial_learning_rate, peak, t / a.warmup_steps)
            : peak * mix(a.alpha, 1, fall("cosine", t - a.warmup_steps, a.decay_steps));
      },
    },
    REXDecay: {
      validate: endBelow,
      length: decaySteps,
      rate: (a) =>
        between(a, (t) => {
          const left = remaining(t, a.decay_steps);
          return (2 * left) / (1 + left);
        }),
    },
    KDecay: {
      validate(a, refuse) {
        endBelow(a, refuse);
        if (a.shape === "cosine" && a.power !== 1) refuse("power", "1.0 when `shape` is 'cosine'");
      },
      length: decaySteps,
      rate: (a) =>
        between(a, (t) => {
          const x = progress(t, a.decay_steps);
          // 1 − x^k: in the second half from the steps that remain.
          const late = -Math.expm1(a.k * Math.log1p(-remaining(t, a.decay_steps)));
          const left = 2 * x < 1 ? 1 - raised(x, a.k) : late;
          return a.shape === "cosine" ? cosine(left) : raised(left, a.power);
        }),
    },
    TanhDecay: {
      validate(a, refuse) {
        endBelow(a, refuse);
        if (a.upper <= a.lower) refuse("upper", `above \`lower\` (${float(a.lower)})`);
      },
      length: decaySteps,
      // (1 − tanh z)/2 = 1/(1 + e^2z)
      rate: (a) =>
        between(a, (t) => 1 / (1 + Math.exp(2 * (a.lower + (a.upper - a.lower) * progress(t, a.decay_steps))))),
    },
    PowerLawDecay: {
      rate: (a) => (t) => a.learning_rate * raised(a.hold_steps / Math.max(t, a.hold_steps), a.exponent),
    },
    InverseSquareRootDecay: {
      rate: (a) => (t) =>
        a.learning_rate * (t < a.warmup_steps ? t / a.warmup_steps : Math.sqrt(a.warmup_steps / t)),
    },
  };

  Object.assign(P, {
    formulas,
    curves: { LIMIT, clip, since, progress, remaining, mix, power, raised, cosine, fall, halving, segment, float },
    rules: { lengthOf, notAbove, notBelow },
  });
})(window.KerasLRPlayground);
