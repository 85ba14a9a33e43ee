// Heat maps: the two-time correlation of the open hold, and its map of relaxation times.

import { onResize } from "./dom.js";
import { duration, lengthText, percent, significant } from "./format.js";
import { MASKED, cssColour, table } from "./lut.js";
import { add, attrsOf, colours, dataOf, enlargement, opensAnother, sharp } from "./parts.js";
import { logTicks, roundLength, ticks, timeTicks } from "./ticks.js";

const FONT = "12px system-ui, sans-serif";
const BAR_PX = 12, BAR_GAP_PX = 10, LEFT_PX = 54, BOTTOM_PX = 38, TOP_PX = 22, RIGHT_PX = 46;
const MOST_SAMPLES = 20000;

// Build the view of C(t1, t2) - 1 inside an element.
export function createTtcf(element) {
  const empty = "The two-time correlation comes with the first bins of an ECM hold.";
  return new HeatMap(element, { picture: ttcfPicture, empty, left_px: LEFT_PX, bottom_px: BOTTOM_PX });
}

// Build the view of the relaxation times of the pixels inside an element.
export function createMap(element) {
  const empty = "The map of relaxation times comes when single pixels can be fitted.";
  return new HeatMap(element, { picture: mapPicture, empty, left_px: 2, bottom_px: 4 });
}

// A picture is what one message shows: rows of values from the top, the colours between two limits, axes or a scale
// bar, what is written below and what at a place (row, column).

function ttcfPicture(message) {
  const value = dataOf(message, "ttcf/value"), t_s = dataOf(message, "ttcf/t_s");
  if (!value || !t_s || t_s.length < 2) return null;
  const n = t_s.length;
  // Drawn with t2 upwards.
  const at = (row, column) => value[(n - 1 - row) * n + column] - 1;
  const bin_s = t_s[1] - t_s[0], whole = duration(t_s[n - 1] + bin_s / 2);
  return {
    ny: n, nx: n, at, t_s, map: table("viridis"), missing: 0, barLabel: "C − 1",
    ...limits(awayFromDiagonal(value, n)),
    caption: `C(t₁, t₂) − 1 of the image · ${n} × ${n} bins of ${significant(bin_s)} s · the first ${whole}`,
    place: (row, column) =>
      `t₁ ${duration(t_s[column])}, t₂ ${duration(t_s[n - 1 - row])}: ${significant(at(row, column))}`,
  };
}

function mapPicture(message) {
  const tau_s = dataOf(message, "map/tau_s");
  if (!tau_s) return null;
  const [ny, nx] = message.arrays["map/tau_s"].shape;
  const { pixel_nm, tau_s: whole_s } = attrsOf(message, "map");
  const fitted = Float64Array.from(tau_s.filter((one) => one > 0));
  const size = pixel_nm ? ` of ${significant(pixel_nm)} nm` : "";
  const flagged = percent(1 - fitted.length / tau_s.length, 1);
  const whole = whole_s ? ` · whole image, fitted alike: ${significant(whole_s)} s` : "";
  const at = (row, column) => (tau_s[row * nx + column] > 0 ? tau_s[row * nx + column] : NaN);
  return {
    ny, nx, at, pixel_nm, map: table("cividis"), missing: MASKED, barLabel: "τ / s",
    ...limits(fitted, true),
    caption: `τ of ${ny} × ${nx} pixels${size} · ${flagged} without a fit (magenta)${whole}`,
    place: (row, column) => placeInMap(row, column, at(row, column), pixel_nm),
  };
}

function placeInMap(row, column, tau_s, pixel_nm) {
  const [y, x] = [row, column].map((index) => (pixel_nm ? significant((index + 0.5) * pixel_nm) : index));
  const place = `y ${y}, x ${x}${pixel_nm ? " nm" : ""}`;
  return `${place}: ${tau_s > 0 ? `τ = ${significant(tau_s)} s (${duration(tau_s)})` : "no fit"}`;
}

