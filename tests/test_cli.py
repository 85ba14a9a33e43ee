"""The command line: exit codes, messages, and how fast it answers."""

import json
import subprocess
import sys

import pytest
from small_run import annealscope, command, write_inputs

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
