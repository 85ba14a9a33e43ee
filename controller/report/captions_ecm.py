"""What is said below the figures of an ECM movie: which number to believe, and why."""

from collections.abc import Iterable

import numpy as np

from annealscope.controller.config.wording import counted
from annealscope.controller.report.bias import explained_s
from annealscope.controller.report.captions import CLIPPED
from annealscope.controller.report.figures_duration import LAWS
from annealscope.controller.report.numbers import percent, pm, signed
from annealscope.controller.report.summary import Fit, HoldSummary
from annealscope.controller.report.summary_ecm import AgeSeries, DurationSeries, MapStatistics

ERRORS = {
    "jackknife": "± is a standard error by the jackknife: the fit is repeated with parts of the image left "
    "out in turn.",
    "error scale": "± is the standard error expected of so many speckles and relaxation times; the image is "
    "too small, or its contrast too low, to leave parts of it out.",
    "": "± is the statistical uncertainty from the number of speckles and relaxation times, not the error "
    "of the fit.",
}
"""What the error of a fit is, by where it comes from."""

VERDICTS = {
    "steady": "Steady: within two standard errors τ changes by less than a tenth over the record.",
    "aging": "Aging: τ grows over the record, by more than a tenth and three standard errors.",
    "speeding up": "Speeding up: τ falls over the record, by more than a tenth and three standard errors.",
    "undetermined": "Undetermined: neither a change nor a steady state can be claimed; the error leaves "
    "room for both.",
}


def g2(hold: HoldSummary) -> str:
    """Return the caption of the correlation functions: the number to believe, and why the other differs."""
    return " ".join([
        "Correlation of the image with itself against the time between frames, with fits of a stretched "
        "exponential; below, data minus fit. The number to believe is the corrected one: its model knows "
        "that the means which normalise a pixel come from the same finite record. The plain fit of the "
        "per-pixel curve, as in publications, does not know it: its time is too short and its exponent too "
        "large, which its statistical error does not contain.",
        *_why(hold),
        *_error(hold.fits.get("corrected")),
        *_masked(hold),
        "Neighbouring lags are correlated, they come from the same frames: long runs of residuals of one "
        "sign are normal.",
    ])  # fmt: skip


def _why(hold: HoldSummary) -> Iterable[str]:
    """Yield the two numbers of this hold, and what the bias makes of one of them."""
    parts, corrected, plain = explained_s(hold), hold.fits.get("corrected"), hold.fits.get("pixel")
    if parts is None or corrected is None or plain is None or hold.expected is None:
        return
    yield (
        f"Here: {pm(corrected.tau_s, corrected.sigma_tau_s, 's')} against {pm(plain.tau_s, unit='s')}. In a "
        f"record of {hold.duration_s / corrected.tau_s:.1f} τ the bias alone turns the corrected time into "
        f"{pm(hold.expected.tau_s, unit='s')}: {share_of_bias(*parts)}."
    )


def share_of_bias(apart_s: float, bias_s: float) -> str:
    """Write how much of the difference between two estimators the bias of one of them is."""
    if apart_s <= 0:
        return "here chance has undone it"
    if bias_s >= apart_s:
        return f"all of the {pm(apart_s, unit='s')} between them"
    return (
        f"{percent(bias_s / apart_s)} of the {pm(apart_s, unit='s')} between them; the rest is chance, and "
        "a smaller bias of averaging quotients over the pixels"
    )


def _error(fit: Fit | None) -> Iterable[str]:
    if fit is not None and np.isfinite(fit.sigma_tau_s):
        yield ERRORS.get(fit.errors, ERRORS[""])


def _masked(hold: HoldSummary) -> Iterable[str]:
    """Say how many pixels of the camera were left out."""
    if hold.correlation and hold.correlation.bad_pixels:
        yield f"{counted(hold.correlation.bad_pixels, 'bad pixel')} of the camera masked."


def durations(hold: HoldSummary) -> str:
    """Return the caption of tau against the length of the record."""
    text = (
        "Relaxation times from the same record, cut off after growing lengths. Circles: the per-pixel times "
        "rise, because their bias, of the order of τ over the length, wears off. That rise is the "
        "estimator's; a glass in a steady state has it too. Line: what the bias alone makes of the corrected "
        "values of the whole record; circles that follow it need no other reason. The corrected and the "
        "two-time times do not have the bias: if they rise by more than their errors, the glass changes. "
        "They are given from five relaxation times on."
    )
    if hold.durations is None:
        return text
    return (
        f"{text} {_asymptote(hold.durations)} Below, the exponents. Neighbouring points share frames: errors "
        "are those of each point, not of their differences."
    )


