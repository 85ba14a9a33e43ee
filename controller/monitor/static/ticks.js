// Round values for axes, colour bars and scale bars.

import { fixed } from "./format.js";

const MINUTE = 60, HOUR = 3600, DAY = 86400;
const TIME_STEPS_S = [
  1, 2, 5, 10, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY,
];

// The largest of 1, 2, 5 times a power of ten that is not above `most`.
export function roundLength(most) {
  const decade = 10 ** Math.floor(Math.log10(most));
  return decade * [5, 2, 1].find((step) => step * decade <= most * (1 + 1e-12));
}

// About `count` round values from `low` to `high`, with their texts.
export function ticks(low, high, count) {
  const least = (high - low) / count;
  if (!(least > 0)) return [];
  let step = roundUp(least);
  if (multiples(low, high, step).length < 2) step = roundLength(0.9 * step);  // one alone has no scale
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return multiples(low, high, step).map((value) => ({ value, text: fixed(value, digits) }));
}

// The same for times in s, at whole minutes, hours and days where that is the size: "2:30 min", "6 h".
export function timeTicks(low_s, high_s, count) {
  const least = (high_s - low_s) / count;
  const step = TIME_STEPS_S.find((one) => one >= least);
  if (!(least > 0.5) || !step) {
    return ticks(low_s, high_s, count).map(({ value, text }) => ({ value, text: `${text} s` }));
  }
  return multiples(low_s, high_s, step).map((value) => ({ value, text: timeTick(value) }));
}

// A whole number of seconds in its unit: "0", "30 s", "2:30 min", "1:15 h".
function timeTick(t_s) {
  const size = Math.abs(Math.round(t_s)), sign = t_s < 0 ? "−" : "";
  if (size < MINUTE) return size === 0 ? "0" : `${sign}${size} s`;
  const [whole_s, part_s, name] = size < HOUR ? [MINUTE, 1, "min"] : [HOUR, MINUTE, "h"];
  const part = Math.floor((size % whole_s) / part_s);
  return `${sign}${Math.floor(size / whole_s)}${part ? `:${String(part).padStart(2, "0")}` : ""} ${name}`;
}

// Round values of a logarithmic axis: 1, 2, 5 of each decade, or the decades alone where there are many.
export function logTicks(low, high) {
  const decades = Math.log10(high / low);
  if (!(decades > 0)) return [];
  if (decades < 0.5) return ticks(low, high, 4);
  const steps = decades < 1 ? [1, 2, 3, 5, 7] : decades < 2.5 ? [1, 2, 5] : [1];
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const step of steps) values.push(Number(`${step}e${power}`));
  }
  const inside = values.filter((value) => value >= low * 0.9999 && value <= high * 1.0001);
  return inside.map((value) => ({ value, text: fixed(value, Math.max(0, -Math.floor(Math.log10(value)))) }));
}

function multiples(low, high, step) {
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function roundUp(least) {
  const decade = 10 ** Math.floor(Math.log10(least));
  return decade * [1, 2, 5, 10].find((step) => step * decade >= least * (1 - 1e-12));
}
