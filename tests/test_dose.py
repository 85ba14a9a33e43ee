from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annealscope.controller.planning.dose import (
    Dose,
    DoseLedger,
    electrons,
    grid_dose_rate_per_nm2_s,
    peak_fluence_per_nm2,
    planned_dose,
)

PAPER = [
    # rate, frames, exposure, period, exposed, beam on
    (1.5e5, 5000, 4.0, 5.0, 3.00e9, 3.75e9),
    (1.5e5, 2800, 4.0, 5.0, 1.68e9, 2.10e9),
    (4.4e5, 7000, 1.0, 2.0, 3.08e9, 6.16e9),
]


@pytest.mark.parametrize(("rate", "frames", "exposure_s", "period_s", "exposed", "beam_on"), PAPER)
def test_the_doses_of_the_paper(rate, frames, exposure_s, period_s, exposed, beam_on):
    dose = planned_dose(rate, frames, exposure_s, period_s)
    assert dose.exposed_per_nm2 == pytest.approx(exposed)
    assert dose.beam_on_per_nm2 == pytest.approx(beam_on)
    assert (dose.counted("exposed"), dose.counted("beam_on")) == (dose.exposed_per_nm2, dose.beam_on_per_nm2)


def test_a_beam_that_is_blanked_in_pauses_counts_exposures_only():
    dose = planned_dose(4.4e5, 7000, 1.0, 2.0, beam_in_pause=False)
    assert dose.beam_on_per_nm2 == dose.exposed_per_nm2 == pytest.approx(3.08e9)


def test_electrons_of_a_probe():
    assert electrons(15.0, 4.0) == pytest.approx(3.74e8, rel=2e-3)
    # 100 patterns of 3.74e8 electrons over 50 x 50 nm, in 400 s
    assert grid_dose_rate_per_nm2_s(15.0, (10, 10), 5.0) * 400 == pytest.approx(3.74e10 / 2500, rel=2e-3)


@pytest.mark.parametrize(("probe_nm", "fluence"), [(0.91, 4.0e8), (0.8, 5.2e8), (5.0, 1.3e7)])
def test_the_centre_of_a_probe_sees_much_more_than_the_mean(probe_nm, fluence):
    assert peak_fluence_per_nm2(15.0, 4.0, probe_nm) == pytest.approx(fluence, rel=0.025)


def test_a_ledger_keeps_regions_apart():
    ledger = DoseLedger()
    ledger.beam(1, 100.0, 10.0, 12.0)
    ledger.exposures(1, 100.0, 0.5, 2)
    assert ledger.exposures(2, 10.0, 1.0) == Dose(10.0, 0.0)
    assert ledger.beam(1, 50.0, 20.0, 21.0) == Dose(100.0, 250.0)
    assert ledger.of(3) == Dose()
    assert dict(ledger.regions) == {1: Dose(100.0, 250.0), 2: Dose(10.0, 0.0)}


INTERVALS = st.lists(
    st.tuples(
        st.integers(1, 3), st.floats(0, 1e6), st.floats(0, 1e5), st.floats(0, 1e4), st.integers(0, 1000)
    ),
    max_size=12,
)


@given(INTERVALS)
def test_a_ledger_is_the_sum_of_what_it_is_fed(intervals):
    ledger = DoseLedger()
    for region, rate, t_on_s, lasts_s, frames in intervals:
        ledger.beam(region, rate, t_on_s, t_on_s + lasts_s)
        ledger.exposures(region, rate, 0.5, frames)
    for region in (1, 2, 3):
        mine = [interval for interval in intervals if interval[0] == region]
        beam_on = sum(rate * ((t_on_s + lasts_s) - t_on_s) for _, rate, t_on_s, lasts_s, _ in mine)
        assert ledger.of(region).beam_on_per_nm2 == pytest.approx(beam_on)
        exposed = sum(rate * 0.5 * frames for _, rate, _, _, frames in mine)
        assert ledger.of(region).exposed_per_nm2 == pytest.approx(exposed)


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e4), min_size=2, max_size=8))
def test_an_interval_may_be_counted_in_parts(rate, times):
    times = sorted(times)
    whole, parts = DoseLedger(), DoseLedger()
    whole.beam(1, rate, times[0], times[-1])
    for begin, end in pairwise(times):
        parts.beam(1, rate, begin, end)
    assert parts.of(1).beam_on_per_nm2 == pytest.approx(whole.of(1).beam_on_per_nm2)


def test_a_ledger_refuses_time_that_runs_backwards():
    ledger = DoseLedger()
    with pytest.raises(ValueError, match=r"at least 0, got 5 e/nm\^2/s for -1 s"):
        ledger.beam(1, 5.0, 2.0, 1.0)
    with pytest.raises(ValueError, match="at least 0, got -5"):
        ledger.exposures(1, -5.0, 1.0)
    assert dict(ledger.regions) == {}


def test_a_ledger_goes_on_from_what_was_before():
    before = {2: Dose(5.0, 9.0)}
    ledger = DoseLedger(before)
    assert ledger.exposures(2, 1.0, 1.0) == Dose(6.0, 9.0)
    assert before == {2: Dose(5.0, 9.0)}


def test_nobody_changes_a_ledger_from_outside():
    ledger = DoseLedger()
    ledger.beam(1, 1.0, 0.0, 1.0)
    with pytest.raises(TypeError):
        ledger.regions[1] = Dose()
