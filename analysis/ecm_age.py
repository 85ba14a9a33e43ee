"""The age of an ECM record from its two-time map, under the names of a hold file (docs/methods/age.md)."""

from collections.abc import Iterable

from annealscope.analysis.age import aging
from annealscope.analysis.ecm_rows import Timeline
from annealscope.analysis.kww import KwwFit
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import Result, Results


def age_results(two_time: TwoTimeMap, left_out: Iterable[TwoTimeMap], time: Timeline, fit: KwwFit) -> Results:
    """Return tau at several ages and the verdict on its change.

    Parameters
    ----------
    two_time, left_out
        The map, and the same with each block of the image left out (:meth:`TwoTime.without_blocks`).
    time
        Of the record.
    fit
        Of the curve `ttcf`, with a free baseline.

    Returns
    -------
    Results
        Times in s since the start of the record. NaN and "undetermined" when the fit is not usable.
    """
    found = aging(
        two_time,
        left_out,
        t_s=time.t_s(two_time.segment, two_time.t_slots),
        spacing_s=time.spacing_s,
        fit=fit,
    )
    attrs = {
        "signal": "tau_s",
        "axes": ["t_age_s"],
        "verdict": found.verdict,
        "slope": found.slope,
        "sigma_slope": found.sigma_slope,
        "jumps_s": found.jumps_s.tolist(),
    }
    return {
        "age": Result(None, attrs=attrs),
        "age/t_age_s": Result(found.t_age_s, "s"),
        "age/tau_s": Result(found.tau_s, "s"),
        "age/sigma_s": Result(found.sigma_s, "s"),
        "age/reach_s": Result(found.reach_s, "s"),
    }
