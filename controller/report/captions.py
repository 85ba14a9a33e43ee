"""What is said below the figures."""

from annealscope.controller.report.summary import Picture, TauMap

TEMPERATURE = (
    "Set and measured temperature over the whole run. Shaded: holds in which frames were recorded. "
    "Red triangles: frames lost or not used."
)
TAU_OF_TEMPERATURE = (
    "Relaxation time and stretching exponent of every hold. Believe the corrected values (± one standard "
    "deviation): their model contains the finite length of the record. Hollow grey squares are flagged: the "
    "fit itself says that it cannot be believed. The per-pixel values are what the published method reports; "
    "normalising every pixel by its own mean over a finite record makes them read short, the more so the "
    "fewer relaxation times fit into the record. Their error is this bias, so none is drawn."
)
G2 = (
    "Correlation functions with their fits; below, data minus fit. The number to believe is the corrected "
    "one: the ratio curve fitted with a model of the finite record. The plain per-pixel curve is the "
    "published estimator; its normalisation over a finite record makes it read short and too steep, which "
    "its statistical error does not contain. ± is the statistical uncertainty from the number of speckles "
    "and relaxation times, not the error of the fit. Neighbouring lags are correlated, they come from the "
    "same frames: long runs of residuals of one sign are normal."
)
DRIFT = (
    "From the top: displacement of the raw frames after feedback, displacement made by the image shift, and "
    "what is left once the frames are corrected. Thin: every frame; thick: running median. The protocol's "
    "warn (dashed grey) and limit (dashed red) apply to the first, per axis. Only the last reaches the "
    "correlation functions; residual drift shortens the relaxation time."
)
CLIPPED = "The scale ends at the 1st and 99th percentile; what lies beyond has the colour of the end."
TWO_TIME = (
    "Correlation of the frames at t₁ with those at t₂. A ridge of constant width is a steady state, a "
    "widening one is ageing, a kink is a jump. The diagonal, which holds the shot noise, is replaced by "
    f"its neighbours. Grey: between segments of the record, which are not correlated. {CLIPPED}"
)


def tau_map(data: TauMap) -> str:
    """Return the caption of a map with its flagged fraction."""
    return (
        f"Relaxation times of single pixels; magenta: masked, or no valid fit ({data.flagged_fraction:.1%} "
        f"of those fitted), such as a time above a third of the record. {CLIPPED} Below, their histogram, to "
        "be read against the same estimator of the whole image (pixel). Single-pixel estimates are dominated "
        "by statistics: even a perfectly uniform specimen shows a broad, log-normal distribution whose "
        "median lies below the true value. This version does not simulate that distribution beside the "
        "measured one, so no heterogeneity can be read off."
    )


def picture(data: Picture) -> str:
    """Return the caption of a dark-field image."""
    which = "Last frame" if data.frames == 1 else f"Mean of the last {data.frames} frames"
    return f"{which} of the hold as recorded, not corrected for drift. {CLIPPED}"
