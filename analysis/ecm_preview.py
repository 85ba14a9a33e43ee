"""What an ECM record shows so far, small enough to be looked at while it grows (docs/methods/ecm.md)."""

from contextlib import suppress
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from annealscope.analysis.averages import BlockTotals, block_totals
from annealscope.analysis.ecm_fits import corrected_curve, estimates, fit_results
from annealscope.analysis.ecm_maps import fitted_map
from annealscope.analysis.ecm_results import FWHM_IN_BLOCK
from annealscope.analysis.ecm_rows import LEAST_FRAMES, Rows, Timeline, timeline, usable
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.exact import ExactCorrelator
from annealscope.analysis.jackknife import block_labels, left_out_error
from annealscope.analysis.kww_model import kww
from annealscope.analysis.map_curves import map_curves
from annealscope.analysis.multitau import LagSums, MultiTau
from annealscope.analysis.preview import small
from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.twotime_map import without_diagonal
from annealscope.analysis.values import InvalidData, Result, Results

MOST_DISPLACEMENTS = 1000
MOST_TIMES = 256
"""On either axis of the two-time map."""


@dataclass(frozen=True)
class SoFar:
    """An ECM record that grows."""

    spec: EcmSpec
    rows: Rows
    """Of all frames that have come."""
    correlated: Rows
    """Of those that are in the correlators."""
    correlator: MultiTau | ExactCorrelator
    """Of the pixels that are live."""
    labels: npt.NDArray[np.int64]
    """Of these pixels, (ny, nx): negative where one takes no part, as bad ones do not."""
    step: int
    """Every which pixel is live, along either axis."""
    two_time: TwoTime


def ecm_preview(record: SoFar) -> Results:
    """Return what can be said already; nothing is left out of the record or added to it.

    Returns
    -------
    Results
        Under the names they have in a hold file, float32, with less detail: ``g2``, ``kww``, ``map``,
        ``ttcf``, ``drift``. What cannot be said yet is missing; ``frames`` is there when most are of no use.
    """
    results = _drift(record)
    if usable(record.correlated) < LEAST_FRAMES:
        return results | _unusable(record.correlated)
    with suppress(InvalidData):  # no time spacing yet, or no pair of frames
        time, sums = timeline(record.correlated), record.correlator.sums()
        totals = block_totals(sums, _blocks(record))
        results |= _curves(totals, time) | _fits(totals, time, record.spec)
        with suppress(InvalidData):  # too few lags for any fit
            results |= _map(sums, time, record)
        with suppress(InvalidData):  # shorter than its bins
            results |= _two_time(record, time)
    return results


def _blocks(record: SoFar) -> npt.NDArray[np.int64]:
    """Number the live pixels by the block of the image that they are left out with."""
    blocks = block_labels(record.labels.shape, FWHM_IN_BLOCK * record.spec.speckle_px / record.step)
    return np.where(record.labels < 0, record.labels, blocks)


def _curves(totals: BlockTotals, time: Timeline) -> Results:
    curves, without = totals.g2(), totals.g2_without()["ratio"]
    return {
        "g2/lag": small(totals.lag_slots * time.spacing_s, "s"),
        "g2/pixel": small(curves["pixel"]),
        "g2/ratio": small(curves["ratio"]),
        "g2/sigma": small(left_out_error(without)),
    }


def _fits(totals: BlockTotals, time: Timeline, spec: EcmSpec) -> Results:
    """The fit to believe and the one of the mean curve of the pixels, with their curves."""
    found = estimates(totals, time, spec)
    pixel, corrected = found["pixel"], found["corrected"]
    lag_s = totals.lag_slots * time.spacing_s
    decay = kww(lag_s, pixel.fit.tau_s, pixel.fit.beta)
    return fit_results({"pixel": pixel, "corrected": corrected}) | {
        "kww/pixel/curve": small(1 + pixel.fit.baseline + pixel.fit.amplitude * decay),
        "kww/corrected/curve": small(corrected_curve(corrected.fit, totals, time)),
    }


def _map(sums: LagSums, time: Timeline, record: SoFar) -> Results:
    """Fit every live pixel."""
    fitted = fitted_map(map_curves(sums, 1), record.spec, time)
    tau_s = np.where(record.labels < 0, np.float32(np.nan), fitted.maps.tau_s)
    attrs = {"pixel_nm": record.step * record.spec.pixel_nm, "tau_s": fitted.image_tau_s}
    return {"map": Result(None, attrs=attrs), "map/tau_s": small(tau_s, "s")}


def _two_time(record: SoFar, time: Timeline) -> Results:
    two_time = record.two_time.so_far(MOST_TIMES)
    return {
        "ttcf/t_s": small(time.t_s(two_time.segment, two_time.t_slots), "s"),
        "ttcf/value": small(without_diagonal(two_time.value)),
    }


def _unusable(rows: Rows) -> Results:
    """Say how many frames can be used, when there would be enough of them."""
    if len(rows) < LEAST_FRAMES:
        return {}
    return {"frames": Result(None, attrs={"taken": len(rows), "usable": usable(rows)})}


def _drift(record: SoFar) -> Results:
    """Displacements of the raw frames, evenly thinned out."""
    rows = record.rows
    if not record.spec.drift or not len(rows):
        return {}
    shown = rows[:: ceil(len(rows) / MOST_DISPLACEMENTS)]
    return {
        "drift/t_s": small(shown["t_start_s"] - rows["t_start_s"][0], "s"),
        "drift/measured_nm": small(shown["d_px"] * record.spec.pixel_nm, "nm"),
    }
