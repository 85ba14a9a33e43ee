"""ECM over breaks and holes: no lag crosses a break, lags do cross lost and blanked frames."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from slow_correlators import lag_sums
from speckle_movie import FWHM_TIMES_RADIUS, speckle_movie

from annealscope.analysis.drift import RESUME_FRAMES, DriftTracker
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.ecm_rows import FrameState, Timeline
from annealscope.analysis.geometry import CHANNELS, correlator_levels
from annealscope.analysis.values import FrameBlock

SHAPE = (40, 40)
PIXEL_NM = 0.165
APERTURE_PER_NM = FWHM_TIMES_RADIUS / 4.0 / PIXEL_NM
PERIOD_S = 2.0
N = 240
SPEC = EcmSpec(
    shape=SHAPE,
    period_s=PERIOD_S,
    exposure_s=1.0,
    pixel_nm=PIXEL_NM,
    aperture_per_nm=APERTURE_PER_NM,
    frames_expected=N,
    offset_counts=100.0,
    gain_counts_per_e=10.0,
    drift=False,
    map=False,
)


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    return speckle_movie(N, SHAPE, tau_frames=25, beta=0.8, electrons=60, seed=41)


def block(
    frames: np.ndarray, slot: np.ndarray, segment: np.ndarray, beam_on: np.ndarray | None = None
) -> FrameBlock:
    """Frames whose segments are 1000 s apart."""
    return FrameBlock(
        frames=frames,
        slot=slot,
        segment=segment,
        t_start_s=PERIOD_S * slot + 1000.0 * segment,
        shift_applied_nm=np.zeros((len(frames), 2)),
        beam_on=beam_on,
    )


def three_segments(movie: np.ndarray) -> FrameBlock:
    """Slots begin anew in each; some are missing, at the breaks too."""
    segment = np.repeat([0, 1, 2], [100, 37, N - 137])
    slot = np.concatenate([np.arange(100), np.arange(37), np.arange(N - 137)])
    kept = np.random.Generator(np.random.Philox(42)).random(N) > 0.1
    kept[[0, 99, 100, 137, N - 1]] = True
    return block(movie[kept], slot[kept], segment[kept])


def slow_ratio(given: FrameBlock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lags in slots, pairs, and g2 by the definition of the `ratio` estimator, in plain float64."""
    image = (given.frames.astype(np.float64) - SPEC.offset_counts) / SPEC.gain_counts_per_e
    image /= image.mean(axis=(1, 2), keepdims=True)
    levels = correlator_levels(N)
    lags, pairs, product, left, right = lag_sums(
        image, given.slot, given.segment, channels=CHANNELS, levels=levels
    )
    return lags, pairs, pairs * product.mean(axis=(1, 2)) / (left * right).mean(axis=(1, 2))


def results_of(given: FrameBlock, spec: EcmSpec = SPEC):
    analysis = EcmAnalysis(spec)
    analysis.update(given)
    return analysis.result()


def test_g2_over_segments_is_that_of_the_definition(movie: np.ndarray) -> None:
    given = three_segments(movie)
    results = results_of(given)
    lags, pairs, ratio = slow_ratio(given)
    np.testing.assert_array_equal(results["g2/pairs"].values, pairs)
    np.testing.assert_allclose(results["g2/lag"].values, PERIOD_S * lags)
    np.testing.assert_allclose(results["g2/ratio"].values, ratio, atol=2e-5)
    assert results["g2"].attrs["segments"] == 3


def test_no_lag_is_longer_than_a_segment(movie: np.ndarray) -> None:
    given = three_segments(movie)
    longest = max(given.slot[given.segment == k].max() for k in range(3))
    assert results_of(given)["g2/lag"].values.max() <= PERIOD_S * longest


def test_what_stands_beyond_a_break_does_not_matter(movie: np.ndarray) -> None:
    """The sums of two segments are those of each alone, whatever frames the other one has."""
    given = three_segments(movie)
    alone = [part(given, given.segment == k) for k in range(3)]
    pairs = {}
    for one in alone:
        lags, found, _ = slow_ratio(one)
        for lag, count in zip(lags.tolist(), found.tolist(), strict=True):
            pairs[lag] = pairs.get(lag, 0) + count
    results = results_of(given)
    lags = (results["g2/lag"].values / PERIOD_S).round().astype(int).tolist()
    assert dict(zip(lags, results["g2/pairs"].values.tolist(), strict=True)) == pairs
    segment, value = results["ttcf/segment"].values, results["ttcf/value"].values
    seen = np.isfinite(np.diag(value))
    expected = (segment[:, None] == segment) & seen[:, None] & seen
    np.testing.assert_array_equal(np.isfinite(value), expected)
    assert seen.mean() > 0.8


