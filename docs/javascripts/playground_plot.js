// The picture: curves in SVG, and the rates at the step under the pointer or chosen by the arrow keys.
(function (P) {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = { right: 34, top: 24, bottom: 40 };
  const LETTER = 7; // pixels of a letter in a label, at most
  const MOST_SAMPLES = 20001;
  const DECADES = 7;

  // The steps of a picture: all of them, or as many as can be seen.
  P.samples = function (total) {
    const count = Math.min(total + 1, MOST_SAMPLES);
    return Array.from({ length: count }, (_, i) => (i === count - 1 ? total : Math.floor((i * total) / (count - 1))));
  };

  function svg(name, attributes, parent, text) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    if (parent) parent.append(element);
    return element;
  }

  function ticks(high, count) {
    const power = 10 ** Math.floor(Math.log10(high / count));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= (high / count) * 0.999);
    return Array.from({ length: Math.floor((high / step) * (1 + 1e-9)) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  }

  // An axis: its ticks, and where between 0 and 1 a value is.
  function linear(values) {
    const high = Math.max(...values) * 1.05 || 1;
    return { ticks: ticks(high, 6), share: (value) => value / high };
  }

  function logarithmic(values) {
    const positive = values.filter((value) => value > 0);
    if (!positive.length) return linear(values);
    const high = Math.log10(Math.max(...positive) * 1.15);
    const low = Math.max(Math.log10(Math.min(...positive) / 1.15), high - DECADES);
    const factors = high - low > 3 ? [1] : high - low > 1 ? [1, 3] : [1, 1.5, 2, 3, 5, 7];
    const found = [];
    for (let power = Math.floor(low); power <= high; power += 1) {
      for (const factor of factors) found.push(Number((factor * 10 ** power).toPrecision(3)));
    }
    const share = (value) => (value > 0 ? (Math.log10(value) - low) / (high - low) : -1);
    return { ticks: found.filter((tick) => share(tick) >= 0 && share(tick) <= 1), share };
  }

  // Short figures: 0.05, 2e-5.
  function short(value, digits) {
    const text = String(Number(value.toPrecision(digits)));
    return Math.abs(value) < 1e-3 && value !== 0 ? Number(text).toExponential() : text;
  }

  class Plot {
    constructor(root, readout) {
      this.root = root;
      this.readout = readout;
      this.at = null;
      this.svg = svg("svg", { class: "pg-svg", tabindex: 0, role: "slider", "aria-label": "Step to read" }, root);
      const point = (event) => {
        const share = (event.clientX - this.svg.getBoundingClientRect().left - this.left) / this.width;
        this.read(Math.round(Math.min(Math.max(share, 0), 1) * this.shown.total));
      };
      this.svg.addEventListener("pointermove", point);
      this.svg.addEventListener("pointerdown", point);
      this.svg.addEventListener("pointerleave", () => this.read(null));
      this.svg.addEventListener("blur", () => this.read(null));
      this.svg.addEventListener("keydown", (event) => this.key(event));
      new ResizeObserver(() => this.shown && this.draw(this.shown)).observe(root);
    }

    key(event) {
      const { total } = this.shown;
      const stride = event.shiftKey ? 1 : Math.max(Math.round(total / 100), 1);
      const moves = { ArrowLeft: -stride, ArrowDown: -stride, ArrowRight: stride, ArrowUp: stride, Home: -Infinity, End: Infinity };
      if (!(event.key in moves)) return;
      event.preventDefault();
      this.read(Math.min(Math.max((this.at || 0) + moves[event.key], 0), total));
    }

    // `shown` is { total, perEpoch, log, steps, curves: [{ letter, rate, values }] }; perEpoch is 0 for an axis in steps.
    draw(shown) {
      this.shown = shown;
      const outer = Math.max(this.root.clientWidth, 240);
      this.height = outer < 500 ? 190 : 300;
      const lowest = (values) => values.reduce((low, value) => (value > 0 && value < low ? value : low), Infinity);
      const highest = (values) => values.reduce((high, value) => Math.max(high, value), 0);
      const ends = shown.curves.flatMap(({ values }) => [lowest(values), highest(values)]).filter(Number.isFinite);
      this.axis = (shown.log ? logarithmic : linear)(ends.length ? ends : [1]);
      const labels = this.axis.ticks.map((tick) => short(tick, 4));
      this.left = 12 + LETTER * Math.max(...labels.map((label) => label.length));
      this.width = outer - this.left - MARGIN.right;
      const height = this.height + MARGIN.top + MARGIN.bottom;
      for (const [key, value] of Object.entries({ viewBox: `0 0 ${outer} ${height}`, width: outer, height })) {
        this.svg.setAttribute(key, value);
      }
      this.svg.replaceChildren();
      this.plane = svg("g", { transform: `translate(${this.left} ${MARGIN.top})` }, this.svg);
      this.axis.ticks.forEach((tick, i) => this.tick("y", this.y(tick), labels[i]));
      const unit = shown.perEpoch || 1;
      const most = Math.max(2, Math.floor(this.width / (LETTER * String(shown.total / unit).slice(0, 12).length + 40)));
      for (const tick of ticks(shown.total / unit, Math.min(most, 8))) {
        this.tick("x", this.x(tick * unit), tick.toLocaleString("en", { maximumFractionDigits: 9 }));
      }
      svg("rect", { class: "pg-frame", x: 0, y: 0, width: this.width, height: this.height }, this.plane);
      svg("text", { class: "pg-axis", x: -this.left + 2, y: 11 - MARGIN.top }, this.plane, "learning rate");
      const below = { class: "pg-axis", x: this.width / 2, y: this.height + 34, "text-anchor": "middle" };
      svg("text", below, this.plane, shown.perEpoch ? "epoch" : "step");
      for (const { letter, values } of shown.curves) {
        svg("path", { class: `pg-curve pg-${letter}`, d: this.path(values), "data-curve": letter }, this.plane);
      }
      this.cursor = svg("g", {}, this.plane);
      this.read(this.at);
    }

    x(step) {
      return (step / this.shown.total) * this.width;
    }

    y(value) {
      return (1 - this.axis.share(value)) * this.height;
    }

    tick(axis, at, label) {
      const line = axis === "x" ? { x1: at, x2: at, y1: 0, y2: this.height } : { x1: 0, x2: this.width, y1: at, y2: at };
      const text = axis === "x" ? { x: at, y: this.height + 17, "text-anchor": "middle" } : { x: -7, y: at + 4, "text-anchor": "end" };
      svg("line", { class: `pg-grid pg-grid-${axis}`, ...line }, this.plane);
      svg("text", { class: `pg-tick pg-tick-${axis}`, ...text }, this.plane, label);
    }

    // Of the points in one column of pixels the first, lowest, highest and last, so that no spike is lost.
    path(values) {
      const columns = new Map();
      values.forEach((value, i) => {
        const [x, y] = [this.x(this.shown.steps[i]), this.axis.share(value) < -1e-9 ? null : this.y(value)];
        const column = Math.floor(x);
        if (!columns.has(column)) columns.set(column, []);
        columns.get(column).push([x, y]);
      });
      let text = "";
      let pen = "M";
      for (const points of columns.values()) {
        const drawn = points.filter(([, y]) => y !== null).map(([, y]) => y);
        const [low, high] = [Math.min(...drawn), Math.max(...drawn)];
        points.forEach(([x, y], i) => {
          if (y === null) pen = "M";
          else if (i === 0 || i === points.length - 1 || y === low || y === high) {
            text += `${pen}${x.toFixed(2)} ${y.toFixed(2)}`;
            pen = "L";
          }
        });
      }
      return text;
    }

    // Show the rates at a step, or nothing.
    read(step) {
      this.at = step;
      const at = step === null || step > this.shown.total ? null : step;
      const { perEpoch, curves, total } = this.shown;
      this.cursor.replaceChildren();
      const told = at === null ? "Point at the picture, or use the arrow keys in it, to read a step." : `step ${at.toLocaleString("en")}`;
      const epoch = at !== null && perEpoch ? `, epoch ${short(at / perEpoch, 4)}` : "";
      this.readout.replaceChildren(told + epoch);
      if (at !== null) {
        svg("line", { class: "pg-cursor", x1: this.x(at), x2: this.x(at), y1: 0, y2: this.height }, this.cursor);
        for (const { letter, rate } of curves) {
          const value = rate(at);
          if (this.axis.share(value) >= 0) svg("circle", { class: `pg-dot pg-${letter}`, r: 4, cx: this.x(at), cy: this.y(value) }, this.cursor);
          const figure = document.createElement("span");
          figure.className = `pg-value pg-${letter}`;
          figure.textContent = `${letter.toUpperCase()} ${short(value, 6)}`;
          this.readout.append(" ", figure);
        }
      }
      const state = { "aria-valuemin": 0, "aria-valuemax": total, "aria-valuenow": at || 0, "aria-valuetext": this.readout.textContent };
      for (const [key, value] of Object.entries(state)) this.svg.setAttribute(key, value);
    }
  }

  P.Plot = Plot;
})(window.KerasLRPlayground);
