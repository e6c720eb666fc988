// The playground: up to three schedules, their lines of Python, and the state in the URL.
(function (P) {
  "use strict";
  const { Call, Num, Refusal, html, LETTERS, MOST_STEPS } = P;
  const SECOND = ["OneCycle(0.1, 1000)", "WarmupStableDecay(0.1, 1000, 100, 250)"];

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
        restructured: () => {
          this.edit();
          this.refresh();
        },
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
      this.totalSlider.addEventListener("input", () => {
        this.totalField.value = Number((10 ** (1 + Number(this.totalSlider.value) / 100)).toPrecision(2));
        this.setTotal(this.totalField.value);
      });
      this.log = html("input", { id: "pg-log", type: "checkbox" });
      this.log.addEventListener("change", () => {
        this.state.log = this.log.checked;
        this.refresh();
      });
      const presets = html("select", { id: "pg-presets" }, html("option", { value: "" }, "Choose …"));
      for (const name of P.presets) presets.append(html("option", {}, name));
      presets.addEventListener("change", () => {
        window.location.hash = P.preset(presets.value);
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
      this.edit();
      this.refresh();
    }

    // State from the URL; an address that is an anchor of the page says nothing of it.
    load() {
      const hash = window.location.hash.slice(1);
      if (this.state && (hash === P.written(this.state) || (hash && !hash.includes("=")))) return;
      this.state = P.read(hash);
      this.totalField.value = this.state.total;
      this.totalSlider.value = (Math.log10(this.state.total) - 1) * 100;
      this.log.checked = this.state.log;
      this.rebuild();
    }

    // The lines and the editor anew.
    rebuild() {
      const letters = Object.keys(this.state.slots);
      this.rows = {};
      this.lines.replaceChildren(...letters.map((letter) => this.row(letter)));
      if (letters.length < LETTERS.length) {
        this.lines.append(html("button", { type: "button", class: "pg-compare", onclick: () => this.compare() }, "Compare with another"));
      }
      this.edit();
      this.refresh();
    }

    // The editor anew: after a change of structure, not of a value, so that an input keeps the focus.
    edit() {
      const { slots, selected } = this.state;
      const chosen = slots[selected];
      const at = window.scrollY;
      this.fields.length = 0;
      this.editorBox.replaceChildren(html("p", { class: `pg-title pg-${selected}` }, `Schedule ${selected.toUpperCase()}`));
      if (chosen.raw) {
        const replace = (other) => (chosen.raw = other);
        this.editorBox.append(P.editor(chosen.raw, replace, this.context));
        if (P.SPEC.momentum[chosen.raw.name]) this.editorBox.append(this.momentumCard(chosen));
      }
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
      line.addEventListener("change", () => this.refresh());
      const copy = this.copier(`the line of schedule ${letter.toUpperCase()}`, () => chosen.text);
      const partnerLine = html("code", {});
      const copyPartner = this.copier(`the momentum of schedule ${letter.toUpperCase()}`, () => partnerLine.textContent);
      const partner = html("div", { class: "pg-partner", hidden: true }, partnerLine, copyPartner);
      const names = html("code", { class: "pg-import" });
      const words = html("p", { class: "pg-words" });
      const message = html("p", { class: "pg-refusal", hidden: true });
      const head = html("div", { class: "pg-row" }, select, line, copy);
      if (Object.keys(this.state.slots).length > 1) head.append(this.remover(letter));
      this.rows[letter] = { line, partner, partnerLine, names, words, message };
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
        this.context.restructured();
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
      this.state.slots[free] = P.slot(SECOND[Object.keys(this.state.slots).length - 1]);
      this.state.slots = Object.fromEntries(Object.entries(this.state.slots).sort());
      this.choose(free);
    }

    remove(letter) {
      delete this.state.slots[letter];
      this.choose(Object.keys(this.state.slots)[0]);
    }

    // What is typed in a line counts at once; it is written as the page writes it when the line is left.
    typed(letter, text) {
      const chosen = Object.assign(this.state.slots[letter], P.slot(text), { typing: true });
      if (chosen.raw && letter === this.state.selected) this.edit();
      this.refresh();
      delete chosen.typing;
    }

    copier(what, text) {
      const button = html("button", { type: "button", class: "pg-copy" }, "Copy");
      button.setAttribute("aria-label", `Copy ${what}`);
      const done = (word) => {
        button.textContent = word;
        window.setTimeout(() => (button.textContent = "Copy"), 1500);
      };
      const old = () => done(copied(text()) ? "Copied" : "Not copied");
      button.addEventListener("click", () => {
        if (navigator.clipboard) navigator.clipboard.writeText(text()).then(() => done("Copied"), old);
        else old();
      });
      return button;
    }

    // Everything that follows from the arguments: curves, lines, words, refusals, URL.
    refresh() {
      const curves = [];
      const refused = [];
      for (const [letter, chosen] of Object.entries(this.state.slots)) {
        const result = P.evaluated(chosen);
        if (result.error) refused.push([letter, result.error]);
        else curves.push({ letter, ...result });
        this.show(letter, chosen, result);
      }
      this.mark(refused.map(([, error]) => error));
      this.refusals.replaceChildren(
        ...refused.map(([letter, error]) => html("p", { class: `pg-${letter}` }, `${letter.toUpperCase()}: ${error.message}`))
      );
      this.plot.draw({ total: this.state.total, log: this.state.log, curves });
      const hash = P.written(this.state);
      if (window.location.hash.slice(1) !== hash) window.history.replaceState(window.history.state, "", `#${hash}`);
    }

    show(letter, chosen, { error, built }) {
      const { line, partner, partnerLine, names, words, message } = this.rows[letter];
      if (chosen.raw && !chosen.typing) chosen.text = P.line(chosen.raw);
      if (!chosen.typing) line.value = chosen.text;
      line.style.height = "auto";
      line.style.height = `${line.scrollHeight + 2}px`;
      const used = chosen.raw ? P.names(chosen.text) : [];
      names.textContent = used.length ? `from keras_lr import ${used.join(", ")}` : "";
      partner.hidden = !chosen.momentum;
      partnerLine.textContent = chosen.momentum ? P.line(chosen.momentum) : "";
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

  // To the clipboard in the old way, for browsers that keep the new one from pages opened from a file.
  function copied(text) {
    const area = html("textarea", { class: "pg-hidden", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
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
