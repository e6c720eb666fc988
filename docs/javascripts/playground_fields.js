// One input for each argument: a slider and a text field for numbers, a list, a choice, a tick.
(function (P) {
  "use strict";
  const { Num, SPEC } = P;
  const NOTCHES = 1000;
  let counter = 0;

  function html(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
      else if (typeof value === "boolean") element.toggleAttribute(key, value);
      else element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  const plain = (kind) => (kind.type === "Optional" ? kind.kind : kind);

  // What the examples show for an argument, to have a scale for numbers without bounds.
  function reference(name, argument) {
    if (typeof argument.default === "number" && argument.default > 0) return argument.default;
    const shown = P.parse(SPEC.classes[name].example).args[argument.name];
    return shown instanceof Num && shown.value > 0 ? shown.value : 1;
  }

  // The range of a slider: from a notch to a value and back.
  function range(name, argument, total) {
    const kind = plain(argument.kind);
    if (P.isWhole(kind)) return wholeRange(kind, reference(name, argument), total);
    if (kind.low === undefined || kind.low < 0) return even(-10, 10, 0.1); // arguments of tanh
    if (kind.high !== undefined) {
      const high = kind.high < 1 ? 0.99 : kind.high;
      return even(kind.openLow ? kind.low + 0.01 : kind.low, high, 0.01);
    }
    const middle = reference(name, argument);
    const [low, high] = kind.allowed.includes("learning rate") ? [1e-6, 1] : [middle / 100, middle * 100];
    return logarithmic(low, high, !kind.openLow);
  }

  function wholeRange(kind, middle, total) {
    if (!kind.steps) return even(kind.low, Math.max(20, 10 * middle), 1);
    return even(kind.low < 0 ? -total : kind.low, Math.max(total, kind.low + 1), 1);
  }

  function even(low, high, unit) {
    return {
      value: (notch) => Number((Math.round((low + ((high - low) * notch) / NOTCHES) / unit) * unit).toPrecision(12)),
      notch: (value) => ((value - low) / (high - low)) * NOTCHES,
    };
  }

  // Two digits suffice, so that the line of Python stays short; the first notch is 0 where that is allowed.
  function logarithmic(low, high, zero) {
    const [a, b] = [Math.log(low), Math.log(high)];
    return {
      value: (notch) => (zero && notch === 0 ? 0 : Number(Math.exp(a + ((b - a) * notch) / NOTCHES).toPrecision(2))),
      notch: (value) => (value > 0 ? ((Math.log(value) - a) / (b - a)) * NOTCHES : 0),
    };
  }

  // What was typed, as Python would have it; what is no Python is a string, and so is refused in words.
  function typed(kind, text) {
    if (kind.type === "Optional" && !text.trim()) return null;
    const list = plain(kind).type === "Several" && !text.trim().startsWith("[");
    try {
      const value = P.value(list ? `[${text}]` : text);
      return value instanceof P.Call ? text : value;
    } catch (error) {
      return text;
    }
  }

  function display(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "string") return value;
    return Array.isArray(value) ? value.map(P.source).join(", ") : P.source(value);
  }

  // The value that an argument has: the written one, or the default.
  function current(call, argument) {
    if (argument.name in call.args) return call.args[argument.name];
    const standard = argument.default;
    return typeof standard === "number" ? new Num(standard, P.isWhole(argument.kind)) : standard;
  }

  const inputs = {
    OneOf(call, argument, id, changed) {
      const set = (event) => changed(event.target.value);
      const select = html("select", { id, onchange: set });
      for (const choice of argument.kind.choices) select.append(html("option", { value: choice }, choice));
      select.value = current(call, argument);
      return [select];
    },
    Flag(call, argument, id, changed) {
      const box = html("input", { id, type: "checkbox", onchange: (event) => changed(event.target.checked) });
      box.checked = current(call, argument) === true;
      return [box];
    },
    Several(call, argument, id, changed) {
      const set = (event) => changed(typed(argument.kind, event.target.value));
      const field = html("input", { id, type: "text", autocomplete: "off", spellcheck: "false", oninput: set });
      field.value = display(current(call, argument));
      return [field];
    },
    Number(call, argument, id, changed, context) {
      const scale = range(call.name, argument, context.total());
      const slider = html("input", { type: "range", min: 0, max: NOTCHES, step: 1, "aria-label": `${argument.name}, slider` });
      const field = html("input", { id, type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false" });
      field.setAttribute("class", "pg-number");
      if (argument.kind.type === "Optional") field.placeholder = "None";
      const place = (value) => {
        if (value instanceof Num) slider.value = scale.notch(value.value);
      };
      field.value = display(current(call, argument));
      slider.value = 0;
      place(current(call, argument));
      slider.addEventListener("input", () => {
        const value = new Num(scale.value(Number(slider.value)), P.isWhole(argument.kind));
        field.value = display(value);
        changed(value);
      });
      field.addEventListener("input", () => {
        const value = typed(argument.kind, field.value);
        place(value);
        changed(value);
      });
      return [slider, field];
    },
  };

  // The field of one argument of a call; `context` has total(), changed() and the list of fields.
  function field(call, argument, context) {
    counter += 1;
    const id = `pg-field-${counter}`;
    const type = argument.kind.type in inputs ? argument.kind.type : "Number";
    const changed = (value) => {
      call.args[argument.name] = value;
      context.changed();
    };
    const parts = inputs[type](call, argument, id, changed, context);
    const message = html("p", { class: "pg-refusal", id: `${id}-message`, hidden: true });
    parts[parts.length - 1].setAttribute("aria-describedby", `${id}-help ${id}-message`);
    context.fields.push({ call, name: argument.name, input: parts[parts.length - 1], message });
    const label = html("label", { for: id }, argument.name);
    const help = html("p", { class: "pg-help", id: `${id}-help` }, argument.help);
    return html("div", { class: `pg-field pg-${type.toLowerCase()}`, "data-argument": argument.name }, label, ...parts, help, message);
  }

  Object.assign(P, { html, field });
})(window.KerasLRPlayground);