def _asymptote(data: DurationSeries) -> str:
    if not np.isfinite(data.tau_asym_s):
        return f"The circles have no asymptote{f': {data.why}' if data.why else ''}."
    law, value = LAWS.get(data.law, data.law), pm(data.tau_asym_s, data.sigma_tau_asym_s, "s")
    by = " by the jackknife" if np.isfinite(data.sigma_tau_asym_s) else ""
    others = [
        f"{LAWS[name]} {pm(tau_s, unit='s')}"
        for name, tau_s in data.other_laws_s.items()
        if np.isfinite(tau_s)
    ]
    # Laws of equal right lead to different ends: the reader sees how far apart they are.
    apart = f"; other laws lead elsewhere ({', '.join(others)})" if others else ""
    return (
        f"Dashed: {law} asymptote of the circles, {value}{by}{apart}. The corrected time of the whole record "
        "needs no such law."
    )


def age(hold: HoldSummary) -> str:
    """Return the caption of tau against age, with the verdict in words."""
    known = np.isfinite(hold.age_s)
    begin = "Ages count from when the temperature had settled." if known else (
        "When the temperature had settled is not known: times count from the first frame."
    )  # fmt: skip
    text = (
        "Relaxation time at different ages, from the two-time correlation around each, with one amplitude, "
        f"exponent and baseline for all of them. {begin}"
    )
    if hold.aging is None:
        return text
    return f"{text} {verdict(hold.aging)}{_jumps(hold.aging)} Below, the longest lag time used at each age."


def verdict(data: AgeSeries) -> str:
    """Write whether the glass is steady; that no change was found does not make it so."""
    words = VERDICTS.get(data.verdict, "There is no verdict.")
    change = f" Δ ln τ over the record is {signed(data.slope, data.sigma_slope)}."
    return f"{words}{change}" if np.isfinite(data.slope) else words


def _jumps(data: AgeSeries) -> str:
    if not data.jumps_s.size:
        return ""
    return (
        f" {counted(data.jumps_s.size, 'jump')} of the image (red): drift or charging, the frames before and "
        "after differ more than the glass makes them. Distrust a slope across it."
    )


def tau_map(hold: HoldSummary) -> str:
    """Return the caption of a map: its flagged fraction, and its spread beside that of a uniform glass."""
    found = hold.tau_map
    flagged = found.flagged_fraction if found else 1.0
    text = (
        f"Relaxation times of single pixels; magenta: masked, or no valid fit ({flagged:.1%} of those "
        f"fitted), such as a time above a third of the record. {CLIPPED} "
    )
    if found and found.patches:
        text += (
            "Middle: the mean curves of squares of pixels, fitted with the length of the record in the "
            "model and so without bias, on the same scale. "
        )
    text += (
        "Histogram: the pixels with a valid fit. A pixel sees few events: even a perfectly uniform glass "
        "shows a broad, log-normal distribution; its median lies below the true value and that of the image. "
    )
    return text + " ".join(_spread(found.statistics if found else None))


def _spread(data: MapStatistics | None) -> Iterable[str]:
    """Yield what the map says beyond that of a uniform glass, or that there is none to compare with."""
    if data is None or not data.verdict:
        yield "There is no map of a uniform glass beside it, so no heterogeneity can be read off."
        return
    yield (
        "Line: a uniform glass with the corrected values, simulated at the same times with the same contrast "
        f"and noise ({data.null_series:.0f} pixels). The standard deviation over the pixels, σ(ln τ), is "
        f"{data.sigma_ln_tau:.3f} measured and {data.null_sigma_ln_tau:.3f} uniform: {_heterogeneity(data)}."
    )
    if np.isfinite(data.slow_domains):
        yield _domains(data)


def _heterogeneity(data: MapStatistics) -> str:
    if data.verdict == "heterogeneous":
        sigma_het = pm(data.sigma_het, data.sigma_sigma_het)
        return (
            f"the glass itself spreads, by σ_het = {sigma_het} (root of the difference of the squares) or "
            "more, as a speckle mixes what lies within it"
        )
    if not np.isfinite(data.most_het):
        return "the image is too small to say how sure the difference is, so no heterogeneity can be claimed"
    return (
        "not wider by three standard errors, so no heterogeneity can be claimed from it; one of up to "
        f"σ_het = {data.most_het:.2f} would not be seen"
    )


def _domains(data: MapStatistics) -> str:
    number = int(data.slow_domains)
    size = (
        f", mean diameter {pm(data.slow_diameter_nm, unit='nm')} weighted with the areas, "
        f"{percent(data.slow_fraction)} of the area"
        if number
        else ""
    )
    return (
        f"Slow domains (connected pixels above twice the time of the image): {number}{size}. Of all pixels "
        f"{percent(data.above_fraction)} are slower than that; in the uniform glass, by chance, "
        f"{percent(data.null_above_fraction)}."
    )
