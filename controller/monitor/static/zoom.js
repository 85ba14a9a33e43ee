// Zoom and pan of a picture inside its window: wheel, pinch, drag, double click, keys.

const MOST = 32;
// Factor, and shift to the right and down.
const KEYS = {
  "+": [1.25, 0, 0], "=": [1.25, 0, 0], "-": [0.8, 0, 0],
  ArrowLeft: [1, 0.1, 0], ArrowRight: [1, -0.1, 0], ArrowUp: [1, 0, 0.1], ArrowDown: [1, 0, -0.1],
};

// Where the picture lies: `scale` of the fitted size, upper left corner in widths and heights of the window.
export class Zoom {
  constructor(pane, changed) {
    this.pane = pane;
    this.changed = changed;
    this.pointers = new Map();
    Object.assign(this, { scale: 1, x: 0, y: 0 });
    pane.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    pane.addEventListener("pointerdown", (event) => this.press(event));
    pane.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      pane.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    pane.addEventListener("dblclick", () => this.reset());
    pane.addEventListener("keydown", (event) => this.key(event));
  }

  reset() {
    this.move(1 / this.scale, 0, 0);
  }

  // Zoom by a factor about a point of the window, then shift; all in widths and heights of the window.
  move(factor, byX, byY, atX = 0.5, atY = 0.5) {
    const scale = Math.min(MOST, Math.max(1, this.scale * factor));
    const inside = (place) => Math.min(0, Math.max(1 - scale, place));
    this.x = inside(atX - ((atX - this.x) * scale) / this.scale + byX);
    this.y = inside(atY - ((atY - this.y) * scale) / this.scale + byY);
    this.scale = scale;
    this.pane.classList.toggle("zoomed", scale > 1);
    this.changed();
  }

  place(event) {
    const box = this.pane.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  wheel(event) {
    // At the whole picture, turning further scrolls the page.
    if (this.scale === 1 && event.deltaY > 0) return;
    event.preventDefault();
    this.move(Math.exp(-0.002 * event.deltaY * (event.deltaMode === 1 ? 20 : 1)), 0, 0, ...this.place(event));
  }

  press(event) {
    this.pointers.set(event.pointerId, this.place(event));
    if (this.scale > 1) this.pane.setPointerCapture(event.pointerId);
  }

  drag(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.place(event);
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (other) this.pinch(before, now, other);
    else this.move(1, now[0] - before[0], now[1] - before[1]);
  }

  pinch(before, now, other) {
    const apart = ([x, y]) => Math.hypot(x - other[0], y - other[1]) || 1e-3;
    const [byX, byY] = [0, 1].map((axis) => (now[axis] - before[axis]) / 2);
    const [atX, atY] = [0, 1].map((axis) => (before[axis] + other[axis]) / 2);
    this.move(apart(now) / apart(before), byX, byY, atX, atY);
  }

  key(event) {
    const step = KEYS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || (!step && event.key !== "0")) return;
    event.preventDefault();
    event.stopPropagation();
    if (step) this.move(...step);
    else this.reset();
  }
}
