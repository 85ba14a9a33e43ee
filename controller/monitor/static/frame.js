// The newest frame: raw or corrected for drift, with contrast, scale bar, zoom and the counts under the pointer.

import { Contrast, countsAt } from "./contrast.js";
import { onResize } from "./dom.js";
import { lengthText, significant, stopwatch } from "./format.js";
import { MAPS, table } from "./lut.js";
import { add, note } from "./parts.js";
import { roundLength } from "./ticks.js";
import { Zoom } from "./zoom.js";

// Build the view of the newest frame inside an element.
export function create(element) {
  return new FrameView(element);
}

class FrameView {
  constructor(element) {
    this.element = element;
    this.frame = null;
    this.pointer = null;
    this.corrected = false;
    this.logarithmic = true;
    this.map = MAPS[0];
    element.classList.add("frame-view");
    this.buildTools();
    this.buildPicture();
    this.contrast = new Contrast(element, () => { this.paint(); this.label(); });
    this.caption = add(element, "p", "caption");
    this.zoom = new Zoom(this.pane, () => this.place());
    onResize(this.stage, () => this.place());
    this.label();
  }

  buildTools() {
    const tools = add(this.element, "div", "tools");
    const button = (text, key, title, action) => {
      const made = add(tools, "button", "tool", text);
      Object.assign(made, { type: "button", title: `${title} (${key})` });
      made.setAttribute("aria-keyshortcuts", key);
      made.addEventListener("click", () => { action(); this.label(); });
      return made;
    };
    this.driftButton = button("corrected", "r", "Take the drift out of the picture", () => this.correct());
    this.mapButton = button("grey", "l", "Next colours", () => this.colour());
    this.autoButton = button("auto contrast", "c", "Follow the counts of every frame", () => this.contrast.auto());
    this.logButton = button("log", "g", "Logarithmic brightness", () => this.toggleLog());
  }

