// Formulas of schedules that hold others.
(function (P) {
  "use strict";
  const { Duration } = P;
  const { LIMIT, since, progress, remaining, mix, power, cosine, fall, segment, float } = P.curves;
  const { lengthOf } = P.rules;
  const PRIME = 46337;

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
    Warmup: {
      validate(a, refuse) {
        if (a.shape === "exponential" && a.start === 0) refuse("start", "above 0 for an exponential warmup");
      },
      length: (a) => plus(lengthOf(a.schedule), a.warmup_steps),
      rate: (a) => {
        const n = a.warmup_steps;
        const shapes = {
          linear: (t) => mix(a.start, 1, progress(t, n)),
          cosine: (t) => mix(a.start, 1, cosine(progress(t, n))),
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
