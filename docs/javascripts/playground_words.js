// The sentence of `describe`, from the template of each class in playground_spec.js. What a template
// may hold is said in keras_lr/wording.py.
(function (P) {
  "use strict";
  const { Built, Duration, SPEC } = P;
  const FULL_NAMES = { cos: "cosine", sqrt: "square-root" };
  const COMPARED = new Map([[0.5, "half as"], [1, "as"], [2, "twice as"]]);
  const LONGEST_LIST = 8;
  const MOST_STEPS = 100001;
  const FIELD = /\{(\w+)(?::([^}]*))?\}/g;

  // What templates say that is no argument.
  const DERIVED = {
    Bound: (a, built) => ({ in_steps: built.inner }),
    CosineDecay: (a) => {
      const peak = a.warmup_target === null ? a.initial_learning_rate : a.warmup_target;
      return { _peak: peak, _floor: a.alpha * peak };
    },
    CosineDecayRestarts: (a) => ({ _floor: a.alpha * a.initial_learning_rate }),
    CyclicalLearningRate: (a) => ({ _down: a.step_size_down === null ? a.step_size : a.step_size_down }),
    OneCycle: (a) => {
      const start = a.max_learning_rate / a.div_factor;
      return { _start: start, _end: start / a.final_div_factor };
    },
    WarmupStableDecay: (a) => {
      if (a.half_life === null) return { _fall: `a ${FULL_NAMES[a.shape] || a.shape} fall to` };
      return { _fall: `a fall by half every ${lengths([a.half_life], "steps")} towards` };
    },
  };
  const WHOLE = ["_down"];

  // A number as one writes it: 0.001, 1e-5, 5.2e-4, 12,000.
  function number(value, digits = 6) {
    if (Number.isInteger(value) && Math.abs(value) < 1e15) return P.grouped(value);
    if (Math.abs(value) >= 1e-3) return P.general(value, digits);
    const [mantissa, exponent] = P.rounded(value, digits);
    return P.general(Number(mantissa), 6) + "e" + exponent;
  }

  function listed(parts) {
    const shown = parts.length > LONGEST_LIST ? [...parts.slice(0, 3), "…", parts[parts.length - 1]] : parts;
    if (!shown.length) return "none";
    return shown.length > 1 ? shown.slice(0, -1).join(", ") + " and " + shown[shown.length - 1] : shown[0];
  }

  const unit = (noun, amount) => (amount === "1" ? noun.replace(/s$/, "") : noun);

  function counted(value, noun) {
    if (!(value instanceof Duration)) return [number(value), noun];
    if (value.unit === "epochs") return [number(value.amount), "epochs"];
    return [P.general(100 * value.amount, 4), "% of the training"];
  }

  // Durations with their unit, said once if they share it.
  function lengths(values, spec) {
    const all = values.map((value) => counted(value, spec === "at" ? "steps" : spec));
    const noun = all[0][1];
    if (all.some((one) => one[1] !== noun)) return listed(all.map(([amount, own]) => `${amount} ${unit(own, amount)}`));
    const amounts = all.map(([amount]) => amount);
    const several = unit(noun, amounts.length === 1 ? amounts[0] : "2");
    if (spec !== "at" || noun !== "steps") return `${listed(amounts)} ${several}`;
    return `${unit(noun, amounts.length === 1 ? "1" : "2")} ${listed(amounts)}`;
  }

  function plain(value) {
    if (value instanceof Duration) return lengths([value], "steps");
    if (typeof value === "number") return number(value);
    return typeof value === "string" ? FULL_NAMES[value] || value : P.repr(value);
  }

  function several(values, spec, whole) {
    if (values.every((value) => value instanceof Built)) {
      const parts = values.map(phrase);
      if (spec === "then") return parts.join(", then ");
      return (parts.length > 1 ? parts.map((part) => `(${part})`) : parts).join(` ${spec || "and"} `);
    }
    return spec && whole ? lengths(values, spec) : listed(values.map(plain));
  }

  // A value that a template asks for; `whole` says that numbers are steps and not rates.
  function word(value, spec, whole) {
    if (typeof value === "boolean") return value ? spec : "";
    if (value instanceof Built) return phrase(value);
    if (Array.isArray(value)) return several(value, spec, whole);
    if (spec && (value instanceof Duration || (typeof value === "number" && whole))) return lengths([value], spec);
    if (spec === "%") return value ? `${P.general(100 * value, 4)} %` : "0";
    if (spec === "times") return COMPARED.get(value) || `${number(value)} times as`;
    return plain(value);
  }

  // The template of a schedule's class, filled in.
  function phrase(built) {
    const { words, arguments: parameters } = SPEC.classes[built.name];
    if (built.name === "Tabulated") {
      const { values } = built.args;
      return `a table of ${lengths([values.length], "rates")} from ${number(values[0])} to ${number(values[values.length - 1])}`;
    }
    if (!words) return P.scheduleRepr(built);
    const find = (name) => parameters.find((parameter) => parameter.name === name);
    const template = words.replace(/<([^<>]*\{[^<>]*)>/g, (_, text) => {
      const name = /\{(\w+)/.exec(text)[1];
      const { default: standard } = find(name);
      return (standard === undefined ? built.args[name] : built.args[name] !== standard) ? text : "";
    });
    const values = { ...(DERIVED[built.name] ? DERIVED[built.name](built.args, built) : {}), ...built.args };
    const filled = template.replace(FIELD, (_, name, spec) => {
      return word(values[name], spec || "", find(name) ? P.isWhole(find(name).kind) : WHOLE.includes(name));
    });
    return filled.replace(/\b([Aa]) (?=[aeio])/g, "$1n ");
  }

  // First, highest and last rate, unless the text has them, and the mean, of a schedule with an end.
  function rates(built, text) {
    const end = built.bound ? built.length() : null;
    if (!end) return [];
    const count = Math.min(end + 1, MOST_STEPS);
    const stride = end / (count - 1);
    const steps = Array.from({ length: count }, (_, i) => (i === count - 1 ? end : Math.floor(i * stride)));
    const values = P.values(built, steps);
    const top = values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
    const last = count - 1;
    const chosen = values[top] > Math.max(values[0], values[last]) ? [0, top, last] : [0, last];
    const said = new Set(text.match(/\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?/g) || []);
    const fresh = chosen.filter((i) => !said.has(number(values[i])) || (steps[i] && !said.has(P.grouped(steps[i]))));
    const told = fresh.map((i) => `${number(values[i], 4)} at step ${P.grouped(steps[i])}`);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    return [[...told, `mean ${number(mean, 3)}`].join(", ")];
  }

  // What a schedule does, and what of its rates that does not say yet.
  function describe(built) {
    const text = phrase(built);
    return [text.slice(0, 1).toUpperCase() + text.slice(1), ...rates(built, text)].join("; ") + ".";
  }

  Object.assign(P, { describe });
})(window.KerasLRPlayground);
