// Formulas of cycles and of whole trainings.
(function (P) {
  "use strict";
  const { turn, nearestStart } = P.lengths;
  const { LIMIT, clip, mix, power, cosine, fall, halving, segment, float } = P.curves;
  const { lengthOf, notAbove, notBelow } = P.rules;
  const MOST_RESTARTS = 100000;

  // Where between its bounds a zigzag is, from 0 to 1.
  function zigzag(a) {
    const [up, down] = [a.step_size, downSteps(a)];
    const heights = { triangular: () => 1, triangular2: (t, count) => 0.5 ** count, exp_range: (t) => power(a.gamma, t) };
    return (t) => {
      const { count, since, until } = turn(t, up, down);
      return Math.min(since / up, until / down) * heights[a.mode](t, count);
    };
  }
  const downSteps = (a) => (a.step_size_down === null ? a.step_size : a.step_size_down);

  // The course of a one-cycle between three levels; its phases end at fractional steps.
  function oneCycle(a, start, peak, end) {
    const last = a.total_steps - 1;
    const top = a.pct_start * a.total_steps - 1;
    const middle = 2 * top;
    const phase = (t, from, to, before, after) => {
      if (to <= from) return after;
      const first = Math.floor(from);
      const final = Math.ceil(to);
      const held = clip(t, first, final);
      const left = clip((final - held - (final - to)) / (to - from), 0, 1);
      return mix(after, before, a.anneal_strategy === "cos" ? cosine(left) : left);
    };
    return (t) => {
      if (t <= top) return phase(t, 0, top, start, peak);
      if (!a.three_phase) return phase(t, top, last, peak, end);
      return t <= middle ? phase(t, top, middle, peak, start) : phase(t, middle, last, start, end);
    };
  }

  // The whole steps at which the cycles of CosineDecayRestarts begin.
  function restarts(first, ratio) {
    const starts = [0];
    const growth = Math.log(ratio);
    while (starts[starts.length - 1] < LIMIT - 1 && starts.length <= MOST_RESTARTS + 1) {
      const total = (first * Math.expm1(starts.length * growth)) / Math.expm1(growth);
      const following = Math.min(Math.floor(total + 0.5), LIMIT - 1);
      if (following === starts[starts.length - 1]) break;
      starts.push(following);
    }
    return starts;
  }

  // Of cycles of one length, each begun at the nearest whole step.
  function cycleOf(t, n) {
    const { count } = turn(t, n);
    return count + (nearestStart(count + 1, n) <= t ? 1 : 0);
  }

  function restarting(a) {
    const n = a.first_decay_steps;
    const starts = a.t_mul === 1 ? null : restarts(n, a.t_mul);
    const edges = starts && starts.slice(1, -1);
    return (t) => {
      const held = starts ? Math.min(t, starts[starts.length - 1]) : t;
      const cycle = starts ? segment(held, edges) : cycleOf(t, n);
      const [start, end] = starts ? [starts[cycle], starts[cycle + 1]] : [nearestStart(cycle, n), nearestStart(cycle + 1, n)];
      const height = cosine((end - held) / (end - start));
      return a.initial_learning_rate * mix(a.alpha, 1, a.m_mul === 1 ? height : power(a.m_mul, cycle) * height);
    };
  }

  Object.assign(P.formulas, {
    CyclicalLearningRate: {
      validate(a, refuse) {
        notBelow(a, refuse);
        if (a.mode !== "exp_range" && a.gamma !== 1) {
          refuse("gamma", `1.0 unless \`mode\` is 'exp_range' (it is '${a.mode}')`);
        }
      },
      validateSteps(a, refuse) {
        if (a.step_size + downSteps(a) >= LIMIT) {
          refuse("step_size_down", "so short that a cycle has less than 2**31 steps");
        }
      },
      height: zigzag,
      rate: (a) => {
        const height = zigzag(a);
        return (t) => mix(a.initial_learning_rate, a.maximal_learning_rate, height(t));
      },
    },
    OppositePhase: {
      validate(a, refuse) {
        if (!a.schedule.formula.height) refuse("schedule", "a `OneCycle` or a `CyclicalLearningRate`");
        if (a.low > a.high) refuse("low", `at most \`high\` (${float(a.high)})`);
      },
      length: (a) => lengthOf(a.schedule),
      rate: (a) => {
        const height = a.schedule.formula.height(a.schedule.args);
        return (t) => mix(a.high, a.low, height(t));
      },
    },
    SinusoidalLearningRate: {
      validate: notBelow,
      rate: (a) => (t) => {
        const n = a.step_size;
        const { count, since, until } = turn(t, n);
        const up = count % 2 ? until : since;
        return mix(a.initial_learning_rate, a.maximal_learning_rate, cosine(up / n));
      },
    },
    CosineDecayRestarts: {
      validateSteps(a, refuse) {
        if (a.t_mul !== 1 && restarts(a.first_decay_steps, a.t_mul).length > MOST_RESTARTS) {
          refuse("t_mul", "1, or such that there are at most 100,000 restarts");
        }
      },
      rate: restarting,
    },
    WarmupStableDecay: {
      validate(a, refuse) {
        notAbove("learning_rate", "end_learning_rate")(a, refuse);
        const halves = a.shape === "halving";
        if (halves !== (a.half_life !== null)) {
          refuse("half_life", `${halves ? "a number of steps when" : "None unless"} \`shape\` is 'halving'`);
        }
      },
      validateSteps(a, refuse) {
        const parts = a.warmup_steps + a.decay_steps;
        if (parts > a.total_steps) refuse("total_steps", `at least warmup and decay together (${parts})`);
      },
      length: (a) => a.total_steps,
      rate: (a) => (t) => {
        const start = a.total_steps - a.decay_steps;
        if (a.decay_steps && t >= start) {
          const gone = Math.min(t - start, a.decay_steps);
          const share = a.half_life === null ? fall(a.shape, gone, a.decay_steps) : halving(gone, a.half_life);
          return mix(a.end_learning_rate, a.learning_rate, share);
        }
        return t < a.warmup_steps ? (a.learning_rate * t) / a.warmup_steps : a.learning_rate;
      },
    },
    OneCycle: {
      validate(a, refuse) {
        if (a.three_phase && a.pct_start > 0.5) refuse("pct_start", "at most 0.5 with three phases");
      },
      length: (a) => a.total_steps,
      height: (a) => oneCycle(a, 0, 1, 0),
      rate: (a) => {
        const start = a.max_learning_rate / a.div_factor;
        return oneCycle(a, start, a.max_learning_rate, start / a.final_div_factor);
      },
    },
  });
})(window.KerasLRPlayground);
