"""Records of known truth through the public road: frames into `EcmAnalysis`, fits out of its results."""

from dataclasses import dataclass, replace

import numpy as np
from truth import Truth, movie

from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.ecm_rows import FrameRows, Rows
from annealscope.analysis.geometry import CHANNELS, correlator_levels
from annealscope.analysis.jackknife import block_labels
from annealscope.analysis.multitau import LagSums, MultiTau
from annealscope.analysis.values import FrameBlock, Results, uniform_block

PIXEL_NM = 0.165


def spec_for(truth: Truth, **changes) -> EcmSpec:
    """Return the specification of a record that does not drift and whose counts are intensities."""
    spec = EcmSpec(
        shape=(truth.side_px, truth.side_px),
        period_s=truth.period_s,
        exposure_s=truth.period_s / 2,
        pixel_nm=PIXEL_NM,
        aperture_per_nm=truth.aperture_per_px / PIXEL_NM,
        frames_expected=truth.n_frames,
        drift=False,
        map=False,
    )
    return replace(spec, **changes)


def analysed(truth: Truth, record: FrameBlock | np.ndarray, **changes) -> Results:
    """Return what the analysis says of frames; an array is a record without gaps."""
    analysis = EcmAnalysis(spec_for(truth, **changes))
    analysis.update(record if isinstance(record, FrameBlock) else uniform_block(record, truth.period_s))
    return analysis.result()


def part(record: FrameBlock, chosen: slice | np.ndarray) -> FrameBlock:
    """Return some frames of a record; the others are lost."""
    names = ("frames", "slot", "segment", "t_start_s", "shift_applied_nm")
    return FrameBlock(**{name: getattr(record, name)[chosen] for name in names})


@dataclass(frozen=True)
class Seen:
    """What one estimator says of some independent records, in ln tau and beta."""

    ln_tau: np.ndarray
    beta: np.ndarray

    def off(self, truth: Truth, tau_s: float, beta: float) -> tuple[float, float]:
        """Return the distance of the mean from an expectation, in standard errors of the mean of records.

        The standard error is the universal scale, of the true tau, over the root of the number of records.
        """
        sigma_ln_tau, sigma_beta = np.array(truth.scale) / np.sqrt(len(self.beta))
        return (self.ln_tau.mean() - np.log(tau_s)) / sigma_ln_tau, (self.beta.mean() - beta) / sigma_beta


def seen(results: list[Results], estimator: str) -> Seen:
    """Collect one estimator's fits."""
    fits = [result[f"kww/{estimator}"].attrs for result in results]
    return Seen(np.log([fit["tau_s"] for fit in fits]), np.array([fit["beta"] for fit in fits]))


def records(truth: Truth, count: int, *key: int) -> list[Results]:
    """Analyse independent movies of one truth."""
    return [analysed(truth, movie(truth, *key, number)) for number in range(count)]


def flat_sums(frames: np.ndarray) -> LagSums:
    """Return the sums of every pixel of a record without gaps, its frames divided by their means."""
    slots = np.arange(len(frames))
    correlator = MultiTau(frames.shape[1:], channels=CHANNELS, levels=correlator_levels(len(frames)))
    correlator.update(frames / frames.mean(axis=(1, 2), keepdims=True), slots, 0 * slots)
    return correlator.sums()


def rows_of(truth: Truth) -> Rows:
    """Return the table of the frames of a record without gaps."""
    rows = FrameRows(truth.n_frames)
    for slot in range(truth.n_frames):
        rows.append(slot=slot, segment=0, t_start_s=slot * truth.period_s, mean_e=1.0)
    return rows.all


def blocks_of(truth: Truth) -> np.ndarray:
    """Return the blocks of pixels that the jackknife leaves out."""
    return block_labels((truth.side_px, truth.side_px), 3 * truth.speckle_px)
