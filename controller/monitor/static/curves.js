// Curves: g2 with both fits, tau and drift against time, V(k), the ring profile I(k).

import { Chart } from "./chart.js";
import { duration, fixed, significant, withError } from "./format.js";
import { attrsOf, dataOf } from "./parts.js";
import { logTicks } from "./ticks.js";

// Build the view of g2 - 1 against lag inside an element.
export function createG2(element) {
  return new Chart(element, {
    plot: g2Plot,
    empty: "g₂ comes after 32 frames of an ECM hold.",
    missing: tooFewUsable,
    x: { label: "Lag / s", ticks: logTicks, logarithmic: true },
    y: { label: "g₂ − 1" },
    series: (c) => [
      { label: "ratio estimator ± σ", points: 5, colour: c.blue, strong: true },
      { band: true, colour: c.blue },
      { label: "corrected fit (believe this)", line: 2, colour: c.blue, strong: true },
      { label: "pixel mean", points: 3, colour: c.soft },
      { label: "plain fit (biased)", line: 1, dash: [5, 4], colour: c.soft },
    ],
  });
}

// Build the view of tau against the time into the hold inside an element.
export function createTau(element) {
  return new Chart(element, {
    plot: tauPlot,
    empty: "τ against time comes with the first fit of an ECM hold.",
    x: { label: "Time into the hold", time: true },
    y: { label: "τ / s" },
    series: (c) => [
      { label: "corrected τ so far ± σ expected", line: 2, colour: c.blue, strong: true },
      { band: true, colour: c.blue },
    ],
  });
}

// Build the view of the measured drift against time inside an element.
export function createDrift(element) {
  return new Chart(element, {
    plot: driftPlot,
    empty: "The drift comes with the second frame of an ECM hold.",
    x: { label: "Time into the hold", time: true },
    y: { label: "Drift / nm" },
    series: (c) => [
      { label: "y", line: 1.5, colour: c.blue },
      { label: "x", line: 1.5, colour: c.orange },
    ],
  });
}

// Build the view of the normalised variance V(k) inside an element.
export function createVariance(element) {
  return new Chart(element, {
    plot: variancePlot,
    empty: "V(k) comes with the first patterns of an FEM hold.",
    x: { label: "k / nm⁻¹" },
    y: { label: "V(k)" },
    series: (c) => [
      { label: "V(k) ± σ", line: 2, colour: c.green, strong: true },
      { band: true, colour: c.green },
    ],
  });
}

// Build the view of the ring profile I(k) of diffraction patterns inside an element.
export function createProfile(element) {
  return new Chart(element, {
    plot: profilePlot,
    empty: "The ring profile comes with the first pattern.",
    x: { label: "k / nm⁻¹" },
    y: { label: "I(k) / electrons per pixel" },
    series: (c) => [{ label: "mean of all patterns", line: 2, colour: c.green, strong: true }],
  });
}

// A plot is what one message shows: columns (x, then those of the series; a band has two), limits of the axes, marked
// places, the note beside the title and what is written at a place of the x axis.

function g2Plot(message) {
  const lag_s = dataOf(message, "g2/lag");
  if (!lag_s) return null;
  const { tau_s, sigma_tau_s, beta } = attrsOf(message, "kww/corrected");
  const column = (path) => shifted(dataOf(message, path), -1, lag_s.length);
  const ratio = column("g2/ratio"), fit = column("kww/corrected/curve");
  const pixel = column("g2/pixel"), plain = column("kww/pixel/curve");
  const text = tau_s ? `τ = ${withError(tau_s, sigma_tau_s)} s` : "";
  return {
    columns: [[...lag_s], ratio, ...band(ratio, dataOf(message, "g2/sigma")), fit, pixel, plain],
    x: [lag_s[0] / 1.2, lag_s.at(-1) * 1.2], y: padded([ratio, fit, pixel, plain]),
    marks: tau_s ? [{ x: tau_s, text }] : [],
    note: text && `${text}${beta ? `, β = ${significant(beta, 2)}` : ""} · ${fixed(message.frames)} frames`,
    place: (i) => {
      const [believed, fitted, pixels] = [ratio, fit, pixel].map((one) => number(one[i]));
      return `${significant(lag_s[i])} s (${duration(lag_s[i])}): ratio ${believed}, fit ${fitted}, pixels ${pixels}`;
    },
  };
}

// Why there is no g2 although there are frames: they drifted out of the margin, or the beam was off.
function tooFewUsable(message) {
  const { usable, taken } = attrsOf(message, "frames");
  return taken ? `${usable} of ${taken} frames can be used, 32 are needed: look at drift, beam and counts.` : null;
}

