"""Reads the maps of a record: of single pixels, of patches, and what a uniform glass would have shown."""

from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.map_summary import unflagged
from annealscope.controller.report.load_arrays import array_of, attributes, numbers
from annealscope.controller.report.summary import TauMap
from annealscope.controller.report.summary_ecm import MapStatistics, PatchMap, PixelFractions
from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray


def tau_map(entry: Any, pixel_nm: float | None) -> TauMap | None:
    """Return the maps of a hold file; None without one of its pixels.

    Parameters
    ----------
    entry
        The ``/entry`` of an open hold file.
    pixel_nm
        Of the camera; only used when the map has no axis of its own.
    """
    tau_s, flags = array_of(entry, "map/tau_s"), array_of(entry, "map/flags")
    if tau_s is None:
        return None
    good = _good(tau_s, flags)
    fitted = np.ones(tau_s.shape, bool) if flags is None else _bits(flags) & int(FitFlag.MASKED) == 0
    # Large frames are binned before their pixels are fitted: the map's own axis knows.
    step_nm = _step_nm(entry, "map/x_nm")
    side_px = _step_nm(entry, "map/patch_x_nm") / step_nm
    return TauMap(
        np.where(good, tau_s, np.nan),
        step_nm if np.isfinite(step_nm) else pixel_nm,
        flagged_fraction=1.0 - float(good[fitted].mean()) if fitted.any() else 1.0,
        statistics=_statistics(entry["map"]),
        fractions=_fractions(entry),
        patches=_patches(entry, side_px),
    )


def _bits(flags: FloatArray) -> npt.NDArray[np.int64]:
    return flags.astype(np.int64)


def _good(tau_s: FloatArray, flags: FloatArray | None) -> npt.NDArray[np.bool_]:
    """Return where there is a time that nothing is known against."""
    bits = np.zeros(tau_s.shape, dtype=np.int64) if flags is None else _bits(flags)
    return unflagged(tau_s, bits) & (tau_s > 0)


def _step_nm(entry: Any, path: str) -> float:
    axis_nm = array_of(entry, path)
    return float(axis_nm[1] - axis_nm[0]) if axis_nm is not None and len(axis_nm) > 1 else NOT_A_NUMBER


def _statistics(group: Any) -> MapStatistics | None:
    """Return what the file says of the distribution; None for files that say nothing."""
    found = numbers(attributes(group), [each.name for each in fields(MapStatistics)])
    return MapStatistics(**found) if np.isfinite(found["sigma_ln_tau"]) else None


def _fractions(entry: Any) -> PixelFractions | None:
    edges_s, seen, null = (
        array_of(entry, f"map/{name}") for name in ("fraction_edges_s", "fraction", "null_fraction")
    )
    if edges_s is None or seen is None or len(edges_s) != len(seen) + 1 or not np.isfinite(seen).any():
        return None
    drawable = null is not None and null.shape == seen.shape and bool(np.isfinite(null).any())
    return PixelFractions(edges_s, seen, null if drawable else None)


def _patches(entry: Any, side_px: float) -> PatchMap | None:
    tau_s, flags = array_of(entry, "map/patch_tau_s"), array_of(entry, "map/patch_flags")
    if tau_s is None or not tau_s.size or not np.isfinite(side_px):
        return None
    return PatchMap(np.where(_good(tau_s, flags), tau_s, np.nan), side_px)
