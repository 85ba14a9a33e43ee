"""Study files: what they say, and what is refused."""

from pathlib import Path

import pytest

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import load_protocol, load_rig
from annealscope.controller.config.sources import STUDIES
from annealscope.controller.config.study import MovieRole, load_study
from annealscope.controller.report.study.load import command


def study(tmp_path: Path, roles: str, head: str = "study: mine\n") -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{head}roles:\n{roles}", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", STUDIES)
def test_the_shipped_study_names_protocols_and_rigs_that_ship(name):
    given = load_study(name)
    assert given.folder == Path()
    assert list(given.roles) == ["as_cast_ecm", "annealed_ecm", "as_cast_fem", "annealed_fem", "in_situ"]
    for role_name, role in given.roles.items():
        state = load_protocol(role.protocol).specimen.state
        assert state == ("annealed" if role_name.startswith("annealed") else "as-cast")
        assert load_rig(role.rig).simulation is not None
    extracts = {role.extract_s for role in given.roles.values() if isinstance(role, MovieRole)}
    assert extracts == {14_000.0}
    assert len({role.seed for role in given.roles.values()}) == len(given.roles)


def test_paths_are_those_of_the_study_file_and_words_are_shipped(tmp_path):
    given = load_study(
        study(tmp_path, "  in_situ: {run: runs/one, protocol: my.yaml, rig: simulated, seed: 3}\n")
    )
    role = given.roles["in_situ"]
    assert given.run_folder(role) == tmp_path / "runs" / "one"
    assert command(given, role) == (
        f"annealscope run {tmp_path / 'my.yaml'} --rig simulated --seed 3 --out {tmp_path / 'runs' / 'one'}"
    )


def test_every_fault_is_said_at_its_place_with_what_was_meant(tmp_path):
    roles = (
        "  as_cast_ecn: {run: a}\n"
        "  in_situ: {run: a, extract: 3 s, seed: -1}\n"
        "  as_cast_fem: {protocol: b}\n"
        "  annealed_ecm: {run: x, extract: 14000, sede: 3}\n"
    )
    with pytest.raises(ProtocolError) as caught:
        load_study(study(tmp_path, roles))
    found = {(fault.line, fault.path): fault.message for fault in caught.value.faults}
    assert 'did you mean "as_cast_ecm"?' in found[(3, "roles.as_cast_ecn")]
    assert "one movie each" in found[(4, "roles.in_situ.extract")]
    assert "at least 0" in found[(4, "roles.in_situ.seed")]
    assert found[(5, "roles.as_cast_fem")] == "`run` is missing"
    assert "has no unit" in found[(6, "roles.annealed_ecm.extract")]
    assert 'did you mean "seed"?' in found[(6, "roles.annealed_ecm.sede")]
    assert len(found) == 6


@pytest.mark.parametrize(
    ("name", "says"), [("amz_study", 'did you mean "amz4_study"?'), ("no.yaml", "cannot be read")]
)
def test_a_study_that_is_not_there(name, says):
    with pytest.raises(ProtocolError, match=r"study of this name|No such file") as caught:
        load_study(name)
    assert says in str(caught.value)
