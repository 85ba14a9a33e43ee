"""Hours in which something goes wrong every ten minutes; 72 of them: ``python tests/fault_suite.py``."""

import json

import numpy as np
import pytest
from faults.scoreboard import BEGIN, END, scoreboard, write_scoreboard
from faults.soak import Sample, Soak, run_soak


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_hours_with_a_fault_every_ten_minutes_lose_nothing(tmp_path):
    soak = run_soak(tmp_path / "soak", hours=12.0, seed=2)
    assert soak.passed, soak.line()
    assert soak.missing == 0
    assert sum(soak.faults.values()) >= 40


def test_growth_is_that_of_the_longest_life_after_it_is_warm():
    """The first two hours, in which a program loads what it needs, do not count."""
    soak = Soak(10.0)
    for pid, hours, slope in ((1, 4.0, 50.0), (2, 10.0, 0.5)):
        for t_h in np.arange(0.0, hours, 1 / 6):
            soak.samples.append(Sample(pid, 3600 * t_h, 100 - 40 * (t_h < 2) + slope * t_h, 25 + pid))
    slope, over_h = soak.slope_MiB_per_h()
    assert slope == pytest.approx(0.5)
    assert over_h == pytest.approx(7.67, abs=0.01)
    assert soak.descriptors() == (27, 27)


LINES = [
    {"cell": "recorder KILL ramp", "passed": True, "frames": 5},
    {"cell": "heating controller KILL ramp", "passed": False, "frames": 5, "froze_after_s": 0.04},
    {"cell": "guard STOP", "skipped": "no SIGSTOP on this system"},
    {
        **{"case": "kills 1.0", "passed": True, "kills": 5},
        **{"recorder": 3, "analyst": 1, "controller": 1, "frames": 300, "lost": 0},
    },
    {
        **{"case": "soak 72 h", "passed": True, "faults": 400, "frames": 2000, "lost": 0},
        **{"rss_MiB_per_h": 0.1, "over_h": 20.0, "descriptors": [25, 31]},
    },
]


def test_the_scoreboard_says_what_was_measured_and_what_was_not_run(tmp_path):
    table = scoreboard([json.loads(json.dumps(line)) for line in LINES])
    for figure in (
        "1 of 2",
        "no SIGSTOP",
        "0.040 to 0.040 s",
        "5 (recorder 3, analyst 1, controller 1)",
        "0 of 300",
    ):
        assert figure in table
    page = tmp_path / "faults.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_scoreboard(page, LINES)
    assert page.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{table}\n{END}\nafter\n"
