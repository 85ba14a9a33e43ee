"""What is said below the figures."""

import math

from annealscope.controller.report.summary import Picture, TauMap

TEMPERATURE = (
    "Set and measured temperature over the whole run. Shaded: holds in which frames were recorded. "
    "Red triangles: frames lost or not used."
)
TAU_OF_TEMPERATURE = (
    "Relaxation time and stretching exponent of every hold. Believe the corrected values (± one standard "
    "deviation): their model contains the finite length of the record. The per-pixel values are what the "
    "published method reports; normalising every pixel by its own mean over a finite record makes them read "
    "short, the more so the fewer relaxation times fit into the record."
)
G2 = (
    "Correlation functions with their fits; below, data minus fit. The number to believe is the corrected "
    "one: the ratio curve fitted with a model of the finite record. The plain per-pixel curve is the "
    "published estimator; its normalisation over a finite record makes it read short and too steep. σ is the "
    "statistical uncertainty from the number of speckles and relaxation times, not the error of the fit."
)
DRIFT = (
    "From the top: displacement of the raw frames after feedback, displacement made by the image shift, and "
    "what is left once the frames are corrected. Only the last one reaches the correlation functions; "
    "residual drift shortens the relaxation time."
)
_VERDICTS = {
    "steady": "The test finds a steady state.",
    "aging": "The test finds ageing: the relaxation time grows during the hold.",
    "speeding_up": "The test finds that the relaxation time falls during the hold.",
    "undetermined": "The record is too short or too small to tell a steady state from ageing.",
}


def two_time(verdict: str | None) -> str:
    """Return the caption of a two-time correlation, with the verdict of the steady-state test if known."""
    text = (
        "Correlation of the frames at t₁ with those at t₂. A ridge of constant width is a steady state, a "
        "widening one is ageing, a kink is a jump. The diagonal, which holds the shot noise, is replaced by "
        "its neighbours."
    )
    return f"{text} {_VERDICTS.get(verdict or '', '')}".strip()


def tau_map(data: TauMap) -> str:
    """Return the caption of a map: flagged fraction and, when known, the spread of a uniform specimen."""
    text = (
        f"Relaxation times of single pixels; grey: masked, or no valid fit ({data.flagged_fraction:.1%} of "
        "those fitted). Single-pixel estimates are dominated by statistics: even a perfectly uniform "
        "specimen shows a broad, log-normal distribution whose median lies below the true value."
    )
    if math.isfinite(data.null_spread):
        text += f" Here a uniform specimen would show a standard deviation of ln τ of {data.null_spread:.2f}."
    return text


def picture(data: Picture) -> str:
    """Return the caption of a dark-field image."""
    which = "Last frame" if data.frames == 1 else f"Mean of the last {data.frames} frames"
    return f"{which} of the hold as recorded, not corrected for drift. Grey levels: 1st to 99th percentile."
