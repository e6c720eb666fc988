// The editor of one schedule: what it is, and what is done to it, each with its fields.
(function (P) {
  "use strict";
  const { Call, Num, SPEC, html } = P;

  const GROUPS = {
    decay: "Decays, as in Keras",
    stepwise: "Given rates",
    shaped: "Decays from papers",
    cyclical: "Cycles",
    recipes: "Whole trainings",
    combine: "Sequences",
  };

  // What can be done to a schedule: words for the menu, and for the card.
  const LAYERS = {
    Warmup: ["a warmup before it", "Warmup"],
    Chain: [">> another schedule after its end", ">> then"],
    Cooldown: [".cooldown: leave it for a fall", ".cooldown"],
    Product: ["× a number or another schedule", "× times"],
    Sum: ["+ another schedule", "+ plus"],
    Clip: [".clip between two rates", ".clip"],
    Shifted: [".from_step: begin later or earlier", ".from_step"],
    Repeat: ["repeat it", "Repeat"],
    Noise: ["noise on it", "Noise"],
    PerUpdate: ["count updates of several batches", "PerUpdate"],
    Reduced: ["scale it as ReduceOnPlateau does", "Reduced"],
    Paced: ["change the pace of its clock", "Paced"],
    Bound: [".bind epochs and fractions to steps", ".bind"],
  };

  const holdsOne = (name) => SPEC.classes[name].arguments[0].kind.type === "Inner";
  const holdsMany = (name) => {
    const { kind } = SPEC.classes[name].arguments[0];
    return kind.type === "Several" && kind.item.type === "Inner";
  };
  const partner = "OppositePhase";
  const layers = () => Object.keys(SPEC.classes).filter((name) => isLayer(name) && name !== partner).sort(byMenu);
  const isLayer = (name) => holdsOne(name) || (holdsMany(name) && name !== "Sequential");
  const byMenu = (a, b) => Object.keys(LAYERS).indexOf(a) - Object.keys(LAYERS).indexOf(b);
  const cores = () => Object.keys(SPEC.classes).filter((name) => !isLayer(name));

  // A number where a schedule is wanted is a constant.
  function asCall(raw) {
    return raw instanceof Call ? raw : new Call("Constant", { learning_rate: raw });
  }

  // The schedule inside a layer, and a function that puts another one there.
  function inner(call) {
    if (holdsOne(call.name)) {
      call.args.schedule = asCall(call.args.schedule);
      return [call.args.schedule, (other) => (call.args.schedule = other)];
    }
    const parts = list(call).map(asCall);
    call.args.schedules = parts.length ? parts : [asCall(new Num(0.1, false))];
    return [call.args.schedules[0], (other) => (call.args.schedules[0] = other)];
  }

  const list = (call) => (Array.isArray(call.args.schedules) ? call.args.schedules : [call.args.schedules]);

  // An example of a class, with the values that the old schedule has under the same names.
  function example(name, old) {
    const fresh = P.parse(SPEC.classes[name].example);
    for (const { name: argument, kind } of SPEC.classes[name].arguments) {
      const known = SPEC.classes[old.name].arguments.find((other) => other.name === argument);
      const alike = known && known.kind.type === kind.type && known.kind.allowed === kind.allowed;
      if (alike && argument in old.args && !(kind.type in { Several: 1, OneOf: 1 })) fresh.args[argument] = old.args[argument];
    }
    return fresh;
  }

  // A schedule with one layer more; a sum of a sum, and so on, stays flat.
  function wrapped(name, call) {
    const layer = P.parse(SPEC.classes[name].example);
    if (call.name !== name || holdsOne(name)) {
      inner(layer)[1](call);
      return layer;
    }
    call.args.schedules = [...list(call), ...layer.args.schedules.slice(1)];
    return call;
  }

  // Everything about one schedule; `replace` puts another in its place, `context.restructured` draws anew.
  function editor(call, replace, context) {
    const put = (other) => {
      replace(other);
      context.restructured();
    };
    const stack = [];
    let core = call;
    let putCore = put;
    while (isLayer(core.name)) {
      const [next, set] = inner(core);
      stack.unshift({ layer: core, next, put: putCore });
      putCore = (other) => {
        set(other);
        context.restructured();
      };
      core = next;
    }
    const cards = [coreCard(core, putCore, context)];
    for (const item of stack) cards.push(layerCard(item.layer, () => item.put(item.next), context));
    return html("div", { class: "pg-block" }, ...cards, adder((name) => put(wrapped(name, call))));
  }

  function coreCard(core, put, context) {
    context.ids += 1;
    const id = `pg-class-${context.ids}`;
    const select = html("select", { id, class: "pg-class", onchange: (event) => put(example(event.target.value, core)) });
    for (const [module, title] of groups()) {
      const group = html("optgroup", { label: title });
      for (const name of cores().filter((one) => SPEC.classes[one].module === module)) {
        group.append(html("option", { value: name }, name));
      }
      select.append(group);
    }
    select.value = core.name;
    const head = html("div", { class: "pg-head" }, html("label", { for: id }, "Schedule"), select);
    return card(core, head, context);
  }

  function groups() {
    const modules = [...new Set(cores().map((name) => SPEC.classes[name].module))];
    const order = Object.keys(GROUPS);
    return modules.sort((a, b) => order.indexOf(a) - order.indexOf(b)).map((module) => [module, GROUPS[module] || module]);
  }

  function layerCard(layer, remove, context) {
    const title = (LAYERS[layer.name] || [layer.name, layer.name])[1];
    const button = html("button", { type: "button", class: "pg-quiet", onclick: remove }, "Remove");
    button.setAttribute("aria-label", `Remove ${title}`);
    return card(layer, html("div", { class: "pg-head" }, html("strong", {}, title), button), context, remove);
  }

  function card(call, head, context, unwrap) {
    const { summary, arguments: parameters } = SPEC.classes[call.name];
    const body = html("fieldset", { class: "pg-card", "data-class": call.name });
    body.append(html("legend", { class: "pg-hidden" }, call.name), head);
    body.append(html("p", { class: "pg-summary" }, summary.replace(/`+/g, "")));
    const fields = html("div", { class: "pg-fields" });
    for (const argument of parameters) {
      const { type, item, kind } = argument.kind;
      if (type === "Inner" || (type === "Optional" && kind.type === "Text")) continue;
      if (type === "Several" && item.type === "Inner") body.append(parts(call, context, unwrap));
      else fields.append(P.field(call, argument, context));
    }
    body.append(fields);
    return body;
  }

  // The schedules of a sequence, a sum or a product, except the first of a layer, which is underneath.
  function parts(call, context, unwrap) {
    call.args.schedules = list(call).map(asCall);
    const { schedules } = call.args;
    const first = isLayer(call.name) ? 1 : 0;
    const box = html("div", { class: "pg-parts" });
    schedules.slice(first).forEach((part, i) => {
      const at = i + first;
      const remove = html("button", { type: "button", class: "pg-quiet", onclick: () => removed(at) }, `Remove part ${at + 1}`);
      const block = editor(part, (other) => (schedules[at] = other), context);
      box.append(html("div", { class: "pg-part" }, html("div", { class: "pg-head" }, html("strong", {}, `Part ${at + 1}`), remove), block));
    });
    const removed = (at) => {
      schedules.splice(at, 1);
      const bare = unwrap && schedules.length === 1 && !("factor" in call.args);
      if (bare) unwrap();
      else context.restructured();
    };
    const add = () => {
      schedules.push(P.parse(SPEC.classes.LinearDecay.example));
      context.restructured();
    };
    box.append(html("button", { type: "button", onclick: add }, "Add a part"));
    return box;
  }

  function adder(add) {
    const select = html("select", { class: "pg-add", "aria-label": "Change or extend this schedule", onchange: (event) => add(event.target.value) });
    select.append(html("option", { value: "" }, "Change or extend it …"));
    for (const name of layers()) select.append(html("option", { value: name }, (LAYERS[name] || [name])[0]));
    return select;
  }

  Object.assign(P, { editor, cores, layers, partner });
})(window.KerasLRPlayground);
