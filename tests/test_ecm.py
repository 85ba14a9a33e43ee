from dataclasses import replace

import numpy as np
import pytest
from speckle_movie import FWHM_TIMES_RADIUS, speckle_movie

from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.ecm_rows import FrameState
from annealscope.analysis.kww import FitFlag
from annealscope.analysis.precision import error_scale, record_bias
from annealscope.analysis.values import FrameBlock, InvalidData, Results, uniform_block

SIDE = 96
N_FRAMES = 1280
PERIOD_S = 2.0
TAU_S = 80.0
BETA = 0.7
SPECKLE_PX = 4.0
PIXEL_NM = 0.165
M = np.array([[0.97, -0.31], [0.29, 0.94]])
"""Image shift in nm per nm of the actuator: scaled, turned, not symmetric."""

SPEC = EcmSpec(
    shape=(SIDE, SIDE),
    period_s=PERIOD_S,
    exposure_s=1.0,
    pixel_nm=PIXEL_NM,
    aperture_per_nm=FWHM_TIMES_RADIUS / SPECKLE_PX / PIXEL_NM,
    frames_expected=N_FRAMES,
    offset_counts=100.0,
    gain_counts_per_e=10.0,
    margin_px=8,
)
SMALL = replace(SPEC, shape=(48, 48), frames_expected=100, map=False)


def drifting(n: int) -> np.ndarray:
    t = np.linspace(0, 1, n)
    return np.stack([1.5 * t, np.sin(6 * t)], axis=1)


def analysed(spec: EcmSpec, *blocks: FrameBlock) -> Results:
    analysis = EcmAnalysis(spec)
    for block in blocks:
        analysis.update(block)
    return analysis.result()


CORNER = replace(SPEC, shape=(64, 64), map=False)
"""For a corner of the movie: the same physics, sooner."""


