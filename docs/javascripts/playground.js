// The playground: up to three schedules, their lines of Python, and the state in the URL.
(function (P) {
  "use strict";
  const { Call, Num, Refusal, html } = P;
  const LETTERS = ["a", "b", "c"];
  const FIRST = "Warmup(CosineDecay(0.1, 900), 100)";
  const SECOND = ["OneCycle(0.1, 1000)", "WarmupStableDecay(0.1, 1000, 100, 250)"];
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

  class Playground {
    constructor(root) {
      this.root = root;
      this.state = null;
      this.fields = [];
      this.context = {
        ids: 0,
        fields: this.fields,
        total: () => this.state.total,
        changed: () => this.refresh(),
        restructured: () => this.rebuild(),
      };
      this.layout();
      window.addEventListener("hashchange", () => this.load());
      this.load();
    }

    layout() {
      this.canvas = html("div", { class: "pg-canvas" });
      this.refusals = html("div", { class: "pg-refusals", role: "alert" });
      this.readout = html("p", { class: "pg-readout", role: "status" });
      this.lines = html("div", { class: "pg-lines" });
      this.editorBox = html("div", { class: "pg-editor" });
      this.settings = html("div", { class: "pg-settings" });
      const picture = html("div", { class: "pg-picture" }, this.canvas, this.readout);
      this.root.replaceChildren(html("div", { class: "pg-left" }, picture, this.settings, this.lines), this.editorBox);
      this.canvas.append(this.refusals);
      this.plot = new P.Plot(this.canvas, this.readout);
      this.layoutSettings();
    }

    layoutSettings() {
      this.totalField = html("input", { id: "pg-total", type: "text", inputmode: "numeric", autocomplete: "off", class: "pg-number" });
      this.totalSlider = html("input", { type: "range", min: 0, max: 600, step: 1, "aria-label": "total steps, slider" });
      this.totalField.addEventListener("input", () => this.setTotal(this.totalField.value));
      this.totalField.addEventListener("change", () => this.rebuild());
      this.totalSlider.addEventListener("input", () => {
        this.totalField.value = Number((10 ** (1 + Number(this.totalSlider.value) / 100)).toPrecision(2));
        this.setTotal(this.totalField.value);
      });
      this.totalSlider.addEventListener("change", () => this.rebuild());
      this.log = html("input", { id: "pg-log", type: "checkbox" });
      this.log.addEventListener("change", () => {
        this.state.log = this.log.checked;
        this.refresh();
      });
      const presets = html("select", { id: "pg-presets" }, html("option", { value: "" }, "Choose …"));
      for (const name of Object.keys(PRESETS)) presets.append(html("option", {}, name));
      presets.addEventListener("change", () => {
        window.location.hash = PRESETS[presets.value].split("&").map(encoded).join("&");
        presets.value = "";
      });
      this.totalMessage = html("p", { class: "pg-refusal", role: "alert", hidden: true });
      const total = html("div", { class: "pg-field" }, html("label", { for: "pg-total" }, "Steps shown"), this.totalSlider, this.totalField);
      const log = html("div", { class: "pg-field pg-flag" }, html("label", { for: "pg-log" }, "Logarithmic rates"), this.log);
      const choice = html("div", { class: "pg-field" }, html("label", { for: "pg-presets" }, "Examples"), presets);
      this.settings.append(total, log, choice, this.totalMessage);
    }

    setTotal(text) {
      let value = null;
      try {
        value = P.value(text);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
      }
      const right = value instanceof Num && Number.isInteger(value.value) && value.value >= 1 && value.value <= MOST_STEPS;
      this.totalMessage.hidden = right;
      this.totalMessage.textContent = right ? "" : `The number of steps must be a whole number in [1, 2**31), got ${text || "nothing"}`;
      if (!right) return;
      this.state.total = value.value;
      this.totalSlider.value = (Math.log10(value.value) - 1) * 100;
      this.refresh();
    }

    // State from the URL.
    load() {
      const hash = window.location.hash.slice(1);
      if (this.state && (hash === this.hash() || (hash && !hash.includes("=")))) return;
      const given = Object.fromEntries(hash.split("&").filter((part) => part.includes("=")).map(decoded));
      const total = Number(given.steps);
      this.state = {
        total: Number.isInteger(total) && total >= 1 && total <= MOST_STEPS ? total : 1000,
        log: given.y === "log",
        selected: "a",
        slots: {},
      };
      for (const letter of LETTERS) if (letter in given) this.state.slots[letter] = slot(given[letter], given[`${letter}m`]);
      if (!Object.keys(this.state.slots).length) this.state.slots.a = slot(FIRST);
      this.state.selected = Object.keys(this.state.slots)[0];
      this.totalField.value = this.state.total;
      this.totalSlider.value = (Math.log10(this.state.total) - 1) * 100;
      this.log.checked = this.state.log;
      this.rebuild();
    }

    hash() {
      const { total, log, slots } = this.state;
      const parts = [`steps=${total}`];
      if (log) parts.push("y=log");
      for (const [letter, { text, momentum }] of Object.entries(slots)) {
        parts.push(`${letter}=${encodeURIComponent(text)}`);
        if (momentum) parts.push(`${letter}m=${encodeURIComponent(P.source(momentum.args.low) + "," + P.source(momentum.args.high))}`);
      }
      return parts.join("&");
    }

    // The lines and the editor anew: after a change of structure.
    rebuild() {
      const { slots, selected } = this.state;
      const at = window.scrollY;
      this.fields.length = 0;
      this.rows = {};
      this.lines.replaceChildren(...Object.keys(slots).map((letter) => this.row(letter)));
      if (Object.keys(slots).length < LETTERS.length) {
        this.lines.append(html("button", { type: "button", class: "pg-compare", onclick: () => this.compare() }, "Compare with another"));
      }
      const chosen = slots[selected];
      this.editorBox.replaceChildren();
      if (chosen.raw) {
        const replace = (other) => (chosen.raw = other);
        const head = `Schedule ${selected.toUpperCase()}`;
        this.editorBox.append(html("p", { class: `pg-title pg-${selected}` }, head), P.editor(chosen.raw, replace, this.context));
        if (P.SPEC.momentum[chosen.raw.name]) this.editorBox.append(this.momentumCard(chosen));
      }
      this.refresh();
      window.scrollTo(window.scrollX, at);
    }

    row(letter) {
      const chosen = this.state.slots[letter];
      const selected = letter === this.state.selected;
      const select = html("button", { type: "button", class: `pg-select pg-${letter}`, onclick: () => this.choose(letter) }, letter.toUpperCase());
      select.setAttribute("aria-pressed", selected);
      select.setAttribute("aria-label", `Edit schedule ${letter.toUpperCase()}`);
      const line = html("textarea", { rows: 1, spellcheck: "false", class: "pg-line", "aria-label": `Schedule ${letter.toUpperCase()} in Python` });
      line.addEventListener("input", () => this.typed(letter, line.value));
      line.addEventListener("change", () => this.rebuild());
      const copy = html("button", { type: "button", class: "pg-copy", onclick: () => this.copy(copy, chosen.text, line) }, "Copy");
      copy.setAttribute("aria-label", `Copy the line of schedule ${letter.toUpperCase()}`);
      const partner = html("code", { class: "pg-partner", hidden: true });
      const names = html("code", { class: "pg-import" });
      const words = html("p", { class: "pg-words" });
      const message = html("p", { class: "pg-refusal", hidden: true });
      const head = html("div", { class: "pg-row" }, select, line, copy);
      if (Object.keys(this.state.slots).length > 1) head.append(this.remover(letter));
      this.rows[letter] = { line, partner, names, words, message };
      return html("div", { class: "pg-slot", "data-slot": letter }, names, head, partner, message, words);
    }

    remover(letter) {
      const button = html("button", { type: "button", class: "pg-quiet", onclick: () => this.remove(letter) }, "Remove");
      button.setAttribute("aria-label", `Remove schedule ${letter.toUpperCase()}`);
      return button;
    }

    momentumCard(chosen) {
      const change = (event) => {
        const { low, high } = P.SPEC.momentum[chosen.raw.name];
        const args = { schedule: chosen.raw, low: new Num(low, false), high: new Num(high, false) };
        chosen.momentum = event.target.checked ? new Call(P.partner, args) : null;
        this.rebuild();
      };
      const box = html("input", { id: "pg-momentum", type: "checkbox", onchange: change });
      box.checked = Boolean(chosen.momentum);
      const card = html("fieldset", { class: "pg-card" }, html("legend", { class: "pg-hidden" }, "Momentum"));
      card.append(html("div", { class: "pg-field pg-flag" }, html("label", { for: "pg-momentum" }, "Momentum partner, in opposite phase"), box));
      if (!chosen.momentum) return card;
      const fields = html("div", { class: "pg-fields" });
      for (const argument of P.SPEC.classes[P.partner].arguments.slice(1)) {
        fields.append(P.field(chosen.momentum, argument, this.context));
      }
      card.append(fields);
      return card;
    }

    choose(letter) {
      this.state.selected = letter;
      this.rebuild();
    }

    compare() {
      const free = LETTERS.find((letter) => !(letter in this.state.slots));
      this.state.slots[free] = slot(SECOND[Object.keys(this.state.slots).length - 1]);
      this.state.slots = Object.fromEntries(Object.entries(this.state.slots).sort());
      this.choose(free);
    }

    remove(letter) {
      delete this.state.slots[letter];
      this.choose(Object.keys(this.state.slots)[0]);
    }

    typed(letter, text) {
      Object.assign(this.state.slots[letter], slot(text), { typing: true });
      this.refresh();
      delete this.state.slots[letter].typing;
    }

    copy(button, text, line) {
      const done = (word) => {
        button.textContent = word;
        window.setTimeout(() => (button.textContent = "Copy"), 1500);
      };
      const old = () => {
        line.select();
        done(document.execCommand("copy") ? "Copied" : "Press Ctrl+C");
      };
      if (!navigator.clipboard) return old();
      return navigator.clipboard.writeText(text).then(() => done("Copied"), old);
    }

    // Everything that follows from the arguments: curves, lines, words, refusals, URL.
    refresh() {
      const curves = [];
      const refused = [];
      for (const [letter, chosen] of Object.entries(this.state.slots)) {
        const result = evaluated(chosen);
        if (result.error) refused.push([letter, result.error]);
        else curves.push({ letter, ...result });
        this.show(letter, chosen, result);
      }
      this.mark(refused.map(([, error]) => error));
      this.refusals.replaceChildren(
        ...refused.map(([letter, error]) => html("p", { class: `pg-${letter}` }, `${letter.toUpperCase()}: ${error.message}`))
      );
      this.plot.draw({ total: this.state.total, log: this.state.log, curves });
      const hash = this.hash();
      if (window.location.hash.slice(1) !== hash) window.history.replaceState(window.history.state, "", `#${hash}`);
    }

    show(letter, chosen, { error, built }) {
      const { line, partner, names, words, message } = this.rows[letter];
      if (chosen.raw && !chosen.typing) chosen.text = P.line(chosen.raw);
      if (!chosen.typing) line.value = chosen.text;
      line.style.height = "auto";
      line.style.height = `${line.scrollHeight + 2}px`;
      const used = chosen.raw ? P.names(chosen.text) : [];
      names.textContent = used.length ? `from keras_lr import ${used.join(", ")}` : "";
      partner.hidden = !chosen.momentum;
      partner.textContent = chosen.momentum ? P.line(chosen.momentum) : "";
      message.hidden = !error;
      message.textContent = error ? error.message : "";
      line.setAttribute("aria-invalid", Boolean(error));
      words.textContent = built ? P.describe(built) : "";
    }

    mark(errors) {
      for (const { call, name, input, message } of this.fields) {
        const error = errors.find((one) => one.node === call && one.argument === name);
        input.setAttribute("aria-invalid", Boolean(error));
        message.hidden = !error;
        message.textContent = error ? error.message : "";
      }
    }
  }

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

  function start() {
    const root = document.getElementById("keras-lr-playground");
    if (root && !root.playground) root.playground = new Playground(root);
    const left = document.getElementById("keras-lr-left-out");
    if (left) left.replaceChildren(...Object.entries(P.SPEC.leftOut).map(([name, why]) => html("li", {}, `${name}: ${why}`)));
  }

  P.start = start;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})(window.KerasLRPlayground);
