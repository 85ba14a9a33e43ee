// Map of the specimen: where the beam has been, how much each place has seen, where it is now.

import { onResize, rem, s, setText } from "./dom.js";
import { lengthText, percent, power, significant } from "./format.js";
import { roundLength } from "./ticks.js";

const LEAST_SPAN_NM = 400;

/** Draw the map inside an element; `note` says how many regions there are. */
export function create(element, note) {
  const size = { width: 0, height: 0 };
  let dose = null;
  let before = "";

  function draw() {
    if (!dose || size.width < 40) return;
    element.replaceChildren(paint(dose, size));
    const count = dose.regions.length;
    setText(note, `${count || "no"} ${count === 1 ? "region" : "regions"} exposed`);
  }

  onResize(element, (width, height) => { Object.assign(size, { width, height }); draw(); });
  return {
    show({ kind, dose: now }) {
      const text = kind === "state" && now ? JSON.stringify(now) : before;
      if (text === before) return;
      [before, dose] = [text, now];
      draw();
    },
  };
}

function paint(dose, { width, height }) {
  const em = rem();
  const view = scaling(dose, width, height, em);
  return s("svg", { width: "100%", height: "100%", role: "img", "aria-label": describe(dose) },
    ...dose.regions.map((region) => circle(region, dose, view, em)),
    ...bar(view, width, height, em));
}

// From nm to pixels, the same in both directions, the regions in the middle.
function scaling({ regions, beam_radius_nm }, width, height, em) {
  const [x, y] = [range(regions.map((one) => one.x_nm)), range(regions.map((one) => one.y_nm))];
  const room = 2 * (beam_radius_nm ?? 0) + LEAST_SPAN_NM;
  const bottom = 1.8 * em;
  const scale = Math.min((width - em) / (x.span + room), (height - bottom - 0.5 * em) / (y.span + room));
  return {
    scale,
    x: (nm) => width / 2 + (nm - x.middle) * scale,
    y: (nm) => (height - bottom) / 2 + 0.25 * em + (nm - y.middle) * scale,
  };
}

function range(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.length ? { middle: (low + high) / 2, span: high - low } : { middle: 0, span: 0 };
}

function circle(region, dose, view, em) {
  const { number, share, current } = region;
  const radius = Math.max(0.55 * em, (dose.beam_radius_nm ?? 0) * view.scale);
  const [x, y] = [view.x(region.x_nm), view.y(region.y_nm)];
  const level = share > 1 ? "over" : share > 0.9 ? "near" : "within";
  return s("g", { class: `region ${level}${current ? " current" : ""}` },
    s("title", {}, tell(region, dose)),
    s("circle", { cx: x, cy: y, r: radius, "fill-opacity": 0.08 + 0.8 * Math.min(1, share ?? 0) }),
    current ? s("circle", { class: "halo", cx: x, cy: y, r: radius + 0.28 * em }) : null,
    s("text", { x, y: y + 0.26 * em }, number));
}

function tell({ number, thickness, dose_per_nm2, share, holds }, { limit_per_nm2 }) {
  const limit = limit_per_nm2 ? `, ${percent(share)} of the limit` : "";
  const thick = `${significant(thickness, 2)} mean free paths thick`;
  return `region ${number}: ${power(dose_per_nm2)} e/nm²${limit}; ${thick}; ${(holds ?? []).join(", ")}`;
}

function describe(dose) {
  const regions = dose.regions.map((region) => tell(region, dose));
  return [`map of ${regions.length} exposed regions`, ...regions].join(". ");
}

function bar({ scale }, width, height, em) {
  const length_nm = roundLength((0.3 * width) / scale);
  const [x, y] = [0.7 * em, height - 0.55 * em];
  return [
    s("line", { class: "scale", x1: x, x2: x + length_nm * scale, y1: y, y2: y }),
    s("text", { x: x + length_nm * scale + 0.5 * em, y: y + 0.28 * em }, lengthText(length_nm)),
  ];
}
