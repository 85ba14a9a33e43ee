// The bar on top, the tiles with the big numbers of now, and the small numbers of the record.

import { endedBadly } from "./banners.js";
import { fill } from "./dom.js";
import { bytes, clock, duration, fixed, UNKNOWN } from "./format.js";
import { runTime, schedule } from "./schedule.js";
import { tiles } from "./tiles.js";

/** Fill the elements [data-field] of `root` with the newest; `tick` every second moves the clock. */
export function create(root) {
  const newest = { hello: null, state: null, preview: null };
  return {
    show(message) {
      if (!(message.kind in newest)) return;
      newest[message.kind] = message;
      if (newest.hello && newest.state) fill(root, texts(newest));
    },
    tick: () => fill(root, { clock: clock(new Date()) }),
  };
}

function texts({ hello, state, preview }) {
  const steps = hello.plan ? schedule(hello.plan, state) : [];
  const status = state.status ?? {};
  return {
    ...bar(hello, state, status), ...times(state, steps), ...footer(hello), ...record(state, status),
    ...tiles(state, status, steps, preview),
  };
}

function bar({ title }, state, status) {
  const goesOn = state.life === "live" && status.state;
  const number = Math.min(status.step_number + 1, status.steps);
  return {
    title: title ?? "annealscope",
    badge: goesOn ? status.state : (state.outcome ?? state.life),
    "badge.tone": tone(state, status),
    step: status.step ? `step ${number}/${status.steps} · ${status.step}${phase(status)}` : "",
  };
}

function tone({ life, outcome }, { state, alarm }) {
  if (alarm || state === "faulted" || endedBadly(outcome) || ["died", "unreachable", "no run"].includes(life)) return "bad";
  if (life !== "live") return "";
  if (["paused", "pausing", "suspended", "aborting"].includes(state)) return "warn";
  return ["running", "arming"].includes(state) ? "good" : "";
}

// "acquire ecm" and "acquiring" say the same.
const phase = ({ phase, step }) => (phase && phase.slice(0, 4) !== step.slice(0, 4) ? ` · ${phase}` : "");

function times(state, steps) {
  const t_s = runTime(state);
  const left_s = (steps.at(-1)?.to_s ?? NaN) - t_s;
  const nights = steps.filter((step) => step.kind === "park" && step.state === "future").length;
  const rest = nights ? ` and ${nights} ${nights > 1 ? "nights" : "night"}` : "";
  return { elapsed: duration(t_s), togo: state.life === "live" && left_s > 0 ? duration(left_s) + rest : UNKNOWN };
}

function footer({ version, rig, simulated, folder }) {
  return { version, rig: simulated ? `${rig} (simulated)` : rig, folder };
}

function record({ lost, disk, viewer }, { frames_before }) {
  return {
    "frames-before": fixed(frames_before),
    lost: fixed(lost?.total),
    "lost.tone": lost?.total ? "warn" : "",
    "disk-free": bytes(disk?.free_bytes),
    "disk-free.tone": disk?.verdict === "low" ? "bad" : "",
    "disk-needed": bytes(disk?.needed_bytes),
    viewer: viewer ? `${fixed(viewer.dropped)} of ${fixed(viewer.received)}` : UNKNOWN,
  };
}
