// The playground: two schedules, their fields and their lines of Python.
// Its state is what stands after the "#" of the address, as key=value, and nothing else:
//   a=StepDecay, a.decay_steps=250, a.warmup=50, the same for b, shown=1000, log=1,
//   and epoch=100 where durations are in epochs of 100 steps.
(function (P) {
  "use strict";
  const SPEC = window.KERAS_LR_SPEC;
  const FIRST = "a=CosineDecay&a.warmup=100";
  const LETTERS = ["a", "b"];
  const EXAMPLE_STEPS = 1000; // the picture that the examples are made for
  const MOST = 2 ** 31 - 1;
  const STEPS = "a number of steps in [1, 2**31)";
  const SHOWN = { name: "shown", type: "number", whole: true, steps: true, min: 1, max: MOST, allowed: STEPS, from: 10, to: 1e6, log: true };
  const EPOCH = { ...SHOWN, name: "epoch", steps: false };
  const WARMUP = { ...SPEC.warmup, name: "warmup", example: "0" };

  // ---- Values: what the text of a field stands for, { value, source } or { wrong: what is allowed }.

  const inOrder = { lt: (a, b) => a < b, le: (a, b) => a <= b };

  // `perEpoch` is 0 where steps are meant; an amount of epochs is the nearest whole number of steps.
  function read(kind, text, perEpoch) {
    if (kind.optional && !text.trim()) return { value: null, source: "None" };
    if (kind.type === "flag") return { value: text === "True", source: text === "True" ? "True" : "False" };
    if (kind.type === "choice") return kind.choices.includes(text) ? { value: text, source: JSON.stringify(text) } : { wrong: kind.allowed };
    if (kind.type === "list") return readList(kind, text, perEpoch);
    const given = text.trim() ? Number(text) : NaN;
    const inEpochs = kind.steps && perEpoch;
    const value = kind.whole ? Math.floor(given * (inEpochs ? perEpoch : 1) + 0.5) : given;
    const isShare = kind.whole && !inEpochs && given > 0 && given < 1; // what `fraction` is for
    if (!(value >= kind.min && value <= kind.max) || isShare || (given < 0 && kind.min >= 0)) return { wrong: kind.allowed };
    return { value, given, source: inEpochs ? `epochs(${given})` : String(value) };
  }

  function readList(kind, text, perEpoch) {
    const items = text.trim() ? text.split(",").map((item) => read(kind.item, item, perEpoch)) : [];
    const follows = (key) => items.every((item, i) => !kind.order || i === 0 || inOrder[kind.order](items[i - 1][key], item[key]));
    if (items.length < kind.atLeast || items.some((item) => item.wrong) || !follows("value") || !follows("given")) return { wrong: kind.allowed };
    return { value: items.map((item) => item.value), source: `[${items.map((item) => item.source).join(", ")}]` };
  }

  // The shortest number of epochs that is so many steps.
  function inEpochs(steps, perEpoch) {
    for (let digits = 1; digits < 17; digits += 1) {
      const amount = Number((steps / perEpoch).toPrecision(digits));
      if (Math.floor(amount * perEpoch + 0.5) === steps) return amount;
    }
    return steps / perEpoch;
  }

  // The numbers of a text, each turned into another one.
  function each(text, change) {
    if (!text.trim()) return text;
    return text.split(",").map((item) => (item.trim() && Number.isFinite(Number(item)) ? String(change(Number(item))) : item)).join(", ");
  }

  const isSteps = (kind) => Boolean(kind.steps || (kind.item && kind.item.steps));

  // ---- A line of Python that is pasted.

  // The parts between commas that are not in brackets.
  function parts(text) {
    const found = [""];
    let depth = 0;
    for (const char of text) {
      depth += "([".includes(char) - ")]".includes(char);
      if (char === "," && depth === 0) found.push("");
      else found[found.length - 1] += char;
    }
    return found.map((part) => part.trim()).filter(Boolean);
  }

  // The state of the page for a line of Python, without the letter before the keys; null if the page cannot show it.
  function pasted(text) {
    const line = text.replace(/^[^]*\bschedule\s*=\s*/, "").trim();
    const [, name, inside] = /^(?:\w+\.)?(\w+)\(([^]*)\)$/.exec(line) || [];
    if (name === undefined || /fraction|samples/.test(line)) return null;
    const given = parts(inside).map((part, i) => /^(\w+)\s*=\s*([^]*)$/.exec(part) || [part, i, part]);
    if (name === "Warmup") {
      const made = given.length === 2 ? pasted(given[0][2]) : null;
      return made && made.warmup === "0" ? { ...made, warmup: bare(given[1][2]) } : null;
    }
    if (!Object.hasOwn(SPEC.classes, name)) return null;
    const kinds = SPEC.classes[name].arguments;
    const found = { "": name, ...(SPEC.classes[name].warmup ? { warmup: "0" } : {}) };
    for (const kind of kinds) found[kind.name] = "default" in kind ? textOf(kind.default) : "";
    for (const [, key, value] of given) {
      const kind = typeof key === "number" ? kinds[key] : kinds.find((one) => one.name === key);
      if (!kind) return null;
      found[kind.name] = bare(value);
    }
    return found;
  }

  const textOf = (value) => (value === null ? "" : value === true ? "True" : value === false ? "False" : String(value));
  const bare = (value) => value.replace(/epochs\(([^()]*)\)/g, "$1").replace(/^[[("']+|[\])"']+$/g, "").replace(/^None$/, "");

  // ---- Sliders: each has a list of values, all different, so that a key always moves it.

  // Numbers of two digits, evenly on a logarithmic scale, more or less.
  function grid(from, to) {
    const found = [];
    for (let power = Math.floor(Math.log10(from)) - 1; 10 ** (power + 1) <= to; power += 1) {
      for (let digits = 10; digits < 100; digits += 1) found.push(Number(`${digits}e${power}`));
    }
    return found.filter((value) => value >= from * 0.999 && value <= to * 1.001);
  }

  const spread = (from, to, count) => Array.from({ length: count + 1 }, (_, i) => Number((from + ((to - from) * i) / count).toPrecision(6)));

  function notches(kind, total, perEpoch) {
    const unit = (kind.steps && perEpoch) || 1;
    let found;
    if (kind.log) found = [0, ...grid(kind.from / unit, kind.to / unit)];
    else found = kind.steps ? spread(0, total / unit, 200) : spread(kind.from, kind.to, 100);
    if (kind.whole && unit === 1) found = found.map(Math.round);
    return [...new Set(found)].filter((value) => !read(kind, String(value), perEpoch).wrong);
  }

  // ---- Elements

  function html(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }

  // A text in which `names` stand in backticks.
  const marked = (text) => text.split("`").map((part, i) => (i % 2 ? html("code", {}, part) : part));

  function select(id, choices, chosen, change) {
    const box = html("select", { id, onchange: () => change(box.value) }, ...choices.map((choice) => html("option", { value: choice }, choice || "none")));
    box.value = chosen;
    return box;
  }

  function check(id, label, checked, change) {
    const box = html("input", { id, type: "checkbox", onchange: () => change(box.checked) });
    box.checked = checked;
    return html("div", { class: "pg-field pg-flag" }, box, html("label", { for: id }, label));
  }

  class Playground {
    constructor(root) {
      this.canvas = html("div", { class: "pg-canvas" });
      const readout = html("p", { class: "pg-readout", role: "status" });
      this.settings = html("div", { class: "pg-settings" });
      this.lines = html("div", { class: "pg-lines" });
      this.cards = html("div", { class: "pg-cards" });
      const picture = html("div", { class: "pg-picture" }, this.canvas, readout);
      root.replaceChildren(html("div", { class: "pg-left" }, picture, this.settings, this.lines), this.cards);
      this.plot = new P.Plot(this.canvas, readout);
      window.addEventListener("hashchange", () => this.load());
      this.load();
    }

    // The state from the address; an address that is an anchor of the page says nothing of it.
    load(hash = window.location.hash.slice(1)) {
      if (this.state && (hash === this.state.toString() || (hash && !hash.includes("=")))) return;
      this.state = new URLSearchParams(hash.includes("=") ? hash : FIRST);
      const known = (letter) => Object.hasOwn(SPEC.classes, this.get(letter));
      if (!known("a")) this.state.set("a", "CosineDecay");
      if (!known("b")) this.state.delete("b");
      this.perEpoch = this.state.has("epoch") ? read(EPOCH, this.get("epoch"), 0).value || 100 : 0;
      if (!this.state.has("shown")) this.state.set("shown", this.perEpoch ? 10 : EXAMPLE_STEPS);
      this.total = read(SHOWN, this.get("shown"), this.perEpoch).value || EXAMPLE_STEPS;
      LETTERS.forEach((letter) => this.complete(letter));
      this.build();
    }

    get(key) {
      return this.state.get(key) || "";
    }

    // The arguments of a schedule, with the key of each.
    fields(letter) {
      const chosen = SPEC.classes[this.get(letter)];
      const found = chosen ? [...chosen.arguments, ...(chosen.warmup ? [WARMUP] : [])] : [];
      return found.map((kind) => ({ kind, key: `${letter}.${kind.name}` }));
    }

    // Every argument has a text: one that is not given that of the example, drawn out to the steps that are shown.
    complete(letter) {
      const fields = this.fields(letter);
      const keys = fields.map(({ key }) => key);
      for (const key of [...this.state.keys()]) {
        if (key.startsWith(`${letter}.`) && !keys.includes(key)) this.state.delete(key);
      }
      for (const { kind, key } of fields) {
        if (this.state.has(key)) continue;
        const steps = (number) => (number ? Math.max(Math.round((number * this.total) / EXAMPLE_STEPS), 1) : 0);
        const inUnit = (number) => (this.perEpoch ? inEpochs(steps(number), this.perEpoch) : steps(number));
        this.state.set(key, isSteps(kind) ? each(kind.example, inUnit) : kind.example);
      }
    }

    choose(letter, name) {
      const warmup = this.get(`${letter}.warmup`);
      for (const { key } of this.fields(letter)) this.state.delete(key);
      if (name) this.state.set(letter, name);
      else this.state.delete(letter);
      if (warmup) this.state.set(`${letter}.warmup`, warmup);
      this.complete(letter);
      this.build();
    }

    // A schedule that was copied from somewhere is curve A. One that has `epochs` has all durations in them.
    paste(text) {
      const made = pasted(text);
      if (!made) return false;
      const state = new URLSearchParams(Object.entries(made).map(([key, value]) => [key ? `a.${key}` : "a", value]));
      if (text.includes("epochs(")) state.set("epoch", String(this.perEpoch || 100));
      this.load(state.toString());
      return true;
    }

    // Steps into epochs, or back.
    turn(on) {
      const perEpoch = on ? 100 : this.perEpoch;
      const change = (number) => (on ? inEpochs(Math.round(number), perEpoch) : Math.floor(number * perEpoch + 0.5));
      for (const { kind, key } of [{ kind: SHOWN, key: "shown" }, ...LETTERS.flatMap((letter) => this.fields(letter))]) {
        if (isSteps(kind)) this.state.set(key, each(this.get(key), change));
      }
      if (on) this.state.set("epoch", perEpoch);
      else this.state.delete("epoch");
      this.perEpoch = on ? perEpoch : 0;
      this.build();
    }

    // Everything anew; the element that had the focus has it again.
    build() {
      const { id } = document.activeElement;
      this.marks = {};
      const settle = (change) => () => {
        change();
        this.buildCards();
        this.refresh();
      };
      const setTotal = () => (this.total = read(SHOWN, this.get("shown"), this.perEpoch).value || this.total);
      const shown = () => this.field(SHOWN, "shown", this.perEpoch ? "Epochs shown" : "Steps shown", settle(setTotal));
      const setEpoch = () => {
        this.perEpoch = read(EPOCH, this.get("epoch"), 0).value || this.perEpoch;
        setTotal();
        this.settings.firstChild.replaceWith(shown());
      };
      const log = (on) => {
        if (on) this.state.set("log", "1");
        else this.state.delete("log");
        this.refresh();
      };
      this.settings.replaceChildren(
        shown(),
        check("pg-log", "Logarithmic rates", this.state.has("log"), log),
        check("pg-epochs", "Durations in epochs", Boolean(this.perEpoch), (on) => this.turn(on)),
        this.pasteField(),
        ...(this.perEpoch ? [this.field(EPOCH, "epoch", "Steps per epoch", settle(setEpoch))] : [])
      );
      this.buildCards();
      this.refresh();
      if (id && document.getElementById(id)) document.getElementById(id).focus();
    }

    pasteField() {
      const message = html("p", { class: "pg-wrong", id: "pg-paste-message", role: "alert", hidden: true });
      const box = html("input", { id: "pg-paste", type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": "pg-paste-message" });
      box.addEventListener("change", () => {
        message.hidden = !box.value.trim() || this.paste(box.value);
        message.textContent = message.hidden ? "" : "This page has no fields for this schedule.";
      });
      return html("div", { class: "pg-field pg-list" }, html("label", { for: "pg-paste" }, "Paste a schedule"), box, message);
    }

    buildCards() {
      const names = Object.keys(SPEC.classes);
      this.cards.replaceChildren(
        ...LETTERS.map((letter) => {
          const [id, name] = [`pg-${letter}`, this.get(letter)];
          const box = select(id, letter === "a" ? names : ["", ...names], name, (other) => this.choose(letter, other));
          const label = html("label", { for: id }, letter === "a" ? "Curve A" : "Curve B, to compare");
          const card = html("section", { class: `pg-card pg-${letter}` }, label, box);
          if (name) card.append(html("p", { class: "pg-help" }, ...marked(SPEC.classes[name].summary)));
          for (const { kind, key } of this.fields(letter)) {
            const unit = this.perEpoch && isSteps(kind) ? ", in epochs" : "";
            card.append(this.field(kind, key, kind.name + unit, () => this.refresh()));
          }
          return card;
        })
      );
    }

    field(kind, key, label, changed) {
      const id = `pg-${key}`;
      const set = (text) => {
        this.state.set(key, text);
        changed();
      };
      if (kind.type === "flag") return check(id, label, this.get(key) === "True", (on) => set(on ? "True" : "False"));
      const message = html("p", { class: "pg-wrong", id: `${id}-message`, hidden: true });
      let parts;
      if (kind.type === "choice") parts = [select(id, kind.choices, this.get(key), set)];
      else {
        const box = html("input", { id, type: "text", autocomplete: "off", spellcheck: "false", placeholder: kind.optional ? "None" : "" });
        box.value = this.get(key);
        const slider = kind.type === "number" && this.slider(kind, key, label, box, set);
        box.addEventListener("input", () => {
          set(box.value);
          if (slider) slider.place();
        });
        parts = slider ? [slider, box] : [box];
      }
      const input = parts[parts.length - 1];
      input.setAttribute("aria-describedby", `${id}-message`);
      this.marks[key] = { input, message };
      const help = kind.help ? [html("p", { class: "pg-help" }, ...marked(kind.help))] : [];
      return html("div", { class: `pg-field pg-${kind.type}` }, html("label", { for: id }, label), ...parts, message, ...help);
    }

    slider(kind, key, label, box, set) {
      const list = notches(kind, this.total, this.perEpoch);
      const slider = html("input", { id: `pg-${key}-slider`, type: "range", min: 0, max: list.length - 1, step: 1, "aria-label": `${label}, slider` });
      slider.place = () => {
        const above = list.findIndex((value) => value >= Number(box.value));
        slider.value = above < 0 ? list.length - 1 : above;
        slider.setAttribute("aria-valuetext", box.value || "None");
      };
      slider.addEventListener("input", () => {
        box.value = String(list[Number(slider.value)]);
        slider.setAttribute("aria-valuetext", box.value);
        set(box.value);
      });
      slider.place();
      return slider;
    }

    // What follows from the state: marks, curves, lines of Python, the address.
    refresh() {
      this.mark("shown", read(SHOWN, this.get("shown"), this.perEpoch));
      if (this.marks.epoch) this.mark("epoch", read(EPOCH, this.get("epoch"), 0));
      const steps = P.samples(this.total);
      const made = LETTERS.filter((letter) => this.get(letter)).map((letter) => this.schedule(letter, steps));
      const curves = made.filter(({ values }) => values);
      this.plot.draw({ total: this.total, perEpoch: this.perEpoch, log: this.state.has("log"), steps, curves });
      this.lines.replaceChildren(...made.map((one) => this.line(one)));
      const hint = "In training, `BindSchedule()` among the callbacks of `fit` turns epochs into steps.";
      if (this.perEpoch) this.lines.append(html("p", { class: "pg-help" }, ...marked(hint)));
      // Not at each move of a slider: browsers refuse a page that changes its address too often.
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => window.history.replaceState(window.history.state, "", `#${this.state}`), 250);
    }

    mark(key, { wrong }) {
      const { input, message } = this.marks[key] || {};
      if (!input) return;
      input.setAttribute("aria-invalid", Boolean(wrong));
      message.hidden = !wrong;
      message.textContent = wrong ? `must be ${wrong}` : "";
    }

    // A schedule from its fields: the rates and the Python, or the reason why there are none.
    schedule(letter, steps) {
      const name = this.get(letter);
      const given = {};
      const shown = [];
      let problem = null;
      for (const { kind, key } of this.fields(letter)) {
        const found = read(kind, this.get(key), this.perEpoch);
        this.mark(key, found);
        if (found.wrong) problem = `${kind.name} must be ${found.wrong}`;
        given[kind.name] = found;
        if (kind === WARMUP) continue;
        if (!("default" in kind)) shown.push(found.source);
        else if (JSON.stringify(found.value) !== JSON.stringify(kind.default)) shown.push(`${kind.name}=${found.source}`);
      }
      if (problem) return { letter, problem };
      const warmup = given.warmup && given.warmup.given ? given.warmup : null;
      const own = P.formulas[name](Object.fromEntries(Object.entries(given).map(([key, { value }]) => [key, value])));
      const rate = warmup ? P.warmedUp(own, warmup.value) : own;
      const values = steps.map(rate);
      if (!values.every((value) => value >= 0 && value < Infinity)) return { letter, problem: "These arguments do not fit together." };
      const call = `${name}(${shown.join(", ")})`;
      const python = warmup ? `Warmup(${call}, ${warmup.source})` : call;
      const names = [name, ...(warmup ? ["Warmup"] : []), ...(python.includes("epochs(") ? ["epochs"] : [])].sort();
      return { letter, rate, values, python: `from keras_lr import ${names.join(", ")}\n\nschedule = ${python}\n` };
    }

    line({ letter, python, problem }) {
      const upper = letter.toUpperCase();
      if (problem) return html("div", { class: `pg-line pg-${letter} pg-wrong`, role: "alert" }, `${upper}: ${problem}`);
      const button = html("button", { type: "button", "aria-label": `Copy the Python of curve ${upper}` }, "Copy");
      button.addEventListener("click", () => copy(python).then((done) => (button.textContent = done ? "Copied" : "Not copied")));
      return html("div", { class: `pg-line pg-${letter}` }, html("pre", { "aria-label": `Curve ${upper} in Python` }, python), button);
    }
  }

  // To the clipboard; in the old way where a browser keeps the new one from pages opened from a file.
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch (error) {
      const area = html("textarea", { class: "pg-hidden", "aria-hidden": "true" });
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }

  function start() {
    const root = document.getElementById("keras-lr-playground");
    if (root && !root.playground) root.playground = new Playground(root);
  }

  P.read = read;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})(window.KerasLRPlayground);
