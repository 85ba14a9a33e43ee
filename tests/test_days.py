"""An experiment of two days, both methods, by the command line: parked, continued, through the night."""

import contextlib
import subprocess
import time

import h5py
import pytest
from small_run import annealscope, command, write_inputs
from two_days import PROTOCOL

from annealscope.controller.client import RunClient
from annealscope.controller.errors import RunError
from annealscope.controller.journal import read_journal

HOLDS = ["01_fem_25C", "02_saed_25C", "03_ecm_275C", "04_fem_275C", "05_saed_275C"]


def _records(run, kind):
    return [record for record in read_journal(run / "journal.jsonl") if record["kind"] == kind]


@pytest.fixture(scope="module")
def parked(tmp_path_factory):
    """A run that ended in its park, and what it printed."""
    folder = tmp_path_factory.mktemp("days")
    protocol, rig = write_inputs(folder, 64, PROTOCOL)
    run = folder / "run"
    done = annealscope("run", protocol, "--rig", rig, "--out", run, "--parks", "end", "--no-report")
    assert done.returncode == 0, done.stderr
    return run, done.stdout


@pytest.fixture(scope="module")
def continued(parked):
    """The same run after its second day."""
    run, _ = parked
    done = annealscope("continue", run)
    assert done.returncode == 0, done.stderr
    return run, done.stdout


def test_a_park_ends_the_program_and_continue_goes_on_to_the_end(parked, continued):
    assert "parked" in parked[1]
    run, printed = continued
    assert "success" in printed
    assert [path.stem for path in sorted(run.glob("holds/*.nxs"))] == HOLDS
    assert [record["outcome"] for record in _records(run, "run_ended")] == ["parked", "success"]
    assert len(_records(run, "run_continued")) == 1


def test_the_clock_and_the_regions_go_on_where_they_were(continued):
    run, _ = continued
    (ended, _), (again,) = _records(run, "run_ended"), _records(run, "run_continued")
    assert again["t_s"] == pytest.approx(ended["t_s"] + 12 * 3600, abs=1)
    times = [record["t_s"] for record in read_journal(run / "journal.jsonl")]
    assert times == sorted(times)
    numbers = [record["number"] for record in _records(run, "region")]
    assert len(set(numbers)) == len(numbers) >= 3


def test_every_hold_has_the_results_of_its_method(continued):
    run, _ = continued
    results = ["fem/V", "diffraction/I", "kww/corrected", "fem/V", "diffraction/I"]
    for name, path in zip(HOLDS, results, strict=True):
        with h5py.File(run / "holds" / f"{name}.nxs") as file:
            assert path in file["entry"], name
    with h5py.File(run / "run.nxs") as file:
        assert {"tau_of_T", "V_of_T", "diffraction", "dose"} <= set(file["entry"])


def test_the_drift_was_watched_and_the_prompt_answered(continued):
    run, _ = continued
    assert _records(run, "drift_rate")
    assert _records(run, "prompt")
    assert _records(run, "answered")


def test_analyze_gives_every_number_again_bit_for_bit(continued):
    run, _ = continued
    done = annealscope("analyze", run)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(HOLDS)
    assert all("bit for bit" in line for line in lines), done.stdout


def test_a_run_that_is_over_cannot_be_continued(continued):
    run, _ = continued
    done = annealscope("continue", run)
    assert done.returncode == 2
    assert "has ended: success" in done.stderr


def test_a_protocol_that_was_changed_since_cannot_be_continued(tmp_path):
    protocol, rig = write_inputs(tmp_path, 64, PROTOCOL)
    run = tmp_path / "run"
    annealscope("run", protocol, "--rig", rig, "--out", run, "--parks", "end", "--no-report")
    text = (run / "protocol.yaml").read_text()
    (run / "protocol.yaml").write_text(text.replace("275 degC", "250 degC"))
    done = annealscope("continue", run)
    assert done.returncode == 3
    assert "start a new run" in done.stderr


@pytest.mark.slow  # tests/test_live_page.py gives such commands every time
def test_pause_resume_and_skip_from_another_terminal(tmp_path):
    protocol, rig = write_inputs(tmp_path, 5000, PROTOCOL)
    run = tmp_path / "run"
    arguments = ("run", protocol, "--rig", rig, "--out", run, "--no-report", "--parks", "through")
    process = subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _await(run, lambda status: status["frames_planned"] == 5000 and status["frames"] > 40)

    assert annealscope("pause", run).returncode == 0
    paused = _await(run, lambda status: status["state"] == "paused")
    refused = annealscope("pause", run)
    assert refused.returncode == 2
    assert "refuses to pause" in refused.stderr
    later = _await(run, lambda status: status["t_s"] > paused["t_s"] + 5)
    assert later["setpoint_K"] == pytest.approx(548.15)
    assert later["frames"] == paused["frames"]

    assert annealscope("resume", run).returncode == 0
    _await(run, lambda status: status["frames"] > paused["frames"] + 10)
    assert annealscope("skip", run).returncode == 0
    printed, complaints = process.communicate(timeout=120)

    assert process.returncode == 0, complaints
    assert "success" in printed
    truncated = [record for record in _records(run, "hold_closed") if record["reason"] == "truncated"]
    assert len(truncated) == 1
    assert [record["segment"] for record in _records(run, "segment")] == [1]


def _await(run, condition):
    """Return the first status that meets a condition."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        with contextlib.suppress(RunError):
            status = RunClient(run).status()
            if "step" in status and condition(status):
                return status
        time.sleep(0.02)
    raise AssertionError("the run never got that far")
