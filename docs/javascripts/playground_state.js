// What the playground shows, in the address of the page: steps, axis, up to three lines of Python, momenta.
(function (P) {
  "use strict";
  const { Call, Refusal } = P;
  const LETTERS = ["a", "b", "c"];
  const FIRST = "Warmup(CosineDecay(0.1, 900), 100)";
  const MOST_STEPS = 2 ** 31 - 1;
  const PRESETS = {
    "Warmup and cosine": `steps=1000&a=${FIRST}`,
    "One-cycle with momentum": "steps=1000&a=OneCycle(0.1, 1000)&am=0.85,0.95",
    "Warmup, stable, decay": 'steps=10000&a=WarmupStableDecay(0.001, 10000, 500, 2000)&b=Warmup(CosineDecay(0.001, 9500), 500)',
    "Transformer: inverse square root": "steps=100000&y=log&a=InverseSquareRootDecay(0.0007, 4000)",
    "ResNet in epochs": "steps=112590&y=log&a=Warmup(MultiStepDecay(0.4, [epochs(25), epochs(55), epochs(75)]), epochs(5)).bind(steps_per_epoch=1251, epochs=90)",
    "Cosine with restarts": "steps=1500&a=CosineDecayRestarts(0.1, 100, m_mul=0.8)&b=Repeat(LinearDecay(0.1, 300), 300, factor=0.6)",
    "Triangles that halve": 'steps=2000&a=CyclicalLearningRate(0.001, 0.01, 200, mode="triangular2")&am=0.8,0.9',
    "Cooldown at any time": 'steps=1200&a=Warmup(0.1, 100).cooldown(900, 300, shape="sqrt")&b=Warmup(0.1, 100).cooldown(500, 300, shape="sqrt")',
    "Shapes of a decay": "steps=1000&a=REXDecay(0.1, 1000)&b=LinearDecay(0.1, 1000)&c=KDecay(0.1, 1000, 3)",
  };

  const decoded = (part) => {
    const cut = part.indexOf("=");
    try {
      return [part.slice(0, cut), decodeURIComponent(part.slice(cut + 1))];
    } catch (error) {
      return [part.slice(0, cut), part.slice(cut + 1)];
    }
  };

  const encoded = (part) => part.replace(/=(.*)$/, (_, value) => "=" + encodeURIComponent(value));

  // One schedule of the page: its text, what it says, and the momentum beside it.
  function slot(text, momentum) {
    const made = { text, raw: null, error: null, momentum: null };
    try {
      made.raw = P.parse(text);
      if (momentum && P.SPEC.momentum[made.raw.name]) {
        const [low, high] = P.value(`[${momentum}]`);
        made.momentum = new Call(P.partner, { schedule: made.raw, low, high });
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      made.error = error;
    }
    return made;
  }

  // The functions of the step, or the refusal.
  function evaluated(chosen) {
    if (chosen.error) return { error: chosen.error };
    if (chosen.momentum && P.SPEC.momentum[chosen.raw.name]) chosen.momentum.args.schedule = chosen.raw;
    else chosen.momentum = null;
    try {
      const built = P.build(chosen.raw);
      P.values(built, [0]);
      const momentum = chosen.momentum ? P.build(chosen.momentum).rate : null;
      return built.name === P.partner ? { built, rate: null, momentum: built.rate } : { built, rate: built.rate, momentum };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { error };
    }
  }

  // State from an address.
  function read(hash) {
    const given = Object.fromEntries(hash.split("&").filter((part) => part.includes("=")).map(decoded));
    const total = Number(given.steps);
    const right = Number.isInteger(total) && total >= 1 && total <= MOST_STEPS;
    const shown = LETTERS.filter((letter) => letter in given);
    const slots = Object.fromEntries(shown.map((letter) => [letter, slot(given[letter], given[`${letter}m`])]));
    if (!shown.length) slots.a = slot(FIRST);
    return { total: right ? total : 1000, log: given.y === "log", selected: shown[0] || "a", slots };
  }

  // The address of a state.
  function written({ total, log, slots }) {
    const parts = [`steps=${total}`];
    if (log) parts.push("y=log");
    for (const [letter, { text, momentum }] of Object.entries(slots)) {
      parts.push(`${letter}=${encodeURIComponent(text)}`);
      if (momentum) {
        const bounds = [momentum.args.low, momentum.args.high].map(P.source).join(",");
        parts.push(`${letter}m=${encodeURIComponent(bounds)}`);
      }
    }
    return parts.join("&");
  }

  const preset = (name) => PRESETS[name].split("&").map(encoded).join("&");
  const presets = Object.keys(PRESETS);

  Object.assign(P, { LETTERS, MOST_STEPS, presets, preset, read, written, slot, evaluated });
})(window.KerasLRPlayground);
