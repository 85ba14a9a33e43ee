"""Dead and hot pixels of the camera: found, filled, and kept out of every number."""

from dataclasses import replace

import numpy as np
import pytest
from speckle_movie import FWHM_TIMES_RADIUS, speckle_movie

from annealscope.analysis import ecm_mask
from annealscope.analysis.bad_pixels import BadPixels, bad_pixels, find_bad_pixels
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.precision import error_scale
from annealscope.analysis.shift import sample_shifted
from annealscope.analysis.values import Results, uniform_block

N_FRAMES = 960
PERIOD_S = 2.0
TAU_S = 60.0
BETA = 0.7
SPECKLE_PX = 4.0
PIXEL_NM = 0.165
SHAPE = (72, 72)

SPEC = EcmSpec(
    shape=SHAPE,
    period_s=PERIOD_S,
    exposure_s=1.0,
    pixel_nm=PIXEL_NM,
    aperture_per_nm=FWHM_TIMES_RADIUS / SPECKLE_PX / PIXEL_NM,
    frames_expected=N_FRAMES,
    offset_counts=100.0,
    gain_counts_per_e=10.0,
    margin_px=8,
)

HOT = np.array([(20, 30), (40, 15), (55, 50), (33, 60), (12, 44)])
DEAD = np.array([(25, 50), (50, 22), (36, 36), (60, 33), (16, 16)])
BAD = np.concatenate([HOT, DEAD])
BAD = BAD[np.lexsort(BAD.T[::-1])]


def drifting(n: int) -> np.ndarray:
    t = np.linspace(0, 1, n)
    return np.stack([3.0 * t, 1.5 * np.sin(5 * t)], axis=1)


def spoiled(frames: np.ndarray) -> np.ndarray:
    """The same frames from a camera with bad pixels: hot ones flicker about their own levels."""
    frames = frames.copy()
    rng = np.random.Generator(np.random.Philox(7))
    levels = np.linspace(1500, 60000, len(HOT))
    hot = levels + 0.05 * levels * rng.standard_normal((len(frames), len(HOT)))
    frames[:, HOT[:, 0], HOT[:, 1]] = np.clip(hot, 0, 65535)
    frames[:, DEAD[:, 0], DEAD[:, 1]] = 0
    return frames


def analysed(spec: EcmSpec, frames: np.ndarray, size: int = 10_000) -> Results:
    analysis = EcmAnalysis(spec)
    for first in range(0, len(frames), size):
        analysis.update(uniform_block(frames[first : first + size], PERIOD_S, first))
    return analysis.result()


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    return speckle_movie(
        N_FRAMES,
        SHAPE,
        tau_frames=TAU_S / PERIOD_S,
        beta=BETA,
        speckle_px=SPECKLE_PX,
        electrons=30,
        seed=41,
        path_px=drifting(N_FRAMES),
    )


@pytest.fixture(scope="module")
def clean(movie: np.ndarray) -> Results:
    return analysed(SPEC, movie)


@pytest.fixture(scope="module")
def masked(movie: np.ndarray) -> Results:
    return analysed(SPEC, spoiled(movie))


def off(results: Results, clean: Results) -> float:
    """How far all estimates of tau are off, at most, in error scales of a whole record."""
    sigma, _ = error_scale(SPEC.n_speckles, N_FRAMES * PERIOD_S, TAU_S)
    names = ("pixel", "ratio", "roi", "ttcf", "corrected")
    ratio = [results[f"kww/{name}"].attrs["tau_s"] / clean[f"kww/{name}"].attrs["tau_s"] for name in names]
    return float(np.abs(np.log(ratio)).max() / sigma)


def test_bad_pixels_are_found_and_no_others(masked: Results, clean: Results) -> None:
    np.testing.assert_array_equal(masked["mask/bad_pixels"].values, BAD)
    assert masked["mask/bad_pixels"].attrs["pixels"] == 10
    assert "mask/bad_pixels" not in clean


def test_they_change_relaxation_times_by_less_than_the_error(masked: Results, clean: Results) -> None:
    assert off(masked, clean) < 1


