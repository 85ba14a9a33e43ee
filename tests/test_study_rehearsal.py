"""`annealscope report STUDY --rehearse`: which runs are carried out, and which never are."""

from pathlib import Path

import pytest

from annealscope.controller.cli import study, verbs
from annealscope.controller.config.load import load_rig
from annealscope.controller.config.study import is_study
from annealscope.controller.errors import ExitCode, RunError

ROLES = {
    "as_cast_ecm": "{run: there, protocol: room_temperature_ecm}",
    "as_cast_fem": "{run: missing/one, protocol: vr_fem, seed: 3}",
    "in_situ": "{run: missing/two, protocol: mine.yaml, rig: simulated}",
}


class FakeChild:
    """A run that only says that it was started; Ctrl-C arrives while it is waited for."""

    started: list[list[str]]
    code = 0

    def __init__(self, command: list[str]) -> None:
        self.started.append(command)
        self.interrupted = False

    def __enter__(self) -> "FakeChild":
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def wait(self) -> int:
        if not self.interrupted:
            self.interrupted = True
            raise KeyboardInterrupt
        return self.code


@pytest.fixture
def child(monkeypatch):
    kind = type("Child", (FakeChild,), {"started": [], "code": 0})
    monkeypatch.setattr(study.subprocess, "Popen", kind)
    monkeypatch.setattr(study, "write_study", lambda given, folder, extracts: folder / "index.html")
    return kind


def written(tmp_path: Path, **changes: str) -> str:
    (tmp_path / "there" / "holds").mkdir(parents=True)
    roles = "".join(f"  {name}: {text}\n" for name, text in (ROLES | changes).items())
    path = tmp_path / "mine_study.yaml"
    path.write_text(f"study: mine\nroles:\n{roles}", encoding="utf-8")
    return str(path)


def test_missing_runs_are_carried_out_as_the_command_line_would(tmp_path, child, capsys):
    study.report_study(written(tmp_path), None, rehearse=True)
    ends = [command[command.index("run") :] for command in child.started]
    assert ends == [
        ["run", "vr_fem", "--rig", "simulated_128", "--seed", "3", "--out",
         str(tmp_path / "missing" / "one"), "--no-report"],
        ["run", str(tmp_path / "mine.yaml"), "--rig", "simulated", "--seed", "0", "--out",
         str(tmp_path / "missing" / "two"), "--no-report"],
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "rehearsal 1 of 2: as_cast_fem" in said
    assert f"report: {tmp_path / 'mine_study_report' / 'index.html'}" in said


def test_nothing_is_carried_out_unasked(tmp_path, child, capsys):
    study.report_study(written(tmp_path), tmp_path / "out", rehearse=False)
    assert "2 of 3 runs are not there: as_cast_fem, in_situ; " in capsys.readouterr().err
    assert not child.started


def test_no_role_is_begun_when_the_rig_of_one_is_real(tmp_path, child, monkeypatch):
    rig = load_rig("simulated_128")
    real = rig.model_copy(update={"holder": rig.holder.model_copy(update={"driver": "house"})})
    monkeypatch.setattr(study, "load_rig", lambda name: real if name == "real" else rig)
    path = written(tmp_path, annealed_fem="{run: no, protocol: vr_fem, rig: real}")
    with pytest.raises(RunError, match="annealed_fem: the rig real is not simulated") as refusal:
        study.report_study(path, None, rehearse=True)
    assert refusal.value.exit_code == ExitCode.INVALID_INPUT
    assert not child.started


def test_a_role_without_a_protocol_is_left_out(tmp_path, child):
    study.report_study(written(tmp_path, annealed_fem="{run: no}"), None, rehearse=True)
    assert len(child.started) == 2


def test_lost_frames_are_reported_and_a_failure_ends_it(tmp_path, child):
    path = written(tmp_path)
    child.code = int(ExitCode.INCOMPLETE)
    study.report_study(path, None, rehearse=True)
    assert len(child.started) == 2
    child.code = int(ExitCode.DEVICE)
    with pytest.raises(RunError, match="rehearsal of as_cast_fem ended with exit code 4"):
        study.report_study(path, None, rehearse=True)


def test_options_of_studies_are_not_for_runs(tmp_path):
    for output, rehearse in ((tmp_path / "out", False), (None, True)):
        with pytest.raises(RunError, match="are for studies") as refusal:
            verbs.report(str(tmp_path), output, rehearse)
        assert refusal.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("name", "found"), [("amz4_study", True), ("my.yaml", True), ("my.yml", True), ("runs/day1", False)]
)
def test_what_is_a_study(name, found):
    assert is_study(name) is found


def test_a_folder_is_always_a_run(tmp_path):
    (tmp_path / "amz4_study.yaml").mkdir()
    assert not is_study(str(tmp_path / "amz4_study.yaml"))
