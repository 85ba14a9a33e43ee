// Small helpers around the document. Nothing is ever written as HTML: text from a run stays text.

const SVG = "http://www.w3.org/2000/svg";

/** Make an HTML element: h("p", { class: "sub" }, "text", otherElement). */
export function h(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Set a text only when it is another one: a screen reader is not told the same again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Fill elements [data-field=NAME] with {NAME: value}: texts, shares of 0..1 of a <progress>, or a tone of
 * {"NAME.tone": "bad"} that the style sheet turns into a colour. */
export function fill(root, fields) {
  for (const [key, value] of Object.entries(fields)) {
    const [name, tone] = key.split(".");
    for (const node of root.querySelectorAll(`[data-field="${name}"]`)) {
      if (tone) node.dataset.tone = value ?? "";
      else if (node.tagName === "PROGRESS") setShare(node, value);
      else setText(node, value ?? "");
    }
  }
}

function setShare(node, share) {
  node.hidden = share === null || share === undefined;
  if (!node.hidden) node.value = Math.min(1, Math.max(0, share));
}

/** Call draw(width, height) with the size of an element in CSS pixels, at first and whenever it changes. */
export function onResize(element, draw) {
  const observer = new ResizeObserver(([entry]) => draw(entry.contentRect.width, entry.contentRect.height));
  observer.observe(element);
}

/** The size of 1 rem in pixels: drawings follow the size of the type. */
export function rem() {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}
