"""The command line: exit codes, messages, and how fast it answers."""

import errno
import json
import os
import subprocess
import sys

import pytest
from small_run import annealscope, command, write_inputs

from annealscope.controller.cli.app import guarded
from annealscope.controller.cli.verbs import status
from annealscope.controller.client import RunClient
from annealscope.controller.errors import ExitCode

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
    done = annealscope("validate", protocol)
    assert done.returncode == 3
    assert f"{protocol}:5:" in done.stderr
    assert "perod" in done.stderr
    assert 'did you mean "period"?' in done.stderr
    assert "Traceback" not in done.stderr


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
    done = annealscope(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_a_protocol_that_the_rig_cannot_run_is_refused_before_anything_is_written(tmp_path):
    protocol, rig = write_inputs(tmp_path)
    rig.write_text(rig.read_text().replace("max_temperature: 500 degC", "max_temperature: 90 degC"))
    done = annealscope("run", protocol, "--rig", rig, "--out", tmp_path / "run")
    assert done.returncode == 3
    assert "90" in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_unknown_driver_is_a_device_error(tmp_path):
    protocol, rig = write_inputs(tmp_path)
    rig.write_text(rig.read_text().replace("holder:\n  driver: simulated", "holder:\n  driver: acme"))
    done = annealscope("run", protocol, "--rig", rig, "--out", tmp_path / "run")
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
    done = annealscope("run", "quick_look", "--out", "loop/run", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cannot make the run folder loop/run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "endpoint", ["tcp://example.org:5000", "tcp://127.0.0.1:99999", "tcp://127.0.0.1", "", 5000, None, ["a"]]
)
def test_a_live_file_with_another_address_is_refused(endpoint, tmp_path):
    live = {"pid": 1, "endpoint": endpoint, "token": "a"}
    (tmp_path / "live.json").write_text(json.dumps(live))
    done = annealscope("status", tmp_path)
    assert done.returncode == 3, done.stderr
    assert "live.json cannot be read: endpoint must be tcp://127.0.0.1:PORT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n{}", b'{"n": 0, "t_s": 0.0, "kind": "run_st'])
def test_a_folder_that_says_nothing_has_no_report(content, tmp_path):
    (tmp_path / "journal.jsonl").write_bytes(content)
    (tmp_path / "holds").mkdir()
    done = annealscope("report", tmp_path)
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
    status(tmp_path, as_json=True)
    shown = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert shown == {"tau_s": None, "drift_nm": [None, 1.5], "frames": 3}
