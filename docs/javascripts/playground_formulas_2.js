// More formulas: cycles, whole trainings, and schedules made of schedules.
(function (P) {
  "use strict";
  const { LIMIT, Duration, clip, since, progress, remaining, mix, power, cosine, fall, segment, float } = P.curves;
  const { lengthOf, notAbove, notBelow } = P.rules;
  const MOST_RESTARTS = 100000;
  const PRIME = 46337;

  // Where between its bounds a zigzag is, from 0 to 1.
  function zigzag(a) {
    const up = a.step_size;
    const cycle = up + downSteps(a);
    const heights = { triangular: () => 1, triangular2: (t) => 0.5 ** Math.floor(t / cycle), exp_range: (t) => power(a.gamma, t) };
    return (t) => {
      const position = t % cycle;
      const height = position < up ? position / up : (cycle - position) / (cycle - up);
      return height * heights[a.mode](t);
    };
  }
  const downSteps = (a) => (a.step_size_down === null ? a.step_size : a.step_size_down);

  // The course of a one-cycle between three levels; its phases end at fractional steps.
  function oneCycle(a, start, peak, end) {
    const last = a.total_steps - 1;
    const top = Math.max(a.pct_start * a.total_steps - 1, 0);
    const middle = Math.min(2 * top, last);
    const phase = (t, from, to, before, after) => {
      if (to <= from) return after;
      const first = Math.floor(from);
      const final = Math.ceil(to);
      const held = clip(t, first, final);
      const gone = clip((held - first - (from - first)) / (to - from), 0, 1);
      const left = clip((final - held - (final - to)) / (to - from), 0, 1);
      return mix(after, before, a.anneal_strategy === "cos" ? cosine(gone, left) : left);
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

  function restarting(a) {
    const n = a.first_decay_steps;
    const starts = a.t_mul === 1 ? null : restarts(n, a.t_mul);
    const edges = starts && starts.slice(1, -1);
    return (t) => {
      const held = starts ? Math.min(t, starts[starts.length - 1]) : t;
      const cycle = starts ? segment(held, edges) : Math.floor(t / n);
      const [start, end] = starts ? [starts[cycle], starts[cycle + 1]] : [cycle * n, (cycle + 1) * n];
      const height = cosine((held - start) / (end - start), (end - held) / (end - start));
      return a.initial_learning_rate * mix(a.alpha, 1, a.m_mul === 1 ? height : power(a.m_mul, cycle) * height);
    };
  }

  // A number in [0, PRIME) for a step and a seed.
  function hash(t, seed) {
    let state = t % PRIME;
    for (const salt of [Math.floor(t / PRIME) % PRIME, seed % PRIME, Math.floor(seed / PRIME) % PRIME]) {
      for (const [multiplier, increment] of [[31607, 7919], [27893, 12347]]) {
        state = (state * multiplier + salt + increment) % PRIME;
        state = (((state * state) % PRIME) + state * 5) % PRIME;
      }
    }
    return state;
  }

  // Schedules that follow one another at boundaries, each from its own step 0.
  const joined = (schedules, boundaries) => (t) => {
    const i = segment(t, boundaries);
    return schedules[i].rate(i ? t - boundaries[i - 1] : t);
  };

  // Steps until the last of several has come to its end; a constant has none to come to.
  function longest(schedules) {
    const lengths = schedules.filter((schedule) => schedule.name !== "Constant").map(lengthOf);
    return lengths.length && !lengths.includes(null) ? Math.max(...lengths) : null;
  }

  const plus = (length, more) => (length === null ? null : length + more);
  const innerLength = (a) => lengthOf(a.schedule);

  function chainBoundaries(a, refuse) {
    const boundaries = [];
    for (const schedule of a.schedules.slice(0, -1)) {
      const length = schedule.bound ? lengthOf(schedule) : 0;
      if (length === null || !P.SPEC.classes[schedule.name].ends) {
        const what = P.scheduleRepr(schedule);
        refuse("schedules", `schedules with an end, except for the last, and ${what} has none (use \`Sequential\`)`);
      }
      boundaries.push(length + (boundaries.length ? boundaries[boundaries.length - 1] : 0));
    }
    return boundaries;
  }

  function pacedTicks(a) {
    return (t) => {
      const i = segment(t, a.steps.slice(1));
      const gone = t - a.steps[i];
      const [up, down, tick] = [a.numerators[i], a.denominators[i], a.ticks[i]];
      const whole = Math.min(Math.floor(gone / down), Math.floor((LIMIT - 1 - tick) / up) - 1);
      return tick + whole * up + Math.floor(((gone % down) * up) / down);
    };
  }

  // A schedule with its epochs and fractions in steps.
  function inSteps(part, a) {
    if (Array.isArray(part)) return part.map((item) => inSteps(item, a));
    if (part instanceof Duration) return part.steps(a.steps_per_epoch, a.epochs);
    if (!(part instanceof P.Built) || part.bound) return part;
    const args = {};
    for (const [name, value] of Object.entries(part.args)) args[name] = inSteps(value, a);
    return P.construct(part.name, args, null);
  }

  const last = (items) => items[items.length - 1];

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
      length: innerLength,
      rate: (a) => {
        const height = a.schedule.formula.height(a.schedule.args);
        return (t) => mix(a.high, a.low, height(t));
      },
    },
    SinusoidalLearningRate: {
      validate: notBelow,
      rate: (a) => (t) => {
        const n = a.step_size;
        const position = t % n;
        const [up, down] = Math.floor(t / n) % 2 ? [n - position, position] : [position, n - position];
        return mix(a.initial_learning_rate, a.maximal_learning_rate, cosine(down / n, up / n));
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
      validate: notAbove("learning_rate", "end_learning_rate"),
      validateSteps(a, refuse) {
        const parts = a.warmup_steps + a.decay_steps;
        if (parts > a.total_steps) refuse("total_steps", `at least warmup and decay together (${parts})`);
      },
      length: (a) => a.total_steps,
      rate: (a) => (t) => {
        const start = a.total_steps - a.decay_steps;
        if (a.decay_steps && t >= start) {
          return mix(a.end_learning_rate, a.learning_rate, fall(a.shape, t - start, a.decay_steps));
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
    Warmup: {
      validate(a, refuse) {
        if (a.shape === "exponential" && a.start === 0) refuse("start", "above 0 for an exponential warmup");
      },
      length: (a) => plus(lengthOf(a.schedule), a.warmup_steps),
      rate: (a) => {
        const n = a.warmup_steps;
        const shapes = {
          linear: (t) => mix(a.start, 1, progress(t, n)),
          cosine: (t) => mix(a.start, 1, cosine(remaining(t, n), progress(t, n))),
          exponential: (t) => power(a.start, remaining(t, n)),
        };
        return (t) => (t < n ? shapes[a.shape](t) * a.schedule.rate(0) : a.schedule.rate(t - n));
      },
    },
    Sequential: {
      validate(a, refuse) {
        const count = a.schedules.length - 1;
        if (a.boundaries.length !== count) refuse("boundaries", `one fewer than there are \`schedules\` (${count})`);
      },
      length: (a) => plus(lengthOf(last(a.schedules)), a.boundaries.length ? last(a.boundaries) : 0),
      rate: (a) => joined(a.schedules, a.boundaries),
    },
    Chain: {
      validate: chainBoundaries,
      length: (a) => plus(lengthOf(last(a.schedules)), last([0, ...chainBoundaries(a)])),
      rate: (a) => joined(a.schedules, chainBoundaries(a)),
    },
    Cooldown: {
      length: (a) => a.at + a.steps,
      rate: (a) => (t) =>
        t < a.at
          ? a.schedule.rate(t)
          : mix(a.end_learning_rate, a.schedule.rate(a.at), fall(a.shape, t - a.at, a.steps)),
    },
    Bound: {
      validate(a, refuse, built) {
        built.bound = true;
        built.inner = inSteps(a.schedule, a);
      },
      length: (a, built) => lengthOf(built.inner),
      rate: (a, built) => built.inner.rate,
    },
    Paced: {
      validate(a, refuse) {
        for (const name of ["ticks", "numerators", "denominators"]) {
          if (a[name].length !== a.steps.length) refuse(name, `as long as \`steps\` (${a.steps.length})`);
        }
        const increasing = a.steps.every((step, i) => i === 0 || step > a.steps[i - 1]);
        if (a.steps[0] !== 0 || !increasing) refuse("steps", "0 and then strictly increasing");
      },
      rate: (a) => {
        const ticks = pacedTicks(a);
        return (t) => a.schedule.rate(ticks(t));
      },
    },
    Reduced: {
      length: innerLength,
      rate: (a) => (t) => {
        const rate = a.schedule.rate(t);
        return a.min_lr ? Math.max(a.scale * rate, Math.min(rate, a.min_lr)) : a.scale * rate;
      },
    },
    Product: {
      length: (a) => longest(a.schedules),
      rate: (a) => (t) => a.factor * a.schedules.reduce((value, schedule) => value * schedule.rate(t), 1),
    },
    Sum: {
      length: (a) => longest(a.schedules),
      rate: (a) => (t) => a.schedules.reduce((value, schedule) => value + schedule.rate(t), 0),
    },
    Clip: {
      validate(a, refuse) {
        if (a.high !== null && a.high < a.low) refuse("high", `at least \`low\` (${float(a.low)})`);
      },
      length: innerLength,
      rate: (a) => (t) => {
        const value = Math.max(a.schedule.rate(t), a.low);
        return a.high === null ? value : Math.min(value, a.high);
      },
    },
    Shifted: {
      length: (a) => (innerLength(a) === null ? null : Math.max(innerLength(a) - a.steps, 0)),
      // Held at the last step that a counter of 32 bits can reach.
      rate: (a) => (t) =>
        a.schedule.rate(a.steps >= 0 ? Math.min(t, LIMIT - 1 - a.steps) + a.steps : since(t, -a.steps)),
    },
    Repeat: {
      rate: (a) => (t) => power(a.factor, Math.floor(t / a.every)) * a.schedule.rate(t % a.every),
    },
    PerUpdate: {
      length: (a) => (innerLength(a) === null ? null : innerLength(a) * a.accumulation_steps),
      rate: (a) => (t) => a.schedule.rate(Math.floor(t / a.accumulation_steps)),
    },
    Noise: {
      length: innerLength,
      rate: (a) => (t) => a.schedule.rate(t) * (1 + a.amplitude * (hash(t, a.seed) * (2 / PRIME) - 1)),
    },
  });
})(window.KerasLRPlayground);
