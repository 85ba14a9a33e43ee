import pytest
from protocol_texts import PROTOCOL, changed, with_steps

from annealscope.controller.config.errors import MAX_PRINTED, Fault, ProtocolError
from annealscope.controller.config.load import load_protocol, parse_protocol
from annealscope.controller.config.sources import shipped_names
from annealscope.controller.config.steps import HoldFor


def test_a_protocol_is_read_into_internal_units():
    protocol = parse_protocol(PROTOCOL)
    assert protocol.limits.max_temperature_K == pytest.approx(573.15)
    assert protocol.limits.dose_counts == "beam_on"
    assert (protocol.settle.within_K, protocol.settle.for_s, protocol.settle.timeout_s) == (0.5, 30.0, 1800.0)
    ecm = protocol.acquisitions["ecm"]
    assert (ecm.exposure_s, ecm.period_s, ecm.frames) == (1.0, 2.0, 2000)
    assert ecm.region.fresh
    assert ecm.drift is not None
    assert (ecm.drift.owner, ecm.drift.on_limit, ecm.drift.limit_nm) == ("annealscope", "flag", 5.0)
    assert protocol.steps[0].ramp is not None
    assert protocol.steps[0].ramp.to_K == pytest.approx(373.15)
    assert protocol.steps[1].hold == "look"


def test_a_protocol_cannot_be_changed():
    protocol = parse_protocol(PROTOCOL)
    with pytest.raises(ValueError, match="frozen"):
        protocol.name = "other"


def test_the_three_ways_to_write_a_hold():
    steps = "  - hold: look\n  - hold: [{wait: {for: 5 s}}, {acquire: ecm}]\n  - hold: {for: 2 h}\n"
    by_name, by_list, by_time = (step.hold for step in parse_protocol(with_steps(steps)).steps)
    assert by_name == "look"
    assert isinstance(by_list, tuple)
    assert by_list[1].acquire == "ecm"
    assert by_time == HoldFor(**{"for": "2 h"})


def test_steps_of_a_hold_are_the_same_however_they_are_written():
    protocol = parse_protocol(with_steps("  - hold: {for: 2 h}\n  - hold: look\n"))
    waits, looks = (protocol.steps_of(step.hold) for step in protocol.steps)
    assert waits[0].wait.for_s == 7200.0
    assert [step.acquire for step in looks] == [None, "ecm"]


@pytest.mark.parametrize(
    ("until", "frames"), [("frames: 40", 40), ("duration: 100 s", 50), ("duration: 101 s", 50)]
)
def test_frames_of_an_acquisition(until, frames):
    text = changed(PROTOCOL, "until: {frames: 2000}", f"until: {{{until}}}")
    assert parse_protocol(text).acquisitions["ecm"].frames == frames


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_protocols_are_valid(name):
    assert load_protocol(name).steps


# ---------------------------------------------------------------- files


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    assert load_protocol(path) == load_protocol(str(path)) == parse_protocol(PROTOCOL)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ProtocolError) as caught:
        load_protocol(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory"


def test_a_name_that_does_not_ship():
    with pytest.raises(ProtocolError) as caught:
        load_protocol("quick_lok")
    assert str(caught.value).endswith('did you mean "quick_look"?')


# ---------------------------------------------------------------- faults


def test_a_fault_shows_its_line_with_a_caret():
    fault = Fault("p.yaml", 3, 7, "a.b", "is wrong", "  bb: cc")
    assert str(fault) == "p.yaml:3:7: a.b: is wrong\n    bb: cc\n        ^"


def test_a_long_line_is_cut_around_the_caret():
    fault = Fault("p.yaml", 1, 501, "", "here", "." * 500 + "X" + "." * 500)
    _, line, caret = str(fault).split("\n")
    assert len(line) <= 102
    assert line[caret.index("^")] == "X"


def test_many_faults_are_counted_not_printed():
    error = ProtocolError([Fault("p", i, 1, "", "m") for i in range(1, MAX_PRINTED + 8)])
    assert str(error).splitlines()[-1] == "... and 7 more"
    assert len(error.faults) == MAX_PRINTED + 7
