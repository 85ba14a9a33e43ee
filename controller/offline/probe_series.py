"""Scans of one state of the specimen with several probe sizes: which sizes of order they show."""

from collections.abc import Iterator

import numpy as np

from annealscope.analysis.order import (
    DISC,
    PairPersistence,
    StrattonVoyles,
    pair_persistence,
    stratton_voyles,
)
from annealscope.analysis.values import FloatArray, InvalidData, Result, Results
from annealscope.controller.record.holdresults import HoldResults

FEWEST_PROBES = 4
FIRST_PEAK = "fem/peaks/first"


def probe_series_results(scans: list[HoldResults]) -> Results:
    """Return the Stratton-Voyles plot and the pair-persistence line of every series of probe sizes.

    The first series has the plain names ``fem/stratton_voyles`` and ``fem/pair_persistence``; those of a
    later one, after annealing say, end in ``_2`` and so on.
    """
    results: Results = {}
    long_enough = (series for series in probe_series(scans) if len(series) >= FEWEST_PROBES)
    for number, series in enumerate(long_enough, start=1):
        results |= _results_of(series, "" if number == 1 else f"_{number}")
    return results


def probe_series(scans: list[HoldResults]) -> Iterator[list[HoldResults]]:
    """Yield the scans of each state: a series ends when the setpoint changes or a probe size comes again."""
    series: list[HoldResults] = []
    for hold in scans:
        if series and not _continues(series, hold):
            yield series
            series = []
        if hold.info.probe_nm is not None:
            series.append(hold)
    if series:
        yield series


def common_thickness(scans: list[HoldResults]) -> tuple[FloatArray, float]:
    """Return the factors that bring V of each scan to the mean thickness, and that thickness.

    V is inverse to the thickness (docs/methods/order.md). Where one is not known, nothing is scaled: all
    factors are 1 and the thickness is NaN.
    """
    thickness = np.array([scan.thickness for scan in scans], dtype=np.float64)
    if not np.isfinite(thickness).all():
        return np.ones(len(scans)), float("nan")
    mean = float(thickness.mean())
    return thickness / mean, mean


def _continues(series: list[HoldResults], hold: HoldResults) -> bool:
    same_setpoint = hold.info.setpoint_K == series[0].info.setpoint_K
    return same_setpoint and hold.info.probe_nm not in [other.info.probe_nm for other in series]


def _results_of(series: list[HoldResults], suffix: str) -> Results:
    ordered = sorted(series, key=lambda hold: hold.info.probe_nm or 0.0)
    R = np.array([hold.info.probe_nm for hold in ordered], dtype=np.float64)
    to_common, thickness = common_thickness(ordered)
    V, sigma = (
        np.array([float(hold.attrs(FIRST_PEAK).get(name, np.nan)) for hold in ordered]) * to_common
        for name in ("V_max", "sigma_V_max")
    )
    words = {
        "holds": [hold.name for hold in ordered],
        "setpoint_K": ordered[0].info.setpoint_K,
        "scaled_to_thickness": thickness,
    }
    try:
        plot, line = stratton_voyles(R, V, sigma), pair_persistence(R, V, sigma)
    except InvalidData:  # errors of V are missing, say: there is nothing to draw
        return {}
    return _plot_results(f"fem/stratton_voyles{suffix}", plot, words) | _line_results(
        f"fem/pair_persistence{suffix}", line, R, V, sigma, words
    )


def _plot_results(group: str, plot: StrattonVoyles, words: dict[str, object]) -> Results:
    numbers = {"R_max_nm": plot.R_max_nm, "sigma_R_max_nm": plot.sigma_R_max_nm, "why": plot.why}
    return {
        group: Result(None, attrs={"signal": "V", "axes": ["inverse_square"], **numbers, **words}),
        f"{group}/inverse_square": Result(plot.inverse_square_per_nm2, "1/nm^2"),
        f"{group}/V": Result(plot.V),
        f"{group}/V_errors": Result(plot.sigma_V),
    }


def _line_results(
    group: str,
    line: PairPersistence,
    R: FloatArray,
    V: FloatArray,
    sigma: FloatArray,
    words: dict[str, object],
) -> Results:
    """Every probe is a point; those in ``probes_nm`` are on the line."""
    Q2 = (DISC / R) ** 2
    numbers = {
        "slope": line.m,
        "intercept_per_nm2": line.c_per_nm2,
        "sigma_slope": line.sigma_m,
        "sigma_intercept_per_nm2": line.sigma_c_per_nm2,
        "covariance": line.covariance,
        "length_nm": line.length_nm,
        "sigma_length_nm": line.sigma_length_nm,
        "interval_nm": list(line.interval_nm),
        "lower_bound_nm": line.lower_bound_nm,
        "probes_nm": list(line.probes_nm),
        "chi2_per_dof": line.chi2_per_dof,
        "why": line.why,
    }
    return {
        group: Result(None, attrs={"signal": "Q2_over_V", "axes": ["Q2"], **numbers, **words}),
        f"{group}/Q2": Result(Q2, "1/nm^2"),
        f"{group}/Q2_over_V": Result(Q2 / V, "1/nm^2"),
        f"{group}/Q2_over_V_errors": Result(Q2 / V**2 * sigma, "1/nm^2"),
    }