  buildPicture() {
    this.stage = add(this.element, "div", "stage");
    this.pane = add(this.stage, "div", "pane");
    Object.assign(this.pane, { tabIndex: 0, role: "img", ariaLabel: "Newest frame; + and - zoom, 0 shows all" });
    this.canvas = add(this.pane, "canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.bar = add(this.pane, "div", "scale-bar");
    this.readOut = add(this.pane, "div", "read-out");
    this.sign = add(this.pane, "div", "sign", "No frame yet");
    this.pane.addEventListener("pointermove", (event) => this.point(event));
    this.pane.addEventListener("pointerleave", () => this.point(null));
  }

  show(message) {
    if (message.kind !== "frame") return;
    // Counts of a hold say nothing about those of another.
    if (message.hold !== this.frame?.hold) this.contrast.counts = null;
    this.frame = message;
    this.contrast.update(message);
    this.paint();
    this.label();
  }

  theme() {
    this.contrast.draw();
  }

  correct() {
    this.corrected = !this.corrected;
    this.place();
  }

  colour() {
    this.map = MAPS[(MAPS.indexOf(this.map) + 1) % MAPS.length];
    this.paint();
  }

  toggleLog() {
    this.logarithmic = !this.logarithmic;
    this.paint();
  }

  // Draw the pixels; each costs one look into a table.
  paint() {
    if (!this.frame) return;
    const { data, shape: [ny, nx] } = this.frame.arrays.pixels;
    this.makeImage(ny, nx);
    const colours = this.levelColours(), packed = this.packed;
    for (let i = 0; i < data.length; i++) packed[i] = colours[data[i]];
    this.context.putImageData(this.image, 0, 0);
    this.place();
  }

  makeImage(ny, nx) {
    if (this.image?.width === nx && this.image.height === ny) return;
    Object.assign(this.canvas, { width: nx, height: ny });
    this.image = this.context.createImageData(nx, ny);
    this.packed = new Uint32Array(this.image.data.buffer);
  }

  // The colours of the levels 0 ... 255 between the limits of the contrast.
  levelColours() {
    const colours = table(this.map), [low, high] = this.contrast.levels;
    const logarithmic = this.logarithmic && this.isPattern();
    return colours.map((_, level) => {
      const part = Math.min(1, Math.max(0, (level - low) / (high - low || 1)));
      return colours[Math.round(255 * (logarithmic ? Math.log1p(255 * part) / Math.log(256) : part))];
    });
  }

  isPattern() {
    return this.frame?.pixel_nm === null;
  }

  // Displacement that is taken out, in pixels (y, x).
  drift() {
    return (this.corrected && !this.isPattern() && this.frame?.drift_yx_px) || [0, 0];
  }

  // Lay the canvas into its window: fitted, zoomed, displaced. The pixels are not drawn again.
  place() {
    const { clientWidth, clientHeight } = this.stage;
    const { width, height } = this.canvas;
    const fit = Math.min(clientWidth / width, clientHeight / height);
    const paneWidth = fit * width, paneHeight = fit * height;
    Object.assign(this.pane.style, { width: `${paneWidth}px`, height: `${paneHeight}px` });
    const scale = fit * this.zoom.scale, [dy, dx] = this.drift();
    const left = this.zoom.x * paneWidth - dx * scale, top = this.zoom.y * paneHeight - dy * scale;
    this.canvas.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    this.canvas.style.imageRendering = scale >= 2 ? "pixelated" : "auto";
    this.drawBar(scale, paneWidth);
    this.read();
  }

  drawBar(scale, paneWidth) {
    const pixel_nm = this.frame?.pixel_nm;
    this.bar.hidden = !pixel_nm;
    if (!pixel_nm || !(paneWidth > 0)) return;
    const length_nm = roundLength((0.3 * paneWidth * pixel_nm) / scale);
    this.bar.style.width = `${(length_nm / pixel_nm) * scale}px`;
    this.bar.textContent = lengthText(length_nm);
  }

  point(event) {
    this.pointer = event && [event.clientX, event.clientY];
    this.read();
  }

  // Write the counts under the pointer. In a corrected frame, places are those of the specimen.
  read() {
    const text = this.frame && this.pointer ? this.textAt(...this.pointer) : "";
    this.readOut.hidden = !text;
    this.readOut.textContent = text;
  }

  textAt(clientX, clientY) {
    // The box of the canvas is where it is drawn: zoom, shift and drift are in it.
    const box = this.canvas.getBoundingClientRect();
    const { data, shape: [ny, nx] } = this.frame.arrays.pixels;
    const column = ((clientX - box.left) / box.width) * nx, row = ((clientY - box.top) / box.height) * ny;
    if (!(column >= 0 && row >= 0 && column < nx && row < ny)) return "";
    const level = data[Math.floor(row) * nx + Math.floor(column)];
    // The server cuts off what is darker or brighter than its limits.
    const bound = { 0: "≤ ", 255: "≥ " }[level] ?? "";
    return `${bound}${significant(countsAt(this.frame, level))} counts · ${this.placeText(Math.floor(row), Math.floor(column))}`;
  }

  placeText(row, column) {
    const { pixel_nm, step = 1 } = this.frame, [dy, dx] = this.drift();
    const y = row - dy, x = column - dx;
    const px = `y ${Math.round(y * step)}, x ${Math.round(x * step)} px`;
    return pixel_nm ? `${px} · ${(y * pixel_nm).toFixed(1)}, ${(x * pixel_nm).toFixed(1)} nm` : px;
  }

  // Write what is shown and how.
  label() {
    const { frame } = this, known = Boolean(frame?.drift_yx_px);
    this.driftButton.setAttribute("aria-pressed", this.corrected);
    this.driftButton.hidden = this.isPattern();
    this.driftButton.disabled = Boolean(frame) && !known;
    this.mapButton.textContent = this.map;
    this.logButton.hidden = !this.isPattern();
    this.logButton.setAttribute("aria-pressed", this.logarithmic);
    this.autoButton.setAttribute("aria-pressed", !this.contrast.counts);
    this.sign.hidden = Boolean(frame?.beam_on);
    if (!frame) return;
    this.sign.textContent = "No beam";
    this.pane.classList.toggle("dim", !frame.beam_on);
    this.caption.textContent = captionOf(frame);
    note(this.element, this.isPattern() ? "" : this.corrected && known ? "corrected for drift" : "raw");
  }
}

function captionOf(frame) {
  const [ny, nx] = frame.arrays.pixels.shape.map((side) => side * (frame.step ?? 1));
  const drawn = frame.step > 1 ? `, every ${frame.step} × ${frame.step} drawn as one` : "";
  const parts = [
    `frame ${frame.seq}`, `${stopwatch(frame.t_s)} into the run`, `mean ${significant(frame.mean_counts)} counts`,
    `contrast ${significant(frame.contrast)}`, `${nx} × ${ny}${drawn}`,
  ];
  return parts.join(" · ");
}
