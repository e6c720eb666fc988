// Numbers of steps that need not be whole, exactly, as keras_lr/ratios.py and turns.py have them: 751.2 is 3756/5.
(function (P) {
  "use strict";
  const known = new Map();

  // The fraction that a number of steps stands for, as two BigInts.
  function meant(number) {
    if (!known.has(number)) known.set(number, Number.isInteger(number) ? [BigInt(number), 1n] : fraction(number));
    return known.get(number);
  }

  // A decimal of at most 15 digits is itself; another number the simplest fraction within four of its roundings.
  function fraction(number) {
    const text = number.toPrecision(15);
    if (Number(text) === number) {
      const [whole, part = ""] = text.split(".");
      return reduced(BigInt(whole + part), 10n ** BigInt(part.length));
    }
    const bits = 52 - Math.floor(Math.log2(Math.abs(number)));
    const scaled = BigInt(number * 2 ** bits);
    return simplest([scaled - 4n, 2n ** BigInt(bits)], [scaled + 4n, 2n ** BigInt(bits)]);
  }

  function reduced(p, q) {
    let [a, b] = [p, q];
    while (b) [a, b] = [b, a % b];
    return [p / a, q / a];
  }

  // The fraction of the smallest denominator between two positive ones.
  function simplest([a, b], [c, d]) {
    const whole = a / b;
    if (whole * b === a) return [whole, 1n];
    if ((whole + 1n) * d <= c) return [whole + 1n, 1n];
    const [p, q] = simplest([d, c - whole * d], [b, a - whole * b]);
    return [whole * p + q, p];
  }

  // The first whole number of steps that is not below the sum of some.
  function ceiling(...lengths) {
    if (lengths.every(Number.isInteger)) return lengths.reduce((sum, length) => sum + length, 0);
    const [p, q] = added(lengths);
    return Number((p + q - 1n) / q);
  }

  function added(lengths) {
    return lengths.map(meant).reduce(([a, b], [c, d]) => reduced(a * d + c * b, b * d));
  }

  // Where in turns of one length (a sum of some) a step is: which turn, the steps since its start and until its end.
  function turn(t, ...lengths) {
    if (lengths.every(Number.isInteger)) {
      const n = lengths.reduce((sum, length) => sum + length, 0);
      return { count: Math.floor(t / n), since: t % n, until: n - (t % n) };
    }
    const [p, q] = added(lengths);
    const gone = (BigInt(t) * q) % p;
    return { count: Number((BigInt(t) * q) / p), since: Number(gone) / Number(q), until: Number(p - gone) / Number(q) };
  }

  const stair = (t, n) => turn(t, n).count;

  // The whole step nearest to the start of a turn, half a step up.
  function nearestStart(count, n) {
    const [p, q] = meant(n);
    return Number((2n * BigInt(count) * p + q) / (2n * q));
  }

  Object.assign(P, { lengths: { meant, ceiling, turn, stair, nearestStart } });
})((window.KerasLRPlayground = window.KerasLRPlayground || {}));
