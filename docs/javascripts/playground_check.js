// A schedule from its arguments: every check that the Python class makes, with its sentence.
// The kinds of argument, their bounds and words come from playground_spec.js.
(function (P) {
  "use strict";
  const { Num, Duration, Call, Tuple, Refusal } = P;
  const SPEC = window.KERAS_LR_SPEC;

  // A value that is not of its kind; `allowed` completes "must be …", and `hint` says what was perhaps meant.
  class Refused extends Error {
    constructor(allowed, hint) {
      super(allowed);
      this.allowed = allowed;
      this.hint = hint || "";
    }
    get sentence() {
      return this.hint ? `${this.allowed} (${this.hint})` : this.allowed;
    }
  }

  // A checked schedule: class, coerced arguments, and what its formula makes of them.
  class Built {
    constructor(name, args) {
      this.name = name;
      this.args = args;
      this.formula = P.formulas[name];
      this.bound = Object.values(args).every(isBound);
    }
    length() {
      return this.formula.length ? this.formula.length(this.args, this) : null;
    }
    // The rate as a function of one step.
    get rate() {
      if (!this.made) this.made = this.formula.rate(this.args, this);
      return this.made;
    }
  }

  function isBound(value) {
    if (Array.isArray(value)) return value.every(isBound);
    return value instanceof Built ? value.bound : !(value instanceof Duration);
  }

  function asNum(value) {
    return typeof value === "number" ? new Num(value, Number.isInteger(value)) : value;
  }

  const roundings = { nearest: (steps) => Math.floor(steps + 0.5), up: Math.ceil, down: Math.floor };

  // What a duration that is written as a text should be: "3 epochs", "10 %", "500 steps".
  function durationHint(text) {
    const match = /^\s*(\d+(?:\.\d+)?)\s*(epochs?|ep|steps?|batch(?:es)?|%|percent)?\s*$/i.exec(text);
    if (!match) return "";
    const [amount, unit] = [Number(match[1]), (match[2] || "steps").toLowerCase()];
    if (unit.startsWith("ep")) return `this duration is written \`epochs(${P.general(amount, 6)})\``;
    if (unit !== "%" && unit !== "percent") return `this number of steps is written ${P.general(amount, 6)}, without quotes`;
    return amount <= 100 ? `this share of the training is written \`fraction(${P.general(amount / 100, 6)})\`` : "";
  }

  const coerce = {
    Real(kind, value) {
      const number = asNum(value);
      if (!(number instanceof Num)) throw new Refused(kind.allowed);
      const low = kind.low === undefined ? -Infinity : kind.low;
      const below = kind.openLow ? number.value <= low : number.value < low;
      const above = kind.high !== undefined && number.value > kind.high;
      if (!Number.isFinite(number.value) || below || above) throw new Refused(kind.allowed);
      return number.value;
    },
    Whole(kind, value) {
      if (kind.steps && value instanceof Duration) {
        if (value.amount === 0 && kind.low > 0) throw new Refused(kind.allowed);
        return value;
      }
      const number = asNum(value);
      if (!(number instanceof Num)) throw new Refused(kind.allowed);
      const inside = kind.low <= number.value && number.value < kind.high;
      if (!inside || !Number.isInteger(number.value)) throw new Refused(kind.allowed);
      return number.value + 0; // −0 is 0
    },
    // A number of steps, which need not be whole.
    StepCount(kind, value) {
      if (value instanceof Duration) {
        if (value.amount === 0 && kind.low > 0) throw new Refused(kind.allowed);
        return value;
      }
      if (typeof value === "string") throw new Refused(kind.allowed, durationHint(value));
      const number = asNum(value);
      if (!(number instanceof Num)) throw new Refused(kind.allowed);
      const steps = number.value;
      const inside = kind.low <= steps && steps < kind.high;
      const share = steps > 0 && steps < 1 && (inside || kind.low > 0);
      if (share) throw new Refused(kind.allowed, `a share of the training is written \`fraction(${P.general(steps, 12)})\``);
      if (!inside || (steps !== 0 && Math.abs(steps) < 1)) throw new Refused(kind.allowed);
      const [p, q] = P.lengths.meant(Math.abs(steps)).map(Number);
      if (q !== 1 && kind.rounding === "none" && steps <= kind.high - 1) return steps;
      const sign = steps < 0 ? -1 : 1;
      const whole = q === 1 ? sign * p : roundings[kind.rounding](steps);
      if (!(kind.low <= whole && whole < kind.high)) throw new Refused(kind.allowed);
      return whole + 0; // −0 is 0
    },
    Several(kind, value) {
      if (!Array.isArray(value)) throw new Refused(kind.allowed);
      let items;
      try {
        items = value.map((item) => coerce[kind.item.type](kind.item, item));
      } catch (error) {
        throw error instanceof Refused ? new Refused(kind.allowed, error.hint) : error;
      }
      const raw = value.map((item) => (item instanceof Num ? item.value : item));
      const sorted = [raw, items].every((list) => list.every((item, i) => i === 0 || inOrder(kind.order, list[i - 1], item)));
      if (items.length < kind.atLeast || !sorted) throw new Refused(kind.allowed);
      return items;
    },
    OneOf(kind, value) {
      if (typeof value !== "string" || !kind.choices.includes(value)) throw new Refused(kind.allowed);
      return value;
    },
    Flag(kind, value) {
      if (typeof value !== "boolean") throw new Refused(kind.allowed);
      return value;
    },
    Text(kind, value) {
      if (typeof value !== "string") throw new Refused(kind.allowed);
      return value;
    },
    Optional(kind, value) {
      if (value === null) return null;
      try {
        return coerce[kind.kind.type](kind.kind, value);
      } catch (error) {
        throw error instanceof Refused ? new Refused(kind.allowed, error.hint) : error;
      }
    },
    Inner(kind, value) {
      if (value instanceof Built) return value;
      if (!(asNum(value) instanceof Num)) throw new Refused(kind.allowed);
      return new Built("Constant", { learning_rate: coerce.Real(kind.rate, value) });
    },
  };

  // Whether numbers of this kind are counts or steps, and not rates.
  P.isWhole = (kind) =>
    kind.type === "Whole" || kind.type === "StepCount" || ["kind", "item"].some((inner) => kind[inner] && P.isWhole(kind[inner]));

  function inOrder(order, a, b) {
    if (order === null) return true;
    const units = a instanceof Duration && b instanceof Duration && a.unit === b.unit;
    if (!units && (a instanceof Duration || b instanceof Duration)) return true;
    const [x, y] = units ? [a.amount, b.amount] : [a, b];
    return order === "lt" ? x < y : x <= y;
  }

  // A coerced value as Python has it: floats, ints and tuples by kind.
  function dressed(kind, value) {
    if (value === null) return null;
    if (kind.type === "Optional") return dressed(kind.kind, value);
    if (kind.type === "Several") return new Tuple(value.map((item) => dressed(kind.item, item)));
    return typeof value === "number" ? new Num(value, P.isWhole(kind) && Number.isInteger(value)) : value;
  }

  function sentence(owner, name, allowed, value) {
    return `${owner}: \`${name}\` must be ${allowed}, got ${P.shortRepr(value)}`;
  }

  // The schedule of a class with these values, which are raw, coerced, or built schedules.
  function construct(name, values, node) {
    const args = {};
    for (const argument of SPEC.classes[name].arguments) {
      const value = argument.name in values ? values[argument.name] : argument.default;
      try {
        args[argument.name] = coerce[argument.kind.type](argument.kind, value);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        throw new Refusal(sentence(name, argument.name, error.sentence, value), node, argument.name);
      }
    }
    const built = new Built(name, args);
    const refuse = (which, allowed) => {
      const { kind } = SPEC.classes[name].arguments.find((argument) => argument.name === which);
      throw new Refusal(sentence(name, which, allowed, dressed(kind, args[which])), node, which);
    };
    const { validate, validateSteps } = built.formula;
    if (validate) validate(args, refuse, built);
    if (validateSteps && built.bound) validateSteps(args, refuse, built);
    return built;
  }

  // A schedule as it was written, checked from the inside out.
  function build(raw) {
    if (Array.isArray(raw)) return raw.map(build);
    if (!(raw instanceof Call)) return raw;
    const values = {};
    for (const { name } of SPEC.classes[raw.name].arguments) {
      if (name in raw.args) values[name] = build(raw.args[name]);
    }
    return construct(raw.name, values, raw);
  }

  // repr(schedule).
  function scheduleRepr(built) {
    const shown = [];
    for (const argument of SPEC.classes[built.name].arguments) {
      const value = built.args[argument.name];
      const source = P.repr(dressed(argument.kind, value), true);
      if (!("default" in argument)) shown.push(source);
      else if (value !== argument.default) shown.push(argument.name + "=" + source);
    }
    return built.name + "(" + shown.join(", ") + ")";
  }

  // The rates at steps; a schedule with units is refused as in Python.
  function values(built, steps) {
    if (!built.bound) {
      throw new Refusal(
        scheduleRepr(built) +
          " has durations in epochs or fractions, which are not known yet: give `BindSchedule()` to `fit` as a " +
          "callback, or use `schedule.bind(steps_per_epoch=…, epochs=…)`"
      );
    }
    return steps.map(built.rate);
  }

  Object.assign(P, { SPEC, Built, build, construct, values, scheduleRepr });
})(window.KerasLRPlayground);