def part(given: FrameBlock, chosen: np.ndarray | slice) -> FrameBlock:
    names = ("frames", "slot", "segment", "t_start_s", "shift_applied_nm")
    columns = {name: getattr(given, name)[chosen] for name in names}
    return FrameBlock(**columns, beam_on=None if given.beam_on is None else given.beam_on[chosen])


def test_lags_cross_lost_frames(movie: np.ndarray) -> None:
    """Frames 100 slots apart are paired, though everything between them is lost."""
    kept = np.r_[0:64, 160:N]
    slot = np.arange(N)[kept]
    results = results_of(block(movie[kept], slot, np.zeros(len(kept), int)))
    lag, pairs = results["g2/lag"].values / PERIOD_S, results["g2/pairs"].values
    assert lag.max() > 100
    assert results["g2"].attrs["slots"] == N
    np.testing.assert_array_equal(pairs, slow_ratio(block(movie[kept], slot, np.zeros(len(kept), int)))[1])


@pytest.mark.parametrize("drift", [False, True])
def test_blanked_frames_count_as_lost(movie: np.ndarray, drift: bool) -> None:
    """All results are those of a record without them, whatever the camera saw while the beam was off."""
    spec = replace(SPEC, drift=drift, margin_px=8 if drift else None)
    beam_on = np.ones(N, dtype=bool)
    beam_on[50:60] = beam_on[120] = False
    dark = movie.copy()
    dark[~beam_on] = np.random.Generator(np.random.Philox(43)).poisson(100, (11, *SHAPE))
    slot, segment = np.arange(N), np.zeros(N, int)
    with_them = results_of(block(dark, slot, segment, beam_on), spec)
    without = results_of(block(movie[beam_on], slot[beam_on], segment[beam_on]), spec)
    for path in ("g2/pixel", "g2/ratio", "g2/pairs", "ttcf/value"):
        np.testing.assert_array_equal(with_them[path].values, without[path].values, err_msg=path)
    assert dict(with_them["kww/corrected"].attrs) == dict(without["kww/corrected"].attrs)
    state = with_them["frame_state"].values
    assert (state[~beam_on] == FrameState.BEAM_OFF).all()
    assert (state[beam_on] == FrameState.VALID).all()
    assert with_them["frame_mean"].attrs["beam_off"] == 11
    if drift:
        assert (with_them["drift/quality"].values[~beam_on] == 0).all()
        measured = with_them["drift/measured_nm"].values
        np.testing.assert_array_equal(measured[50:60], np.tile(measured[49], (10, 1)))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_frames_that_the_camera_repeats_count_as_lost(movie: np.ndarray, dtype: type) -> None:
    """The pixels of frame n - 1 in frame n would say that nothing changes in one period."""
    repeated = [7, 32, 33, 150]
    movie = movie.astype(dtype)
    frames = movie.copy()
    for n in repeated:
        frames[n] = frames[n - 1]
    kept = np.setdiff1d(np.arange(N), repeated)
    slot, segment = np.arange(N), np.zeros(N, int)
    with_them = results_of(block(frames, slot, segment))
    without = results_of(block(movie[kept], slot[kept], segment[kept]))
    assert np.flatnonzero(with_them["frame_state"].values == FrameState.REPEATED).tolist() == repeated
    np.testing.assert_array_equal(with_them["g2/ratio"].values, without["g2/ratio"].values)
    np.testing.assert_array_equal(with_them["g2/pairs"].values, without["g2/pairs"].values)


@pytest.mark.parametrize("size", [1, 13])
def test_segments_and_holes_do_not_depend_on_batching(movie: np.ndarray, size: int) -> None:
    spec = replace(SPEC, drift=True, margin_px=8)
    given = replace(three_segments(movie), beam_on=None)
    given = replace(given, beam_on=np.arange(len(given)) % 17 != 5)
    given.frames[33] = given.frames[32]
    pieces = [part(given, slice(i, i + size)) for i in range(0, len(given), size)]
    one, other = EcmAnalysis(spec), EcmAnalysis(spec)
    assert one.update(given) == [moved for piece in pieces for moved in other.update(piece)]
    first, second = one.result(), other.result()
    for path, result in first.items():
        np.testing.assert_equal(second[path].values, result.values, err_msg=path)


# ---------------------------------------------------------------------- the reference over a break


