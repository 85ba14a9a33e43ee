"""What is said below the figures of a study: the estimator, its uncertainty, and the paper's value."""

from annealscope.controller.report.captions import COURSE
from annealscope.controller.report.captions import variance_of_temperature as variance_caption
from annealscope.controller.report.captions_ecm import VERDICTS
from annealscope.controller.report.figures_duration import LAWS
from annealscope.controller.report.numbers import percent, pm, signed
from annealscope.controller.report.study import figures_order, figures_probes, figures_relaxation
from annealscope.controller.report.study.summary import STATES, StudySummary
from annealscope.controller.report.summary import HoldSummary

CORRECTED = "the corrected fit (ratio of sums, the length of the record in the model)"
NOISE = "Noise of electrons and camera is subtracted."


def probes(study: StudySummary) -> str:
    """Return the caption of V(k) of all probe sizes."""
    text = (
        "Normalised variance of each pixel over the positions of the probe, then its mean over the ring, for "
        f"every probe size R (FWHM). {NOISE} Bands: standard error by the jackknife, rows of the scan left "
        "out in turn. As measured, each at the thickness of its place; the two panels have one scale."
    )
    paper = study.paper
    if paper is None:
        return text
    return (
        f"{text} Published: peaks at {paper.first_peak_per_nm:g} and {paper.second_peak_per_nm:g} nm⁻¹; "
        f"the first splits for probes above {paper.split_above_nm:g} nm; V = {paper.variance_as_cast:g} as "
        f"cast, {percent(paper.change_by_anneal)} change by the anneal."
    )


def stratton_voyles(study: StudySummary) -> str:
    """Return the caption of the Stratton-Voyles plot of both states."""
    text = (
        "Height of the first peak of V(k), base included, against the inverse square of the probe size, "
        "all brought to the mean thickness of the places of a state (V is inverse to it). Bars: standard "
        "errors by the jackknife. It is largest (dashed) where the probe is about as large as the ordered "
        "regions; the error of that size is carried over from those of the heights."
    )
    if study.paper is None:
        return text
    return f"{text} Published: {_with_error(*study.paper.mro_size_nm)} nm for both states (grey)."


def pair_persistence(study: StudySummary) -> str:
    """Return the caption of the pair-persistence plot of both states."""
    text = (
        "Q²/V against Q², Q = 0.61/R. Lines: least squares with the errors of V through the probes larger "
        "than the one of the largest variance (filled); slope m and intercept c give the pair-persistence "
        "length Λ = √(m/c)/2π, whose error follows from theirs and their covariance."
    )
    why = [
        f"{STATES[state]}: {series.numbers['why']}"
        for state, series in figures_probes.pair_persistence(study).items()
        if series.numbers.get("why")
    ]
    text = " ".join([text, *(f"{reason}." for reason in why)])
    if study.paper is None:
        return text
    published = ", ".join(
        f"{_with_error(*study.paper.states[state].persistence_nm)} nm {words}"
        for state, words in STATES.items()
    )
    return f"{text} Published: {published} (dotted)."


def variance_in_situ(study: StudySummary) -> str:
    """Return the caption of V(k) by temperature."""
    found, scaled = figures_order.points(study), figures_order.scaled(study)
    probe = f" with a probe of {found[0].hold.probe_nm:g} nm" if found else ""
    at = (
        f"brought to one thickness, {scaled.thickness:.2f} mean free paths"
        if scaled
        else "as measured, each at the thickness of its place"
    )
    text = (
        f"Normalised variance at every temperature{probe}, {at}. {NOISE} Bands: standard error by the "
        "jackknife."
    )
    if study.paper is None:
        return text
    return f"{text} Published: a shoulder at {study.paper.shoulder_per_nm:g} nm⁻¹ appears at 275 °C."


def heights(study: StudySummary) -> str:
    """Return the caption of the first peak against temperature."""
    found = figures_order.points(study)
    probe_nm = found[0].hold.probe_nm if found else float("nan")
    return (
        f"{variance_caption(study.paper, figures_order.scaled(study), probe_nm)} The integral of the peak is "
        "in the CSV."
    )


def durations(study: StudySummary) -> str:
    """Return the caption of tau against the length of the record, both states."""
    text = (
        "Relaxation times and, below, exponents of the movies at room temperature, cut off after growing "
        "lengths. Circles: the per-pixel curve with a plain fit, the paper's estimator. They rise because "
        "its bias, of the order of τ over the length, wears off: the orange line is what the estimator "
        "alone makes of the corrected values of the whole record, in a glass that does not change. "
        f"Squares: {CORRECTED}, without that bias from five relaxation times on; triangles: two-time "
        "correlation with a free baseline, which a short record does not show. Bars: standard errors of "
        "each point by the jackknife; neighbours share frames."
    )
    found = [f"{STATES[state]} {_asymptote(hold)}" for state, hold in figures_relaxation.rooms(study)]
    text = f"{text} Asymptote of the circles (dashed): {'; '.join(found)}."
    if study.paper is None:
        return text
    published = ", ".join(
        f"{_with_error(*study.paper.states[state].tau_asymptote_s)} s (grey) and, below, a limit of β of "
        f"{study.paper.states[state].beta_limit:.2f} (dotted) {STATES[state]}"
        for state, _ in figures_relaxation.rooms(study)
    )
    return f"{text} Published: {published}."


