// A line of Python to a schedule: calls of the classes, their methods, >> * / +, numbers, lists.
// The language is small; whatever else stands in the line is refused with its place.
(function (P) {
  "use strict";
  const { Num, Duration, Call, Refusal, SPEC } = P;

  const TOKEN = /\s*(?:(\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(>>|\/\/|\*\*|[-+*/%()[\].,=]))/y;
  const BINARY = { ">>": 1, "+": 2, "-": 2, "*": 3, "/": 3, "//": 3, "%": 3, "**": 5 };
  const NAMES = { True: true, False: false, None: null };

  function tokens(text) {
    const found = [];
    TOKEN.lastIndex = 0;
    while (text.slice(TOKEN.lastIndex).trim()) {
      const at = TOKEN.lastIndex;
      const match = TOKEN.exec(text);
      if (!match) throw new Refusal(`This is not Python that the playground reads: \`${text.slice(at).trim().slice(0, 20)}\``);
      const kind = ["number", "name", "string", "operator"][match.slice(1).findIndex((group) => group !== undefined)];
      found.push({ kind, text: match[0].trim() });
    }
    return found;
  }

  // The expression in what was pasted: without imports, comments, and `schedule =`.
  function expression(text) {
    const lines = text.split("\n").filter((line) => !/^\s*(from|import|#)(\s|$)/.test(line));
    return lines.join(" ").trim().replace(/^[A-Za-z_]\w*\s*=\s*/, "");
  }

  class Parser {
    constructor(text) {
      this.tokens = tokens(text);
      this.at = 0;
    }
    get next() {
      return this.tokens[this.at] || { kind: "end", text: "the end of the line" };
    }
    is(text) {
      return this.next.kind === "operator" && this.next.text === text;
    }
    take(text) {
      if (!this.is(text)) return false;
      this.at += 1;
      return true;
    }
    expect(text) {
      if (!this.take(text)) throw new Refusal(`Expected \`${text}\`, found \`${this.next.text}\``);
    }
    whole() {
      const value = this.binary(1);
      if (this.next.kind !== "end") throw new Refusal(`Expected the end of the line, found \`${this.next.text}\``);
      return value;
    }
    binary(lowest) {
      let left = this.unary();
      while (this.next.kind === "operator" && BINARY[this.next.text] >= lowest) {
        const operator = this.next.text;
        this.at += 1;
        const strength = BINARY[operator];
        left = operate(operator, left, operator === "**" ? this.binary(strength) : this.binary(strength + 1));
      }
      return left;
    }
    unary() {
      if (this.take("+")) return this.unary();
      if (!this.take("-")) return this.postfix();
      const value = this.binary(BINARY["**"]);
      if (!(value instanceof Num)) throw new Refusal("`-` is for numbers");
      return new Num(-value.value, value.whole, value.text && "-" + value.text);
    }
    postfix() {
      let value = this.atom();
      while (this.take(".")) {
        const name = this.name();
        this.expect("(");
        value = method(value, name, this.list(")", true));
      }
      return value;
    }
    name() {
      if (this.next.kind !== "name") throw new Refusal(`Expected a name, found \`${this.next.text}\``);
      this.at += 1;
      return this.tokens[this.at - 1].text;
    }
    atom() {
      const { kind, text } = this.next;
      if (kind === "name") return this.named(this.name());
      this.at += 1;
      if (kind === "number") return number(text);
      if (kind === "string") return text.slice(1, -1).replace(/\\(.)/g, (_, c) => ({ n: "\n", t: "\t", r: "\r" })[c] || c);
      if (text === "[" && kind === "operator") return this.list("]", false).positional;
      if (text !== "(" || kind !== "operator") throw new Refusal(`Expected a schedule or a value, found \`${text}\``);
      const value = this.binary(1);
      if (this.is(",")) throw new Refusal("Write a list, [ ], instead of a tuple");
      this.expect(")");
      return value;
    }
    named(name) {
      if (name in NAMES) return NAMES[name];
      if (name === "keras_lr" || name === "klr") {
        this.expect(".");
        return this.named(this.name());
      }
      if (!(name in SPEC.classes) && name !== "epochs" && name !== "fraction") {
        throw new Refusal(`\`${name}\` is no schedule of this page`);
      }
      this.expect("(");
      const given = this.list(")", true);
      return name in SPEC.classes ? call(name, given) : duration(name, given);
    }
    list(end, keywords) {
      const given = { positional: [], named: {} };
      while (!this.take(end)) {
        const after = this.tokens[this.at + 1];
        if (keywords && this.next.kind === "name" && after && after.text === "=") {
          const name = this.name();
          this.expect("=");
          given.named[name] = this.binary(1);
        } else {
          given.positional.push(this.binary(1));
        }
        if (!this.is(end)) this.expect(",");
      }
      return given;
    }
  }

  function number(text) {
    const plain = text.replace(/_/g, "");
    return new Num(Number(plain), /^\d+$/.test(plain), plain);
  }

  // Arguments to parameters, with the complaints of Python's inspect.
  function bind(owner, parameters, given) {
    const names = parameters.map((parameter) => parameter.name);
    const complain = (what) => {
      throw new Refusal(`${owner}: ${what}; the arguments are ${names.join(", ")}`);
    };
    const args = {};
    if (given.positional.length > names.length) complain("too many positional arguments");
    given.positional.forEach((value, i) => (args[names[i]] = value));
    for (const name of names) {
      if (name in given.named && name in args) complain(`multiple values for argument '${name}'`);
      if (name in given.named) args[name] = given.named[name];
    }
    for (const parameter of parameters) {
      if (!(parameter.name in args) && !("default" in parameter)) {
        complain(`missing a required argument: '${parameter.name}'`);
      }
    }
    const unknown = Object.keys(given.named).find((name) => !names.includes(name));
    if (unknown) complain(`got an unexpected keyword argument '${unknown}'`);
    return args;
  }

  const call = (name, given) => new Call(name, bind(name, SPEC.classes[name].arguments, given));

  function duration(unit, given) {
    const [name, allowed, most] =
      unit === "epochs" ? ["count", "a finite number >= 0", Infinity] : ["share", "a number in [0, 1]", 1];
    const value = bind(unit, [{ name }], given)[name];
    const amount = value instanceof Num ? value.value : NaN;
    if (!(amount >= 0 && amount <= most && Number.isFinite(amount))) {
      throw new Refusal(`${unit}: \`${name}\` must be ${allowed}, got ${P.repr(value)}`);
    }
    return new Duration(unit, amount);
  }

  // The methods that make a schedule of a schedule: class, and its parameters after the first.
  const METHODS = { clip: "Clip", cooldown: "Cooldown", bind: "Bound", from_step: "Shifted", momentum: "OppositePhase" };

  function method(receiver, name, given) {
    if (!(receiver instanceof Call) || !(name in METHODS)) throw new Refusal(`There is no method \`${name}\` here`);
    const target = METHODS[name];
    let parameters = SPEC.classes[target].arguments.slice(1);
    if (name === "momentum") {
      const defaults = SPEC.momentum[receiver.name];
      if (!defaults) throw new Refusal(`${receiver.name} has no momentum partner: only cycles have`);
      parameters = parameters.map((parameter) => ({ ...parameter, default: defaults[parameter.name] }));
      const args = bind(name, parameters, given);
      const filled = parameters.map((p) => [p.name, p.name in args ? args[p.name] : new Num(p.default, false)]);
      return new Call(target, { schedule: receiver, ...Object.fromEntries(filled) });
    }
    const args = bind(name, parameters, given);
    if (name === "bind" && !hasUnits(receiver)) return receiver;
    const inner = receiver.args;
    if (name === "from_step" && receiver.name === "Shifted" && args.steps instanceof Num && inner.steps instanceof Num) {
      return new Call(target, { schedule: inner.schedule, steps: new Num(inner.steps.value + args.steps.value, true) });
    }
    return new Call(target, { schedule: receiver, ...args });
  }

  // Whether a duration in another unit than steps waits to be bound.
  function hasUnits(raw) {
    if (Array.isArray(raw)) return raw.some(hasUnits);
    if (raw instanceof Call) return raw.name !== "Bound" && Object.values(raw.args).some(hasUnits);
    return raw instanceof Duration;
  }

  const ARITHMETIC = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": (a, b) => a / b,
    "//": (a, b) => Math.floor(a / b),
    "%": (a, b) => a - b * Math.floor(a / b),
    "**": (a, b) => a ** b,
  };

  function operate(operator, a, b) {
    if (a instanceof Num && b instanceof Num && operator in ARITHMETIC) {
      const whole = a.whole && b.whole && operator !== "/" && !(operator === "**" && b.value < 0);
      return new Num(ARITHMETIC[operator](a.value, b.value), whole);
    }
    const one = a instanceof Call;
    if (!(one || b instanceof Call) || !["*", "+", ">>", "/"].includes(operator)) {
      throw new Refusal(`\`${operator}\` does not go between these two`);
    }
    const [first, second] = one ? [a, b] : [b, a];
    if (!(second instanceof Call || second instanceof Num) || (!one && (operator === ">>" || operator === "/"))) {
      throw new Refusal(`\`${operator}\` does not go between these two`);
    }
    if (operator === "*") return multiplied(first, second);
    if (operator === "/") return multiplied(first, divisor(second));
    return flat(operator === "+" ? "Sum" : "Chain", first, second);
  }

  function divisor(value) {
    if (!(value instanceof Num)) throw new Refusal("`/` needs a number on its right");
    if (!(value.value > 0)) throw new Refusal(`/: \`divisor\` must be a finite number > 0, got ${P.repr(value)}`);
    return new Num(1 / value.value, false);
  }

  function flat(name, ...operands) {
    const parts = operands.map((part) => (part instanceof Call && part.name === name ? part.args.schedules : [part]));
    return new Call(name, { schedules: parts.flat() });
  }

  function multiplied(...operands) {
    const schedules = [];
    let factor = 1;
    for (const operand of operands) {
      if (operand instanceof Num && !(operand.value >= 0 && Number.isFinite(operand.value))) {
        throw new Refusal(`*: \`factor\` must be a finite number >= 0, got ${P.repr(operand)}`);
      }
      if (operand instanceof Num) factor *= operand.value;
      else if (operand.name !== "Product") schedules.push(operand);
      else {
        schedules.push(...operand.args.schedules);
        factor *= operand.args.factor instanceof Num ? operand.args.factor.value : 1;
      }
    }
    return new Call("Product", { schedules, factor: new Num(factor, false) });
  }

  // A schedule as it is written, or a plain number, list or string for a field.
  const value = (text) => new Parser(text).whole();

  function parse(text) {
    const parsed = value(expression(text));
    if (!(parsed instanceof Call)) throw new Refusal("A schedule is wanted here, such as `CosineDecay(0.1, 1000)`");
    return parsed;
  }

  Object.assign(P, { parse, value, hasUnits });
})(window.KerasLRPlayground);
