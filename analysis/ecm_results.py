"""Puts together what an ECM record says, under the names it has in a hold file (docs/methods/ecm.md)."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annealscope.analysis.averages import BlockTotals, block_totals
from annealscope.analysis.ecm_age import age_results
from annealscope.analysis.ecm_duration import Prefix, duration_results, fitted_prefix
from annealscope.analysis.ecm_fits import corrected_curve, estimates, fit_results
from annealscope.analysis.ecm_frames import LargestCount
from annealscope.analysis.ecm_maps import map_results
from annealscope.analysis.ecm_mask import shown
from annealscope.analysis.ecm_rows import STEADY_BEAM, FrameState, Rows, Timeline, beam_spread, timeline
from annealscope.analysis.ecm_spec import ESTIMATORS, EcmSpec
from annealscope.analysis.jackknife import LEAST_BLOCKS, block_labels
from annealscope.analysis.kww import KwwFit
from annealscope.analysis.multitau import LagSums
from annealscope.analysis.slots import Integers
from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.twotime_map import TwoTimeMap
from annealscope.analysis.values import InvalidData, Result, Results

FWHM_IN_BLOCK = 3
"""Speckles across a block of the image: fewer would tie neighbouring blocks together."""


@dataclass(frozen=True)
class Beginning:
    """A part of a record, from its first frame on."""

    n_rows: int
    totals: BlockTotals


@dataclass(frozen=True)
class Record:
    """A finished record, accumulated but not yet fitted."""

    spec: EcmSpec
    rows: Rows
    sums: LagSums
    two_time: TwoTime
    beginnings: list[Beginning]
    largest: LargestCount

    bad_pixels: Integers
    """Row and column of each on the camera, shape (n, 2)."""

    footprint: npt.NDArray[np.bool_]
    """What they may have touched of the valid area, shape (ny, nx)."""


def ecm_results(record: Record) -> Results:
    """All results of a record.

    Raises
    ------
    InvalidData
        When no time spacing can be measured.
    """
    spec, time = record.spec, timeline(record.rows)
    labels = shown(image_blocks(spec), record.footprint)
    _darken(record.sums, record.footprint)
    totals = block_totals(record.sums, labels)
    found = estimates(totals, time, spec)
    results = _curves(record, time, totals) | fit_results(found)
    results["kww/corrected/curve"] = Result(corrected_curve(found["corrected"].fit, totals, time))
    with suppress(InvalidData):  # shorter than a bin: no map of times
        results |= _two_time(record.two_time, labels, time, spec, found["ttcf"].fit)
    whole = Prefix(totals, time, found)
    results |= duration_results([*_beginnings(record), whole], spec.fit)
    results |= _frames(record, found["corrected"].fit.amplitude) | _mask(record)
    if spec.map:
        with suppress(InvalidData):  # segments of a few slots: too few lags for any fit
            results |= map_results(spec, record.rows, time, record.sums, found["corrected"].fit, labels)
    return results


def image_blocks(spec: EcmSpec) -> npt.NDArray[np.int64]:
    """Number the pixels of the valid area by the block of the image that they are left out with."""
    return block_labels(spec.valid_shape, FWHM_IN_BLOCK * spec.speckle_px)


def _darken(sums: LagSums, hidden: npt.NDArray[np.bool_]) -> None:
    """Make hidden pixels ones without intensity, which no map counts."""
    for values in (sums.product, sums.left, sums.right):
        values[:, hidden] = 0


def _mask(record: Record) -> Results:
    """Say which pixels were not used, if there were any."""
    n = len(record.bad_pixels)
    attrs = {"pixels": n, "masked_fraction": float(record.footprint.mean())}
    return {"mask/bad_pixels": Result(record.bad_pixels, "px", attrs)} if n else {}


def _beginnings(record: Record) -> Iterator[Prefix]:
    """Fit the parts of the record; one without a time spacing is none."""
    for part in record.beginnings:
        with suppress(InvalidData):
            yield fitted_prefix(part.totals, timeline(record.rows[: part.n_rows]), record.spec)


def _curves(record: Record, time: Timeline, totals: BlockTotals) -> Results:
    averages = totals.g2()
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
            "unlit_fraction": totals.unlit_fraction,
        },
    )
    return results


def _two_time(
    correlator: TwoTime, labels: npt.NDArray[np.int64], time: Timeline, spec: EcmSpec, fit: KwwFit
) -> Results:
    two_time, left_out = _two_time_maps(correlator, labels, spec.coarse)
    return age_results(two_time, left_out, time, fit) | {
        "ttcf": Result(None, attrs={"signal": "value", "axes": ["t", "t"], "spatial_bin_px": spec.coarse}),
        "ttcf/value": Result(two_time.value),
        "ttcf/t": Result(time.t_s(two_time.segment, two_time.t_slots), "s"),
        "ttcf/segment": Result(two_time.segment),
    }


def _two_time_maps(
    correlator: TwoTime, labels: npt.NDArray[np.int64], side_px: int
) -> tuple[TwoTimeMap, Iterable[TwoTimeMap]]:
    """Return the map of the pixels with a label, and those with one block of them left out, if enough."""
    blocks, hidden = _squares(labels, side_px)
    n_blocks = int(labels.max()) + 1 if labels.max() + 1 >= LEAST_BLOCKS else 0
    if not hidden.any():
        return correlator.result(), correlator.without_blocks(blocks) if n_blocks else ()

    def without(left_out: npt.NDArray[np.bool_]) -> TwoTimeMap:
        return next(correlator.without_blocks(np.where(left_out, 0, -1)))

    return without(hidden), (without(hidden | (blocks == block)) for block in range(n_blocks))


def _squares(
    labels: npt.NDArray[np.int64], side_px: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the block of each square of pixels, that of its middle, and whether a pixel of it has none."""
    ny, nx = (n // side_px for n in labels.shape)
    squares = labels[: ny * side_px, : nx * side_px].reshape(ny, side_px, nx, side_px)
    return squares[:, side_px // 2, :, side_px // 2], np.asarray((squares < 0).any(axis=(1, 3)))


def _frames(record: Record, contrast: float) -> Results:
    """What is known of every recorded frame, used or not."""
    spec, rows = record.spec, record.rows
    lost = {
        state.name.lower(): int(np.count_nonzero(rows["state"] == state)) for state in FrameState if state
    }
    spread = beam_spread(rows)
    # Few speckles: the mean of a frame fluctuates with them.
    expected = np.nan_to_num(contrast) / spec.n_speckles
    beam = {"beam_spread": spread, "beam_unsteady": bool(spread**2 > STEADY_BEAM**2 + expected)}
    mean_e = float(rows["mean_e"][rows["state"] == FrameState.VALID].mean())
    attrs = {"frames": len(rows), **lost, **beam, **record.largest.attributes(mean_e, spec)}
    results = {
        "frame_mean": Result(rows["mean_e"].copy(), "electrons/pixel", attrs),
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
