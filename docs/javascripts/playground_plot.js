// The picture: curves in SVG, a second panel for momenta, and the values under the cursor.
(function (P) {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = { left: 62, right: 26, top: 14, bottom: 40 };
  const HEIGHTS = { rate: 300, momentum: 110 };
  const LOW_HEIGHTS = { rate: 190, momentum: 80 };
  const GAP = 26;
  const MOST_SAMPLES = 20001;
  const DECADES = 7;

  function svg(name, attributes, parent, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  }

  // The steps of a picture: all of them, or as many as can be seen.
  function samples(total) {
    const count = Math.min(total + 1, MOST_SAMPLES);
    return Array.from({ length: count }, (_, i) => (i === count - 1 ? total : Math.floor((i * total) / (count - 1))));
  }

  // Of many points in one pixel column the first, lowest, highest and last, so that no spike is lost.
  function thinned(points) {
    const kept = [];
    let column = [];
    const flush = () => {
      if (!column.length) return;
      const low = column.reduce((a, b) => (b[1] < a[1] ? b : a));
      const high = column.reduce((a, b) => (b[1] > a[1] ? b : a));
      const chosen = new Set([column[0], low, high, column[column.length - 1]]);
      kept.push(...column.filter((point) => chosen.has(point)));
      column = [];
    };
    for (const point of points) {
      if (column.length && Math.floor(point[0]) !== Math.floor(column[0][0])) flush();
      column.push(point);
    }
    flush();
    return kept;
  }

  function niceTicks(low, high, count) {
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i += 1) {
      ticks.push(Number((i * step).toPrecision(12)));
    }
    return ticks;
  }

  function linear(values) {
    const top = Math.max(...values, 0) * 1.05 || 1;
    return { low: 0, high: top, share: (value) => value / top, ticks: niceTicks(0, top, 5) };
  }

  function zoomed(values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = (high - low) * 0.08 || 0.05;
    const [from, to] = [low - pad, high + pad];
    return { low: from, high: to, share: (value) => (value - from) / (to - from), ticks: niceTicks(from, to, 3) };
  }

  function logarithmic(values) {
    const positive = values.filter((value) => value > 0);
    if (!positive.length) return linear(values);
    const high = Math.max(...positive) * 1.15;
    const low = Math.max(Math.min(...positive) / 1.15, high / 10 ** DECADES);
    const [a, b] = [Math.log10(low), Math.log10(high)];
    const factors = b - a > 3 ? [1] : b - a > 1 ? [1, 3] : [1, 1.5, 2, 3, 5, 7];
    const ticks = [];
    for (let power = Math.floor(a); power <= b; power += 1) {
      for (const factor of factors) ticks.push(Number((factor * 10 ** power).toPrecision(3)));
    }
    const share = (value) => (value > 0 ? (Math.log10(value) - a) / (b - a) : null);
    return { low, high, share, ticks: ticks.filter((tick) => tick >= low && tick <= high) };
  }

  class Plot {
    constructor(root, readout) {
      this.root = root;
      this.readout = readout;
      this.step = null;
      this.svg = svg("svg", { class: "pg-svg", tabindex: 0, role: "slider", "aria-label": "Step to read" });
      this.root.prepend(this.svg);
      const move = (event) => this.point((event.clientX - this.svg.getBoundingClientRect().left - MARGIN.left) / this.width);
      this.svg.addEventListener("pointermove", move);
      this.svg.addEventListener("pointerdown", move);
      this.svg.addEventListener("pointerleave", () => this.read(null));
      this.svg.addEventListener("blur", () => this.read(null));
      this.svg.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.shown && this.draw(this.shown)).observe(this.root);
    }

    point(share) {
      if (this.shown) this.read(Math.round(Math.min(Math.max(share, 0), 1) * this.shown.total));
    }

    key(event) {
      if (!this.shown) return;
      const { total } = this.shown;
      const stride = event.shiftKey ? 1 : Math.max(Math.round(total / 100), 1);
      const moves = { ArrowLeft: -stride, ArrowDown: -stride, ArrowRight: stride, ArrowUp: stride, Home: -Infinity, End: Infinity };
      if (!(event.key in moves)) return;
      event.preventDefault();
      this.read(Math.min(Math.max((this.step === null ? 0 : this.step) + moves[event.key], 0), total));
    }

    // `shown` is { total, log, curves: [{ letter, rate, momentum }] }.
    draw(shown) {
      this.shown = shown;
      const momenta = shown.curves.filter((curve) => curve.momentum);
      const outer = Math.max(this.root.clientWidth, 240);
      this.width = outer - MARGIN.left - MARGIN.right;
      const heights = outer < 500 ? LOW_HEIGHTS : HEIGHTS;
      this.height = heights.rate + (momenta.length ? GAP + heights.momentum : 0);
      const total = this.height + MARGIN.top + MARGIN.bottom;
      this.svg.replaceChildren();
      for (const [key, value] of Object.entries({ viewBox: `0 0 ${outer} ${total}`, width: outer, height: total })) {
        this.svg.setAttribute(key, value);
      }
      this.plane = svg("g", { transform: `translate(${MARGIN.left} ${MARGIN.top})` }, this.svg);
      this.steps = samples(shown.total);
      this.marks = [];
      this.stepAxis();
      const rates = shown.curves.filter((curve) => curve.rate);
      this.panel(rates, "rate", 0, heights.rate, shown.log ? logarithmic : linear, "learning rate");
      if (momenta.length) this.panel(momenta, "momentum", heights.rate + GAP, heights.momentum, zoomed, "momentum");
      this.cursor = svg("line", { class: "pg-cursor", y1: 0, y2: this.height, visibility: "hidden" }, this.plane);
      this.read(this.step);
    }

    stepAxis() {
      const ticks = niceTicks(0, this.shown.total, this.width < 420 ? 4 : 8).filter(Number.isInteger);
      for (const tick of ticks) {
        const x = (tick / this.shown.total) * this.width;
        svg("line", { class: "pg-grid", x1: x, x2: x, y1: 0, y2: this.height }, this.plane);
        svg("text", { class: "pg-tick", x, y: this.height + 17, "text-anchor": "middle" }, this.plane, P.grouped(tick));
      }
      svg("text", { class: "pg-axis", x: this.width / 2, y: this.height + 34, "text-anchor": "middle" }, this.plane, "step");
    }

    panel(curves, which, top, height, scale, label) {
      const sampled = curves.map((curve) => this.steps.map(curve[which]));
      const axis = scale(sampled.flatMap(extremes));
      const y = (value) => top + height - axis.share(value) * height;
      for (const tick of axis.ticks) {
        svg("line", { class: "pg-grid", x1: 0, x2: this.width, y1: y(tick), y2: y(tick) }, this.plane);
        svg("text", { class: "pg-tick", x: -7, y: y(tick) + 4, "text-anchor": "end" }, this.plane, P.general(tick, 4));
      }
      svg("rect", { class: "pg-frame", x: 0, y: top, width: this.width, height }, this.plane);
      const place = `translate(${14 - MARGIN.left} ${top + height / 2}) rotate(-90)`;
      svg("text", { class: "pg-axis", transform: place, "text-anchor": "middle" }, this.plane, label);
      curves.forEach((curve, i) => {
        const style = `pg-curve pg-${curve.letter}`;
        svg("path", { class: style, d: this.path(sampled[i], axis, y), "data-curve": curve.letter + "-" + which }, this.plane);
        const dot = svg("circle", { class: `pg-dot pg-${curve.letter}`, r: 4, visibility: "hidden" }, this.plane);
        this.marks.push({ curve, which, dot, axis, y });
      });
    }

    path(values, axis, y) {
      const { total } = this.shown;
      const inside = (share) => share !== null && share >= -1e-9;
      let text = "";
      let piece = [];
      const flush = () => {
        const points = thinned(piece).map(([px, py]) => `${px.toFixed(2)} ${py.toFixed(2)}`);
        if (points.length) text += "M" + points.join("L") + (points.length === 1 ? "h0.01" : "");
        piece = [];
      };
      values.forEach((value, i) => {
        if (inside(axis.share(value))) piece.push([(this.steps[i] / total) * this.width, y(value)]);
        else flush();
      });
      flush();
      return text;
    }

    // Show the values at a step, or nothing.
    read(step) {
      this.step = step;
      if (!this.shown || !this.cursor) return;
      const at = step !== null && step <= this.shown.total ? step : null;
      this.cursor.setAttribute("visibility", at === null ? "hidden" : "visible");
      const x = at === null ? 0 : (at / this.shown.total) * this.width;
      this.cursor.setAttribute("x1", x);
      this.cursor.setAttribute("x2", x);
      for (const { curve, which, dot, axis, y } of this.marks) {
        const share = at === null ? null : axis.share(curve[which](at));
        dot.setAttribute("visibility", share === null || share < -1e-9 ? "hidden" : "visible");
        if (share === null) continue;
        dot.setAttribute("cx", x);
        dot.setAttribute("cy", y(curve[which](at)));
      }
      this.say(at);
    }

    say(at) {
      const parts = [];
      for (const { curve, which } of at === null ? [] : this.marks) {
        const span = document.createElement("span");
        span.className = `pg-value pg-${curve.letter}`;
        span.textContent = `${curve.letter.toUpperCase()}${which === "momentum" ? " momentum" : ""} ${P.general(curve[which](at), 6)}`;
        parts.push(" ", span);
      }
      const start = at === null ? "Point at the plot or use the arrow keys to read a step." : `step ${P.grouped(at)}`;
      this.readout.replaceChildren(start, ...parts);
      const told = at === null ? "none" : this.readout.innerText;
      const state = { "aria-valuemin": 0, "aria-valuemax": this.shown.total, "aria-valuenow": at || 0, "aria-valuetext": told };
      for (const [key, value] of Object.entries(state)) this.svg.setAttribute(key, value);
    }
  }

  // Lowest and highest value, and the lowest that is positive.
  function extremes(values) {
    let [low, high, positive] = [Infinity, -Infinity, Infinity];
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
      if (value > 0 && value < positive) positive = value;
    }
    return positive < Infinity ? [low, high, positive] : [low, high];
  }

  Object.assign(P, { Plot, samples });
})(window.KerasLRPlayground);
