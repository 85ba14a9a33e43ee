"""What the length of a record alone does to a plain fit: the reason why two estimators differ."""

import numpy as np

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.precision import record_bias
from annealscope.analysis.values import InvalidData
from annealscope.controller.report.summary import Expected, Fit, HoldSummary
from annealscope.controller.report.summary_ecm import DurationSeries


def expected(
    corrected: Fit | None, plain: Fit | None, durations: DurationSeries | None, n_slots: int, period_s: float
) -> Expected | None:
    """Return what the plain fit shows on average of a glass as the corrected fit says that it is.

    The analysis says it for the whole record, the last of its lengths. For hold files of before it is
    computed for one segment.

    Parameters
    ----------
    corrected
        The fit to believe; one that is flagged leads to no expectation.
    plain
        The fit of the per-pixel curve; says which lags it used.
    durations
        What the hold file has for growing lengths of the record.
    n_slots, period_s
        Length of the record in slots, and their spacing in s.
    """
    if corrected is None or plain is None or corrected.flagged or not np.isfinite(corrected.tau_s):
        return None
    if durations is not None and np.isfinite(durations.expected_tau_s[-1]):
        return Expected(float(durations.expected_tau_s[-1]), float(durations.expected_beta[-1]))
    if plain.range not in ("full", "first1", "half"):
        return None
    spec = FitSpec(range=plain.range)  # type: ignore[arg-type]
    try:
        return Expected(*record_bias(corrected.tau_s, corrected.beta, n_slots, period_s, spec))
    except InvalidData:  # too short for a fit
        return None


def explained_s(hold: HoldSummary) -> tuple[float, float] | None:
    """Return by how much the per-pixel time is below the corrected one, and how much of it is the bias."""
    corrected, plain = hold.fits.get("corrected"), hold.fits.get("pixel")
    if hold.expected is None or corrected is None or plain is None or not np.isfinite(plain.tau_s):
        return None
    return corrected.tau_s - plain.tau_s, corrected.tau_s - hold.expected.tau_s
