"""Numbers as tables show them: the text to read, with the number itself."""

from dataclasses import dataclass

import numpy as np

from annealscope.controller.report.numbers import pm, signed
from annealscope.controller.report.summary import Fit, HoldSummary
from annealscope.controller.report.summary_patterns import Peak


@dataclass(frozen=True)
class Cell:
    """A number as it is read, with the number itself."""

    text: str
    value: float | None = None
    kind: str = ""
    """How it is shown: ``best``, ``good``, ``bad``, or like any other."""

    note: str = ""
    """What speaks against the number, below it."""

    aside: str = ""
    """What belongs to the number, below it."""


UNKNOWN = Cell("–")


def temperature(hold: HoldSummary) -> Cell:
    """Return the set temperature."""
    return Cell(hold.label, hold.setpoint_degC if np.isfinite(hold.setpoint_K) else None)


def frames(hold: HoldSummary) -> Cell:
    """Return how many frames there are, and of how many when there are fewer than planned."""
    short = hold.frames_planned is not None and hold.frames + hold.frames_lost < hold.frames_planned
    return Cell(f"{hold.frames} of {hold.frames_planned}" if short else str(hold.frames), hold.frames)


def lost(hold: HoldSummary) -> Cell:
    """Return the lost frames, and those that are recorded but not used."""
    unused = f", {hold.frames_unused} unused" if hold.frames_unused else ""
    return Cell(f"{hold.frames_lost}{unused}", hold.frames_lost, "bad" if hold.frames_lost else "")


def residual_drift(hold: HoldSummary) -> Cell:
    """Return the largest displacement that is left in the corrected frames."""
    residual_nm = hold.drift.largest_residual_nm if hold.drift else float("nan")
    return Cell(f"{residual_nm:.2f} nm", residual_nm) if np.isfinite(residual_nm) else UNKNOWN


def tau(hold: HoldSummary) -> Cell:
    """Return the corrected relaxation time."""
    return _estimate(hold.fits.get("corrected"), "tau_s", "s")


def beta(hold: HoldSummary) -> Cell:
    """Return the corrected stretching exponent; what is wrong with it stands below the time."""
    cell = _estimate(hold.fits.get("corrected"), "beta")
    return Cell(cell.text, cell.value, cell.kind)


def _estimate(fit: Fit | None, name: str, unit: str = "") -> Cell:
    """Write a corrected value: the one to believe, unless the fit was flagged."""
    if fit is None or not np.isfinite(getattr(fit, name)):
        return Cell("–", note=fit.flagged if fit else "")
    value = getattr(fit, name)
    text = pm(value, getattr(fit, f"sigma_{name}"), unit)
    return Cell(text, value, note=fit.flagged) if fit.flagged else Cell(text, value, "best")


def tau_pixel(hold: HoldSummary) -> Cell:
    """Return the plain relaxation time without its statistical error, which is not what it is wrong by.

    Below it stands what the length of the record alone makes of the corrected time.
    """
    fit = hold.fits.get("pixel")
    if fit is None or not np.isfinite(fit.tau_s):
        return UNKNOWN
    aside = f"expected {pm(hold.expected.tau_s, unit='s')}" if hold.expected else ""
    return Cell(pm(fit.tau_s, unit="s"), fit.tau_s, aside=aside)


def over_the_hold(hold: HoldSummary) -> Cell:
    """Return whether the glass changed while it was watched."""
    if hold.aging is None or not hold.aging.verdict:
        return UNKNOWN
    known = np.isfinite(hold.aging.slope)
    aside = signed(hold.aging.slope, hold.aging.sigma_slope) if known else ""
    return Cell(hold.aging.verdict, hold.aging.slope if known else None, aside=aside)


def lengths(hold: HoldSummary) -> Cell:
    """Return how many relaxation times fit into the record."""
    fit = hold.fits.get("corrected")
    ratio = hold.duration_s / fit.tau_s if fit and fit.tau_s > 0 else float("nan")
    return Cell(f"{ratio:.1f}", ratio) if np.isfinite(ratio) else UNKNOWN


def peak_height(hold: HoldSummary) -> Cell:
    """Return V at the first peak."""
    peak = hold.variance.peaks.get("first") if hold.variance else None
    return _peak(peak, "V_max")


def _peak(peak: Peak | None, name: str, unit: str = "") -> Cell:
    if peak is None or not np.isfinite(getattr(peak, name)):
        return Cell("–", note=peak.flagged if peak else "")
    value = getattr(peak, name)
    text = pm(value, getattr(peak, f"sigma_{name}"), unit)
    return Cell(text, value, "" if peak.flagged else "best", peak.flagged)


def peak_ratio(hold: HoldSummary) -> Cell:
    """Return the height of the second peak over that of the first."""
    variance = hold.variance
    if variance is None or not np.isfinite(variance.ratio):
        return UNKNOWN
    return Cell(pm(variance.ratio, variance.sigma_ratio), variance.ratio)


def crystals(hold: HoldSummary) -> Cell:
    """Return whether the rings say that there are crystals."""
    compared = hold.ring_difference
    if compared is None:
        return Cell("reference") if hold.rings is not None and not hold.ring_reference else UNKNOWN
    return Cell("crystals", None, "bad") if compared.crystalline else Cell("amorphous", None, "good")
