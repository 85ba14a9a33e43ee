import numpy as np
import pytest
from speckle_movie import FWHM_TIMES_RADIUS, speckle_count, speckle_movie

from annealscope.analysis.drift import DriftTracker, register
from annealscope.analysis.values import InvalidData

PIXEL_NM = 0.165
SPECKLE_PX = 4.0
OPTICS = {"pixel_nm": PIXEL_NM, "aperture_per_nm": FWHM_TIMES_RADIUS / SPECKLE_PX / PIXEL_NM}
FROZEN = {"tau_frames": 2000, "beta": 2.0, "electrons": 30.0}
"""Hardly changes within 100 frames."""

JITTER_PX = 0.043 * 64
"""Of one frame at 30 electrons per pixel and contrast 0.1, times the side of the frame in pixels."""

WALK = 0.6
"""Random walk of the estimate with boiling speckle, in speckle widths per sqrt(N_sp) and sqrt(t / tau)."""


def tracked(movie: np.ndarray) -> np.ndarray:
    tracker = DriftTracker(movie.shape[1:], **OPTICS)
    return np.array([tracker.locate(frame, slot).d_px for slot, frame in enumerate(movie)])


@pytest.mark.parametrize("d_px", [(2.3, 0.0), (0.0, -1.6), (-3.45, 4.2), (0.5, 0.5)])
def test_a_planted_displacement_is_found_with_its_sign(d_px: tuple[float, float]) -> None:
    path_px = np.array([(0, 0), d_px])
    movie = speckle_movie(2, (96, 96), tau_frames=20, beta=2.0, electrons=30, seed=3, path_px=path_px)
    match = register(movie[1], movie[0], **OPTICS)
    np.testing.assert_allclose(match.d_px, d_px, atol=4 * 2**0.5 * JITTER_PX / 96)
    assert 0.5 < match.quality <= 1


def test_large_frames_are_binned_without_loss() -> None:
    path_px = np.array([(0, 0), (7.3, -2.6)])
    movie = speckle_movie(2, (512, 520), tau_frames=20, beta=2.0, electrons=30, seed=4, path_px=path_px)
    np.testing.assert_allclose(register(movie[1], movie[0], **OPTICS).d_px, path_px[1], atol=0.03)


def test_a_frame_lies_on_itself() -> None:
    frame = speckle_movie(1, (64, 64), **FROZEN, seed=5)[0]
    match = register(frame, frame, **OPTICS)
    np.testing.assert_allclose(match.d_px, 0, atol=1e-3)
    assert match.quality == pytest.approx(1, abs=1e-5)


def test_boiling_speckle_moves_the_estimate_no_more_than_a_random_walk() -> None:
    n, side, tau_frames = 800, 96, 200
    t = np.arange(n)
    path_px = np.stack([3 * (1 - np.exp(-t / 300)), 2 * np.sin(t / 150)], axis=1)
    movie = speckle_movie(
        n, (side, side), tau_frames=tau_frames, beta=0.7, electrons=30, seed=6, path_px=path_px
    )
    error_px = tracked(movie) - path_px
    walk_px = WALK * SPECKLE_PX / np.sqrt(speckle_count((side, side), SPECKLE_PX)) * np.sqrt(n / tau_frames)
    assert np.sqrt(np.mean(error_px**2)) < 2 * walk_px
    assert np.abs(error_px).max() < 4 * walk_px + 0.1
    steps_px = np.diff(error_px, axis=0)
    assert np.std(steps_px) < 1.5 * 2**0.5 * JITTER_PX / side


def test_the_first_frame_is_forgotten() -> None:
    """After many relaxation times nothing of the first frame is left, and the tracker does not care."""
    movie = speckle_movie(300, (64, 64), tau_frames=40, beta=0.8, electrons=30, seed=7)
    assert register(movie[-1], movie[0], **OPTICS).quality < 0.3
    tracker = DriftTracker((64, 64), **OPTICS)
    assert min(tracker.locate(frame, slot).quality for slot, frame in enumerate(movie)) > 0.25


def test_a_displaced_specimen_that_stands_still_stays_displaced() -> None:
    """The fixed window of the detector must not pull the reference back to zero."""
    path_px = np.zeros((400, 2))
    path_px[5:] = (4.0, -5.0)
    movie = speckle_movie(400, (64, 64), **FROZEN, seed=8, path_px=path_px)
    late_px = tracked(movie)[-50:].mean(axis=0)
    np.testing.assert_allclose(late_px, path_px[-1], atol=0.2)


