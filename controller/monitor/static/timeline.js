// The protocol over the full width: what was planned, what was measured, where the run is.

import { onResize, rem, s, setText } from "./dom.js";
import { clock, duration, fixed, stopwatch } from "./format.js";
import { foldedAxis, plannedTemperature, runTime, schedule } from "./schedule.js";
import { ticks, timeTicks } from "./ticks.js";

const METHODS = { ecm: "ECM", fem: "FEM", diffraction: "diffraction" };

/** Draw the timeline inside an element; `note` sums it up, or says what is under the pointer. */
export function create(element, note) {
  const known = { hello: null, state: null, trace: null };
  const size = { width: 0, height: 0 };
  let drawn = null;
  let drawnAs = "";

  function draw(again = false) {
    if (!known.hello?.plan || !known.state || size.width < 50) return;
    const picture = layOut(known, size);
    const looks = [Math.round(picture.x(picture.now_s)), known.state.life, rows(known.state)].join();
    if (!again && looks === drawnAs) return;
    [drawn, drawnAs] = [picture, looks];
    element.replaceChildren(paint(picture));
    readOut(null);
  }

  function readOut(event) {
    if (!drawn) return;
    const x = event ? event.clientX - element.getBoundingClientRect().left : null;
    element.querySelector(".hair")?.setAttribute("transform", `translate(${x ?? -99} 0)`);
    setText(note, x === null ? summary(drawn) : atTime(drawn, drawn.t(x)));
  }

  onResize(element, (width, height) => { Object.assign(size, { width, height }); draw(true); });
  element.addEventListener("pointermove", readOut);
  element.addEventListener("pointerleave", () => readOut(null));
  return {
    show(message) {
      if (!(message.kind in known)) return;
      known[message.kind] = message;
      draw(message.kind !== "state");
    },
  };
}

const rows = ({ step_actual, interruptions }) => [step_actual?.length, interruptions?.length, interruptions?.at(-1)?.t_to_s];

// Everything the parts below need: steps in time, and where times and temperatures lie.
function layOut({ hello, state, trace }, { width, height }) {
  const em = rem();
  const box = { left: 2.6 * em, right: width - 0.4 * em, top: 1.3 * em, bottom: height - 2.6 * em, em };
  const steps = schedule(hello.plan, state);
  const now_s = runTime(state) ?? 0;
  const end_s = Math.max(now_s, steps.at(-1)?.to_s ?? 0, 1);
  const axis = foldedAxis(end_s, state.interruptions ?? [], now_s, box.right - box.left);
  const [low, high] = temperatureRange(hello.plan, trace);
  return {
    hello, state, trace, steps, now_s, end_s, box, low, high, night: axis.night, awake_s: axis.awake_s,
    x: (t_s) => box.left + axis.x(t_s),
    t: (x) => Math.min(end_s, Math.max(0, axis.t(x - box.left))),
    y: (degC) => box.bottom - ((degC - low) / (high - low)) * (box.bottom - box.top),
  };
}

function temperatureRange(plan, trace) {
  const measured = trace?.arrays.temperature_degC.data ?? [];
  const finite = [plan.start_degC, ...plan.steps.map((step) => step.setpoint_degC), ...measured].filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite, plan.max_degC ?? -Infinity)];
  const margin = 0.06 * Math.max(high - low, 10);
  return [low - margin, high + margin];
}

function paint(picture) {
  const { box, state, x, now_s } = picture;
  const over = x(now_s);
  return s("svg", { width: "100%", height: "100%", role: "img", "aria-label": summary(picture) },
    hatching(box.em),
    ...bands(picture),
    ...grid(picture),
    s("rect", { class: "dim", x: box.left, width: Math.max(0, over - box.left), ...tall(box) }),
    ...interruptions(picture),
    ...lines(picture),
    ...tasks(picture),
    ...nowLine(picture, over),
    s("line", { class: "hair", x1: 0, x2: 0, y1: box.top, y2: box.bottom, transform: "translate(-99 0)" }));
}

