"""What is said below the figures."""

from annealscope.controller.report.across import DOSE_RATE, TEMPERATURE, Across
from annealscope.controller.report.numbers import pm, sentence
from annealscope.controller.report.paper import Paper
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import ProbeSeries, ScaledVariance

COURSE = (
    "The run as it was carried out. Above: what was acquired, and when the plan stood still (violet: paused, "
    "red: suspended by a guard, yellow: waiting for the operator, grey: parked); red triangles: frames lost "
    "or not used. Below: set and measured temperature."
)
DRIFT = (
    "From the top: displacement of the raw frames after feedback, displacement made by the image shift, and "
    "what is left once the frames are corrected. Thin: every frame; thick: running median. The protocol's "
    "warn (dashed grey) and limit (dashed red) apply to the first, per axis. Only the last reaches the "
    "correlation functions; residual drift shortens the relaxation time."
)
REFERENCE = "Those at other temperatures are compared with it."
NO_COMPARISON = "It could not be compared with the reference."
CLIPPED = "The scale ends at the 1st and 99th percentile; what lies beyond has the colour of the end."
TWO_TIME = (
    "Correlation of the frames at t₁ with those at t₂. A ridge of constant width is a steady state, a "
    "widening one is aging, a kink is a jump. The diagonal, which holds the shot noise, is replaced by "
    f"its neighbours. Grey: between segments of the record, which are not correlated. {CLIPPED}"
)


RINGS = (
    f"Mean of the patterns of the area, logarithmic. Sharp spots or thin rings would be crystals. {CLIPPED}"
)
STRATTON_VOYLES = (
    "Variance at the first peak against the inverse square of the probe size R (FWHM), all at the mean "
    "thickness of the places. It is largest where the probe is about as large as the ordered regions."
)
PUBLISHED = {
    TEMPERATURE.key: "Table 1 of the paper on {0}, 25 °C at a third of the dose rate of the others",
    DOSE_RATE.key: "the row of Table 1 of the paper on {0} that is at this temperature, at its dose rate",
}
TRUTH = (
    " Truth: what an unbiased analysis of the simulated frames should find. The glass is built on the "
    "published values at their dose rates; times that differ over the image and grow with age set it apart."
)
POWER = (
    " The line is the power p of the dose rate that fits the corrected times; 0 would be a glass "
    "that does not feel the beam, −1 one whose rate is proportional to it. The dashed line is a glass with a "
    "rate of its own, 1/τ₀, to which the beam adds: only this law has a time at zero dose; run.nxs says how "
    "well each one agrees. Errors are those of the times, not of the places, which may differ."
)


def relaxation(what: Across, paper: Paper | None, simulated: bool) -> str:
    """Return the caption of the relaxation times against what changes."""
    text = (
        "Relaxation time and stretching exponent of every hold. Believe the corrected values (± one "
        "standard deviation): their model contains the finite length of the record. Hollow grey squares "
        "are flagged: the fit itself says that it cannot be believed. The per-pixel values are what the "
        "published method reports; normalising every pixel by its own mean over a finite record makes "
        "them read short, the more so the fewer relaxation times fit into the record. Their error is this "
        "bias, so none is drawn. Bars in their colour: what a record that long makes of the corrected "
        "values; where the circles lie on them, the estimator is why they differ, not the glass."
    )
    if what is DOSE_RATE:
        text += POWER
    if paper is None or what.key not in PUBLISHED:
        return text
    table = PUBLISHED[what.key].format(paper.material)
    return f"{text} Published: {table}; an estimate from finite records too.{TRUTH if simulated else ''}"


def variance_of_temperature(paper: Paper | None, scaled: ScaledVariance | None, probe_nm: float) -> str:
    """Return the caption of the variance against temperature."""
    text = (
        f"Height of the first peak of V(k) with a probe of {probe_nm:g} nm, base included, noise subtracted, "
        "with its jackknife error over the rows of the scan."
    )
    if scaled is not None:
        text += (
            f" V is inverse to the thickness, and every scan has a fresh place: all are brought to "
            f"{scaled.thickness:.2f} mean free paths, the truth too; small and grey, as measured."
        )
    if paper is None:
        return text
    return (
        f"{text} Dotted: the published change ({paper.variance_step:+.0%} from "
        f"{paper.variance_step_from_degC:g} to {paper.variance_step_to_degC:g} °C, constant above), drawn "
        "through the coldest measured value, because only the change is published; the triangle is the "
        "published upper limit at 25 °C."
    )


def pair_persistence(series: ProbeSeries) -> str:
    """Return the caption of the pair-persistence plot, and why it gives no length where it does not."""
    why = f" {sentence(str(series.numbers['why']))}" if series.numbers.get("why") else ""
    return (
        "Q²/V against Q², with Q = 0.61/R. Slope m and intercept c of the line through the probes larger "
        "than the one of the largest variance (filled) give the pair-persistence length Λ = √(m/c)/2π; "
        f"for smaller ones (hollow) the line does not hold.{why}"
    )


def variance(hold: HoldSummary) -> str:
    """Return the caption of V(k) with what its peaks say together."""
    text = (
        "Variance of each pixel over the positions of the probe, then its mean over the ring. Grey: as it "
        "is; blue: without the noise of electrons and camera, the one to believe, with its jackknife band "
        "(rows of the scan left out in turn). Dashed: Gaussians on a constant base."
    )
    if hold.variance is None or not hold.variance.ratio > 0:
        return text
    data = hold.variance
    ratio, shoulder = pm(data.ratio, data.sigma_ratio), pm(data.shoulder, data.sigma_shoulder)
    return f"{text} Second peak over first: {ratio}; shoulder at 5.3 nm⁻¹: {shoulder}."


def patterns(hold: HoldSummary) -> str:
    """Return the caption of the three images of a grid, with the verdict on the thickness."""
    verdict = f" {sentence(hold.haadf.gradient)}" if hold.haadf and hold.haadf.gradient else ""
    return (
        "Left: mean of all patterns, logarithmic. Middle: normalised variance of each pixel over the "
        "positions of the probe, noise included; bright speckle on the rings is order over medium range. "
        f"{CLIPPED} Magenta: behind the beam stop. Right: annular dark-field signal at each position; a "
        f"gradient would be one of thickness, which the variance takes for structure.{verdict}"
    )


def profile(hold: HoldSummary) -> str:
    """Return the caption of a ring profile with the verdict of the comparison."""
    text = "Azimuthal mean of the diffraction pattern."
    if hold.ring_difference is None:
        return f"{text} {NO_COMPARISON if hold.ring_reference else REFERENCE}"
    compared = hold.ring_difference
    return (
        f"{text} Below, the sharp part of its difference from that at {compared.label}, in standard "
        "errors: broad differences (background, thickness, a glass that relaxes) are no crystals. "
        "Dashed: what a crystal's would have to exceed. "
        f"{sentence(compared.why)}"
    )


def picture(hold: HoldSummary) -> str:
    """Return the caption of a dark-field image."""
    frames = hold.picture.frames if hold.picture else 0
    which = "Last frame" if frames == 1 else f"Mean of the last {frames} frames"
    return f"{which} of the hold as recorded, not corrected for drift. {CLIPPED}"
