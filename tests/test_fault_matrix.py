"""A third of the kill matrix every time; the whole: ``python tests/fault_suite.py`` or ``pytest -m slow``."""

import pytest
from faults.cells import all_series, run_series
from faults.staged import PHASES

EVERY_TIME = {
    "recorder KILL": PHASES,
    "recorder STOP": PHASES,
    "analyst TERM": PHASES,
    "viewer STOP": PHASES,
    "controller STOP": PHASES,
    "controller KILL": ("ramp", "wait", "first frames", "mid-acquisition", "closing"),
    "heating controller KILL": ("mid-acquisition",),
}
"""What has most to lose, and what shares a run with others."""


def cases(names) -> list:
    """Return the series of these names; what cannot run here is skipped with the reason."""
    chosen = [series for series in all_series() if series.name in names]
    return [
        pytest.param(
            series, id=series.name.replace(" ", "-"),
            marks=[pytest.mark.skipif(bool(series.why_not), reason=series.why_not)],
        )
        for series in chosen
    ]  # fmt: skip


def strike(series, phases, folder):
    cells = list(run_series(series, folder, phases))
    assert [cell.phase for cell in cells] == list(phases)
    assert not [cell.line() for cell in cells if not cell.passed]


def test_a_third_of_the_matrix_is_run_every_time():
    names = [series.name for series in all_series()]
    assert set(EVERY_TIME) <= set(names)
    assert 3 * sum(map(len, EVERY_TIME.values())) == len(names) * len(PHASES)


@pytest.mark.parametrize("series", cases(EVERY_TIME))
def test_nothing_is_lost_and_nothing_left_hot(series, tmp_path):
    strike(series, EVERY_TIME[series.name], tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("series", cases([series.name for series in all_series()]))
def test_the_whole_matrix(series, tmp_path):
    strike(series, PHASES, tmp_path)