def test_a_jump_of_many_pixels_is_found() -> None:
    path_px = np.zeros((12, 2))
    path_px[6:] = (-14.0, 11.0)
    movie = speckle_movie(12, (96, 96), **FROZEN, seed=9, path_px=path_px)
    np.testing.assert_allclose(tracked(movie)[6:], path_px[6:], atol=0.3)


def test_a_dark_frame_keeps_the_last_displacement_and_does_no_harm() -> None:
    path_px = np.stack([np.linspace(0, 2, 40), np.zeros(40)], axis=1)
    movie = speckle_movie(40, (64, 64), **FROZEN, seed=10, path_px=path_px)
    dark = np.random.Generator(np.random.Philox(11)).poisson(100, (64, 64)).astype(np.uint16)
    tracker = DriftTracker((64, 64), **OPTICS)
    matches = [tracker.locate(dark if slot in (20, 21) else movie[slot], slot) for slot in range(40)]
    assert [slot for slot, match in enumerate(matches) if not match.found] == [20, 21]
    assert matches[20].d_px == matches[21].d_px == matches[19].d_px
    np.testing.assert_allclose(matches[39].d_px, path_px[39], atol=0.2)


@pytest.mark.parametrize("side", [48, 64, 128])
def test_unrelated_frames_are_not_found(side: int) -> None:
    """Also where the best of all places is taken for the place: few speckles match well by chance."""
    frames = [speckle_movie(1, (side, side), **FROZEN, seed=100 + seed)[0] for seed in range(20)]
    for reference in frames:
        tracker = DriftTracker((side, side), **OPTICS)
        tracker.locate(reference, 0)
        others = [frame for frame in frames if frame is not reference]
        assert not any(tracker.locate(frame, slot).found for slot, frame in enumerate(others, start=1))


def test_infinite_counts_are_not_found_and_warn_of_nothing() -> None:
    movie = speckle_movie(3, (64, 64), tau_frames=3000, beta=1.0, electrons=60, seed=9).astype(np.float32)
    movie[1] = np.inf
    tracker = DriftTracker((64, 64), **OPTICS)
    found = [tracker.locate(frame, slot, 0) for slot, frame in enumerate(movie)]
    assert [match.found for match in found[1:]] == [False, True]


def test_a_worthless_first_frame_is_replaced() -> None:
    movie = speckle_movie(80, (64, 64), **FROZEN, seed=12)
    tracker = DriftTracker((64, 64), **OPTICS)
    tracker.locate(np.random.Generator(np.random.Philox(13)).poisson(100, (64, 64)), 0)
    qualities = [tracker.locate(frame, slot).quality for slot, frame in enumerate(movie, start=1)]
    assert max(qualities[:20]) < 0.3
    assert min(qualities[40:]) > 0.5


def test_frames_without_contrast_have_no_quality() -> None:
    tracker = DriftTracker((64, 64), **OPTICS)
    assert tracker.locate(np.full((64, 64), 7, dtype=np.uint16), 0) == ((0.0, 0.0), 0.0, False)
    with pytest.raises(InvalidData, match="check beam"):
        register(np.ones((64, 64)), np.ones((64, 64)), **OPTICS)


def test_reset_makes_the_next_frame_the_origin() -> None:
    path_px = np.zeros((20, 2))
    path_px[10:] = (2.0, 1.0)
    movie = speckle_movie(20, (64, 64), **FROZEN, seed=14, path_px=path_px)
    tracker = DriftTracker((64, 64), **OPTICS)
    for slot in range(10):
        tracker.locate(movie[slot], slot)
    tracker.reset()
    assert tracker.locate(movie[10], 10) == ((0.0, 0.0), 1.0, True)


@pytest.mark.parametrize(
    ("shape", "aperture_per_nm", "message"),
    [((8, 64), 0.7, "at least 16"), ((64, 64), 1e-4, "check pixel size")],
)
def test_what_cannot_be_located_is_refused(
    shape: tuple[int, int], aperture_per_nm: float, message: str
) -> None:
    with pytest.raises(InvalidData, match=message):
        DriftTracker(shape, pixel_nm=PIXEL_NM, aperture_per_nm=aperture_per_nm)


def test_another_shape_is_refused() -> None:
    with pytest.raises(InvalidData, match="one shape"):
        register(np.ones((64, 64)), np.ones((64, 32)), **OPTICS)