def located(frames: np.ndarray, breaks: tuple[int, ...]) -> np.ndarray:
    """Displacements (n, 2) in px and qualities, slots counted from 0 in each segment."""
    tracker = DriftTracker(SHAPE, pixel_nm=PIXEL_NM, aperture_per_nm=APERTURE_PER_NM)
    edges = [0, *breaks, len(frames)]
    found = []
    for segment, (first, end) in enumerate(pairwise(edges)):
        found += [tracker.locate(frames[i], i - first, segment) for i in range(first, end)]
    return np.array([[*match.d_px, match.quality] for match in found])


def drifting(n: int, step_px: tuple[float, float], at: int) -> np.ndarray:
    """A slow drift along y, and a jump."""
    path = np.zeros((n, 2))
    path[:, 0] = 0.01 * np.arange(n)
    path[at:] += step_px
    return path


@pytest.mark.parametrize("at", [64, 61, 3])
def test_displacements_go_on_from_one_origin_over_a_short_break(at: int) -> None:
    """The specimen moved in the pause, the speckle is the same: the jump is measured at once."""
    path = drifting(100, (1.5, -2.0), at)
    frames = speckle_movie(100, SHAPE, tau_frames=3000, beta=1.0, electrons=60, seed=44, path_px=path)
    found = located(frames, (at,))
    np.testing.assert_allclose(found[:, :2], path, atol=0.25)


def test_the_reference_starts_anew_when_the_speckle_has_changed() -> None:
    """After a long pause nothing is known of the way: the last displacement holds, and is measured from."""
    path = drifting(60, (0.0, 0.0), 0)
    before = speckle_movie(60, SHAPE, tau_frames=3000, beta=1.0, electrons=60, seed=45, path_px=path)
    after = speckle_movie(60, SHAPE, tau_frames=3000, beta=1.0, electrons=60, seed=46, path_px=path)
    found = located(np.concatenate([before, after]), (60,))
    lost, rest = found[60 : 60 + RESUME_FRAMES], found[60 + RESUME_FRAMES :]
    np.testing.assert_array_equal(lost[:, :2], np.tile(found[59, :2], (RESUME_FRAMES, 1)))
    assert rest[:, 2].min() > 0.5
    first = path[RESUME_FRAMES - 1, 0]
    np.testing.assert_allclose(rest[:, 0] - found[59, 0], path[RESUME_FRAMES:, 0] - first, atol=0.25)


def test_without_a_break_a_change_of_the_speckle_takes_longer() -> None:
    """The same movie in one segment: an excursion of 30 frames is waited for."""
    before, after = (
        speckle_movie(60, SHAPE, tau_frames=3000, beta=1.0, electrons=60, seed=seed) for seed in (45, 46)
    )
    quality = located(np.concatenate([before, after]), ())[:, 2]
    assert np.count_nonzero(quality[60:] < 0.5) >= 29


def test_a_dark_frame_after_a_break_does_not_become_the_reference() -> None:
    frames = speckle_movie(60, SHAPE, tau_frames=3000, beta=1.0, electrons=60, seed=47)
    frames[30] = np.random.Generator(np.random.Philox(48)).poisson(100, SHAPE)
    found = located(frames, (30,))
    assert np.delete(found[:, 2], 30).min() > 0.5
    assert np.abs(found[:, :2]).max() < 0.25


def test_residual_drift_is_measured_in_every_segment(movie: np.ndarray) -> None:
    """Two segments with a shift between them: the corrected frames of both lie on each other."""
    path = drifting(N, (2.0, -1.0), N // 2)
    frames = speckle_movie(N, (64, 64), tau_frames=3000, beta=1.0, electrons=60, seed=49, path_px=path)
    segment = (np.arange(N) >= N // 2).astype(int)
    slot = np.arange(N) - N // 2 * segment
    spec = replace(SPEC, shape=(64, 64), drift=True, margin_px=8)
    results = results_of(block(frames, slot, segment), spec)
    residual_px = results["drift/residual_nm"].values / PIXEL_NM
    assert np.isfinite(residual_px).all()
    assert np.abs(residual_px).max() < 0.2


def test_a_gap_of_days_counts_as_four_records():
    slots, first_s = np.array([3000, 500, 500]), np.array([0.0, 1e6, 1e6 + 2000.0])
    time = Timeline(2.0, np.arange(3), slots, np.zeros(3, dtype=np.int64), first_s)
    assert time.starts.tolist() == [0, 3000 + 4 * 4000, 3000 + 4 * 4000 + 1000]