def test_they_do_not_hold_the_drift_back(masked: Results, clean: Results) -> None:
    apart_nm = masked["drift/measured_nm"].values - clean["drift/measured_nm"].values
    assert np.abs(apart_nm).max() < 0.1 * PIXEL_NM


def finding(bad: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let just these pixels be found, whatever the frames show."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[tuple(bad.T)] = True
    monkeypatch.setattr(ecm_mask, "find_bad_pixels", lambda *_: bad_pixels(mask))


def test_what_changes_is_due_to_the_area_left_out(
    movie: np.ndarray, masked: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding(BAD, monkeypatch)
    assert off(masked, analysed(replace(SPEC, map=False), movie)) < 0.1


def test_without_the_mask_they_would(
    movie: np.ndarray, clean: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding(np.empty((0, 2), dtype=np.int64), monkeypatch)
    dimmer = np.minimum(spoiled(movie), 2500)  # not taken for saturated frames
    assert not off(analysed(replace(SPEC, map=False), dimmer), clean) < 5


def test_filling_alone_would_leave_a_trace_in_the_map(masked: Results) -> None:
    """Every pixel of the map that a bad one was mixed into is masked, and only those."""
    footprint = masked_by_definition(masked)
    flags = masked["map/flags"].values
    np.testing.assert_array_equal((flags & int(FitFlag.MASKED)) != 0, footprint)
    assert np.isnan(masked["map/tau_s"].values[footprint]).all()
    assert masked["mask/bad_pixels"].attrs["masked_fraction"] == pytest.approx(footprint.mean())


def masked_by_definition(results: Results) -> np.ndarray:
    """Shift an image of the bad pixels as each frame was shifted, and see where anything arrives."""
    image = np.zeros(SHAPE, dtype=np.float32)
    image[tuple(BAD.T)] = 1
    out = np.empty(SPEC.valid_shape, dtype=np.float32)
    footprint = np.zeros(SPEC.valid_shape, dtype=bool)
    for y, x in results["drift/measured_nm"].values / PIXEL_NM:
        sample_shifted(image, (y, x), out)
        footprint |= out != 0
    return footprint


def test_what_the_bad_pixels_showed_is_nowhere_in_the_averages(movie: np.ndarray) -> None:
    """Other numbers in the same bad pixels: the same results, to the last bit."""
    one, other = spoiled(movie[:160]), spoiled(movie[:160])
    other[:, HOT[:, 0], HOT[:, 1]] = 20_000
    spec = replace(SPEC, frames_expected=160)
    assert_same(analysed(spec, one), analysed(spec, other))


@pytest.mark.parametrize("size", [1, 7, 33])
def test_batching_changes_nothing(movie: np.ndarray, size: int) -> None:
    frames, spec = spoiled(movie[:96]), replace(SPEC, frames_expected=96, map=False)
    assert_same(analysed(spec, frames), analysed(spec, frames, size))


def assert_same(one: Results, other: Results) -> None:
    assert one.keys() == other.keys()
    for path, result in one.items():
        np.testing.assert_equal(other[path].values, result.values, err_msg=path)
        np.testing.assert_equal(dict(other[path].attrs), dict(result.attrs), err_msg=path)


def test_live_leaves_them_out_too(movie: np.ndarray) -> None:
    taus_s = []
    for frames in (movie, spoiled(movie)):
        analysis = EcmAnalysis(replace(SPEC, map=False))
        analysis.update(uniform_block(frames, PERIOD_S))
        taus_s.append(analysis.live().tau_s)
    sigma, _ = error_scale(SPEC.n_speckles, N_FRAMES * PERIOD_S, TAU_S)
    assert abs(np.log(taus_s[1] / taus_s[0])) < sigma


def test_a_pixel_that_is_never_a_number_costs_no_frames(movie: np.ndarray) -> None:
    frames = movie[:160].astype(np.float32)
    spec = replace(SPEC, frames_expected=160, map=False)
    clean = analysed(spec, frames)
    frames[:, 30:32, 40] = np.nan
    frames[100, 30, 20] = np.nan  # only once: this frame is lost
    results = analysed(spec, frames)
    assert results["mask/bad_pixels"].values.tolist() == [[30, 40], [31, 40]]
    assert results["frame_mean"].attrs["not_a_number"] == 1
    apart = np.nanmax(np.abs(results["g2/ratio"].values - clean["g2/ratio"].values))
    assert apart < 0.1 * (clean["g2/ratio"].values[0] - 1)


def test_a_pixel_is_bad_even_when_the_first_block_is_short(movie: np.ndarray) -> None:
    frames = spoiled(movie[:100])
    analysis = EcmAnalysis(replace(SPEC, frames_expected=100, map=False))
    analysis.update(uniform_block(frames, PERIOD_S, first=22))
    np.testing.assert_array_equal(analysis.result()["mask/bad_pixels"].values, BAD)


def test_repeated_frames_are_still_seen(movie: np.ndarray) -> None:
    frames = spoiled(movie[:96])
    frames[[32, 50]] = frames[[31, 49]]
    results = analysed(replace(SPEC, frames_expected=96, map=False), frames)
    assert results["frame_mean"].attrs["repeated"] == 2


def test_squares_of_a_large_frame_that_hold_one_are_left_out(
    movie: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EcmSpec, "coarse", 2)
    spec = replace(SPEC, frames_expected=320)
    results = analysed(spec, spoiled(movie[:320]))
    footprint = masked_by_definition(results).reshape(28, 2, 28, 2).any(axis=(1, 3))
    np.testing.assert_array_equal((results["map/flags"].values & int(FitFlag.MASKED)) != 0, footprint)
    clean = analysed(spec, movie[:320])
    apart = results["ttcf/value"].values - clean["ttcf/value"].values
    assert np.sqrt(np.mean(apart**2)) < 0.02


@pytest.mark.parametrize("speckle_px", [3.0, 4.0])
@pytest.mark.parametrize("electrons", [1, 30])
def test_speckle_is_never_taken_for_bad_pixels(speckle_px: float, electrons: float) -> None:
    frozen = speckle_movie(1, (256, 256), tau_frames=9, beta=1, speckle_px=speckle_px, seed=3)[0]
    rng = np.random.Generator(np.random.Philox(4))
    frames = rng.poisson(electrons * frozen, (32, 256, 256)).astype(np.uint16)
    assert len(found_in(frames)) == 0


def found_in(frames: np.ndarray, offset_counts: float = 0.0) -> BadPixels:
    found = find_bad_pixels(frames, offset_counts)
    assert found is not None
    return found


def test_pairs_of_bad_pixels_are_found(movie: np.ndarray) -> None:
    frames = movie[:32].copy()
    frames[:, 20, 20:22] = 5000
    frames[:, [50, 51], [50, 51]] = 0
    assert found_in(frames, 100.0).places.tolist() == [[20, 20], [20, 21], [50, 50], [51, 51]]


def test_one_bright_flash_makes_no_bad_pixel(movie: np.ndarray) -> None:
    frames = movie[:32].copy()
    frames[9, 30, 30] = 65535
    assert len(found_in(frames, 100.0)) == 0


def test_nothing_is_found_in_nothing() -> None:
    assert find_bad_pixels(np.zeros((15, 20, 20), dtype=np.uint16)) is None
    for value in (0.0, 7.0, np.nan):
        assert len(found_in(np.full((32, 20, 20), value, dtype=np.float32))) == 0


def test_stand_ins_are_good_and_near() -> None:
    mask = np.zeros((9, 12), dtype=bool)
    mask[3:6, 4:7] = mask[0, 0] = True
    frames = np.arange(108, dtype=np.uint16).reshape(9, 12) * np.ones((2, 1, 1), dtype=np.uint16)
    frames[:, mask] = 60000
    bad = bad_pixels(mask)
    bad.fill(frames)
    assert (frames < 108).all()
    assert np.abs(bad.stand_ins - bad.places[:, None]).max() <= 3
    assert abs(int(frames[0, 4, 5]) - (4 * 12 + 5)) <= 1
