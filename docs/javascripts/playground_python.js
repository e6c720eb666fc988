// Python as the playground needs it: numbers that know whether they are int or float, `repr` and
// `reprlib.repr` of the values that a schedule can be given, and formats such as .6g.
(function (P) {
  "use strict";

  // A number of Python source: 2 and 2.0 are the same rate, but a refusal shows what was written.
  class Num {
    constructor(value, whole, text) {
      this.value = value;
      this.whole = whole;
      this.text = text || null;
    }
  }

  // A length of training in epochs, or as a fraction of it.
  class Duration {
    constructor(unit, amount) {
      this.unit = unit;
      this.amount = amount;
    }
    steps(stepsPerEpoch, epochs) {
      const whole = this.unit === "epochs" ? stepsPerEpoch : stepsPerEpoch * epochs;
      return Math.floor(this.amount * whole + 0.5);
    }
  }

  // A call of a schedule class as it was written, arguments by name, not yet checked.
  class Call {
    constructor(name, args) {
      this.name = name;
      this.args = args;
    }
  }

  class Tuple {
    constructor(items) {
      this.items = items;
    }
  }

  // What Python would raise; `node` and `argument` say where.
  class Refusal extends Error {
    constructor(message, node, argument) {
      super(message);
      this.node = node || null;
      this.argument = argument || null;
    }
  }

  // The repr of a float: shortest digits that give it back, as in JavaScript, in Python's notation.
  function floatRepr(value) {
    if (Number.isNaN(value)) return "nan";
    if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
    if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
    const [digits, exponent] = value.toExponential().split("e");
    const power = Number(exponent);
    if (power < -4 || power >= 16) return digits + "e" + signed(power);
    const text = positional(digits, power);
    return text.includes(".") ? text : text + ".0";
  }

  function signed(power) {
    return (power < 0 ? "-" : "+") + String(Math.abs(power)).padStart(2, "0");
  }

  // Digits d.ddd times ten to a power, written without an exponent.
  function positional(digits, power) {
    const sign = digits.startsWith("-") ? "-" : "";
    const plain = digits.replace("-", "").replace(".", "");
    if (power < 0) return sign + "0." + "0".repeat(-power - 1) + plain;
    if (plain.length <= power + 1) return sign + plain + "0".repeat(power + 1 - plain.length);
    return sign + plain.slice(0, power + 1) + "." + plain.slice(power + 1);
  }

  // The first digits, d.ddd, and the power of ten; halves go to the even digit, as in Python.
  function rounded(value, precision) {
    const [digits, exponent] = value.toExponential(precision - 1).split("e");
    const exact = value.toExponential(100).replace(/e.*/, "").replace(/[-.]/g, "");
    if (!/^50*$/.test(exact.slice(precision)) || !"02468".includes(exact[precision - 1])) return [digits, Number(exponent)];
    const kept = exact.slice(0, precision);
    const power = Number(value.toExponential(100).replace(/.*e/, ""));
    return [(value < 0 ? "-" : "") + kept[0] + (precision > 1 ? "." + kept.slice(1) : ""), power];
  }

  const trimmed = (digits) => (digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits);

  // The format `.6g`, or another precision.
  function general(value, precision) {
    if (value === 0) return "0";
    const [digits, power] = rounded(value, precision);
    return power < -4 || power >= precision ? trimmed(digits) + "e" + signed(power) : positional(trimmed(digits), power);
  }

  function grouped(value) {
    return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
  }

  function numRepr(number) {
    if (!number.whole) return floatRepr(number.value);
    return Number.isSafeInteger(number.value) ? String(number.value) : BigInt(number.text || number.value).toString();
  }

  function stringRepr(text) {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const escapes = { "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", [quote]: "\\" + quote };
    return quote + Array.from(text, (c) => escapes[c] || c).join("") + quote;
  }

  function durationRepr(duration) {
    const amount = duration.amount;
    return duration.unit + "(" + (Number.isInteger(amount) ? String(amount) : floatRepr(amount)) + ")";
  }

  // repr(value); `source` writes tuples as lists, as the repr of a schedule does.
  function repr(value, source) {
    if (value === null) return "None";
    if (value === true) return "True";
    if (value === false) return "False";
    if (typeof value === "string") return stringRepr(value);
    if (typeof value === "number") return numRepr(new Num(value, Number.isInteger(value)));
    if (value instanceof Num) return numRepr(value);
    if (value instanceof Duration) return durationRepr(value);
    if (value instanceof Tuple || Array.isArray(value)) return sequence(value, (item) => repr(item, source), source);
    return P.scheduleRepr(value);
  }

  function sequence(value, show, source) {
    const list = Array.isArray(value) || source;
    const shown = (Array.isArray(value) ? value : value.items).map(show);
    const end = !list && shown.length === 1 ? ",)" : ")";
    return list ? "[" + shown.join(", ") + "]" : "(" + shown.join(", ") + end;
  }

  function shortened(text, longest) {
    const head = Math.floor((longest - 3) / 2);
    return text.length <= longest ? text : text.slice(0, head) + "..." + text.slice(text.length - (longest - 3 - head));
  }

  // reprlib.repr(value): what a refusal shows of a value.
  function shortRepr(value, level = 6) {
    if (typeof value === "string") {
      const whole = stringRepr(value.slice(0, 30));
      return whole.length <= 30 ? whole : shortened(stringRepr(value.slice(0, 13) + value.slice(-14)), 30);
    }
    if (value instanceof Num && value.whole) return shortened(repr(value), 40);
    if (!(value instanceof Tuple || Array.isArray(value))) return shortened(repr(value), 30);
    const items = Array.isArray(value) ? value : value.items;
    if (level <= 0 && items.length) return sequence(Array.isArray(value) ? ["…"] : new Tuple(["…"]), () => "...");
    const first = items.slice(0, 6).map((item) => shortRepr(item, level - 1));
    if (items.length > 6) first.push("...");
    return sequence(Array.isArray(value) ? first : new Tuple(first), (item) => item);
  }

  Object.assign(P, { Num, Duration, Call, Tuple, Refusal, floatRepr, general, grouped, repr, rounded, shortRepr, stringRepr });
})((window.KerasLRPlayground = window.KerasLRPlayground || {}));
