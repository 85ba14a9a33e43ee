"""Maps of a record, and what they say beside those of a uniform specimen."""

import numpy as np
import pytest

from annealscope.analysis.averages import g2_averages
from annealscope.analysis.ecm_maps import map_results, null_spec
from annealscope.analysis.ecm_rows import FrameRows, FrameState, timeline
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.analysis.geometry import CHANNELS, correlator_levels
from annealscope.analysis.jackknife import block_labels
from annealscope.analysis.kww import fit_kww_finite
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.speckle import uniform_speckle

PERIOD_S, PIXEL_NM, SPECKLE_PX, N_FRAMES = 2.0, 0.2, 4.0, 1000
APERTURE_PER_PX = 0.514 / SPECKLE_PX


def movie(tau_frames, shape=(64, 64), n_frames=N_FRAMES, seed=1, noise=0.0):
    rng = np.random.Generator(np.random.Philox(seed))
    speckle = {"beta": 0.8, "aperture_per_px": APERTURE_PER_PX, "contrast": 0.1, "rng": rng}
    frames = np.array(list(uniform_speckle(n_frames, shape, tau_frames=tau_frames, **speckle)))
    return frames + np.float32(noise) * rng.standard_normal(frames.shape, np.float32)


def rows_of(slot, segment):
    """Return frames whose segments are 5000 slots apart, and one more that is of no use."""
    rows = FrameRows(len(slot) + 1)
    for place in zip(slot, segment, strict=True):
        t_start_s = PERIOD_S * (place[0] + 5000 * place[1])
        rows.append(slot=place[0], segment=place[1], t_start_s=t_start_s, state=FrameState.VALID)
    rows.append(slot=slot[-1] + 1, segment=segment[-1], t_start_s=1e6, state=FrameState.SATURATED)
    return rows.all


def maps_of(frames, slot=None, segment=None):
    """Correlate frames that are corrected already, and return (results below `map`, corrected fit, spec)."""
    n, shape = len(frames), frames.shape[1:]
    slot = np.arange(n) if slot is None else slot
    segment = np.zeros(n, dtype=np.int64) if segment is None else segment
    spec = EcmSpec(shape, PERIOD_S, 1.0, PIXEL_NM, APERTURE_PER_PX / PIXEL_NM, n, drift=False)
    correlator = MultiTau(shape, channels=CHANNELS, levels=correlator_levels(n))
    correlator.update(frames / frames.mean(axis=(1, 2), keepdims=True), slot, segment)
    rows = rows_of(slot, segment)
    time, sums = timeline(rows), correlator.sums()
    record = {"n_slots": time.n_slots, "spacing_s": time.spacing_s, "pairs": sums.pairs}
    record |= {"segments": time.slots.tolist(), "segment_starts": time.starts.tolist()}
    fit = fit_kww_finite(sums.lag_slots * time.spacing_s, g2_averages(sums)["ratio"] - 1, **record)
    labels = block_labels(shape, 3 * SPECKLE_PX)
    return map_results(spec, rows, time, sums, fit, labels), fit, spec


@pytest.fixture(scope="module")
def uniform():
    return maps_of(movie(40.0, noise=0.2))


@pytest.fixture(scope="module")
def halves():
    """Relaxation times of 10 and 80 frames, side by side."""
    sides = [movie(tau_frames, (64, 32), 2000, seed) for tau_frames, seed in ((10.0, 2), (80.0, 3))]
    return maps_of(np.concatenate(sides, axis=2))


def test_a_uniform_specimen_spreads_as_its_null(uniform):
    results, _, spec = uniform
    attrs = results["map"].attrs
    assert attrs["null_series"] == 4096
    assert attrs["sigma_ln_tau"] > 0.35
    assert abs(attrs["excess_variance"]) < 3 * attrs["sigma_excess_variance"]
    # errors of pixels are as alike as |mu|^4, of which a speckle holds 1/0.47
    error = attrs["sigma_ln_tau"] * np.sqrt(0.47 / spec.n_speckles + 1 / 4096)
    assert abs(np.log(attrs["geometric_mean_tau_s"] / attrs["null_geometric_mean_tau_s"])) < 3 * error
    assert not attrs["bimodal"]
    assert attrs["null_noise_variance"] == pytest.approx(0.04, rel=0.1)


def test_the_fractions_of_a_uniform_specimen_are_those_of_its_null(uniform):
    results, _, spec = uniform
    names = ("fraction", "null_fraction", "fraction_edges_s")
    seen, null, edges_s = (results[f"map/{name}"].values for name in names)
    assert seen.sum() == pytest.approx(1)
    assert null.sum() == pytest.approx(1)
    assert edges_s.size == seen.size + 1
    distance = np.abs(np.cumsum(seen - null)).max()
    assert distance < 2 * np.sqrt(0.47 / spec.n_speckles)
    attrs = results["map"].attrs
    above, expected = attrs["above_fraction"], attrs["null_above_fraction"]
    assert abs(above - expected) < 3 * np.sqrt(expected * 0.47 / spec.n_speckles)


