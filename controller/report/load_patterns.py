"""Reads what diffraction patterns have led to: variance, peaks, dark-field map, ring profile."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from annealscope.analysis.peaks import PeakFlag
from annealscope.controller.report.load_arrays import array_along, array_of, number
from annealscope.controller.report.summary_patterns import (
    FloatArray,
    Haadf,
    PatternImage,
    PatternTruth,
    Peak,
    RingProfile,
    Variance,
)

PEAKS = ("first", "second")

PEAK_REASONS = {
    PeakFlag.NOT_CONVERGED: "did not converge",
    PeakFlag.CENTRE_AT_BOUND: "its place is at the edge of the window",
    PeakFlag.WIDTH_AT_BOUND: "its width is at its bound",
    PeakFlag.WEAK: "within the scatter",
}
"""Why a fitted peak should not be believed, by flag; the hint `TRUNCATED` is no reason."""

GRADIENTS = {
    "none": "no gradient was found",
    "found": "there is a gradient",
    "undetermined": "the signal is too noisy to exclude a gradient",
}
"""The verdicts on a gradient in words."""


def fem_parts(entry: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `HoldSummary` that a grid of patterns fills; None where there is nothing.

    Parameters
    ----------
    entry
        The ``/entry`` of an open hold file.
    message
        What was announced when the hold was opened; may be empty.
    """
    return {
        "variance": _variance(entry),
        "variance_image": _image(entry, "fem/variance_image", message),
        "mean_pattern": _image(entry, "fem/mean_image", message, "electrons"),
        "haadf": _haadf(entry, message),
        "pattern_truth": _truth(entry),
    }


def diffraction_parts(entry: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `HoldSummary` that a pattern of an area fills, see `fem_parts`."""
    return {
        "rings": _rings(entry),
        "mean_pattern": _image(entry, "diffraction/mean_image", message, "electrons"),
        "pattern_truth": _truth(entry),
    }


def _variance(entry: Any) -> Variance | None:
    k_per_nm = array_of(entry, "fem/k")
    corrected = None if k_per_nm is None else array_along(entry, "fem/V_corrected", k_per_nm)
    if k_per_nm is None or corrected is None or not np.isfinite(corrected).any():
        return None
    peaks = entry.get("fem/peaks", {})
    found = {name: peak for name in PEAKS if (peak := _peak(peaks, name)) is not None}
    attrs = getattr(peaks, "attrs", {})
    return Variance(
        k_per_nm=k_per_nm,
        corrected=corrected,
        naive=array_along(entry, "fem/V", k_per_nm),
        sigma=array_along(entry, "fem/sigma", k_per_nm),
        mean_e=array_along(entry, "fem/mean", k_per_nm),
        peaks=found,
        ratio=number(attrs.get("ratio")),
        sigma_ratio=number(attrs.get("sigma_ratio")),
        shoulder=number(attrs.get("shoulder_5p3")),
        sigma_shoulder=number(attrs.get("sigma_shoulder")),
    )


def _peak(peaks: Any, name: str) -> Peak | None:
    if name not in peaks:
        return None
    attrs = peaks[name].attrs
    return Peak(
        k_per_nm=number(attrs.get("k_per_nm")),
        V_max=number(attrs.get("V_max")),
        sigma_k_per_nm=number(attrs.get("sigma_k_per_nm")),
        sigma_V_max=number(attrs.get("sigma_V_max")),
        base=number(attrs.get("base")),
        height_above_base=number(attrs.get("height_above_base")),
        width_per_nm=number(attrs.get("width_per_nm")),
        flagged=_flagged(_flags(attrs)),
        truncated=PeakFlag.TRUNCATED in _flags(attrs),
    )


def _flags(attrs: Mapping[str, Any]) -> PeakFlag:
    flags = attrs.get("flags", 0)
    return PeakFlag(int(flags)) if isinstance(flags, int | np.integer) else PeakFlag(0)


def _flagged(flags: PeakFlag) -> str:
    """Return what speaks against a peak in words."""
    reasons = [reason for flag, reason in PEAK_REASONS.items() if flag in flags]
    return f"flagged: {', '.join(reasons)}" if reasons else ""


def _image(entry: Any, path: str, message: Mapping[str, Any], unit: str = "") -> PatternImage | None:
    value: FloatArray | None = array_of(entry, path)
    if value is None or value.ndim != 2 or not np.isfinite(value).any():
        return None
    return PatternImage(value, message.get("camera", {}).get("pixel_per_nm"), unit)


def _haadf(entry: Any, message: Mapping[str, Any]) -> Haadf | None:
    value = array_of(entry, "haadf/value")
    if value is None or value.ndim != 2 or not np.isfinite(value).any():
        return None
    pitch_nm = (message.get("grid") or {}).get("pitch_nm")
    verdict = str(entry["haadf"].attrs.get("gradient", ""))
    return Haadf(value, pitch_nm, GRADIENTS.get(verdict, verdict))


def _rings(entry: Any) -> RingProfile | None:
    k_per_nm = array_of(entry, "diffraction/k")
    intensity = None if k_per_nm is None else array_along(entry, "diffraction/I", k_per_nm)
    if k_per_nm is None or intensity is None or not np.isfinite(intensity).any():
        return None
    found = np.atleast_1d(entry["diffraction"].attrs.get("rings_per_nm", ()))
    return RingProfile(
        k_per_nm,
        intensity,
        array_along(entry, "diffraction/sigma", k_per_nm),
        tuple(float(ring) for ring in found),
    )


def _truth(entry: Any) -> PatternTruth | None:
    truth = entry.get("sample/truth")
    if truth is None or "V_max" not in truth.attrs:
        return None
    names = ("V_max", "k0_per_nm", "V_ratio", "thickness")
    return PatternTruth(**{name: number(truth.attrs.get(name)) for name in names})
