"""The command line: exit codes, messages, and how fast it answers."""

import errno
import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from small_run import annealscope, annealscope_here, command, write_inputs

from annealscope.controller.cli.guarded import guarded
from annealscope.controller.cli.status import show
from annealscope.controller.client import RunClient
from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import Journal
from annealscope.controller.session.run import run
from annealscope.drivers.clock import VirtualClock

HEAVY = ("numba", "h5py", "matplotlib", "scipy", "zmq")


def test_help_is_light():
    code = (
        "import sys; from annealscope.controller.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert "loaded []" in done.stdout
    assert "analyze" in done.stdout


def test_validate_and_plan_do_not_load_the_analysis():
    code = (
        "import sys; from annealscope.controller.cli.app import app\n"
        "try: app(['plan', 'quick_look', '--json'])\n"
        "except SystemExit: pass\n"
        "heavy = ('numba', 'h5py', 'matplotlib', 'zmq')\n"
        "sys.stderr.write(repr([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stderr == "[]"
    assert json.loads(done.stdout)["totals"]["frames"] > 0


def test_a_good_protocol_is_valid():
    done = annealscope("validate", "quick_look")
    assert done.returncode == 0
    assert "valid for rig simulated" in done.stdout


def test_every_fault_of_a_protocol_is_named_with_its_place(tmp_path):
    protocol, _ = write_inputs(tmp_path)
    text = (
        protocol.read_text()
        .replace("period: 20 s", "perod: 20 s")
        .replace("60 K/min}\nsettle", "60}\nsettle")
    )
    protocol.write_text(text)
    done = annealscope_here("validate", protocol)
    assert done.returncode == 3
    assert f"{protocol}:5:" in done.stderr
    assert "perod" in done.stderr
    assert 'did you mean "period"?' in done.stderr
    assert "Traceback" not in done.stderr


def test_limits_rig_and_dose_are_held_against_at_once(tmp_path):
    protocol, rig = write_inputs(tmp_path)
    text = protocol.read_text().replace("max_cooling_rate: 60", "max_cooling_rate: 40")
    protocol.write_text(text.replace("{max_temp", "{max_dose_per_region: 1e9 e/nm^2, max_temp"))
    rig.write_text(rig.read_text().replace("max_temperature: 500 degC", "max_temperature: 90 degC"))
    done = annealscope_here("validate", protocol, "--rig", rig)
    assert done.returncode == 3
    heads = [line for line in done.stderr.splitlines() if line.startswith(str(protocol))]
    assert [head.split(": ")[1] for head in heads] == [
        "safe.rate",
        "steps.0.ramp.to",
        "steps.1.hold.1.acquire",
        "steps.2.cool.rate",
    ]


def test_the_version_is_printed():
    done = annealscope("--version")
    assert (done.returncode, done.stdout) == (0, f"annealscope {version('annealscope')}\n")


ENDED = {"outcome": "success", "why": "the protocol came to its end", "exit_code": 0}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "it is not a run folder"),
        (
            [("run_started", {})],
            "it is just starting, or its program died; then `annealscope continue` goes on",
        ),
        (
            [("run_started", {}), ("run_ended", ENDED)],
            "that run has ended: success: the protocol came to its end",
        ),
        (
            [
                ("run_started", {}),
                (
                    "run_ended",
                    {**ENDED, "outcome": "stopped", "why": "stopped by the operator", "exit_code": 5},
                ),
            ],
            "that run has ended: stopped by the operator",
        ),
    ],
)
def test_a_run_that_is_not_alive_says_why(records, message, tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", VirtualClock(0.0))
    for kind, fields in records:
        journal.write(kind, **fields)
    journal.close()
    with pytest.raises(RunError) as caught:
        RunClient(tmp_path).status()
    assert str(caught.value) == f"no run is alive in {tmp_path}: {message}"
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_folder_that_is_not_there_has_no_run(tmp_path):
    with pytest.raises(RunError, match=r"^no such folder: "):
        RunClient(tmp_path / "nowhere").stop()


def test_a_compression_that_does_not_exist_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(RunError, match="--compression must be auto, deflate or none, got 'zip'"):
        run("quick_look", out=tmp_path / "run", compression="zip")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "nowhere.yaml"), 3),
        (("run", "quick_lok"), 3),
        (("validate", "quick_look", "--rig", "nowhere"), 3),
        (("run", "quick_look", "--speed", "fast"), 2),
        (("run", "quick_look", "--speed", "-1"), 2),
        (("run", "quick_look", "--compression", "zip"), 2),
        (("run",), 2),
        (("fly",), 2),
        (("report", "nowhere"), 3),
        (("status", "nowhere"), 2),
        (("stop", "nowhere"), 2),
    ],
)
def test_wrong_use_gives_a_message_and_its_exit_code(arguments, code, tmp_path):
    done = annealscope_here(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_a_protocol_that_the_rig_cannot_run_is_refused_before_anything_is_written(tmp_path):
    protocol, rig = write_inputs(tmp_path)
    rig.write_text(rig.read_text().replace("max_temperature: 500 degC", "max_temperature: 90 degC"))
    done = annealscope_here("run", protocol, "--rig", rig, "--out", tmp_path / "run")
    assert done.returncode == 3
    assert "90" in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_unknown_driver_is_a_device_error(tmp_path):
    protocol, rig = write_inputs(tmp_path)
    rig.write_text(rig.read_text().replace("holder:\n  driver: simulated", "holder:\n  driver: acme"))
    done = annealscope_here("run", protocol, "--rig", rig, "--out", tmp_path / "run")
    assert done.returncode == 4
    assert "no driver 'acme'" in done.stderr


def test_the_schema_is_printed_as_json():
    done = annealscope("schema")
    assert json.loads(done.stdout)["type"] == "object"


def test_a_console_of_another_code_page_is_no_reason_to_fail(tmp_path):
    done = subprocess.run(
        command("plan", "quick_look"), capture_output=True, env={"PYTHONIOENCODING": "cp1252", "PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    assert "─" in done.stdout.decode("utf-8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_or_folder_is_no_protocol(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("pipe.yaml", "folder.yaml"):
        done = annealscope("validate", name, cwd=tmp_path, timeout_s=20)
        assert done.returncode == 3
        assert f"{name}: cannot be read: it is a folder, a pipe or a device" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_a_run_folder_below_a_loop_of_links_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    done = annealscope_here("run", "quick_look", "--out", "loop/run", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cannot make the run folder loop/run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "endpoint", ["tcp://example.org:5000", "tcp://127.0.0.1:99999", "tcp://127.0.0.1", "", 5000, None, ["a"]]
)
def test_a_live_file_with_another_address_is_refused(endpoint, tmp_path):
    live = {"pid": 1, "endpoint": endpoint, "token": "a"}
    (tmp_path / "live.json").write_text(json.dumps(live))
    done = annealscope_here("status", tmp_path)
    assert done.returncode == 3, done.stderr
    assert "live.json cannot be read: endpoint must be tcp://127.0.0.1:PORT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n{}", b'{"n": 0, "t_s": 0.0, "kind": "run_st'])
def test_a_folder_that_says_nothing_has_no_report(content, tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(content)
    (tmp_path / "holds").mkdir()
    done = annealscope_here("report", tmp_path)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "nothing to report" in done.stderr
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_an_error_of_the_machine_is_neither_invalid_input_nor_a_traceback(number, capsys):
    def fail():
        raise OSError(number, os.strerror(number), "run/journal.jsonl")

    assert guarded(fail) == ExitCode.INTERNAL
    message = capsys.readouterr().err
    assert os.strerror(number) in message
    assert "journal.jsonl" in message


def test_json_has_no_nan(monkeypatch, capsys, tmp_path):
    snapshot = {"tau_s": float("nan"), "drift_nm": [float("inf"), 1.5], "frames": 3}
    monkeypatch.setattr(RunClient, "status", lambda self: snapshot)
    show(tmp_path, as_json=True)
    shown = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert shown == {"tau_s": None, "drift_nm": [None, 1.5], "frames": 3}