function tauPlot(message) {
  const t_s = dataOf(message, "progress/t_s"), tau_s = dataOf(message, "progress/tau_s");
  if (!t_s || !tau_s) return null;
  const sigma_s = dataOf(message, "progress/sigma_tau_s");
  const tau = shifted(tau_s, 0), [high, low] = band(tau, sigma_s);
  // The first fits, with errors of their own size, would press the rest together.
  const known = tau.filter((one, i) => one !== null && !(sigma_s?.[i] > one / 2));
  const text = (i) => `τ = ${withError(tau_s[i], sigma_s?.[i])} s`;
  const last = tau.findLastIndex((one) => one !== null);
  return {
    columns: [[...t_s], tau, high, low],
    x: fromZero(t_s),
    y: padded([known.length ? known : tau, ...(last < 0 ? [] : [[high[last], low[last]]])]),
    place: (i) => `after ${duration(t_s[i])}: ${text(i)}`,
  };
}

function driftPlot(message, state) {
  const t_s = dataOf(message, "drift/t_s"), yx_nm = dataOf(message, "drift/measured_nm");
  if (!t_s || !yx_nm) return null;
  const [y, x] = [0, 1].map((axis) => Array.from(t_s, (_, i) => finite(yx_nm[2 * i + axis])));
  const { drift_warn_nm: warn_nm, drift_limit_nm: limit_nm } = state?.hold ?? {};
  const last = t_s.length - 1;
  const most_nm = Math.max(...y.map(Math.abs), ...x.map(Math.abs));
  return {
    columns: [[...t_s], y, x],
    x: fromZero(t_s),
    // A line that is far away would press the curves together: it is drawn when the drift comes near.
    y: padded([y, x, ...[warn_nm, limit_nm].filter((one) => one && most_nm > 0.4 * one).map((one) => [one, -one])]),
    levels: [...bothSides(warn_nm, "yellow", "warning"), ...bothSides(limit_nm, "red", "limit")],
    note: `${significant(Math.hypot(y[last], x[last]), 2)} nm`,
    place: (i) => `after ${duration(t_s[i])}: y ${number(y[i])}, x ${number(x[i])} nm`,
  };
}

function bothSides(limit_nm, colour, name) {
  if (!limit_nm) return [];
  const text = `${name} ${Number(limit_nm.toPrecision(3))} nm`;
  return [{ y: limit_nm, colour, text }, { y: -limit_nm, colour, text: "" }];
}

function variancePlot(message) {
  const k = dataOf(message, "fem/k"), V = dataOf(message, "fem/V");
  if (!k || !V) return null;
  const { V_max, sigma_V_max, k_per_nm, patterns } = attrsOf(message, "fem");
  const value = shifted(V, 0), [high, low] = band(value, dataOf(message, "fem/sigma"));
  return {
    columns: [[...k], value, high, low],
    x: [k[0], k.at(-1)], y: padded([[0], value]),
    marks: k_per_nm ? [{ x: k_per_nm, text: `${significant(k_per_nm)} nm⁻¹` }] : [],
    note: V_max ? `V = ${withError(V_max, sigma_V_max)} · ${patterns} patterns` : "",
    place: (i) => `k ${significant(k[i])} nm⁻¹: V ${number(value[i])}`,
  };
}

function profilePlot(message) {
  const k = dataOf(message, "diffraction/k"), intensity = dataOf(message, "diffraction/intensity");
  if (!k || !intensity) return null;
  const { patterns } = attrsOf(message, "diffraction");
  const value = shifted(intensity, 0);
  return {
    columns: [[...k], value],
    x: [k[0], k.at(-1)], y: padded([[0], value]),
    note: patterns === 1 ? "1 pattern" : `${patterns} patterns`,
    place: (i) => `k ${significant(k[i])} nm⁻¹: I ${number(value[i])} electrons per pixel`,
  };
}

const finite = (value) => (Number.isFinite(value) ? value : null);
const number = (value) => significant(value ?? NaN);

// Numbers plus an offset; null where there is none, as uPlot wants gaps.
function shifted(values, offset, length = values?.length) {
  return Array.from({ length }, (_, i) => finite((values?.[i] ?? NaN) + offset));
}

// Limits of an axis of ascending times that has its zero in it.
function fromZero(t_s) {
  return [Math.min(0, t_s[0]), t_s.at(-1) > 0 ? t_s.at(-1) : 1];
}

// The upper and the lower edge of value +- sigma.
function band(values, sigma) {
  return [1, -1].map((sign) => values.map((one, i) => (one === null ? null : finite(one + sign * (sigma?.[i] ?? NaN)))));
}

// Limits that hold all numbers of some columns, with a margin.
function padded(columns) {
  const numbers = columns.flat().filter((one) => one !== null);
  if (!numbers.length) return [0, 1];
  const low = Math.min(...numbers), high = Math.max(...numbers);
  const margin = 0.08 * (high - low) || 0.1 * Math.abs(high) || 1;
  return [low - margin, high + margin];
}