def _asymptote(hold: HoldSummary) -> str:
    data = hold.durations
    if data is None or not data.tau_asym_s > 0:
        return f"none{f' ({data.why})' if data and data.why else ''}"
    return f"{LAWS.get(data.law, data.law)} {pm(data.tau_asym_s, data.sigma_tau_asym_s, 's')}"


TWO_TIMES = (
    "Correlation of the frames at t₁ with those at t₂, minus 1, over the amplitude A of the fit of the "
    "two-time correlation, as places differ in contrast; one scale of colours for the row, from the 1st "
    "percentile to the ridge. A ridge of constant width is a steady state, a widening one is aging, a "
    "kink is a jump. The diagonal, which holds the shot noise, is replaced by its neighbours; grey: "
    "between segments. Above each panel the verdict and the change of ln τ over the record with its "
    "standard error: "
)


def two_times_in_situ(study: StudySummary) -> str:
    """Return the caption of the two-time correlations in situ."""
    text = TWO_TIMES + _rules()
    if study.paper is None:
        return text
    slowing = ", ".join(f"{value:g}" for value in sorted(study.paper.slowing_degC))
    return f"{text} Published, by eye: steady at 100 and 150 °C, slowing down at {slowing} °C, weakest first."


def two_times_room(study: StudySummary) -> str:
    """Return the caption of the two-time correlations at room temperature."""
    text = TWO_TIMES + _rules()
    return f"{text} Published, by eye: steady, as cast and annealed." if study.paper else text


def _rules() -> str:
    return " ".join(VERDICTS.values())


def correlations(study: StudySummary) -> str:
    """Return the caption of the correlation functions by temperature."""
    text = (
        "Correlation functions over the amplitude of their fit, and fits (lines). Left: the mean over "
        "pixels of the curves of single pixels with a plain stretched exponential, the paper's estimator; "
        "it reads short by a bias that its statistical error does not contain, so none is given. Right: "
        f"{CORRECTED}, with the standard error of τ by the jackknife: the number to believe; the "
        "mean of a finite record takes its own share off, so that the curves begin below 1."
    )
    room = study.role("as_cast_ecm")
    if room.extract is not None:
        text += f" 25 °C: the first {room.extract_s:g} s of the movie."
    return f"{text} Published values: Table 1." if study.paper else text


def fractions(study: StudySummary) -> str:
    """Return the caption of the distributions over the pixels."""
    found = figures_relaxation.maps(study)
    spread = [
        f"{hold.temperature_label}: {tau_map.statistics.verdict or 'no null'}, excess variance of ln τ "
        f"{signed(tau_map.statistics.excess_variance, tau_map.statistics.sigma_excess_variance)}"
        for hold, tau_map in found
        if tau_map.statistics is not None
    ]
    return (
        "Left: share of the pixels in bins of equal width in log τ, from plain fits of the curves of "
        "single pixels; only those with a valid fit. Right: the same of a uniform glass with the "
        "corrected values of the image, simulated at the same times with the same contrast and noise. A "
        "pixel sees few events: what the right side shows is the method, only what the left has beyond it "
        "is the glass. In the legends the standard deviation of ln τ over the pixels. Beyond the null, "
        f"with the standard error: {'; '.join(spread)}. Heterogeneous is said beyond three standard errors."
        if spread
        else "Share of the pixels in bins of equal width in log τ, from plain fits of the curves of single "
        "pixels. There is no map of a uniform glass beside them, so no heterogeneity can be read off."
    )


SLOW = (
    "Slow domains: connected areas, larger than a speckle, above the threshold of twice τ of the mean curve "
    "of the map."
)


def tau_maps(study: StudySummary) -> str:
    """Return the caption of the maps in a row."""
    slow = [
        f"{hold.temperature_label}: {int(tau_map.statistics.slow_domains)} slow domains, "
        f"{percent(tau_map.statistics.above_fraction)} of the pixels above the threshold, "
        f"{percent(tau_map.statistics.null_above_fraction)} by chance"
        for hold, tau_map in figures_relaxation.maps(study)
        if tau_map.statistics is not None and tau_map.statistics.slow_domains >= 0
    ]
    text = (
        "Relaxation times of single pixels from plain fits, on one logarithmic scale, which ends at the "
        "1st and 99th percentile of all maps; magenta: masked, or no valid fit (share below each map). "
        "Their scatter is mostly that of the method (Fig. 7 b)."
    )
    return f"{text} {SLOW} {'; '.join(slow)}." if slow else text


def course(study: StudySummary) -> str:
    """Return the caption of the course of the in-situ run."""
    return COURSE


def rings(study: StudySummary) -> str:
    """Return the caption of the ring profiles, with their verdict."""
    found = [hold.ring_difference for hold in figures_order.rings(study) if hold.ring_difference is not None]
    crystals = sum(each.crystalline for each in found)
    text = (
        "Left: azimuthal means of the diffraction patterns of an area. Right: the sharp part of their "
        "difference from the coldest, in standard errors; broad differences (background, thickness, a "
        "glass that relaxes) are no crystals. Dashed: what a crystal's would have to exceed."
    )
    verdict = f" {crystals} of {len(found)} show signs of crystals." if found else ""
    return f"{text}{verdict}{' Published: none up to 275 °C.' if study.paper else ''}"


def _with_error(value: float, error: float) -> str:
    return f"{value:g} ± {error:g}"
