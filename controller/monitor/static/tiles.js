// The big numbers of now: what each tile says, as texts. A tile is {title, value, unit, share, tone, sub}.

import { duration, fixed, known, percent, power, signed, significant, UNKNOWN, withError } from "./format.js";

const SOON_S = 600;
const NEAR_LIMIT = 0.9;

/** The texts of all tiles by the names of their fields: {"drift-value": "0.70", "drift-share.tone": "warn", ...}. */
export function tiles(state, status, steps, preview) {
  const mine = preview && preview.hold === state.hold?.hold ? preview : null;
  return {
    ...named("temperature", temperature(status)),
    ...named("progress", status.frames_planned > 0 ? ofHold(state, status) : ofStep(status, steps)),
    ...named("result", result(state, status, mine)),
    ...named("drift", drift(state, status)),
    ...named("dose", dose(state, status)),
    ...named("task", task(state, status)),
  };
}

function named(name, { title, value, unit = "", share = null, tone = "", sub = "" }) {
  return {
    [`${name}-title`]: title, [`${name}-value`]: value, [`${name}-unit`]: unit, [`${name}-sub`]: sub,
    [`${name}-share`]: share, [`${name}-share.tone`]: tone, [`${name}-value.tone`]: tone,
  };
}

function temperature({ temperature_degC, setpoint_degC }) {
  const off_K = temperature_degC - setpoint_degC;
  if (!known(temperature_degC)) return { title: "Temperature", value: UNKNOWN, unit: "°C" };
  const sub = `set ${fixed(setpoint_degC, 2)} °C` + (known(off_K) ? ` · ${signed(off_K, 2)} K` : "");
  return { title: "Temperature", value: fixed(temperature_degC, 2), unit: "°C", sub };
}

function ofHold({ hold }, { step, frames, frames_planned, frames_lost, segment }) {
  const left_s = hold?.period_s ? (frames_planned - frames) * hold.period_s : NaN;
  const parts = [
    known(left_s) ? `${duration(left_s)} left` : percent(frames / frames_planned, 1),
    frames_lost ? `${fixed(frames_lost)} lost (${percent(frames_lost / Math.max(1, frames), 2)})` : "none lost",
    segment > 1 ? `segment ${segment}` : null,
  ];
  return {
    title: hold?.name ?? step, value: fixed(frames), unit: `of ${fixed(frames_planned)} frames`,
    share: frames / frames_planned, sub: parts.filter(Boolean).join(" · "),
  };
}

// A step without frames: how much of its planned time has passed.
function ofStep({ state, step, t_s, why, phase }, steps) {
  const current = steps.find((one) => one.state === "current");
  // A way down that the plan does not have: a stop, an abort.
  if (!current || !known(t_s)) return { title: step || "Step", value: phase || UNKNOWN, sub: why };
  const passed_s = t_s - current.from_s;
  const lasts = current.duration_s > 0;
  const parts = [lasts ? `of about ${duration(current.duration_s)}` : null, state === "running" ? phase : why];
  return {
    title: current.label, value: duration(passed_s), share: lasts ? passed_s / (current.to_s - current.from_s) : null,
    sub: parts.filter(Boolean).join(" · "),
  };
}

function result(state, status, preview) {
  const { hold } = state;
  if (hold?.method === "fem") return variance(preview?.arrays.fem?.attrs ?? {});
  if (hold?.method === "diffraction") return { title: "Diffraction", value: UNKNOWN, sub: "is analysed after the exposure" };
  const last = state.done?.findLast((one) => known(one.tau_s) || known(one.V_max));
  return hold || !last ? relaxation(hold, { ...status, ...believed(preview) }) : ofLast(last);
}

// The number beside g2, whose error comes from parts of the image; until there is one, that of the status.
function believed(preview) {
  const { tau_s, sigma_tau_s } = preview?.arrays["kww/corrected"]?.attrs ?? {};
  return known(tau_s) && known(sigma_tau_s) ? { tau_s, sigma_tau_s } : {};
}

function relaxation(hold, { tau_s, sigma_tau_s, frames, compiling }) {
  const [value, sigma] = withError(tau_s, sigma_tau_s).split(" ± ");
  const length = known(tau_s) && hold?.period_s ? (frames * hold.period_s) / tau_s : NaN;
  const sub = known(length) ? `the record is ${significant(length, 2)} τ long` : "no number yet";
  return {
    title: "Relaxation time τ", value, unit: known(tau_s) ? `${sigma ? `± ${sigma} ` : ""}s` : "",
    sub: compiling ? "the analysis is compiled, as once on every machine" : sub,
  };
}

// Between two acquisitions, and at the end: what came out of the last one.
function ofLast({ name, tau_s, sigma_tau_s, V_max, sigma_V_max }) {
  const [title, number, sigma, unit] = known(V_max) ? ["First peak of V(k)", V_max, sigma_V_max, ""]
    : ["Relaxation time τ", tau_s, sigma_tau_s, "s"];
  const [value, error] = withError(number, sigma).split(" ± ");
  return { title, value, unit: error ? `± ${error} ${unit}` : "", sub: `of ${name}` };
}

function variance({ V_max, sigma_V_max, k_per_nm, patterns }) {
  return {
    title: "First peak of V(k)", value: significant(V_max),
    unit: known(sigma_V_max) ? `± ${significant(sigma_V_max, 1)}` : "",
    sub: known(V_max) ? `at ${significant(k_per_nm)} 1/nm · ${fixed(patterns)} patterns` : "no number yet",
  };
}

function drift({ hold }, { drift_nm }) {
  const { drift_warn_nm: warn_nm = null, drift_limit_nm: limit_nm = null } = hold ?? {};
  const limits = [warn_nm !== null ? `warning ${warn_nm}` : null, limit_nm !== null ? `limit ${limit_nm}` : null];
  const over = (limit) => known(drift_nm) && limit !== null && drift_nm > limit;
  return {
    title: "Drift", value: fixed(drift_nm, 2), unit: "nm",
    tone: over(limit_nm) ? "bad" : over(warn_nm) ? "warn" : "",
    share: known(drift_nm) && limit_nm ? drift_nm / limit_nm : null,
    sub: limit_nm === null && warn_nm === null ? "no limit now" : `${limits.filter(Boolean).join(", ")} nm`,
  };
}

function dose({ dose }, { region, region_dose_per_nm2 }) {
  const current = dose?.regions?.find((one) => one.current);
  const [number, value] = [region ?? current?.number, region_dose_per_nm2 ?? current?.dose_per_nm2];
  const limit = dose?.limit_per_nm2;
  const share = known(value) && limit ? value / limit : null;
  return {
    title: known(number) ? `Dose of region ${number}` : "Dose", value: power(value), unit: "e/nm²",
    share, tone: share > 1 ? "bad" : share > NEAR_LIMIT ? "warn" : "",
    sub: limit ? `${percent(share)} of ${power(limit, 2)} e/nm²` : "no limit",
  };
}

function task({ life, next_task }, { prompt }) {
  if (life !== "live") return { title: "You are needed", value: UNKNOWN };
  if (prompt) return { title: "You are needed", value: "now", tone: "warn", sub: prompt };
  if (!next_task) return { title: "You are needed", value: "no more", sub: "the rest runs by itself" };
  const { at, in_s, what } = next_task;
  const [left, tone] = [`in ${duration(in_s)}`, in_s < SOON_S ? "warn" : ""];
  if (at) return { title: "Be here at", value: at, unit: left, tone, sub: what };
  return { title: "You are needed, in run time", value: left, tone, sub: what };
}
