// What the views share: elements, colours of the theme, sharp canvases, arrays of a message.

import { rem } from "./dom.js";

const COLOURS = ["ink", "soft", "grid", "blue", "orange", "green", "red", "yellow"];

// Append a new element and return it.
export function add(parent, tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

// The colours of the theme by name: custom properties of the style sheet.
export function colours(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// The same colour (#rrggbb), `alpha` of it.
export function faded(colour, alpha) {
  return colour + Math.round(255 * alpha).toString(16).padStart(2, "0");
}

// How much larger than usual the type is: drawings in pixels are made as much larger, for a screen on the wall.
export function enlargement() {
  return rem() / 16;
}

// Give a canvas a size in CSS pixels at the resolution of the screen; its emptied context, in CSS pixels.
export function sharp(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return context;
}

// Write the short note beside the title of a view's panel, where the page has a place for it.
export function note(element, text) {
  const place = document.getElementById(`${element.id}-note`);
  if (place) place.textContent = text;
}

// Numbers of an array of a message; null where the message has none.
export function dataOf(message, path) {
  const data = message.arrays[path]?.data;
  return data?.length ? data : null;
}

// Attributes of an array or group of a message.
export function attrsOf(message, path) {
  return message.arrays[path]?.attrs ?? {};
}

// Whether a message opens another hold than `hold`; what is watched between holds leaves the last one in view.
export function opensAnother(message, hold) {
  const open = message.kind === "state" ? message.hold?.hold : undefined;
  return open !== undefined && open !== null && hold !== null && open !== hold;
}
