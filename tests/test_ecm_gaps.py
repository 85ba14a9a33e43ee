"""A record with frames that are not used: its timeline, its corrected fit, what a plain fit shows of it."""

import numpy as np
import pytest

from annealscope.analysis.averages import BlockTotals
from annealscope.analysis.ecm_duration import duration_results, fitted_prefix
from annealscope.analysis.ecm_fits import corrected_curve
from annealscope.analysis.ecm_rows import FrameRows, FrameState, Timeline, timeline
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.kww import kww

PERIOD_S, TAU_S, BETA, N_SLOTS, FIRST = 2.0, 40.0, 0.8, 600, 7
SPEC = EcmSpec((64, 64), PERIOD_S, 1.0, 0.2, 0.64, N_SLOTS, drift=False)


def record(first_lost: int, last_lost: int) -> Timeline:
    rows = FrameRows(N_SLOTS)
    for n in range(N_SLOTS):
        state = FrameState.BEAM_TRIP if first_lost <= n < last_lost else FrameState.VALID
        rows.append(slot=FIRST + n, segment=1, t_start_s=PERIOD_S * n, state=state)
    return timeline(rows.all)


def exact_totals(used: np.ndarray) -> BlockTotals:
    """Totals whose averages are the expectation of the `ratio` curve."""
    columns = []
    for lag in range(1, N_SLOTS):
        i = np.flatnonzero(used[:-lag] & used[lag:])
        if i.size:
            taken = kww(PERIOD_S * np.abs(i[:, np.newaxis] - i - lag), TAU_S, BETA).mean()
            columns.append((lag, i.size, 1 + 0.1 * (kww(PERIOD_S * lag, TAU_S, BETA) - taken)))
    lag, pairs, g2 = (np.array(column) for column in zip(*columns, strict=True))
    sums = [g2 * pairs, pairs, pairs, pairs.astype(float) ** 2, g2 / pairs, np.ones_like(g2)]
    return BlockTotals(lag, pairs, 100.0 * np.stack(sums, axis=1)[np.newaxis], np.array([100]))


def test_a_timeline_knows_which_slots_have_a_frame():
    assert record(0, 0).used is None
    assert record(0, 50).used is None
    time = record(100, 400)
    assert time.n_slots == N_SLOTS
    assert time.used.first_slot == (FIRST,)
    np.testing.assert_array_equal(np.flatnonzero(~time.used.used[0]), np.arange(100, 400))
    assert time.seen_s(TAU_S) == 300 * PERIOD_S + TAU_S
    assert record(0, 0).seen_s(TAU_S) == time.seen_s(np.nan) == N_SLOTS * PERIOD_S


@pytest.mark.parametrize("lost", [(250, 350), (100, 400), (100, 550)])
def test_lost_frames_bias_neither_the_corrected_time_nor_the_expected_one(lost):
    time = record(*lost)
    whole = fitted_prefix(exact_totals(time.used.used[0]), time, SPEC)
    results = duration_results([whole], SPEC.fit)
    fit, plain = whole.found["corrected"].fit, whole.found["ratio"].fit
    assert (fit.tau_s, fit.beta) == pytest.approx((TAU_S, BETA), rel=1e-3)
    assert results["duration/expected_tau_s"].values[-1] == pytest.approx(plain.tau_s, rel=1e-3)
    seen = (N_SLOTS - lost[1] + lost[0]) * PERIOD_S / TAU_S + 1
    assert results["duration"].attrs["seen_times"] == pytest.approx(seen, rel=1e-3)
    assert np.isfinite(results["duration/corrected_tau_s"].values[-1])
    drawn = corrected_curve(fit, whole.totals, time)
    np.testing.assert_allclose(drawn, whole.totals.g2()["ratio"], atol=1e-4)


def test_errors_and_cautions_count_what_is_seen_of_a_record():
    """Of 600 slots, 20 to a relaxation time, 70 have a frame: 4.5 relaxation times, less than 5."""
    time, complete = record(50, 580), record(0, 0)
    parts = [fitted_prefix(exact_totals(flags), t, SPEC) for flags, t in (
        (time.used.used[0], time), (np.ones(N_SLOTS, dtype=bool), complete))]  # fmt: skip
    assert np.isnan(duration_results(parts[:1], SPEC.fit)["duration/corrected_tau_s"].values[-1])
    assert np.isfinite(duration_results(parts[1:], SPEC.fit)["duration/corrected_tau_s"].values[-1])
    for name in ("ratio", "corrected"):
        events = [
            (part.found[name].fit.tau_s / part.found[name].fit.sigma_tau_s) ** 2 * part.found[name].fit.tau_s
            for part in parts
        ]
        seen_s = [part.time.seen_s(part.found[name].fit.tau_s) for part in parts]
        assert events[0] / events[1] == pytest.approx(seen_s[0] / seen_s[1], rel=1e-6)
