"""A file of another kind than was wanted is told in one sentence, with the command that takes it."""

import pytest
from small_run import annealscope_here

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.kinds import KINDS
from annealscope.controller.config.load import parse_protocol, parse_rig
from annealscope.controller.config.study import load_study

TEXTS = {kind.noun: f"name: x\n{kind.key}: {{}}\n" for kind in KINDS}


def parse_study(text, folder):
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(str(path))


@pytest.mark.parametrize("given", KINDS, ids=lambda kind: kind.noun)
@pytest.mark.parametrize("wanted", KINDS, ids=lambda kind: kind.noun)
def test_another_kind_is_one_fault_at_the_key_that_tells(given, wanted, tmp_path):
    parsers = {
        "protocol": parse_protocol,
        "rig": parse_rig,
        "study": lambda text: parse_study(text, tmp_path),
    }
    with pytest.raises(ProtocolError) as refused:
        parsers[wanted.noun](TEXTS[given.noun])
    told = f"this is a {given.noun}, and a {wanted.noun} is wanted here"
    if given is wanted:
        assert not any("is wanted here" in fault.message for fault in refused.value.faults)
    else:
        (fault,) = refused.value.faults
        assert told in fault.message
        assert (fault.line, fault.path) == (2, given.key)


@pytest.mark.parametrize(
    ("arguments", "goes_on"),
    [
        (("run", "amz4_study"), "annealscope report amz4_study"),
        (("report", "quick_look"), "annealscope run quick_look"),
    ],
)
def test_a_shipped_name_of_another_kind_says_which_command_takes_it(arguments, goes_on, tmp_path):
    done = annealscope_here(*arguments, cwd=tmp_path)
    assert done.returncode == 3
    assert goes_on in done.stderr