def test_patches_of_a_uniform_specimen_have_its_relaxation_time(uniform):
    results, fit, spec = uniform
    tau_s, flags = results["map/patch_tau_s"].values, results["map/patch_flags"].values
    assert tau_s.shape == (4, 4)
    assert not np.any(flags & int(~FitFlag.RESIDUAL_RUNS))
    in_all = 1.3 * 2.5 / np.sqrt(spec.n_speckles * N_FRAMES * PERIOD_S / fit.tau_s)
    assert abs(np.log(tau_s).mean() - np.log(80.0)) < 3 * in_all
    assert np.log(tau_s).std() < 2 * 4 * in_all
    y_nm = results["map/patch_y_nm"].values
    np.testing.assert_allclose(y_nm, PIXEL_NM * (7.5 + 16 * np.arange(4)))


def test_two_halves_spread_more_than_their_null(halves):
    results, _, _ = halves
    attrs = results["map"].attrs
    assert attrs["excess_variance"] > 5 * attrs["sigma_excess_variance"]
    assert attrs["sigma_het"] == pytest.approx(np.sqrt(attrs["excess_variance"]))
    # the truth spreads by half of ln 8; how far the noise of pixels differs between the halves blurs it
    assert 0.5 < attrs["sigma_het"] / (np.log(8) / 2) < 1.5
    assert attrs["delta_bic"] > 10
    assert attrs["bimodal"]


def test_slow_domains_lie_in_the_slow_half(halves):
    results, _, _ = halves
    attrs, tau_s = results["map"].attrs, results["map/tau_s"].values
    slow = tau_s > attrs["slow_threshold_s"]
    assert slow[:, 32:].mean() > 10 * slow[:, :32].mean()
    diameters_nm = results["map/slow_domains_nm"].values
    assert attrs["slow_domains"] == diameters_nm.size > 0
    speckle_nm2 = 1 / (np.pi * (APERTURE_PER_PX / PIXEL_NM) ** 2)
    assert np.pi / 4 * diameters_nm.min() ** 2 >= speckle_nm2
    judged = results["map/flags"].values & int(UNUSABLE & ~FitFlag.TOO_SLOW) == 0
    assert attrs["above_fraction"] == pytest.approx(np.mean(slow[judged]))
    area_nm2 = judged.sum() * PIXEL_NM**2
    assert attrs["slow_fraction"] == pytest.approx(np.sum(np.pi / 4 * diameters_nm**2) / area_nm2)


def test_the_null_has_the_slots_of_the_record(uniform):
    _, fit, spec = uniform
    slot, segment = np.array([3, 4, 7, 8, 0, 1]), np.array([2, 2, 2, 2, 3, 3])
    rows = rows_of(slot, segment)
    null = null_spec(spec, rows, timeline(rows), fit)
    np.testing.assert_array_equal(null.slot, slot)
    np.testing.assert_array_equal(null.segment, segment)
    gap = int(np.ceil(10 * fit.tau_s / PERIOD_S))
    np.testing.assert_array_equal(null.grid_slot, [0, 1, 4, 5, 6 + gap, 7 + gap])
    assert null.tau_slots * PERIOD_S == pytest.approx(fit.tau_s)
    assert (null.beta, null.contrast) == (fit.beta, fit.amplitude)


def test_a_record_with_lost_slots_and_segments_has_maps():
    frames = movie(10.0, (32, 32), 400)
    slot, segment = np.arange(400) % 200, np.arange(400) // 200
    kept = np.ones(400, dtype=bool)
    kept[[5, 40, 41, 42, 233]] = False
    results, fit, _ = maps_of(frames[kept], slot[kept], segment[kept])
    assert fit.usable
    assert np.isfinite(results["map"].attrs["null_sigma_ln_tau"])


def test_without_a_usable_fit_there_is_no_null():
    rng = np.random.Generator(np.random.Philox(8))
    results, fit, spec = maps_of(1 + 0.1 * rng.standard_normal((40, 514, 48), np.float32))
    assert spec.coarse == 2
    assert results["map/tau_s"].values.shape == (257, 24)
    assert not fit.usable
    attrs = results["map"].attrs
    assert attrs["null_series"] == 0
    missing = {name: value for name, value in attrs.items() if name.startswith("null_")} | {
        name: attrs[name] for name in ("sigma_het", "excess_variance", "sigma_excess_variance")
    }
    del missing["null_series"]
    assert np.isnan(list(missing.values())).all()
    assert np.isnan(results["map/null_fraction"].values).all()


def test_no_contrast_at_all_makes_no_numbers():
    results, _, _ = maps_of(np.ones((40, 32, 32), dtype=np.float32))
    for name in ("tau_s", "beta", "amplitude", "patch_tau_s", "patch_beta", "fraction"):
        assert np.isnan(results[f"map/{name}"].values).all()
    assert (results["map/flags"].values == FitFlag.MASKED).all()
    assert results["map/slow_domains_nm"].values.size == 0
