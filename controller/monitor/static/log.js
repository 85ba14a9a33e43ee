// The last lines of the journal, as much as the filter lets through.

import { h } from "./dom.js";
import { clock, stopwatch } from "./format.js";

const LEVELS = ["info", "notice", "lost", "alarm"];

/** Show the lines in `list`, and those only that the buttons of `filter` let through. */
export function create(list, filter) {
  let lines = [];
  let virtual = false;

  function draw() {
    const least = LEVELS.indexOf(filter.querySelector("input:checked").value);
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    const shown = lines.filter((line) => LEVELS.indexOf(line.level) >= least);
    list.replaceChildren(...shown.map((line) => row(line, virtual)));
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  filter.addEventListener("change", () => { draw(); list.scrollTop = list.scrollHeight; });
  return {
    show(message) {
      if (message.kind === "hello") virtual = message.virtual;
      if (message.kind === "log") { ({ lines } = message); draw(); }
    },
  };
}

function row({ t_s, utc, level, text }, virtual) {
  const time = utc && !virtual ? clock(new Date(utc)) : stopwatch(t_s);
  return h("li", { "data-level": level, title: `t = ${stopwatch(t_s)}` }, h("time", {}, time), h("span", {}, text));
}
