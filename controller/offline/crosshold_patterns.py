"""What follows from several acquisitions of diffraction patterns: FEM scans, and patterns of an area."""

from collections import Counter
from collections.abc import Callable
from functools import reduce

import numpy as np

from annealscope.analysis.diffraction import RingComparison, compare_rings
from annealscope.analysis.values import FloatArray, InvalidData, Result, Results
from annealscope.controller.offline.probe_series import (
    FIRST_PEAK,
    common_thickness,
    probe_series_results,
)
from annealscope.controller.offline.tables import ByTemperature
from annealscope.controller.record.holdresults import HoldResults


def pattern_results(holds: list[HoldResults]) -> Results:
    """Return all results of several scans, and of several area patterns, by path."""
    scans = [hold for hold in holds if hold.info.method == "fem" and hold.attrs(FIRST_PEAK)]
    areas = [hold for hold in holds if hold.info.method == "diffraction"]
    return V_of_T(scans) | probe_series_results(scans) | ring_comparison(areas)


def V_of_T(scans: list[HoldResults]) -> Results:
    """Tabulate the first peak of V(k) against temperature, of the probe size that most scans have."""
    sizes = Counter(hold.info.probe_nm for hold in scans)
    if not sizes:
        return {}
    probe_nm = sizes.most_common(1)[0][0]
    chosen = [hold for hold in scans if hold.info.probe_nm == probe_nm]
    to_common, thickness = common_thickness(chosen)
    factor = dict(zip(chosen, to_common.tolist(), strict=True))
    table = ByTemperature("V_of_T", chosen)
    table.add("V_max", _peak("V_max"), long_name="normalised variance at the first peak")
    table.add("V_max_errors", _peak("sigma_V_max"))
    scaled = "the same at the mean thickness, V being inverse to it"
    table.add("V_scaled", lambda hold: factor[hold] * _peak("V_max")(hold), long_name=scaled)
    table.add("V_scaled_errors", lambda hold: factor[hold] * _peak("sigma_V_max")(hold))
    table.add("thickness", lambda hold: hold.thickness, long_name="in inelastic mean free paths")
    table.add("height", _peak("height_above_base"), long_name="height of the first peak above its base")
    table.add("k", _peak("k_per_nm"), "1/nm")
    table.add("k_errors", _peak("sigma_k_per_nm"), "1/nm")
    results = table.results("V_max", ["V_scaled", "height"])
    results["V_of_T/scaled_to_thickness"] = Result(np.array(thickness))
    if probe_nm is not None:
        results["V_of_T/probe_nm"] = Result(np.array(probe_nm), "nm")
    return results


def ring_comparison(areas: list[HoldResults]) -> Results:
    """Compare the rings of all area patterns with those of the coldest one, where k is the same."""
    usable = [hold for hold in areas if hold.array("diffraction/I") is not None]
    if len(usable) < 2:
        return {}
    reference = min(usable, key=lambda hold: hold.temperature_degC)
    k = reduce(np.intersect1d, (_numbers(hold, "diffraction/k") for hold in usable))
    try:
        compared = {
            hold: compare_rings(k, *_profile(reference, k), *_profile(hold, k))
            for hold in usable
            if hold is not reference
        }
    except InvalidData:  # too few rings are seen by all of them
        return {}
    return _comparison_table(reference, k, compared)


def _comparison_table(
    reference: HoldResults, k: FloatArray, compared: dict[HoldResults, RingComparison]
) -> Results:
    group = "diffraction/compare"
    table = ByTemperature(group, compared)
    table.add("largest", lambda hold: compared[hold].largest)
    table.add("k_of_largest", lambda hold: compared[hold].k_of_largest, "1/nm")
    results = table.results("largest")
    rows = [compared[hold] for hold in table.holds]
    words = {"reference": reference.name, "why": [row.why for row in rows]}
    results[group] = Result(None, attrs={**results[group].attrs, **words})
    results[f"{group}/crystalline"] = Result(np.array([row.crystalline for row in rows], dtype=np.bool_))
    results[f"{group}/difference"] = Result(np.stack([row.difference for row in rows]))
    results[f"{group}/k"] = Result(k, "1/nm")
    return results


def _profile(hold: HoldResults, k: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return intensity and sigma of the rings at some k of the hold."""
    chosen = np.isin(_numbers(hold, "diffraction/k"), k)
    return _numbers(hold, "diffraction/I")[chosen], _numbers(hold, "diffraction/sigma")[chosen]


def _numbers(hold: HoldResults, path: str) -> FloatArray:
    values = hold.array(path)
    return np.empty(0) if values is None else np.asarray(values, dtype=np.float64)


def _peak(number: str) -> Callable[[HoldResults], float]:
    return lambda hold: float(hold.attrs(FIRST_PEAK).get(number, np.nan))
