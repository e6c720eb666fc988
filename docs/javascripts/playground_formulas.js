// The formulas of keras_lr in float64, one entry a class: from arguments `a` to the rate as a function of step t.
// What falls to zero is computed from the steps that remain, so that it does not cancel.
(function (P) {
  "use strict";
  const LIMIT = 2 ** 31;
  const MOST_RESTARTS = 100000;

  const clip = (t, low, high) => Math.min(Math.max(t, low), high);
  const progress = (t, n) => clip(t, 0, n) / n;
  const remaining = (t, n) => (n - clip(t, 0, n)) / n;
  const stair = (t, n) => Math.floor(t / n);
  const mix = (low, high, share) => (low === 0 ? share * high : (1 - share) * low + share * high);

  // (1 − cos(π·left))/2, from 1 to 0 as the share that is left.
  const cosine = (left) => Math.sin((left * Math.PI) / 2) ** 2;

  // A fall from 1 at step 0 to 0 at step n.
  const falls = {
    linear: (t, n) => remaining(t, n),
    cosine: (t, n) => cosine(remaining(t, n)),
    sqrt: (t, n) => remaining(t, n) / (1 + Math.sqrt(progress(t, n))),
    exponential: (t, n) => Math.expm1(remaining(t, n) * Math.LN2),
    halving: (t, n, halfLife) => Math.exp(-Math.min(t, n) * (Math.LN2 / halfLife)),
  };

  // From the initial to the end rate, by the share that is left at a step.
  const between = (a, share) => (t) => mix(a.end_learning_rate, a.initial_learning_rate, share(t));

  // From the n steps that are left: √(n·(n + 2·(U − N))), over the same at n = N.
  function hyperbola(a) {
    const beyond = 2 * (a.upper_bound - a.decay_steps);
    const part = a.decay_steps / a.upper_bound;
    const height = Math.sqrt(part * (2 - part));
    const [start, infimum] = [a.initial_learning_rate, a.infimum_learning_rate];
    const isExponential = a.shape === "exponential";
    const end = isExponential ? start * (infimum / start) ** height : (1 - height) * start + height * infimum;
    return (t) => {
      const left = a.decay_steps - Math.min(t, a.decay_steps);
      const share = Math.sqrt((left / a.decay_steps) * ((left + beyond) / (a.decay_steps + beyond)));
      return isExponential ? end * Math.exp(share * Math.log(start / end)) : mix(end, start, share);
    };
  }

  // How many of the sorted edges have been reached.
  function segment(t, edges) {
    let [low, high] = [0, edges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (edges[middle] <= t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // Cycle c = ⌈t/n⌉, at least 1, ends at step c·n: the share of c·n that is left.
  function leftOfCycle(t, n) {
    const cycle = Math.max(1, Math.ceil(t / n));
    return (cycle * n - t) / (cycle * n);
  }

  // 1 − x^k: in the second half from the steps that remain.
  function kLeft(t, n, k) {
    const x = progress(t, n);
    return 2 * x < 1 ? 1 - x ** k : -Math.expm1(k * Math.log1p(-remaining(t, n)));
  }

  function interpolated(a) {
    const edges = a.boundaries;
    const end = edges.length - 1;
    return (t) => {
      if (t <= edges[0]) return a.values[0];
      if (t >= edges[end]) return a.values[end];
      const i = segment(t, edges) - 1;
      const gone = (t - edges[i]) / (edges[i + 1] - edges[i]);
      return mix(a.values[i], a.values[i + 1], a.shape === "cosine" ? cosine(gone) : gone);
    };
  }

  function zigzag(a) {
    const [up, down] = [a.step_size, a.step_size_down === null ? a.step_size : a.step_size_down];
    const heights = { triangular: () => 1, triangular2: (t) => 0.5 ** stair(t, up + down), exp_range: (t) => a.gamma ** t };
    return (t) => {
      const since = t % (up + down);
      const height = Math.min(since / up, (up + down - since) / down) * heights[a.mode](t);
      return mix(a.initial_learning_rate, a.maximal_learning_rate, height);
    };
  }

  function wave(a) {
    const n = a.step_size;
    return (t) => {
      const up = stair(t, n) % 2 ? n - (t % n) : t % n;
      return mix(a.initial_learning_rate, a.maximal_learning_rate, cosine(up / n));
    };
  }

  // The whole steps at which the cycles of CosineDecayRestarts begin.
  function starts(first, ratio) {
    const found = [0];
    const growth = Math.log(ratio);
    while (found[found.length - 1] < LIMIT - 1 && found.length <= MOST_RESTARTS) {
      const total = (first * Math.expm1(found.length * growth)) / Math.expm1(growth);
      const following = Math.min(Math.floor(total + 0.5), LIMIT - 1);
      if (following === found[found.length - 1]) break;
      found.push(following);
    }
    return found;
  }

  function restarting(a) {
    const n = a.first_decay_steps;
    const edges = a.t_mul === 1 ? null : starts(n, a.t_mul);
    const inner = edges && edges.slice(1, -1);
    return (t) => {
      const held = edges ? Math.min(t, edges[edges.length - 1]) : t;
      const cycle = edges ? segment(held, inner) : stair(t, n);
      const [start, end] = edges ? [edges[cycle], edges[cycle + 1]] : [cycle * n, (cycle + 1) * n];
      return a.initial_learning_rate * mix(a.alpha, 1, a.m_mul ** cycle * cosine((end - held) / (end - start)));
    };
  }

  function stable(a) {
    const start = a.total_steps - a.decay_steps;
    return (t) => {
      const rising = a.warmup_steps ? progress(t, a.warmup_steps) : 1;
      if (!a.decay_steps || t < start) return a.learning_rate * rising;
      return mix(a.end_learning_rate, a.learning_rate, falls[a.shape](t - start, a.decay_steps, a.half_life));
    };
  }

  // The phases of a one-cycle end at fractional steps.
  function oneCycle(a) {
    const peak = a.max_learning_rate;
    const start = peak / a.div_factor;
    const end = start / a.final_div_factor;
    const last = a.total_steps - 1;
    const top = a.pct_start * a.total_steps - 1;
    const phase = (t, from, to, before, after) => {
      const left = to <= from ? 0 : clip((to - t) / (to - from), 0, 1);
      return mix(after, before, a.anneal_strategy === "cos" ? cosine(left) : left);
    };
    return (t) => {
      if (t <= top) return phase(t, 0, top, start, peak);
      if (!a.three_phase) return phase(t, top, last, peak, end);
      return t <= 2 * top ? phase(t, top, 2 * top, peak, start) : phase(t, 2 * top, last, start, end);
    };
  }

  P.formulas = {
    Constant: (a) => () => a.learning_rate,
    CosineDecay: (a) => (t) => a.initial_learning_rate * mix(a.alpha, 1, falls.cosine(t, a.decay_steps)),
    CosineDecayRestarts: restarting,
    CyclicalLearningRate: zigzag,
    ExponentialDecay: (a) => (t) => a.initial_learning_rate * a.decay_rate ** (a.staircase ? stair(t, a.decay_steps) : t / a.decay_steps),
    HyperbolicLR: hyperbola,
    InverseSquareRootDecay: (a) => (t) => a.learning_rate * (t < a.warmup_steps ? t / a.warmup_steps : Math.sqrt(a.warmup_steps / t)),
    KDecay: (a) => between(a, (t) => (a.shape === "cosine" ? cosine(kLeft(t, a.decay_steps, a.k)) : kLeft(t, a.decay_steps, a.k) ** a.power)),
    LinearDecay: (a) => between(a, (t) => remaining(t, a.decay_steps)),
    MultiStepDecay: (a) => (t) => a.initial_learning_rate * a.decay_rate ** segment(t, a.milestones),
    OneCycle: oneCycle,
    // The old rate still holds at the boundary.
    PiecewiseConstantDecay: (a) => (t) => a.values[segment(t - 1, a.boundaries)],
    PiecewiseInterpolation: interpolated,
    PolynomialDecay: (a) => between(a, (t) => (a.cycle ? leftOfCycle(t, a.decay_steps) : remaining(t, a.decay_steps)) ** a.power),
    PowerLawDecay: (a) => (t) => a.learning_rate * (a.hold_steps / Math.max(t, a.hold_steps)) ** a.exponent,
    REXDecay: (a) => between(a, (t) => (2 * remaining(t, a.decay_steps)) / (1 + remaining(t, a.decay_steps))),
    SinusoidalLearningRate: wave,
    StepDecay: (a) => (t) => a.initial_learning_rate * a.decay_rate ** stair(t, a.decay_steps),
    // (1 − tanh z)/2 = 1/(1 + e^2z)
    TanhDecay: (a) => between(a, (t) => 1 / (1 + Math.exp(2 * mix(a.upper, a.lower, remaining(t, a.decay_steps))))),
    TimeBasedDecay: (a) => (t) => a.initial_learning_rate / (1 + a.decay_rate * (a.staircase ? stair(t, a.decay_steps) : t / a.decay_steps)),
    WarmupStableDecay: stable,
  };

  // A linear warmup of n steps before another schedule.
  P.warmedUp = (rate, n) => (t) => (t < n ? (t / n) * rate(0) : rate(t - n));
})((window.KerasLRPlayground = window.KerasLRPlayground || {}));
