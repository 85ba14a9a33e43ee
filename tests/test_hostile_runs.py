"""Run folders in which something was changed: by a crash, by hand, by somebody else."""

import pytest
from protocol_texts import LARGE_RIG, PROTOCOL, changed

from annealscope.controller.cli.app import app
from annealscope.controller.cli.guarded import guarded
from annealscope.controller.journal import Journal
from annealscope.controller.record.runfolder import create
from annealscope.controller.session.continuation import prepare_again
from annealscope.controller.session.inputs import journal_start, write_inputs
from annealscope.controller.session.prepare import prepare
from annealscope.drivers.clock import VirtualClock

OPTIONS = {"seed": 0, "speed": "max", "compression": "auto", "parks": "auto"}
DAMAGE = {
    "empty": b"",
    "nested": b"[" * 100_000,
    "a list": b"[1]",
    "nothing": b"null",
    "no text": b"\xff\xfe\x00",
    "another object": b'{"steps": 5, "seed": [], "packages": 1}',
}


@pytest.fixture
def begun(tmp_path):
    """A run that died in its first step."""
    (tmp_path / "p.yaml").write_text(PROTOCOL, encoding="utf-8")
    (tmp_path / "rig.yaml").write_text(LARGE_RIG, encoding="utf-8")
    run = create(tmp_path / "run")
    prepared = prepare(tmp_path / "p.yaml", tmp_path / "rig.yaml", tmp_path)
    write_inputs(run, prepared, OPTIONS)
    journal = Journal(run.journal, VirtualClock(0.0))
    journal_start(journal, prepared, run.path.name, 0, "max")
    journal.write("step", index=0, path="steps.0", step="ramp", label="ramp")
    journal.close()
    return run


@pytest.mark.parametrize(
    "name", ["plan.json", "environment.json", "protocol.yaml", "rig.yaml", "journal.jsonl"]
)
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("command", ["continue", "verify"])
def test_a_damaged_file_of_a_run_is_a_message(command, damage, name, begun, capsys):
    (begun.path / name).write_bytes(DAMAGE[damage])
    code = guarded(lambda: app([command, str(begun.path)]))
    said = "".join(capsys.readouterr())
    if command == "continue":
        assert code == 3
        assert name in said or "its journal is empty" in said
    else:
        assert code in (0, 3, 7)


@pytest.mark.parametrize("damage", ["nested", "another object"])
def test_a_report_is_made_of_what_can_be_read(damage, begun, capsys):
    for name in ("plan.json", "environment.json"):
        (begun.path / name).write_bytes(DAMAGE[damage])
    assert guarded(lambda: app(["report", str(begun.path)])) == 0
    assert (begun.report / "report.html").is_file() or "report: " in capsys.readouterr().out


def test_a_protocol_that_is_edited_after_the_start_changes_nothing(begun, tmp_path):
    """The run goes on with its own copy; an edit of that copy is noticed."""
    for name in ("p.yaml", "rig.yaml"):
        (tmp_path / name).write_text("of something else", encoding="utf-8")
    prepared = prepare_again(begun)
    assert prepared.protocol_text == PROTOCOL
    begun.protocol.write_text(changed(PROTOCOL, "frames: 2000", "frames: 1999"), encoding="utf-8")
    assert guarded(lambda: prepare_again(begun)) == 3
