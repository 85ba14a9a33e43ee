// Cards that are lists: go or no-go before a record, holds that are done, alarms.

import { h } from "./dom.js";
import { fixed, stopwatch, UNKNOWN, withError } from "./format.js";

const VERDICTS = { go: ["GO", "good"], "no-go": ["NO-GO", "bad"], wait: ["WAIT", "warn"] };
const MARKS = { ok: ["✓", "good", "in order"], bad: ["✕", "bad", "not in order"], unknown: ["–", "", "not known"] };

/** Draw the lists into their elements, each only when it changes. */
export function create({ go, holds, alarms }) {
  const parts = [
    whenNew(go, (state) => state.go, drawGo),
    whenNew(holds, (state) => (state.done?.length ? state.done : null), drawHolds),
    whenNew(alarms, (state) => (state.alarms?.length ? state.alarms : null), drawAlarms),
  ];
  return {
    show: (message) => { if (message.kind === "state") parts.forEach((part) => part(message)); },
  };
}

// Draws a part of the state into an element when it is another than before; hides the element without one.
function whenNew(element, pick, draw) {
  let before = null;
  return (state) => {
    const value = pick(state);
    const now = JSON.stringify(value ?? null);
    if (now === before) return;
    before = now;
    element.hidden = !value;
    if (value) draw(element, value);
  };
}

function drawGo(element, { title, verdict, items }) {
  const [word, tone] = VERDICTS[verdict] ?? [verdict, ""];
  element.setAttribute("aria-label", `${title}: ${word}`);
  element.replaceChildren(
    h("header", {}, h("h2", {}, title), h("span", { class: "badge", "data-tone": tone }, word)),
    h("ul", { class: "checks" }, ...items.map(check)));
}

function check({ name, value, rule, verdict, why }) {
  const [mark, tone, meaning] = MARKS[verdict] ?? MARKS.unknown;
  return h("li", { "data-tone": tone },
    h("span", { class: "mark", role: "img", "aria-label": meaning }, mark),
    h("span", { class: "name" }, name), h("b", {}, value ?? UNKNOWN), h("small", {}, rule ?? ""),
    why && verdict !== "ok" ? h("small", { class: "why" }, why) : null);
}

function drawHolds(element, done) {
  element.querySelector("tbody").replaceChildren(...done.toReversed().map(holdRow));
}

function holdRow({ name, title, frames, lost, reason, tau_s, sigma_tau_s, V_max, sigma_V_max }) {
  const result = tau_s ? `τ ${withError(tau_s, sigma_tau_s)} s` : V_max ? `V ${withError(V_max, sigma_V_max)}` : "";
  return h("tr", { title: `${title}: ${reason}; ${fixed(frames)} frames, ${fixed(lost)} lost` },
    h("td", { "data-tone": lost ? "warn" : null }, name),
    h("td", {}, result));
}

function drawAlarms(element, alarms) {
  element.querySelector("ul").replaceChildren(...alarms.toReversed().map(({ t_s, text }) =>
    h("li", {}, h("time", {}, stopwatch(t_s)), ` ${text}`)));
}
