"""What a record shows while it grows: the same numbers as its results, smaller, and without any effect."""

from dataclasses import replace

import numpy as np
import pytest
from speckle_movie import FWHM_TIMES_RADIUS, speckle_movie
from speckle_patterns import Glass, Microscope

from annealscope.analysis import ecm_preview
from annealscope.analysis.diffraction import PREVIEW_PX, DiffractionAnalysis, DiffractionSpec
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.fem import FemAnalysis, FemSpec
from annealscope.analysis.preview import MOST_POINTS, Progress
from annealscope.analysis.rings import Geometry
from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.twotime_map import without_diagonal
from annealscope.analysis.values import FrameBlock, InvalidData, Results, uniform_block

PERIOD_S = 2.0
SPECKLE_PX = 4.0
PIXEL_NM = 0.165
SPEC = EcmSpec(
    shape=(72, 72),
    period_s=PERIOD_S,
    exposure_s=1.0,
    pixel_nm=PIXEL_NM,
    aperture_per_nm=FWHM_TIMES_RADIUS / SPECKLE_PX / PIXEL_NM,
    frames_expected=256,
    offset_counts=100.0,
    gain_counts_per_e=10.0,
)
N = 256
LARGE = replace(SPEC, shape=(150, 150), drift=False, frames_expected=64)


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    return speckle_movie(
        N + 1, SPEC.shape, tau_frames=20, beta=0.8, speckle_px=SPECKLE_PX, electrons=30, seed=71
    )


def broken(block: FrameBlock) -> FrameBlock:
    """Some lost frames, and a long pause."""
    kept = np.setdiff1d(np.arange(len(block)), [20, 21, 90])
    segment = (block.slot >= 100).astype(np.int64)
    slot = block.slot - 100 * segment
    return FrameBlock(
        frames=block.frames[kept],
        slot=slot[kept],
        segment=segment[kept],
        t_start_s=(block.t_start_s + 500.0 * segment)[kept],
        shift_applied_nm=block.shift_applied_nm[kept],
    )


def fed(analysis: EcmAnalysis, block: FrameBlock, look_every: int) -> EcmAnalysis:
    """Give an analysis frame after frame, and look at it now and then."""
    names = ("frames", "slot", "segment", "t_start_s", "shift_applied_nm")
    for i in range(len(block)):
        analysis.update(FrameBlock(**{name: getattr(block, name)[i : i + 1] for name in names}))
        if i % look_every == 0:
            analysis.preview()
    return analysis


def assert_identical(left: Results, right: Results) -> None:
    assert left.keys() == right.keys()
    for path, result in left.items():
        np.testing.assert_array_equal(result.values, right[path].values, err_msg=path)
        np.testing.assert_equal(dict(result.attrs), dict(right[path].attrs), err_msg=path)


@pytest.mark.parametrize("spec", [SPEC, LARGE], ids=["every pixel is live", "some are"])
def test_results_do_not_depend_on_previews(spec: EcmSpec, movie: np.ndarray) -> None:
    frames = np.tile(movie, (1, 3, 3))[: min(spec.frames_expected, 150), : spec.shape[0], : spec.shape[1]]
    block = broken(uniform_block(np.ascontiguousarray(frames), PERIOD_S))
    spec = replace(spec, map=False)
    never, often = (fed(EcmAnalysis(spec), block, every) for every in (10**6, 29))
    assert_identical(never.result(), often.result())


@pytest.fixture(scope="module")
def growing(movie: np.ndarray) -> EcmAnalysis:
    """One frame more than whole blocks of slots: a block is complete when the next one begins."""
    analysis = EcmAnalysis(SPEC)
    analysis.update(uniform_block(movie, PERIOD_S))
    return analysis


@pytest.fixture(scope="module")
def both(growing: EcmAnalysis, movie: np.ndarray) -> tuple[Results, Results]:
    """Preview and results of the same frames."""
    complete = EcmAnalysis(SPEC)
    complete.update(uniform_block(movie[:N], PERIOD_S))
    return growing.preview(), complete.result()


def test_a_preview_says_what_the_results_say(both: tuple[Results, Results]) -> None:
    preview, results = both
    for path in ("g2/lag", "g2/pixel", "g2/ratio", "map/tau_s"):
        np.testing.assert_allclose(preview[path].values, results[path].values, rtol=1e-6, err_msg=path)
        assert preview[path].units == results[path].units
    moved_nm = results["drift/measured_nm"].values
    np.testing.assert_allclose(preview["drift/measured_nm"].values[:N], moved_nm, rtol=1e-6)
    for name in ("corrected", "pixel"):
        assert preview[f"kww/{name}"].attrs == results[f"kww/{name}"].attrs
    assert preview["map"].attrs["pixel_nm"] == PIXEL_NM
    assert 0.5 < preview["map"].attrs["tau_s"] / results["kww/pixel"].attrs["tau_s"] < 2.0
    assert all(r.values is None or r.values.dtype == np.float32 for r in preview.values())


