"""Puts together what an ECM record says, under the names it has in a hold file (docs/methods/ecm.md)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annealscope.analysis.averages import g2_averages, pixel_g2
from annealscope.analysis.binning import bin_block
from annealscope.analysis.ecm_rows import FrameState, Rows, Timeline, timeline
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.fit_spec import FitFlag, FitSpec
from annealscope.analysis.kww import KwwFit, fit_kww, fit_kww_finite
from annealscope.analysis.maps import fit_maps
from annealscope.analysis.multitau import LagSums
from annealscope.analysis.precision import Model
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import FloatArray, Result, Results

ESTIMATORS = ("pixel", "ratio", "roi", "ttcf")

ROUNDING = 1e-6
"""Of g2 - 1 in single precision: a curve that nowhere exceeds it has no contrast, and no fit."""


@dataclass(frozen=True)
class Record:
    """A finished record, accumulated but not yet fitted."""

    spec: EcmSpec
    rows: Rows
    sums: LagSums
    two_time: TwoTimeMap


def ecm_results(record: Record) -> Results:
    """All results of a record.

    Raises
    ------
    InvalidData
        When no time spacing can be measured.
    """
    time = timeline(record.rows)
    averages = g2_averages(record.sums)
    results = _curves(record, time, averages)
    results |= _fits(record, time, averages)
    results |= _two_time(record, time)
    results |= _frames(record)
    if record.spec.map:
        results |= _maps(record, time)
    return results


def corrected_fit(sums: LagSums, ratio: FloatArray, time: Timeline, spec: EcmSpec) -> KwwFit:
    """Fit the `ratio` curve with the finite duration of the record in the model: the number to believe."""
    if np.abs(ratio - 1).max() < ROUNDING:
        return _no_fit("finite", "half")
    return fit_kww_finite(
        sums.lag_slots * time.spacing_s,
        ratio - 1,
        n_slots=time.n_slots,
        spacing_s=time.spacing_s,
        pairs=sums.pairs,
        spec=replace(spec.fit, range="half", free_baseline=False),
        segments=time.slots.tolist(),
        segment_starts=time.starts.tolist(),
        n_speckles=spec.n_speckles,
    )


def _curves(record: Record, time: Timeline, averages: dict[str, FloatArray]) -> Results:
    results = {f"g2/{name}": Result(averages[name]) for name in ESTIMATORS}
    results["g2/lag"] = Result(record.sums.lag_slots * time.spacing_s, "s")
    results["g2/pairs"] = Result(record.sums.pairs)
    results["g2"] = Result(
        None,
        attrs={
            "signal": "pixel",
            "auxiliary_signals": ["ratio", "roi", "ttcf"],
            "axes": ["lag"],
            "normalization": "symmetric",
            "slot_spacing_s": time.spacing_s,
            "slots": time.n_slots,
            "segments": len(time.slots),
            "n_speckles": record.spec.n_speckles,
        },
    )
    return results


def _fits(record: Record, time: Timeline, averages: dict[str, FloatArray]) -> Results:
    spec, sums = record.spec, record.sums
    results = {}
    for name in ESTIMATORS:
        chosen = (
            spec.fit if name in ("pixel", "ratio") else replace(spec.fit, range="quarter", free_baseline=True)
        )
        fit = _plain_fit(sums, averages[name], time, chosen, spec.n_speckles)
        results[f"kww/{name}"] = _fit_group(fit)
    results["kww/corrected"] = _fit_group(corrected_fit(sums, averages["ratio"], time, spec))
    return results


def _plain_fit(sums: LagSums, g2: FloatArray, time: Timeline, spec: FitSpec, n_speckles: float) -> KwwFit:
    if np.abs(g2 - 1).max() < ROUNDING:
        return _no_fit("kww+baseline" if spec.free_baseline else "kww", spec.range)
    return fit_kww(
        sums.lag_slots * time.spacing_s,
        g2 - 1,
        sums.pairs,
        spec=spec,
        duration_s=time.n_slots * time.spacing_s,
        n_speckles=n_speckles,
    )


def _no_fit(model: Model, range: str) -> KwwFit:
    nan = float("nan")
    return KwwFit(
        tau_s=nan,
        beta=nan,
        amplitude=nan,
        baseline=nan,
        sigma_tau_s=nan,
        sigma_beta=nan,
        fit_sigma_tau_s=nan,
        fit_sigma_beta=nan,
        flags=FitFlag.NOT_CONVERGED,
        model=model,
        range=range,
    )


def _fit_group(fit: KwwFit) -> Result:
    names = ("tau_s", "beta", "amplitude", "baseline", "sigma_tau_s", "sigma_beta")
    numbers: dict[str, Any] = {name: getattr(fit, name) for name in names}
    numbers |= {"fit_sigma_tau_s": fit.fit_sigma_tau_s, "fit_sigma_beta": fit.fit_sigma_beta}
    return Result(None, attrs={**numbers, "flags": int(fit.flags), "model": fit.model, "range": fit.range})


def _two_time(record: Record, time: Timeline) -> Results:
    two_time = record.two_time
    return {
        "ttcf": Result(
            None, attrs={"signal": "value", "axes": ["t", "t"], "spatial_bin_px": record.spec.coarse}
        ),
        "ttcf/value": Result(two_time.value),
        "ttcf/t": Result(time.t_s(two_time.segment, two_time.t_slots), "s"),
        "ttcf/segment": Result(two_time.segment),
    }


def _maps(record: Record, time: Timeline) -> Results:
    """Fit every pixel, or every square of pixels of a large frame, up to its first crossing of g2 = 1."""
    spec, sums = record.spec, record.sums
    y = pixel_g2(sums) - np.float32(1)
    if spec.coarse > 1:
        y = bin_block(y, spec.coarse)
    lag_s, duration_s = sums.lag_slots * time.spacing_s, time.n_slots * time.spacing_s
    fit = replace(spec.fit, range="first1", free_baseline=False)
    contrast = np.abs(y).max(axis=0) > ROUNDING
    maps = fit_maps(lag_s, y, sums.pairs, spec=fit, duration_s=duration_s, mask=contrast)
    failed = (maps.flags & int(FitFlag.NOT_CONVERGED | FitFlag.MASKED)) != 0
    units = {"tau_s": "s", "beta": "", "amplitude": ""}
    results = {
        f"map/{name}": Result(np.where(failed, np.float32(np.nan), getattr(maps, name)), unit)
        for name, unit in units.items()
    }
    results["map/flags"] = Result(maps.flags)
    results["map/y_nm"], results["map/x_nm"] = (_positions_nm(n, spec) for n in y.shape[1:])
    results["map"] = Result(
        None,
        attrs={"signal": "tau_s", "axes": ["y_nm", "x_nm"], "margin_px": spec.margin, "bin_px": spec.coarse},
    )
    return results


def _positions_nm(n: int, spec: EcmSpec) -> Result:
    """Centres of map pixels, measured from the centre of the first pixel of the raw frame."""
    first_px = spec.margin + (spec.coarse - 1) / 2
    return Result((first_px + spec.coarse * np.arange(n)) * spec.pixel_nm, "nm")


def _frames(record: Record) -> Results:
    """What is known of every recorded frame, used or not."""
    spec, rows = record.spec, record.rows
    lost = {
        state.name.lower(): int(np.count_nonzero(rows["state"] == state)) for state in FrameState if state
    }
    results = {
        "frame_mean": Result(rows["mean_e"].copy(), "electrons/pixel", {"frames": len(rows), **lost}),
        "frame_state": Result(
            rows["state"].copy(), attrs={"meaning": [state.name.lower() for state in FrameState]}
        ),
        "drift": Result(None, attrs={"signal": "applied_nm", "axes": ["t", "."]}),
        "drift/t": Result(rows["t_start_s"] - rows["t_start_s"][0], "s"),
        "drift/applied_nm": Result(rows["shift_nm"] @ np.array(spec.image_shift_matrix).T, "nm"),
    }
    if spec.drift:
        results["drift"] = Result(
            None,
            attrs={
                "signal": "measured_nm",
                "auxiliary_signals": ["applied_nm", "residual_nm"],
                "axes": ["t", "."],
                "path": "measured_nm - applied_nm",
            },
        )
        results["drift/measured_nm"] = Result(rows["d_px"] * spec.pixel_nm, "nm")
        results["drift/residual_nm"] = Result(rows["residual_px"] * spec.pixel_nm, "nm")
        results["drift/quality"] = Result(rows["quality"].copy())
    return results
