// When every step was and will be on the run's clock, and where a time lies on a drawing; nothing of the page.

import { known } from "./format.js";

// A night of a parked run takes at most this share of the axis.
const NIGHT_SHARE = 0.04;

/** The time on the run's clock: what it told last, or what its journal says; null before it began. */
export function runTime({ status, step_actual }) {
  const last = step_actual?.at(-1);
  return status?.t_s ?? last?.t_to_s ?? last?.t_from_s ?? null;
}

/** Return the plan's steps with from_s, to_s, state ("past" | "current" | "future" | "skipped"): as the journal says
 * for what was, and as planned, shifted by the delay so far, for what will be. */
export function schedule(plan, state) {
  const actual = new Map((state.step_actual ?? []).map((step) => [step.index, step]));
  const newest = Math.max(-1, ...actual.keys());
  const now_s = runTime(state) ?? 0;
  let end_s = 0;
  return plan.steps.map((step) => {
    const seen = actual.get(step.index);
    const placed = seen ? happened(step, seen, state, now_s) : expected(step, end_s, step.index < newest);
    end_s = placed.to_s;
    return { ...step, ...placed };
  });
}

function happened(step, seen, state, now_s) {
  if (known(seen.t_to_s)) return { from_s: seen.t_from_s, to_s: seen.t_to_s, state: "past" };
  const to_s = seen.t_from_s + step.duration_s + rested(state.interruptions ?? [], seen.t_from_s, now_s);
  return { from_s: seen.t_from_s, to_s: Math.max(now_s, to_s), state: "current" };
}

function expected(step, from_s, wasPassed) {
  if (wasPassed) return { from_s, to_s: from_s, state: "skipped" };
  return { from_s, to_s: from_s + step.duration_s, state: "future" };
}

// How long the run rested between two times.
function rested(interruptions, from_s, now_s) {
  const within = (rest) => Math.min(rest.t_to_s ?? now_s, now_s) - Math.max(rest.t_from_s, from_s);
  return interruptions.reduce((sum, rest) => sum + Math.max(0, within(rest)), 0);
}

/** The planned temperature as corners {t_s, degC}: ramps rise over their planned time, all else is level. */
export function plannedTemperature(plan, steps) {
  let degC = plan.start_degC;
  const corners = [];
  for (const step of steps.filter((one) => one.state !== "skipped")) {
    const next = step.setpoint_degC ?? degC;
    corners.push({ t_s: step.from_s, degC });
    corners.push({ t_s: Math.min(step.to_s, step.from_s + step.duration_s), degC: next });
    corners.push({ t_s: step.to_s, degC: next });
    degC = next;
  }
  return corners;
}

/** An axis from t = 0 to end_s over `width` pixels on which long nights are folded to a strip.
 * Returns {x(t_s), t(x), night(t_s), awake_s}, the last the time that is not folded. */
export function foldedAxis(end_s, interruptions, now_s, width) {
  const nights = interruptions
    .filter((rest) => rest.state === "parked")
    .map((rest) => ({ from_s: rest.t_from_s, to_s: rest.t_to_s ?? now_s }))
    .filter((night) => night.to_s - night.from_s > NIGHT_SHARE * end_s);
  const awake_s = end_s - nights.reduce((sum, night) => sum + night.to_s - night.from_s, 0);
  const strip = NIGHT_SHARE * width;
  const scale = (width - strip * nights.length) / Math.max(awake_s, 1e-9);
  const knots = [{ t_s: 0, x: 0 }];
  for (const night of nights) {
    knots.push(after(knots, night.from_s, scale));
    knots.push({ t_s: night.to_s, x: knots.at(-1).x + strip });
  }
  knots.push(after(knots, end_s, scale));
  const inNight = (t_s) => nights.some((night) => t_s > night.from_s && t_s < night.to_s);
  return { x: (t_s) => between(knots, "t_s", "x", t_s), t: (x) => between(knots, "x", "t_s", x), night: inNight, awake_s };
}

function after(knots, t_s, scale) {
  const last = knots.at(-1);
  return { t_s, x: last.x + (t_s - last.t_s) * scale };
}

// Interpolates along the knots; straight on beyond them.
function between(knots, from, to, value) {
  let i = 1;
  while (i < knots.length - 1 && value > knots[i][from]) i += 1;
  const [a, b] = [knots[i - 1], knots[i]];
  const width = b[from] - a[from];
  return width > 0 ? a[to] + ((value - a[from]) / width) * (b[to] - a[to]) : a[to];
}