def test_the_two_time_map_has_no_noise_on_its_diagonal(both: tuple[Results, Results]) -> None:
    preview, results = both
    shown, whole = preview["ttcf/value"].values, without_diagonal(results["ttcf/value"].values)
    n = len(shown)
    assert n == 256
    np.testing.assert_allclose(shown, whole[:n, :n], rtol=1e-5)
    np.testing.assert_allclose(preview["ttcf/t_s"].values, results["ttcf/t"].values[:n])


def test_curves_of_the_fits_lie_on_the_data_within_errors(both: tuple[Results, Results]) -> None:
    preview, _ = both
    lag_s, sigma = preview["g2/lag"].values, preview["g2/sigma"].values
    short = lag_s < 60.0
    assert np.all(sigma[short] > 0)
    for name, curve in (("corrected", "ratio"), ("pixel", "pixel")):
        away = preview[f"kww/{name}/curve"].values - preview[f"g2/{curve}"].values
        assert np.all(np.abs(away[short]) < 4 * sigma[short] + 0.02)


def test_little_is_said_of_few_frames(movie: np.ndarray) -> None:
    analysis = EcmAnalysis(SPEC)
    assert analysis.preview() == {}
    analysis.update(uniform_block(movie[:31], PERIOD_S))
    assert analysis.preview().keys() == {"drift/t_s", "drift/measured_nm"}
    analysis.update(uniform_block(movie[31:40], PERIOD_S, 31))
    assert {"g2/ratio", "kww/corrected", "map/tau_s"} <= analysis.preview().keys()


def test_frames_that_are_of_no_use_are_counted(movie: np.ndarray) -> None:
    analysis = EcmAnalysis(SPEC)
    block = uniform_block(movie[:40], PERIOD_S)
    analysis.update(replace(block, beam_on=np.arange(40) < 8))
    assert analysis.preview()["frames"].attrs == {"taken": 32, "usable": 8}


def test_frames_that_show_nothing_have_a_preview() -> None:
    flat = np.random.default_rng(1).poisson(1000.0, (64, 72, 72)).astype(np.uint16)
    flat[:, :, :] = flat[:, :1, :1]
    analysis = EcmAnalysis(replace(SPEC, drift=False))
    analysis.update(uniform_block(flat, PERIOD_S))
    preview = analysis.preview()
    assert np.isnan(preview["kww/corrected/curve"].values).all()
    assert np.isnan(preview["map/tau_s"].values).all()


def test_large_frames_are_thinned_out(movie: np.ndarray) -> None:
    analysis = EcmAnalysis(LARGE)
    analysis.update(uniform_block(np.tile(movie[:64], (1, 3, 3))[:, :150, :150].copy(), PERIOD_S))
    preview = analysis.preview()
    assert preview["map/tau_s"].values.shape == (75, 75)
    assert preview["map"].attrs["pixel_nm"] == 2 * PIXEL_NM
    assert np.isfinite(preview["g2/sigma"].values).any()


def test_a_long_record_is_thinned_out(growing: EcmAnalysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ecm_preview, "MOST_DISPLACEMENTS", 100)
    monkeypatch.setattr(ecm_preview, "MOST_TIMES", 70)
    preview = growing.preview()
    assert 50 <= len(preview["drift/t_s"].values) <= 100
    assert preview["drift/measured_nm"].values.shape == (*preview["drift/t_s"].values.shape, 2)
    assert preview["ttcf/value"].values.shape == (64, 64)
    assert preview["ttcf/t_s"].values[-1] == pytest.approx(PERIOD_S * 253.5, rel=1e-3)


# ---------------------------------------------------------------------- two-time map


def images(n: int) -> np.ndarray:
    return 1 + 0.1 * np.random.default_rng(3).standard_normal((n, 8, 8)).astype(np.float32)


