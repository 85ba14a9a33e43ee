"""`annealscope verify` and `annealscope repair`, as a user calls them."""

import json

import pytest
from small_run import annealscope, annealscope_here, write_inputs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    protocol, rig = write_inputs(folder, 40)
    done = annealscope("run", protocol, "--rig", rig, "--out", folder / "run", "--no-report")
    assert done.returncode in (0, 7), done.stderr
    return folder / "run"


def test_a_finished_run_is_as_it_was_recorded(finished):
    done = annealscope_here("verify", finished)
    assert (done.returncode, done.stderr) == (0, "")
    assert "everything is as recorded" in done.stdout
    assert "nothing to repair" in annealscope_here("repair", finished).stdout


def test_damage_is_named_and_ends_with_7(finished):
    (hold,) = finished.glob("holds/*.nxs")
    content = bytearray(hold.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = bytes(4096)
    hold.write_bytes(content)
    done = annealscope_here("verify", finished, "--json")
    assert done.returncode == 7
    assert "damage" in done.stderr
    findings = json.loads(done.stdout)
    assert any(one["severity"] == "damage" and hold.name in one["path"] for one in findings)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    for verb in ("verify", "repair"):
        done = annealscope_here(verb, tmp_path)
        assert done.returncode == 3, done.stderr
        assert "Traceback" not in done.stderr