// C - 1 without the diagonal and what is next to it: there a frame meets itself, shot noise and all.
function awayFromDiagonal(value, n) {
  const least = n > 8 ? 2 : 1;
  const step = Math.floor((n * n) / MOST_SAMPLES) | 1;
  const samples = [];
  for (let i = 0; i < n * n; i += step) {
    if (Math.abs((i % n) - Math.floor(i / n)) >= least && Number.isFinite(value[i])) samples.push(value[i] - 1);
  }
  return Float64Array.from(samples);
}

// The 1st and 99th percentile, for a scale that single values do not stretch.
function limits(values, logarithmic = false) {
  const sorted = values.slice().sort();
  const at = (part) => sorted[Math.round(part * (sorted.length - 1))];
  const [low, high] = sorted.length ? [at(0.01), at(0.99)] : [1, 10];
  const margin = high > low ? 0 : 0.05 * Math.abs(low) || 1e-3;
  return { low: low - margin, high: high + margin, logarithmic };
}

// Where a value lies between the limits of a picture, 0 ... 1 inside.
function part(picture, value) {
  const { low, high, logarithmic } = picture;
  return logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

class HeatMap {
  constructor(element, { picture, empty, left_px, bottom_px }) {
    Object.assign(this, { element, pictureOf: picture, empty, left_px, bottom_px });
    this.picture = this.hold = this.pointer = null;
    element.classList.add("heat-view");
    this.plot = add(element, "div", "plot");
    this.canvas = add(this.plot, "canvas");
    this.sign = add(this.plot, "p", "sign", empty);
    this.caption = add(element, "p", "caption");
    this.image = document.createElement("canvas");
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    onResize(this.plot, () => this.draw());
  }

  show(message) {
    if (message.kind === "preview") {
      this.hold = message.hold;
      this.picture = this.pictureOf(message);
    } else if (opensAnother(message, this.hold)) {
      this.hold = this.picture = null;
    } else return;
    if (this.picture) this.paint();
    this.draw();
  }

  theme() {
    this.draw();
  }

  // Draw the values, one pixel each, into a canvas that is never in the page.
  paint() {
    const { ny, nx, at, map, missing } = this.picture;
    Object.assign(this.image, { width: nx, height: ny });
    const context = this.image.getContext("2d"), image = context.createImageData(nx, ny);
    const packed = new Uint32Array(image.data.buffer);
    for (let i = 0; i < packed.length; i++) {
      const place = part(this.picture, at(Math.floor(i / nx), i % nx));
      packed[i] = Number.isNaN(place) ? missing : map[Math.round(255 * Math.min(1, Math.max(0, place)))];
    }
    context.putImageData(image, 0, 0);
  }

  // Lay out the largest picture of equal aspect that fits, and draw it with what belongs to it.
  draw() {
    const { clientWidth, clientHeight } = this.plot;
    this.sign.hidden = Boolean(this.picture);
    this.write();
    if (!clientWidth || !clientHeight) return;
    const context = sharp(this.canvas, clientWidth, clientHeight);
    if (!this.picture) return;
    this.larger = enlargement();
    context.scale(this.larger, this.larger);
    const [wide, high] = [clientWidth / this.larger, clientHeight / this.larger];
    const { ny, nx, t_s } = this.picture;
    const free_px = [wide - this.left_px - BAR_GAP_PX - BAR_PX - RIGHT_PX, high - TOP_PX - this.bottom_px];
    const scale = Math.max(1 / nx, Math.min(free_px[0] / nx, free_px[1] / ny));
    const left = this.left_px + (free_px[0] - nx * scale) / 2;
    const top = TOP_PX + (free_px[1] - ny * scale) / 2;
    this.box = { left, top, width: nx * scale, height: ny * scale, scale };
    this.theColours = colours(this.element);
    context.font = FONT;
    this.drawImage(context);
    this.drawColourBar(context);
    if (t_s) this.drawAxes(context);
    else this.drawScaleBar(context);
  }

  drawImage(context) {
    const { left, top, width, height, scale } = this.box;
    context.fillStyle = this.theColours.grid;
    context.fillRect(left, top, width, height);
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(this.image, left, top, width, height);
  }

  drawColourBar(context) {
    const { picture } = this, { left, top, width, height } = this.box;
    const x = left + width + BAR_GAP_PX, { low, high, map } = picture;
    for (let i = 0; i < 256; i++) {
      context.fillStyle = cssColour(map[255 - i]);
      context.fillRect(x, top + (i * height) / 256, BAR_PX, height / 256 + 0.5);
    }
    const marks = picture.logarithmic ? logTicks(low, high) : ticks(low, high, Math.max(2, height / 40));
    Object.assign(context, { fillStyle: this.theColours.ink, textAlign: "left", textBaseline: "middle" });
    for (const { value, text } of marks) {
      const y = top + height * (1 - part(picture, value));
      context.fillRect(x + BAR_PX, y - 0.5, 4, 1);
      context.fillText(text, x + BAR_PX + 7, y);
    }
    context.textBaseline = "alphabetic";
    context.fillText(picture.barLabel, x, top - 8);
  }

  drawAxes(context) {
    const { left, top, width, height } = this.box, { t_s } = this.picture, n = t_s.length;
    Object.assign(context, { fillStyle: this.theColours.ink, textBaseline: "middle", textAlign: "right" });
    const marks = timeTicks(t_s[0], t_s[n - 1], Math.max(2, width / 50));
    for (const { value, text } of marks) {
      const along = ((indexAt(t_s, value) + 0.5) / n) * width;
      context.fillRect(left + along - 0.5, top + height, 1, 4);
      context.fillRect(left - 4, top + height - along - 0.5, 4, 1);
      context.fillText(text, left - 7, top + height - along);
    }
    Object.assign(context, { textBaseline: "top", textAlign: "center" });
    for (const { value, text } of marks) {
      context.fillText(text, left + ((indexAt(t_s, value) + 0.5) / n) * width, top + height + 7);
    }
    context.fillText("t₁ into the hold", left + width / 2, top + height + 23);
    Object.assign(context, { textBaseline: "alphabetic", textAlign: "right" });
    context.fillText("t₂", left - 7, top - 8);
  }

  drawScaleBar(context) {
    const { pixel_nm } = this.picture, { left, top, width, height, scale } = this.box;
    if (!pixel_nm) return;
    const length_nm = roundLength((0.3 * width * pixel_nm) / scale), length = (length_nm / pixel_nm) * scale;
    const x = left + 0.04 * width, y = top + 0.96 * height - 4;
    Object.assign(context, { lineWidth: 3, lineJoin: "round", strokeStyle: "#000", fillStyle: "#fff" });
    Object.assign(context, { textAlign: "center", textBaseline: "bottom" });
    context.strokeRect(x, y, length, 4);
    context.fillRect(x, y, length, 4);
    context.strokeText(lengthText(length_nm), x + length / 2, y - 3);
    context.fillText(lengthText(length_nm), x + length / 2, y - 3);
  }

  point(event) {
    this.pointer = event && [event.offsetX, event.offsetY];
    this.write();
  }

  // Write what is under the pointer, or what the picture is.
  write() {
    this.caption.textContent = this.picture ? (this.placeText() ?? this.picture.caption) : "";
  }

  placeText() {
    if (!this.pointer || !this.box) return null;
    const { left, top, scale } = this.box, { ny, nx, place } = this.picture;
    const [x, y] = this.pointer.map((one) => one / this.larger);
    const column = Math.floor((x - left) / scale), row = Math.floor((y - top) / scale);
    return row >= 0 && column >= 0 && row < ny && column < nx ? place(row, column) : null;
  }
}

// The index, with its fraction, at which ascending times reach a value; between segments times jump.
function indexAt(t_s, value) {
  const right = Math.max(1, t_s.findIndex((one) => one >= value - 1e-6));
  return right - 1 + (value - t_s[right - 1]) / (t_s[right] - t_s[right - 1]);
}