def test_joined_bins_are_those_of_wider_bins() -> None:
    narrow, wide = (TwoTime((8, 8), bin_frames=width) for width in (1, 4))
    for correlator in (narrow, wide):
        correlator.update(images(256), np.arange(256), np.zeros(256, dtype=np.int64))
    shown, expected = narrow.so_far(70), wide.result()
    np.testing.assert_allclose(shown.value, expected.value, rtol=1e-6)
    np.testing.assert_array_equal(shown.t_slots, expected.t_slots)
    assert shown.bin_slots == expected.bin_slots == 4


@pytest.mark.parametrize("segments", [1, 3, 50, 400])
def test_no_more_bins_are_shown_than_asked_for(segments: int) -> None:
    correlator, n = TwoTime((8, 8), bin_frames=1), 800
    segment = np.arange(n) * segments // n
    slot = np.concatenate([np.arange(np.count_nonzero(segment == s)) for s in range(segments)])
    correlator.update(images(n), slot, segment)
    shown = correlator.so_far(100)
    assert 40 <= len(shown.t_slots) <= 100
    assert shown.value.shape == (len(shown.t_slots),) * 2
    np.testing.assert_array_equal(np.isfinite(shown.value), shown.segment[:, None] == shown.segment)


def test_the_first_bins_are_shown_before_a_group_of_them_is_complete() -> None:
    correlator = TwoTime((8, 8), bin_frames=1)
    with pytest.raises(InvalidData):
        correlator.so_far(100)
    correlator.update(images(9), np.arange(9), np.zeros(9, dtype=np.int64))
    np.testing.assert_array_equal(correlator.so_far(100).value, correlator.result().value)


# ---------------------------------------------------------------------- patterns


@pytest.mark.parametrize("side", [128, 2 * PREVIEW_PX])
def test_rings_of_the_mean_pattern(side: int) -> None:
    pixel_per_nm = 0.13 * 128 / side
    microscope = Microscope(Geometry(((side - 1) / 2,) * 2, pixel_per_nm), (side, side))
    pattern = microscope.patterns(Glass(), 1, seed=72)
    spec = DiffractionSpec((side, side), pixel_per_nm, gain_counts_per_e=10.0, offset_counts=100.0)
    analysis = DiffractionAnalysis(spec)
    assert analysis.preview() == {}
    analysis.update(uniform_block(pattern, 1.0))
    preview, results = analysis.preview(), analysis.result()
    k, intensity = (preview[f"diffraction/{name}"].values for name in ("k", "intensity"))
    inside = (k > 3.0) & (k < 6.0)
    expected = np.interp(k, results["diffraction/k"].values, results["diffraction/I"].values)
    np.testing.assert_allclose(intensity[inside], expected[inside], rtol=0.05)


def test_a_scan_shows_its_variance() -> None:
    microscope = Microscope(Geometry((63.5, 63.5), 0.13), (128, 128))
    patterns = microscope.patterns(Glass(), 12, seed=73)
    spec = FemSpec(
        shape=(128, 128),
        pixel_per_nm=0.13,
        probe_nm=0.91,
        grid=(3, 4),
        pitch_nm=5.0,
        gain_counts_per_e=10.0,
        offset_counts=100.0,
        read_noise_counts=5.0,
        patterns_expected=12,
    )
    analysis = FemAnalysis(spec)
    analysis.update(uniform_block(patterns[:3], 1.0))
    assert analysis.preview() == {}
    analysis.live()
    analysis.update(uniform_block(patterns[3:], 1.0, 3))
    live, preview = analysis.live(), analysis.preview()
    np.testing.assert_array_equal(preview["fem/V"].values, np.float32(live.V))
    attrs = preview["fem"].attrs
    assert (attrs["V_max"], attrs["sigma_V_max"], attrs["patterns"]) == (live.V_max, live.sigma, 12)
    peak = np.argmin(np.abs(preview["fem/k"].values - attrs["k_per_nm"]))
    assert preview["fem/sigma"].values[peak] == pytest.approx(live.sigma, rel=0.2)


# ---------------------------------------------------------------------- progress


@pytest.mark.parametrize("n", [0, 1, MOST_POINTS - 1, 5 * MOST_POINTS])
def test_progress_is_kept_evenly(n: int) -> None:
    progress = Progress()
    for t in range(n):
        progress.add(float(t), 2.0 * t, 1.0)
    results = progress.results()
    if n == 0:
        assert results == {}
        return
    t_s = results["progress/t_s"].values
    assert min(n, MOST_POINTS // 4) <= len(t_s) < MOST_POINTS
    assert len(np.unique(np.diff(t_s))) <= 1
    assert t_s[-1] >= 0.95 * (n - 1)
    np.testing.assert_array_equal(results["progress/tau_s"].values, 2 * t_s)
