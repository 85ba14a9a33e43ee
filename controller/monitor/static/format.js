// Times, doses and sizes as text, with their units. "–" stands for what is not known.

export const UNKNOWN = "–";
const THIN_SPACE = "\u202f";
const MINUS = "\u2212";
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const DAY_S = 86400;

export const known = (value) => typeof value === "number" && Number.isFinite(value);

/** 1234.5 -> "1 234.5" with a number of digits after the point. */
export function fixed(value, digits = 0) {
  if (!known(value)) return UNKNOWN;
  const [whole, rest] = Math.abs(value).toFixed(digits).split(".");
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE) : whole;
  const sign = value < 0 && Number(value.toFixed(digits)) !== 0 ? MINUS : "";
  return sign + grouped + (rest ? `.${rest}` : "");
}

/** The same with a plus before what is above zero. */
export function signed(value, digits = 0) {
  return known(value) && Number(value.toFixed(digits)) > 0 ? `+${fixed(value, digits)}` : fixed(value, digits);
}

/** A number of significant digits, without a power of ten: 0.02514 -> "0.0251", 612.4 -> "612". */
export function significant(value, digits = 3) {
  if (!known(value)) return UNKNOWN;
  if (value === 0) return "0";
  const rounded = Number(value.toPrecision(digits));
  return fixed(rounded, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(rounded)))));
}

/** A value with its error, both to the digits the error allows: (612.3, 27) -> "612 ± 27". */
export function withError(value, sigma) {
  if (!known(value)) return UNKNOWN;
  if (!known(sigma) || sigma <= 0) return significant(value);
  const digits = Math.max(0, 1 - Math.floor(Math.log10(sigma)));
  return `${fixed(value, digits)} ± ${fixed(sigma, digits)}`;
}

/** 4.58e9 -> "4.58 × 10⁹". */
export function power(value, digits = 3) {
  if (!known(value)) return UNKNOWN;
  if (value === 0) return "0";
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const raised = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPT[digit]).join("");
  return `${mantissa}${THIN_SPACE}×${THIN_SPACE}10${exponent < 0 ? "⁻" : ""}${raised}`;
}

/** 45 -> "45 s", 425 -> "7 min 5 s", 7800 -> "2 h 10 min", 100000 -> "1 d 3 h". */
export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(whole, 60, "min", 1, "s");
  return whole < DAY_S ? pair(whole, 3600, "h", 60, "min") : pair(whole, DAY_S, "d", 3600, "h");
}

function pair(seconds, major_s, major, minor_s, minor) {
  const rest = Math.floor((seconds % major_s) / minor_s);
  return `${Math.floor(seconds / major_s)} ${major}` + (rest ? ` ${rest} ${minor}` : "");
}

/** 27725 -> "7:42:05", the time of a run like a stopwatch. */
export function stopwatch(seconds) {
  if (!known(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

/** A Date -> "14:20:07", of the place where the page is looked at. */
export function clock(date, seconds = true) {
  return `${two(date.getHours())}:${two(date.getMinutes())}` + (seconds ? `:${two(date.getSeconds())}` : "");
}

const two = (value) => String(value).padStart(2, "0");

/** 3.12e11 -> "312 GB". */
export function bytes(count) {
  if (!known(count)) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  const step = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${significant(count / 1000 ** step)} ${units[step]}`;
}

/** 250 -> "250 nm", 2000 -> "2 µm": the round length of a scale bar. */
export function lengthText(length_nm) {
  return length_nm >= 1000 ? `${length_nm / 1000} µm` : `${length_nm} nm`;
}

export function percent(share, digits = 0) {
  return known(share) ? `${fixed(100 * share, digits)} %` : UNKNOWN;
}
