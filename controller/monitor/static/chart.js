// One uPlot in the colours of the theme: points, lines and bands, with a legend, marked places and a read-out.

import { onResize } from "./dom.js";
import { add, colours, enlargement, faded, note, opensAnother } from "./parts.js";
import { ticks, timeTicks } from "./ticks.js";

const FONT_PX = 12;
const TICK_PX = { x: 70, y: 28 };

// A view of curves: `spec` says which series there are, and `spec.plot(message, state)` what one message shows.
export class Chart {
  constructor(element, spec) {
    Object.assign(this, { element, spec, uplot: null, plot: null, message: null, state: null });
    element.classList.add("chart-view");
    this.legend = add(element, "ul", "legend");
    this.place = add(element, "div", "plot");
    this.sign = add(this.place, "p", "sign", spec.empty);
    this.readOut = add(this.place, "p", "read-out");
    onResize(this.place, (width, height) => this.resize(width, height));
  }

  show(message) {
    if (message.kind === "state") this.state = message;
    if (message.kind === "preview") this.message = message;
    else if (opensAnother(message, this.message?.hold ?? null)) this.message = null;
    else return;
    this.plot = this.message && this.spec.plot(this.message, this.state);
    this.draw();
  }

  // The colours have changed: uPlot keeps those it was made with.
  theme() {
    this.uplot?.destroy();
    this.uplot = null;
    this.draw();
  }

  resize(width, height) {
    if (this.uplot && this.larger === enlargement()) this.uplot.setSize({ width, height });
    else this.theme();
  }

  draw() {
    this.sign.hidden = Boolean(this.plot);
    this.sign.textContent = (this.message && this.spec.missing?.(this.message)) || this.spec.empty;
    note(this.element, this.plot?.note ?? "");
    // uPlot draws a moment after it is given data; by then there may be none again.
    if (this.plot) this.shown = this.plot;
    if (!this.plot) {
      this.uplot?.destroy();
      this.uplot = null;
      this.legend.replaceChildren();
      this.readOut.textContent = "";
    } else if (this.uplot) {
      this.uplot.setData(this.plot.columns);
    } else {
      this.make();
    }
  }

  make() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || !height) return;
    this.colours = colours(this.element);
    this.larger = enlargement();
    const series = this.spec.series(this.colours);
    this.drawLegend(series);
    const hooks = { draw: [(u) => this.drawMarks(u)], setCursor: [(u) => this.read(u)] };
    const options = { width, height, hooks, legend: { show: false }, cursor: CURSOR };
    Object.assign(options, this.scales(), seriesOptions(series, this.larger));
    this.uplot = new uPlot(options, this.plot.columns, this.place);
  }

  scales() {
    const { x, y } = this.spec;
    return {
      padding: [10, 14, 0, 0].map((one) => one * this.larger),
      scales: {
        x: { time: false, distr: x.logarithmic ? 3 : 1, range: () => this.shown.x },
        y: { range: () => this.shown.y },
      },
      axes: [this.axis("x", x.ticks ?? (x.time ? timeTicks : ticks), x.label), this.axis("y", ticks, y.label)],
    };
  }

  axis(side, ticksOf, label) {
    const { larger, colours: { ink, grid } } = this;
    const font = `${FONT_PX * larger}px system-ui, sans-serif`;
    let texts = [];
    const splits = (u, _, low, high) => {
      const length = side === "x" ? u.bbox.width : u.bbox.height;
      const marks = ticksOf(low, high, Math.max(2, length / devicePixelRatio / larger / TICK_PX[side]));
      texts = marks.map((mark) => mark.text);
      return marks.map((mark) => mark.value);
    };
    return {
      label, splits, values: () => texts, filter: (u, all) => all, stroke: ink, font, labelFont: font,
      size: (side === "x" ? 30 : 58) * larger, labelSize: 20 * larger, gap: 4 * larger,
      grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 5 * larger },
    };
  }

  drawLegend(series) {
    this.legend.replaceChildren();
    for (const { label, colour, strong, points, dash } of series.filter((one) => one.label)) {
      const kind = points ? "points" : dash ? "dashed" : "";
      const item = add(this.legend, "li", strong ? `strong ${kind}` : kind, label);
      item.style.setProperty("--swatch", colour);
    }
  }

  // Draw what is marked on the x axis, and levels of y that are within the limits.
  drawMarks(u) {
    const { ctx: context, bbox } = u, ratio = devicePixelRatio * this.larger;
    context.save();
    Object.assign(context, { font: `${FONT_PX * ratio}px system-ui, sans-serif`, lineWidth: ratio });
    context.setLineDash([4 * ratio, 4 * ratio]);
    for (const { x, text } of this.shown.marks ?? []) {
      const at = u.valToPos(x, "x", true);
      if (at < bbox.left || at > bbox.left + bbox.width) continue;
      stroke(context, this.colours.ink, [at, bbox.top], [at, bbox.top + bbox.height]);
      const toRight = at < bbox.left + bbox.width / 2;
      context.textAlign = toRight ? "left" : "right";
      context.fillText(text, at + (toRight ? 6 : -6) * ratio, bbox.top + 14 * ratio);
    }
    for (const { y, colour, text } of this.shown.levels ?? []) {
      const at = u.valToPos(y, "y", true);
      if (at < bbox.top || at > bbox.top + bbox.height) continue;
      stroke(context, this.colours[colour], [bbox.left, at], [bbox.left + bbox.width, at]);
      Object.assign(context, { textAlign: "right", fillStyle: this.colours.soft });
      context.fillText(text, bbox.left + bbox.width - 4 * ratio, at - 5 * ratio);
    }
    context.restore();
  }

  read(u) {
    const i = u.cursor.idx ?? Infinity;
    this.readOut.textContent = i < this.shown.columns[0].length ? this.shown.place(i) : "";
  }
}

// A single value makes no line.
const isAlone = (plot, index) => plot.data[index].filter((value) => value !== null).length === 1;

const CURSOR = { y: false, drag: { x: false, y: false }, points: { size: 7 } };

function stroke(context, colour, from, to) {
  Object.assign(context, { strokeStyle: colour, fillStyle: colour });
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

// What uPlot calls series and bands; a band has two series, its edges.
function seriesOptions(all, larger) {
  const series = [{}], bands = [];
  for (const { band, points, line, dash, colour } of all) {
    if (band) {
      bands.push({ series: [series.length, series.length + 1], fill: faded(colour, 0.18) });
      for (let edge = 0; edge < 2; edge++) series.push({ stroke: "transparent", width: 0, points: { show: false } });
    } else if (points) {
      const dots = { show: true, size: points * larger, fill: colour, width: 0 };
      series.push({ stroke: colour, paths: () => null, points: dots });
    } else {
      const dot = { show: isAlone, size: 3 * line * larger, fill: colour, width: 0 };
      series.push({ stroke: colour, width: line * larger, dash, points: dot });
    }
  }
  return { series, bands };
}
