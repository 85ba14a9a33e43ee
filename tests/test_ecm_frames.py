"""Frames and pixels of no use are named: a camera at its limit, and edges that are not a number."""

import numpy as np
import pytest
from speckle_movie import FWHM_TIMES_RADIUS, speckle_movie

from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.ecm_rows import FrameState
from annealscope.analysis.values import FrameBlock, InvalidData, Results, uniform_block
from annealscope.controller.cli.rows import row_of

PERIOD_S = 2.0
SPEC = EcmSpec(
    shape=(40, 40),
    period_s=PERIOD_S,
    exposure_s=1.0,
    pixel_nm=0.165,
    aperture_per_nm=FWHM_TIMES_RADIUS / 4.0 / 0.165,
    frames_expected=100,
    offset_counts=100.0,
    gain_counts_per_e=10.0,
    drift=False,
    map=False,
)


@pytest.fixture(scope="module")
def short() -> np.ndarray:
    return speckle_movie(100, SPEC.shape, tau_frames=10, beta=0.7, electrons=30, seed=8)


def analysed(block: FrameBlock) -> Results:
    analysis = EcmAnalysis(SPEC)
    analysis.update(block)
    return analysis.result()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_limit_of_the_camera_below_its_type_of_number_is_named(short: np.ndarray, dtype: type) -> None:
    limit = int(np.quantile(short, 0.995))
    clean, clipped = (
        analysed(uniform_block(frames.astype(dtype), PERIOD_S))
        for frames in (short, np.minimum(short, limit))
    )
    seen = clipped["frame_mean"].attrs
    assert seen["clipped"]
    assert not clean["frame_mean"].attrs["clipped"]
    assert seen["share_at_largest"] == pytest.approx(np.mean(short >= limit))
    assert f"of the pixels show the largest count, {limit}" in str(row_of("movie", clipped, ""))


def test_edges_that_are_not_a_number_cost_frames_and_are_named(short: np.ndarray) -> None:
    frames = short.astype(np.float32)
    frames[40, :, -9:] = np.nan
    results = analysed(uniform_block(frames, PERIOD_S))
    assert results["frame_state"].values[40] == FrameState.NOT_A_NUMBER
    assert results["frame_mean"].attrs["not_a_number"] == np.count_nonzero(results["frame_state"].values) == 1
    assert "leave them out by --roi" in str(row_of("movie", results, ""))
    frames[9:, :, -9:] = np.nan
    with pytest.raises(InvalidData, match=r"91 not a number\); leave out with --roi"):
        analysed(uniform_block(frames, PERIOD_S))
