"""What a plan says of lags, errors, bias and memory is what the analysis has."""

import tracemalloc

import numpy as np
import pytest

from annealscope.analysis import geometry
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.precision import error_scale, record_bias
from annealscope.analysis.values import uniform_block
from annealscope.controller.planning.estimates import (
    analyst_memory_bytes,
    largest_lag_frames,
    plain_bias,
    sigma_ln_tau,
    speckle_count,
    valid_shape,
)


def test_the_error_scale():
    # 1024 x 1024 pixels of 0.1647 nm, 10 um aperture at f = 3.5 mm: 4.7e4 speckles
    n_speckles = speckle_count((1024, 1024), 0.1647, 0.726)
    assert n_speckles == pytest.approx(4.7e4, rel=0.01)
    assert n_speckles == pytest.approx(geometry.speckle_count((1024, 1024), 0.1647, 0.726))
    expected, _ = error_scale(n_speckles, 14000.0, 485.0, model="finite")
    assert sigma_ln_tau(n_speckles, 14000.0, 485.0) == pytest.approx(expected)


BIASES = [
    # truth, duration, what the plain fit showed: all in s
    (485, 14000, 418),
    (743, 14000, 599),
    (886, 14000, 710),
    (1023, 14000, 797),
    (1585, 14000, 1059),
    (892, 25000, 770),
]


@pytest.mark.parametrize(("tau_s", "duration_s", "seen_s"), BIASES)
def test_the_bias_of_a_plain_fit(tau_s, duration_s, seen_s):
    shown_s = tau_s * (1 + plain_bias(duration_s / tau_s))
    assert shown_s == pytest.approx(seen_s, rel=0.05)
    assert shown_s == pytest.approx(record_bias(tau_s, 0.75, 1000, duration_s / 1000)[0], rel=0.05)


@pytest.mark.parametrize("frames", [32, 200, 2000, 7000, 100_000])
@pytest.mark.parametrize("drift", [True, False])
def test_lags_and_margin_are_those_of_the_analysis(frames, drift):
    spec = EcmSpec((128, 96), 2.0, 1.0, 0.1647, 0.726, frames, drift=drift)
    correlator = EcmAnalysis(spec)._correlator
    largest = max(int(level.lags.max()) * level.width for level in correlator._levels)
    assert largest_lag_frames(frames) == min(frames - 1, largest)
    assert valid_shape((128, 96), drift) == spec.valid_shape


@pytest.mark.slow
def test_memory_is_what_the_analysis_takes():
    shape, program_bytes = (320, 256), 300_000_000
    rng = np.random.Generator(np.random.Philox(5))
    frames = rng.poisson(100, (96, *shape)).astype(np.uint16)
    spec = EcmSpec(shape, 2.0, 1.0, 0.1647, 0.726, len(frames), drift=False)
    EcmAnalysis(spec).update(uniform_block(frames[:32], 2.0))  # compiled before it is measured
    tracemalloc.start()
    try:
        analysis = EcmAnalysis(spec)
        analysis.update(uniform_block(frames, 2.0))
        analysis.result()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    of_pixels = analyst_memory_bytes(shape, len(frames)) - program_bytes
    assert 0.5 * of_pixels < peak_bytes < 1.2 * of_pixels + 0.1 * program_bytes
