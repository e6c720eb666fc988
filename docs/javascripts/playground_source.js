// A schedule to a line of Python.
(function (P) {
  "use strict";
  const { Num, Call, SPEC } = P;

  const isCall = (raw, name) => raw instanceof Call && (name === undefined || raw.name === name);
  // How tightly an operator binds; a call binds tightest.
  const CHAIN = 1;
  const SUM = 2;
  const PRODUCT = 3;
  const CALL = 4;

  function same(raw, standard) {
    return raw instanceof Num ? raw.value === standard : raw === standard;
  }

  function source(raw) {
    if (raw instanceof Call) return line(raw);
    if (Array.isArray(raw)) return "[" + raw.map(source).join(", ") + "]";
    if (typeof raw === "string" && /^[\w ]*$/.test(raw)) return '"' + raw + '"';
    return P.repr(raw);
  }

  // Arguments in parentheses: those without a default by position, the others by name if they differ.
  function written(parameters, args) {
    const shown = [];
    for (const { name, ...parameter } of parameters) {
      if (!(name in args) || ("default" in parameter && same(args[name], parameter.default))) continue;
      shown.push(("default" in parameter ? name + "=" : "") + source(args[name]));
    }
    return "(" + shown.join(", ") + ")";
  }

  function receiver(raw) {
    const [text, strength] = strong(raw);
    return strength < CALL ? "(" + text + ")" : text;
  }

  function operands(parts, operator, strength) {
    return parts
      .map((part, i) => {
        if (!isCall(part)) return source(part);
        const [text, own] = strong(part);
        return own < strength || (own === strength && i > 0) ? "(" + text + ")" : text;
      })
      .join(` ${operator} `);
  }

  // Whether an operator makes just this: a schedule first, and nothing that would be flattened.
  function joinable(raw, parts) {
    const { schedules } = raw.args;
    const right = (part) => (isCall(part) ? part.name !== raw.name : part instanceof Num && parts.includes("number"));
    return Array.isArray(schedules) && isCall(schedules[0]) && schedules.every(right);
  }

  const asMethod = {
    Clip: (raw) => ["clip", SPEC.classes.Clip.arguments.slice(1), raw.args],
    Cooldown: (raw) => ["cooldown", SPEC.classes.Cooldown.arguments.slice(1), raw.args],
    Shifted: (raw) =>
      isCall(raw.args.schedule, "Shifted") ? null : ["from_step", SPEC.classes.Shifted.arguments.slice(1), raw.args],
    Bound(raw) {
      const parameters = SPEC.classes.Bound.arguments.slice(1).map((parameter) => ({ ...parameter, default: undefined }));
      return P.hasUnits(raw.args.schedule) ? ["bind", parameters, raw.args] : null;
    },
    OppositePhase(raw) {
      const defaults = SPEC.momentum[raw.args.schedule.name];
      if (!defaults) return null;
      const parameters = SPEC.classes.OppositePhase.arguments.slice(1);
      return ["momentum", parameters.map((p) => ({ ...p, default: defaults[p.name] })), raw.args];
    },
  };

  const asOperator = {
    Chain: (raw) => joinable(raw, ["number"]) && raw.args.schedules.length > 1 && [operands(raw.args.schedules, ">>", CHAIN), CHAIN],
    Sum: (raw) => joinable(raw, ["number"]) && raw.args.schedules.length > 1 && [operands(raw.args.schedules, "+", SUM), SUM],
    Product(raw) {
      const { schedules, factor } = raw.args;
      const scaled = factor instanceof Num && factor.value !== 1;
      const allowed = !scaled || (factor.value >= 0 && Number.isFinite(factor.value));
      const usable = factor === undefined || (factor instanceof Num && allowed);
      if (!usable || !joinable(raw, []) || (schedules.length < 2 && !scaled)) return null;
      return [operands(scaled ? [...schedules, factor] : schedules, "*", PRODUCT), PRODUCT];
    },
  };

  // The source of a schedule, and how tightly it holds together.
  function strong(raw) {
    const operator = asOperator[raw.name] && asOperator[raw.name](raw);
    if (operator) return operator;
    const method = asMethod[raw.name] && isCall(raw.args.schedule) && asMethod[raw.name](raw);
    if (method) return [`${receiver(raw.args.schedule)}.${method[0]}${written(method[1], method[2])}`, CALL];
    return [raw.name + written(SPEC.classes[raw.name].arguments, raw.args), CALL];
  }

  const line = (raw) => strong(raw)[0];

  // The names of keras_lr that a line uses, for its import.
  function names(text) {
    const known = new Set([...Object.keys(SPEC.classes), "epochs", "fraction"]);
    const found = text.replace(/"[^"]*"|'[^']*'/g, "").match(/\.?[A-Za-z]\w*(?=\()/g) || [];
    return [...new Set(found)].filter((name) => known.has(name)).sort();
  }

  Object.assign(P, { line, source, names });
})(window.KerasLRPlayground);
