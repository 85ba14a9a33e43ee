"""Whatever a camera delivers, an ECM record ends with results or with a reason, never with an accident."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.speckle import uniform_speckle
from annealscope.analysis.values import FrameBlock, InvalidData

SIDE = 20
PERIOD_S = 2.0

NUMBERS = ("kww/corrected", "kww/pixel", "kww/ttcf")


@st.composite
def records(draw):
    """A short record: its look, its lost slots, its breaks, and how long it was meant to be."""
    n = draw(st.integers(32, 140))
    rng = np.random.Generator(np.random.Philox(draw(st.integers(0, 50))))
    look = draw(st.sampled_from(["noise", "still", "dark", "bright", "slow", "one step", "flicker"]))
    kept = rng.random(n) > draw(st.sampled_from([0.0, 0.1, 0.7]))
    breaks = draw(st.lists(st.integers(1, n), max_size=3))
    segment = np.searchsorted(np.sort(breaks), np.arange(n), side="right")
    return _frames(look, n, rng)[kept], np.flatnonzero(kept), segment[kept], draw(st.integers(1, 400))


def _frames(look, n, rng):
    pattern = rng.exponential(30.0, (SIDE, SIDE))
    other = rng.exponential(30.0, (SIDE, SIDE))
    share = np.linspace(0, 1, n)[:, None, None]
    mean = {
        "noise": np.full((n, SIDE, SIDE), 30.0),
        "still": np.broadcast_to(pattern, (n, SIDE, SIDE)),
        "dark": np.zeros((n, SIDE, SIDE)),
        "bright": np.full((n, SIDE, SIDE), 6550.0),
        "slow": np.sqrt(1 - share) * pattern + np.sqrt(share) * other,
        "one step": np.where(share < 0.5, pattern, other),
        "flicker": pattern * (1 + (np.arange(n) % 3 == 0))[:, None, None],
    }[look]
    return (100 + rng.poisson(mean) * 10).clip(0, 65535).astype(np.uint16)


def spec_of(frames_expected):
    return EcmSpec((SIDE, SIDE), PERIOD_S, 1.0, 0.165, 1.5, frames_expected, offset_counts=100, drift=False)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records())
def test_any_record_ends_with_results_or_a_reason(record):
    frames, slot, segment, expected = record
    analysis = EcmAnalysis(spec_of(expected))
    columns = frames, slot, segment, 100.0 + PERIOD_S * slot, np.zeros((len(slot), 2))
    try:
        analysis.update(FrameBlock(*columns))
        analysis.live()
        results = analysis.result()
    except InvalidData:
        return
    assert {"duration", *NUMBERS} <= set(results)
    for name in NUMBERS:
        assert np.isfinite(results[name].attrs["tau_s"]) or results[name].attrs["flags"]
    if "age" in results:
        assert results["age"].attrs["verdict"] in ("steady", "aging", "speeding_up", "undetermined")


def test_the_accidents_are_looked_for_in_records_that_have_results():
    """Most of the looks above are analysed, not refused."""
    rng = np.random.Generator(np.random.Philox(3))
    n = np.arange(100)
    for look in ("noise", "still", "slow", "one step", "flicker"):
        analysis = EcmAnalysis(spec_of(100))
        analysis.update(FrameBlock(_frames(look, 100, rng), n, 0 * n, PERIOD_S * n, np.zeros((100, 2))))
        assert "kww/corrected" in analysis.result()
    analysis = EcmAnalysis(spec_of(100))
    analysis.update(FrameBlock(_frames("dark", 100, rng), n, 0 * n, PERIOD_S * n, np.zeros((100, 2))))
    with pytest.raises(InvalidData, match="usable"):
        analysis.result()


def test_a_record_shorter_than_a_bin_of_times_has_its_other_results():
    frames = _frames("slow", 33, np.random.Generator(np.random.Philox(4)))
    n = np.arange(33)
    analysis = EcmAnalysis(spec_of(50_000))
    analysis.update(FrameBlock(frames, n, 0 * n, PERIOD_S * n, np.zeros((33, 2))))
    results = analysis.result()
    assert "g2/ratio" in results
    assert "ttcf" not in results


def test_segments_too_short_for_a_fit_have_their_curves():
    frames = _frames("slow", 120, np.random.Generator(np.random.Philox(5)))
    n = np.arange(120)
    analysis = EcmAnalysis(spec_of(120))
    analysis.update(FrameBlock(frames, n, n // 4, PERIOD_S * n + 1000.0 * (n // 4), np.zeros((120, 2))))
    results = analysis.result()
    assert len(results["g2/lag"].values) == 3
    assert results["kww/corrected"].attrs["flags"] & FitFlag.NOT_CONVERGED


def test_lags_that_end_before_the_decay_are_flagged():
    """Far more frames came than were planned: the correlator does not reach to the baseline."""
    rng = np.random.Generator(np.random.Philox(6))
    frames = np.array(
        [
            rng.poisson(30 * image)
            for image in uniform_speckle(
                1500, (SIDE, SIDE), tau_frames=60, beta=0.7, aperture_per_px=0.2, contrast=0.5, rng=rng
            )
        ]
    )
    n = np.arange(1500)
    block = FrameBlock(100 + 10 * frames, n, 0 * n, PERIOD_S * n, np.zeros((1500, 2)))
    flags = {}
    for planned in (20, 1500):
        analysis = EcmAnalysis(spec_of(planned))
        analysis.update(block)
        flags[planned] = FitFlag(analysis.result()["kww/ttcf"].attrs["flags"])
    assert FitFlag.TOO_SLOW in flags[20]
    assert FitFlag.TOO_SLOW not in flags[1500]