def corner(movie: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(movie[:, :64, :64])


def part(block: FrameBlock, chosen: slice | np.ndarray) -> FrameBlock:
    names = ("frames", "slot", "segment", "t_start_s", "shift_applied_nm")
    return FrameBlock(**{name: getattr(block, name)[chosen] for name in names})


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    """Boiling, drifting speckle of uniform tau, counted at 30 electrons per pixel."""
    return speckle_movie(
        N_FRAMES,
        (SIDE, SIDE),
        tau_frames=TAU_S / PERIOD_S,
        beta=BETA,
        speckle_px=SPECKLE_PX,
        electrons=30,
        seed=21,
        path_px=drifting(N_FRAMES),
    )


@pytest.fixture(scope="module")
def results(movie: np.ndarray) -> Results:
    return analysed(SPEC, uniform_block(movie, PERIOD_S))


@pytest.fixture(scope="module")
def short() -> np.ndarray:
    return speckle_movie(100, (48, 48), tau_frames=30, beta=0.8, electrons=30, seed=22)


def scales(spec: EcmSpec = SPEC) -> tuple[float, float]:
    """Standard errors of ln(tau) and beta for the whole record."""
    sigma_ln_tau, sigma_beta = error_scale(spec.n_speckles, N_FRAMES * PERIOD_S, TAU_S)
    return float(sigma_ln_tau), float(sigma_beta)


@pytest.mark.parametrize("estimator", ["corrected", "roi", "ttcf"])
def test_unbiased_estimators_find_the_truth(results: Results, estimator: str) -> None:
    sigma_ln_tau, sigma_beta = scales()
    fit = results[f"kww/{estimator}"].attrs
    assert abs(np.log(fit["tau_s"] / TAU_S)) < 4 * sigma_ln_tau + 0.03
    assert abs(fit["beta"] - BETA) < 4 * sigma_beta + 0.02
    factor = 1.3 if estimator == "corrected" else 1.7
    assert fit["scale_sigma_tau_s"] == pytest.approx(fit["tau_s"] * factor * sigma_ln_tau, rel=0.2)


@pytest.mark.parametrize("estimator", ["pixel", "ratio", "roi", "ttcf", "corrected"])
def test_errors_come_from_the_image_where_it_is_large_enough(results: Results, estimator: str) -> None:
    fit = results[f"kww/{estimator}"].attrs
    assert (fit["errors"], fit["blocks"]) == ("jackknife", 16)
    # A jackknife over 16 blocks is good to 18 %, the error scale to 30 %.
    assert 0.4 < fit["sigma_tau_s"] / fit["scale_sigma_tau_s"] < 2.5
    assert 0.4 < fit["sigma_beta"] / fit["scale_sigma_beta"] < 2.5


def test_a_small_image_has_errors_from_the_error_scale(short: np.ndarray) -> None:
    spec = replace(CORNER, shape=(48, 48))
    fit = analysed(spec, uniform_block(short, PERIOD_S))["kww/ratio"].attrs
    assert (fit["errors"], fit["blocks"]) == ("error scale", 1)
    assert fit["sigma_tau_s"] == fit["scale_sigma_tau_s"]


def test_the_plain_fit_shows_the_bias_of_a_finite_record(results: Results) -> None:
    seen_s, seen_beta = record_bias(TAU_S, BETA, N_FRAMES, PERIOD_S, SPEC.fit)
    sigma_ln_tau, sigma_beta = scales()
    fit, corrected = results["kww/ratio"].attrs, results["kww/corrected"].attrs
    assert abs(np.log(fit["tau_s"] / seen_s)) < 4 * sigma_ln_tau + 0.04
    assert abs(fit["beta"] - seen_beta) < 4 * sigma_beta + 0.02
    assert fit["tau_s"] < corrected["tau_s"]
    assert fit["beta"] > corrected["beta"]


def test_amplitude_is_the_contrast(results: Results) -> None:
    assert results["kww/corrected"].attrs["amplitude"] == pytest.approx(0.1, rel=0.15)


def test_live_is_the_corrected_fit_of_the_complete_blocks(movie: np.ndarray) -> None:
    analysis, frames = EcmAnalysis(CORNER), corner(movie)
    analysis.update(uniform_block(frames[:20], PERIOD_S))
    assert analysis.live().tau_s is None
    analysis.update(uniform_block(frames[20:], PERIOD_S, first=20))
    live = analysis.live()
    assert live.frames == N_FRAMES
    assert live.tau_s == pytest.approx(analysis.result()["kww/corrected"].attrs["tau_s"], rel=0.05)


@pytest.mark.parametrize("size", [1, 7])
def test_results_do_not_depend_on_batching(short: np.ndarray, size: int) -> None:
    whole = uniform_block(short, PERIOD_S, first=5)
    pieces = [part(whole, slice(i, i + size)) for i in range(0, len(whole), size)]
    one, other = EcmAnalysis(SMALL), EcmAnalysis(SMALL)
    assert one.update(whole) == [d for piece in pieces for d in other.update(piece)]
    first, second = one.result(), other.result()
    assert first.keys() == second.keys()
    for path, result in first.items():
        np.testing.assert_equal(second[path].values, result.values, err_msg=path)
        np.testing.assert_equal(dict(second[path].attrs), dict(result.attrs), err_msg=path)


@pytest.fixture(scope="module")
def steered() -> tuple[FrameBlock, np.ndarray]:
    """A hardly changing specimen that drifts while the image shift is moved; block and path in nm."""
    n = 64
    t = np.arange(n)
    path_nm = np.stack([0.010 * t, -0.006 * t], axis=1)
    shift_nm = np.stack([-0.30 * (t // 16), 0.15 * (t // 8)], axis=1)
    movie = speckle_movie(
        n,
        (SIDE, SIDE),
        tau_frames=2000,
        beta=2.0,
        electrons=30,
        seed=23,
        path_px=(path_nm + shift_nm @ M.T) / PIXEL_NM,
    )
    return replace(uniform_block(movie, PERIOD_S), shift_applied_nm=shift_nm), path_nm


def path_error_nm(block: FrameBlock, path_nm: np.ndarray, matrix: np.ndarray) -> float:
    (a, b), (c, d) = matrix.tolist()
    spec = replace(
        SPEC, frames_expected=len(block), image_shift_matrix=((a, b), (c, d)), margin_px=16, map=False
    )
    results = analysed(spec, block)
    path = results["drift/measured_nm"].values - results["drift/applied_nm"].values
    return float(np.abs(path - path_nm).max())


def test_path_is_measured_minus_applied(steered: tuple[FrameBlock, np.ndarray]) -> None:
    assert path_error_nm(*steered, M) < 0.03


@pytest.mark.parametrize(
    "wrong",
    [M.T, np.diag([-1, 1]) @ M, M @ np.diag([1, -1]), -M, np.eye(2)],
    ids=["transposed", "mirrored", "handedness", "sign", "unit"],
)
def test_another_matrix_does_not_give_the_path(
    steered: tuple[FrameBlock, np.ndarray], wrong: np.ndarray
) -> None:
    assert path_error_nm(*steered, wrong) > 0.1


def test_drift_is_taken_out(results: Results) -> None:
    measured_px = results["drift/measured_nm"].values / PIXEL_NM
    residual_px = results["drift/residual_nm"].values / PIXEL_NM
    error_px = measured_px - drifting(N_FRAMES)
    walk_px = 0.6 * SPECKLE_PX / np.sqrt(SPEC.n_speckles) * np.sqrt(N_FRAMES * PERIOD_S / TAU_S)
    assert np.sqrt(np.mean(error_px**2)) < 2 * walk_px
    assert measured_px[-1, 0] > 0.5
    assert np.sqrt(np.nanmean(residual_px**2)) < 2 * walk_px
    assert results["drift/quality"].values.min() > 0.2


def test_lost_frames_are_gaps_not_steps(movie: np.ndarray) -> None:
    kept = np.random.Generator(np.random.Philox(24)).random(N_FRAMES) > 0.15
    kept[[0, -1]] = True
    results = analysed(CORNER, part(uniform_block(corner(movie), PERIOD_S), kept))
    sigma_ln_tau, _ = scales(CORNER)
    assert results["g2"].attrs["slots"] == N_FRAMES
    assert abs(np.log(results["kww/corrected"].attrs["tau_s"] / TAU_S)) < 4 * sigma_ln_tau + 0.03


def test_segments_are_pooled(movie: np.ndarray) -> None:
    half = N_FRAMES // 2
    block = uniform_block(corner(movie), PERIOD_S)
    second = np.arange(N_FRAMES) >= half
    block = replace(
        block,
        segment=second.astype(np.int64),
        slot=block.slot - half * second,
        t_start_s=block.t_start_s + 700.0 * second,
    )
    results = analysed(CORNER, block)
    sigma_ln_tau, _ = scales(CORNER)
    assert results["g2"].attrs["segments"] == 2
    assert results["g2/lag"].values.max() < half * PERIOD_S
    assert abs(np.log(results["kww/corrected"].attrs["tau_s"] / TAU_S)) < 4 * sigma_ln_tau + 0.03


def test_lags_use_the_measured_spacing(short: np.ndarray) -> None:
    results = analysed(SMALL, uniform_block(short, 2.02))
    np.testing.assert_allclose(results["g2/lag"].values[:3], [2.02, 4.04, 6.06])
    assert np.diff(results["ttcf/t"].values) == pytest.approx(2.02)


def test_useless_frames_are_masked_and_counted(short: np.ndarray) -> None:
    frames = short.copy()
    frames[40] = 100 + (frames[40] - 100) // 4
    frames[50, 10:20, 10:20] = 65535
    frames[60] = np.roll(frames[60], (12, 0), axis=(0, 1))
    results = analysed(SMALL, uniform_block(frames, PERIOD_S))
    state = results["frame_state"].values
    assert state[40] == FrameState.BEAM_TRIP
    assert state[50] == FrameState.SATURATED
    assert state[60] == FrameState.BEYOND_MARGIN
    assert np.count_nonzero(state) == 3
    lost = {"beyond_margin": 1, "saturated": 1, "beam_trip": 1, "beam_off": 0, "repeated": 0}
    counted = results["frame_mean"].attrs
    assert {name: counted[name] for name in ("frames", *lost)} == {"frames": 100, **lost}
    assert np.isnan(results["drift/residual_nm"].values[[40, 50, 60]]).all()


def test_frame_mean_is_in_electrons(results: Results) -> None:
    assert np.mean(results["frame_mean"].values) == pytest.approx(30, rel=0.05)


def test_frames_without_contrast_give_failed_fits() -> None:
    frames = np.full((100, 48, 48), 400, dtype=np.uint16)
    analysis = EcmAnalysis(replace(SMALL, map=True))
    assert analysis.update(uniform_block(frames, PERIOD_S))[-1] == ((0.0, 0.0), 0.0, False)
    assert analysis.live().tau_s is None
    results = analysis.result()
    for estimator in ("pixel", "ratio", "roi", "ttcf", "corrected"):
        fit = results[f"kww/{estimator}"].attrs
        assert np.isnan(fit["tau_s"])
        assert fit["flags"] & FitFlag.NOT_CONVERGED
    assert np.isnan(results["map/tau_s"].values).all()


@pytest.mark.parametrize(("n", "expected", "most"), [(1216, 1216, 6), (1280, 64, 8), (1280, 12_800, 1)])
def test_a_record_has_few_beginnings_whatever_was_expected(
    movie: np.ndarray, n: int, expected: int, most: int
) -> None:
    found = analysed(replace(CORNER, frames_expected=expected), uniform_block(corner(movie[:n]), PERIOD_S))
    T_s = found["duration/T_s"].values
    assert 1 <= len(T_s) <= most
    assert T_s[-1] == pytest.approx(n * PERIOD_S)


def test_too_few_frames_say_what_to_do(short: np.ndarray) -> None:
    with pytest.raises(InvalidData, match=r"at least 32 usable frames: got 20 of 20 .* record longer"):
        analysed(SMALL, uniform_block(short[:20], PERIOD_S))


def test_no_frames_at_all() -> None:
    with pytest.raises(InvalidData, match="got 0 of 0"):
        EcmAnalysis(SMALL).result()


def test_without_drift_nothing_is_shifted_or_cropped(short: np.ndarray) -> None:
    spec = replace(SMALL, drift=False, margin_px=None, map=True)
    analysis = EcmAnalysis(spec)
    assert analysis.update(uniform_block(short, PERIOD_S))[3] == ((0.0, 0.0), 0.0, False)
    results = analysis.result()
    assert results["map/tau_s"].values.shape == spec.shape
    assert "drift/measured_nm" not in results


def test_every_result_has_its_shape(results: Results) -> None:
    n_lags = results["g2/lag"].values.size
    n_bins = results["ttcf/t"].values.size
    side = SIDE - 16
    expected = {
        **{f"g2/{name}": (n_lags,) for name in ("pixel", "ratio", "roi", "ttcf", "pairs")},
        "ttcf/value": (n_bins, n_bins),
        **{f"map/{name}": (side, side) for name in ("tau_s", "beta", "amplitude", "flags")},
        **{f"drift/{name}": (N_FRAMES, 2) for name in ("measured_nm", "applied_nm", "residual_nm")},
        "drift/quality": (N_FRAMES,),
        "frame_mean": (N_FRAMES,),
    }
    assert {path: results[path].values.shape for path in expected} == expected
    assert n_bins == N_FRAMES // 2
    for group in ("g2", "ttcf", "map", "drift"):
        attrs = results[group].attrs
        for name in [attrs["signal"], *attrs["axes"]]:
            assert name == "." or f"{group}/{name}" in results


def test_frames_out_of_order_are_refused_as_a_whole(short: np.ndarray) -> None:
    analysis = EcmAnalysis(SMALL)
    analysis.update(uniform_block(short[:10], PERIOD_S))
    for first in (3, 9):
        with pytest.raises(InvalidData, match="in order"):
            analysis.update(uniform_block(short[:5], PERIOD_S, first=first))
    analysis.update(uniform_block(short[10:40], PERIOD_S, first=10))
    assert analysis.live().frames == 40


def test_frames_that_do_not_fit_are_refused(short: np.ndarray) -> None:
    analysis = EcmAnalysis(SMALL)
    analysis.update(uniform_block(short[:2], PERIOD_S))
    with pytest.raises(InvalidData, match="must have shape"):
        analysis.update(uniform_block(short[2:4, :40], PERIOD_S, first=2))
    with pytest.raises(InvalidData, match="keep their type"):
        analysis.update(uniform_block(short[2:4].astype(np.float32), PERIOD_S, first=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_nm": 0.0}, "pixel_nm must be a number > 0"),
        ({"aperture_per_nm": float("nan")}, "aperture_per_nm must be"),
        ({"frames_expected": 0}, "frames_expected"),
        ({"margin_px": 17}, "must leave 16 px"),
        ({"ttcf_bin": 0}, "ttcf_bin"),
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        replace(SMALL, **change)
