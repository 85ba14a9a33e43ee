// Contrast of the frame: its histogram with two handles, or limits found from the counts.

import { onResize } from "./dom.js";
import { significant } from "./format.js";
import { add, colours, enlargement, sharp } from "./parts.js";

const SAMPLES = 65536;
const TAIL = 0.001;
// Where views.css puts the handles.
const HEIGHT_PX = 34;

// Which levels (0 ... 255) of a frame are darkest and brightest; handles that were moved stay at their counts.
export class Contrast {
  constructor(parent, changed) {
    this.changed = changed;
    this.counts = null;
    this.levels = [0, 255];
    this.strip = add(parent, "div", "contrast");
    this.canvas = add(this.strip, "canvas");
    this.handles = [this.handle("Darkest counts"), this.handle("Brightest counts")];
    this.labels = [add(this.strip, "span", "low"), add(this.strip, "span", "high")];
    onResize(this.strip, () => this.draw());
  }

  handle(name) {
    const input = add(this.strip, "input");
    Object.assign(input, { type: "range", min: 0, max: 255, step: 1, ariaLabel: name });
    input.addEventListener("input", () => this.moved());
    return input;
  }

  // Find the limits of a new frame.
  update(frame) {
    this.frame = frame;
    this.histogram = histogram(frame.arrays.pixels.data);
    this.levels = this.counts ? this.counts.map((counts) => level(frame, counts)) : tails(this.histogram);
    this.draw();
  }

  // Follow the counts of every frame again.
  auto() {
    this.counts = null;
    if (this.frame) this.update(this.frame);
    this.changed();
  }

  moved() {
    if (!this.frame) return;
    const levels = this.handles.map((input) => Number(input.value)).sort((a, b) => a - b);
    this.counts = levels.map((one) => countsAt(this.frame, one));
    this.levels = levels;
    this.draw();
    this.changed();
  }

  draw() {
    const width = this.strip.clientWidth;
    if (!this.frame || !width) return;
    this.levels.forEach((one, i) => {
      const text = `${significant(countsAt(this.frame, one))} counts`;
      this.handles[i].value = one;
      this.handles[i].ariaValueText = text;
      this.labels[i].textContent = significant(countsAt(this.frame, one));
    });
    const height = HEIGHT_PX * enlargement();
    this.bars(sharp(this.canvas, width, height), width, height);
  }

  bars(context, width, highest) {
    const { soft, grid } = colours(this.strip);
    const most = Math.sqrt(Math.max(...this.histogram.subarray(1, 255), 1));
    const [low, high] = this.levels;
    this.histogram.forEach((count, i) => {
      const height = Math.min(1, Math.sqrt(count) / most) * highest;
      context.fillStyle = i >= low && i <= high ? soft : grid;
      context.fillRect((i / 256) * width, highest - height, width / 256 + 0.5, height);
    });
  }
}

// Counts at a level of a frame.
export function countsAt(frame, one) {
  return frame.low + (one / 255) * (frame.high - frame.low);
}

function level(frame, counts) {
  const place = (255 * (counts - frame.low)) / (frame.high - frame.low || 1);
  return Math.round(Math.min(255, Math.max(0, place)));
}

function histogram(pixels) {
  const seen = new Uint32Array(256);
  // Odd, so that a step never keeps to the same columns of the image.
  const step = Math.floor(pixels.length / SAMPLES) | 1;
  for (let i = 0; i < pixels.length; i += step) seen[pixels[i]]++;
  return seen;
}

function tails(seen) {
  const all = seen.reduce((sum, count) => sum + count, 0);
  let low = 0, high = 255;
  for (let below = seen[0]; low < 254 && below <= TAIL * all; below += seen[low]) low++;
  for (let above = seen[255]; high > low + 1 && above <= TAIL * all; above += seen[high]) high--;
  return [low, high];
}