const tall = (box) => ({ y: box.top, height: box.bottom - box.top });

function hatching(em) {
  const side = 0.45 * em;
  const tile = { id: "hatch", width: side, height: side, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return s("defs", {}, s("pattern", tile, s("line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: side })));
}

// One band for each acquisition; a strip below it in full colour carries its number, where there is room.
function bands({ steps, box, x }) {
  return steps.filter((step) => step.method && step.state !== "skipped").flatMap((step) => {
    const [from, to] = [x(step.from_s), x(step.to_s)];
    const width = Math.max(1, to - from);
    const look = `${step.method} ${step.state}`;
    const middle = { x: from + width / 2, y: box.bottom + 0.62 * box.em };
    return [
      s("rect", { class: `band ${look}`, x: from, width, ...tall(box) }),
      s("rect", { class: `strip ${look}`, x: from, width, y: box.bottom, height: 0.85 * box.em }),
      s("text", { class: "strip-label", ...middle }, fitting(step.name, width, box.em)),
    ];
  });
}

// As much of the name of a hold as there is room for: "05 ecm 150C", "05 ecm", "05" or nothing.
function fitting(name, width, em) {
  const words = (name ?? "").split("_");
  const shorter = words.map((_, i) => words.slice(0, words.length - i).join(" "));
  return shorter.find((text) => (text.length + 1) * 0.4 * em < width) ?? "";
}

function grid(picture) {
  const { box, low, high, y, hello } = picture;
  const degrees = ticks(low, high, (box.bottom - box.top) / (1.25 * box.em));
  const x = box.left - 0.4 * box.em;
  return [
    ...degrees.flatMap(({ value, text }) => [
      level("grid", box, y(value)),
      s("text", { class: "tick-y", x, y: y(value) + 0.25 * box.em }, text),
    ]),
    s("text", { class: "unit", x, y: 0.75 * box.em }, "°C"),
    ...limit(hello.plan.max_degC, picture),
    ...timeAxis(picture),
  ];
}

const level = (look, box, y) => s("line", { class: look, x1: box.left, x2: box.right, y1: y, y2: y });

function limit(max_degC, { box, y }) {
  if (!Number.isFinite(max_degC)) return [];
  const place = { x: box.right - 0.3 * box.em, y: y(max_degC) - 0.25 * box.em };
  return [level("limit", box, y(max_degC)), s("text", { class: "limit-label", ...place }, `limit ${fixed(max_degC)} °C`)];
}

function timeAxis(picture) {
  const { box, x, end_s, night } = picture;
  const count = ((box.right - box.left) / (3.6 * box.em)) * (end_s / picture.awake_s);
  const zero_s = midnight_s(picture);
  const times = timeTicks(-zero_s, end_s - zero_s, count).map(({ value }) => value + zero_s);
  let free = -Infinity;
  let day = "", before = "";
  return times.filter((t_s) => !night(t_s)).flatMap((t_s) => {
    const today = dayOf(picture, t_s);
    const label = today === day ? clockOf(picture, t_s) : `${today} ${clockOf(picture, t_s)}`;
    const half = 0.21 * label.length * box.em;
    const ends = { y1: box.bottom + 0.85 * box.em, y2: box.bottom + 1.2 * box.em };
    const mark = s("line", { class: "tick", x1: x(t_s), x2: x(t_s), ...ends });
    if (x(t_s) - half < free || x(t_s) + half > box.right || label === before) return [mark];
    free = x(t_s) + half + 0.5 * box.em;
    [day, before] = [today, label];
    return [mark, s("text", { class: "tick-x", x: x(t_s), y: box.bottom + 2.1 * box.em }, label)];
  });
}

// The time on the wall at a time of the run; null on virtual time.
function wall({ hello }, t_s) {
  return hello.utc_zero && !hello.virtual ? new Date(Date.parse(hello.utc_zero) + 1000 * t_s) : null;
}

// The midnight before the run, so that ticks fall on full hours of the clock.
function midnight_s(picture) {
  const begin = wall(picture, 0);
  return begin ? (new Date(begin).setHours(0, 0, 0, 0) - begin) / 1000 : 0;
}

function dayOf(picture, t_s) {
  return wall(picture, t_s)?.toLocaleDateString("en-GB", { weekday: "short" }) ?? "";
}

function clockOf(picture, t_s) {
  const time = wall(picture, t_s);
  return time ? clock(time, false) : stopwatch(t_s).slice(0, -3);
}

function interruptions({ state, box, x, now_s }) {
  return (state.interruptions ?? []).map((rest) => {
    const [from, to] = [x(rest.t_from_s), x(rest.t_to_s ?? now_s)];
    const size = { x: from, width: Math.max(2, to - from), ...tall(box) };
    return s("rect", { class: "rest", fill: "url(#hatch)", ...size }, s("title", {}, `${rest.state}: ${rest.why}`));
  });
}

function lines({ hello, steps, trace, x, y }) {
  const [t_s, degC] = [trace?.arrays.t_s.data ?? [], trace?.arrays.temperature_degC.data ?? []];
  const measured = Array.from(t_s, (time, i) => ({ t_s: time, degC: degC[i] }));
  const line = (look, corners) => {
    const known = corners.filter((corner) => Number.isFinite(corner.degC));
    const points = known.map((corner) => `${x(corner.t_s).toFixed(1)},${y(corner.degC).toFixed(1)}`);
    return s("polyline", { class: look, points: points.join(" ") });
  };
  return [line("planned", plannedTemperature(hello.plan, steps)), line("measured", measured)];
}

// What somebody has to do by hand: a mark at its time.
function tasks({ steps, box, x }) {
  const half = 0.32 * box.em;
  const square = { x: -half, y: -half, width: 2 * half, height: 2 * half };
  return steps.filter((step) => ["prompt", "park"].includes(step.kind) && step.state !== "skipped").map((step) => {
    const transform = `translate(${x(step.from_s)} ${box.top - 0.55 * box.em}) rotate(45)`;
    return s("rect", { class: `task ${step.kind} ${step.state}`, ...square, transform }, s("title", {}, step.label));
  });
}

function nowLine({ state, box, y }, over) {
  if (!state.status) return [];
  const degC = state.status.temperature_degC;
  return [
    s("line", { class: "now", x1: over, x2: over, y1: box.top - 0.2 * box.em, y2: box.bottom + 0.85 * box.em }),
    Number.isFinite(degC) ? s("circle", { class: "now-dot", cx: over, cy: y(degC), r: 0.28 * box.em }) : null,
  ].filter(Boolean);
}

function summary({ hello, state, steps, now_s, end_s }) {
  const present = [...new Set(steps.filter((step) => step.method).map((step) => METHODS[step.method] ?? step.method))];
  const times = now_s > 0 ? `${duration(now_s)} of ${duration(end_s)}` : duration(end_s);
  return `${times} · ${steps.length} steps · ${present.join(", ")}`;
}

// What is under the pointer.
function atTime(picture, t_s) {
  const step = picture.steps.find((one) => t_s >= one.from_s && t_s < one.to_s);
  const time = wall(picture, t_s);
  const measured = t_s <= picture.now_s ? nearest(picture.trace, t_s) : null;
  return [
    time ? clock(time, false) : null,
    `t = ${stopwatch(t_s)}`,
    step?.label,
    measured === null ? null : `${fixed(measured, 1)} °C measured`,
  ].filter(Boolean).join(" · ");
}

function nearest(trace, t_s) {
  const times = trace?.arrays.t_s.data ?? [];
  const after = times.findIndex((time) => time >= t_s);
  return after < 0 ? null : trace.arrays.temperature_degC.data[after];
}
