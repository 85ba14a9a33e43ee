import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protocol_texts import LIMIT_S, PROTOCOL, RIG, changed, runs_within, with_steps

from annealscope.controller.config.checks import MAX_STEPS
from annealscope.controller.config.errors import MAX_PRINTED, Fault, ProtocolError
from annealscope.controller.config.load import load_protocol, parse_protocol, parse_rig
from annealscope.controller.config.protocol import HoldFor
from annealscope.controller.config.sources import shipped_names
from annealscope.controller.config.yaml_nodes import parse_yaml
from annealscope.controller.planning import plan


def said(text):
    """Return the first line of every fault of a text."""
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, "p.yaml")
    return [str(fault).split("\n")[0] for fault in caught.value.faults]


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


LATER = "is part of the protocol language, but this version cannot run it yet;"

ONE_FAULT = [
    # old, new, everything that is said
    (
        "name: test",
        "nmae: test",
        [
            "p.yaml:2:1: nmae: unknown key `nmae`, known here: schema_version, name, specimen, "
            "limits, settle, safe, "
            'acquisitions, sequences, steps; did you mean "name"?',
        ],
    ),
    (
        "schema_version: 1",
        "schema_version: 2",
        ["p.yaml:1:17: schema_version: this program knows version 1, got 2"],
    ),
    (
        "schema_version: 1",
        "schema_version: true",
        ["p.yaml:1:17: schema_version: has to be a whole number, got true"],
    ),
    ("name: test", "name: 5", ["p.yaml:2:7: name: has to be a text, got 5"]),
    ("name: test", "name:", ["p.yaml:2:1: name: has no value"]),
    ("name: test", 'name: ""', ['p.yaml:2:7: name: has to be a text of at least 1 characters, got ""']),
    ("max_temperature: 300 degC, ", "", ["p.yaml:4:1: limits: `max_temperature` is missing"]),
    (
        "max_temperature: 300 degC, max_heating_rate: 25 K/min, ",
        "",
        ["p.yaml:4:1: limits: `max_temperature` and `max_heating_rate` are missing"],
    ),
    ("25 K/min", "25", ['p.yaml:4:55: limits.max_heating_rate: 25 has no unit; write it like "25 K/min"']),
    (
        "{within: 0.5 K, for: 30 s, timeout: 30 min}",
        "5 s",
        ['p.yaml:5:9: settle: has to be a block of `key: value`, got "5 s"'],
    ),
    ("timeout: 30 min", "timeout: 30 s", ["p.yaml:5:45: settle.timeout: has to be longer than `for`"]),
    (
        "within: 0.5 K",
        "within: 0.5 degC",
        [
            'p.yaml:5:18: settle.within: "0.5 degC" is a temperature, not a temperature '
            'difference; write it like "0.5 K"'
        ],
    ),
    (
        "{material: AMZ4}",
        "{material: AMZ4, composition: {Zr: 60, Cu: 30}}",
        ["p.yaml:3:28: specimen.composition: the contents add up to 90 at.%, not to 100"],
    ),
    (
        "{material: AMZ4}",
        "{material: AMZ4, composition: {Zr: 100, Cu: 0}}",
        ["p.yaml:3:55: specimen.composition.Cu: has to be more than 0, got 0"],
    ),
    ("kind: ecm", "kind: emc", ['p.yaml:9:11: acquisitions.ecm.kind: has to be "ecm", got "emc"']),
    ("    kind: ecm\n", "", ["p.yaml:8:3: acquisitions.ecm: `kind` is missing"]),
    (
        "period: 2 s",
        "period: 0.5 s",
        ["p.yaml:12:13: acquisitions.ecm.period: has to be at least the `exposure`"],
    ),
    (
        "frames: 2000",
        "frames: 10",
        ["p.yaml:15:21: acquisitions.ecm.until.frames: has to be at least 32, got 10"],
    ),
    (
        "frames: 2000",
        "frames: 1e4",
        ["p.yaml:15:21: acquisitions.ecm.until.frames: has to be a whole number, got 10000.0"],
    ),
    (
        "frames: 2000",
        "duration: 10 s",
        ["p.yaml:15:23: acquisitions.ecm.until.duration: makes 5 frames, has to be 32 to 10000000"],
    ),
    (
        "frames: 2000",
        "frames: 2000, duration: 10 s",
        [
            "p.yaml:15:5: acquisitions.ecm.until: `until` has exactly one of frames or duration; "
            "got frames and duration"
        ],
    ),
    ("{warn: 1 nm", "{warn: 9 nm", ["p.yaml:14:19: acquisitions.ecm.drift.warn: has to be at most `limit`"]),
    (
        "{warn: 1 nm",
        "{owner: me, warn: 1 nm",
        ['p.yaml:14:20: acquisitions.ecm.drift.owner: has to be "annealscope", got "me"'],
    ),
    (
        "drift: {warn: 1 nm, limit: 5 nm}",
        "region: {fresh: on}",
        ['p.yaml:14:21: acquisitions.ecm.region.fresh: has to be true or false, got "on"'],
    ),
    (
        "max_temperature: 300 degC",
        "max_temperature: 300 degC, dose_counts: exposure",
        [
            'p.yaml:4:50: limits.dose_counts: has to be "beam_on" or "exposed", got "exposure"; '
            'did you mean "exposed"?'
        ],
    ),
    (
        "  ecm:\n",
        "  e c:\n",
        [
            'p.yaml:8:3: acquisitions.e c: "e c" cannot be a name: a letter, then letters, '
            "digits, _ or -, at most 32 in all",
            'p.yaml:19:16: sequences.look.1.acquire: "ecm" is not in `acquisitions`: known are e '
            'c; did you mean "e c"?',
        ],
    ),
    (
        "acquire: ecm",
        "acquire: emc",
        [
            'p.yaml:19:16: sequences.look.1.acquire: "emc" is not in `acquisitions`: known are '
            'ecm; did you mean "ecm"?'
        ],
    ),
    (
        "hold: look",
        "hold: lok",
        ['p.yaml:22:11: steps.1.hold: "lok" is not in `sequences`: known are look; did you mean "look"?'],
    ),
    (
        "hold: look",
        "hold: 5",
        ["p.yaml:22:11: steps.1.hold: has to be a list of steps, the name of a sequence, or {for: 2 h}"],
    ),
    ("hold: look", "hold: []", ["p.yaml:22:5: steps.1.hold: has to be at least 1 long, got an empty list"]),
    (
        "hold: look",
        "hodl: look",
        [
            "p.yaml:22:5: steps.1.hodl: unknown step `hodl`, known here: wait, acquire, ramp, "
            'cool, hold; did you mean "hold"?'
        ],
    ),
    (
        "hold: look",
        "hold: {for: 2 h, until: 3 h}",
        ["p.yaml:22:22: steps.1.hold.until: unknown key `until`, known here: for"],
    ),
    (
        "hold: look",
        "hold: [{ramp: {to: 90 degC, rate: 1 K/min}}]",
        [
            "p.yaml:22:13: steps.1.hold.0.ramp: `ramp` cannot stand inside a hold: write it as a "
            "step of its own, outside"
        ],
    ),
    ("hold: look", "hold:", ["p.yaml:22:5: steps.1.hold: has no value"]),
    (
        "- hold: look",
        "- {}",
        ["p.yaml:22:5: steps.1: a step has exactly one of wait, acquire, ramp, cool or hold; got none"],
    ),
    (
        "- hold: look",
        "- {acquire: ecm, hold: look}",
        [
            "p.yaml:22:5: steps.1: a step has exactly one of wait, acquire, ramp, cool or hold; "
            "got acquire and hold"
        ],
    ),
    ("- hold: look", "- look", ['p.yaml:22:5: steps.1: has to be a block of `key: value`, got "look"']),
    (
        "wait: {until_age: 2000 s}",
        "wait: {}",
        ["p.yaml:18:7: sequences.look.0.wait: `wait` has exactly one of for or until_age; got none"],
    ),
    (
        "to: 100 degC",
        "to: 400 degC",
        ["p.yaml:21:16: steps.0.ramp.to: lies above limits.max_temperature, 300 °C (step 1)"],
    ),
    (
        "20 K/min",
        "30 K/min",
        ["p.yaml:21:32: steps.0.ramp.rate: is faster than limits.max_heating_rate, 25 K/min (step 1)"],
    ),
    (
        "  - ramp:",
        "  - cool:",
        ["p.yaml:21:16: steps.0.cool.to: lies above the present 25 °C; to heat, use `ramp` (step 1)"],
    ),
    ("50 K/min", "70 K/min", ["p.yaml:6:32: safe.rate: is faster than limits.max_cooling_rate, 60 K/min"]),
    (
        "cool_to: 25 degC",
        "cool_to: 350 degC",
        ["p.yaml:6:17: safe.cool_to: lies above limits.max_temperature, 300 °C"],
    ),
    # what is known and cannot be run yet
    (
        "name: test",
        "name: test\noptics: {a: {mode: x}}",
        [f"p.yaml:3:1: optics: `optics` {LATER} set the microscope up by hand before the run"],
    ),
    (
        "kind: ecm",
        "kind: fem",
        [f'p.yaml:9:11: acquisitions.ecm.kind: "fem" {LATER} take it out, with the steps that acquire it'],
    ),
    (
        "camera: imaging",
        "camera: imaging\n    binning: 4",
        [
            f"p.yaml:11:5: acquisitions.ecm.binning: `binning` {LATER} give the binned camera its "
            "own entry in the rig file"
        ],
    ),
    (
        "{frames: 2000}",
        "{any: [{frames: 2000}], max: 3 h}",
        [
            "p.yaml:15:5: acquisitions.ecm.until: `until` has exactly one of frames or duration; got none",
            f"p.yaml:15:13: acquisitions.ecm.until.any: `any` {LATER} end it with `frames` or `duration`",
            f"p.yaml:15:36: acquisitions.ecm.until.max: `max` {LATER} end it with `frames` or `duration`",
        ][1:],
    ),
    (
        "limit: 5 nm",
        "limit: 5 nm, on_limit: suspend",
        [f'p.yaml:14:48: acquisitions.ecm.drift.on_limit: "suspend" {LATER} write "flag"'],
    ),
    (
        "- hold: look",
        "- park: Good night.",
        [
            f"p.yaml:22:5: steps.1.park: `park` {LATER} end the protocol here and start the rest "
            "as a second one"
        ],
    ),
]


@pytest.mark.parametrize(("old", "new", "messages"), ONE_FAULT)
def test_what_is_wrong_is_said_at_its_place(old, new, messages):
    assert said(PROTOCOL.replace(old, new, 1)) == messages


def test_all_faults_come_at_once_in_the_order_of_the_text():
    text = PROTOCOL
    for old, new in (
        ("300 degC", "300"),
        ("period: 2 s", "perod: 2 s"),
        ("acquire: ecm", "acquire: emc"),
        ("rate: 20 K/min", "rate: 20 degC/min"),
        ("safe:", "limits: {}\nsafe:"),
    ):
        text = changed(text, old, new)
    assert said(text) == [
        'p.yaml:4:27: limits.max_temperature: 300 has no unit; write it like "300 degC"',
        "p.yaml:6:1: the key `limits` stands here twice, first in line 4",
        "p.yaml:13:5: acquisitions.ecm.perod: unknown key `perod`, known here: kind, camera, "
        "exposure, period, "
        'dose_rate, drift, until, region; did you mean "period"?',
        'p.yaml:20:16: sequences.look.1.acquire: "emc" is not in `acquisitions`: known are ecm; '
        'did you mean "ecm"?',
        'p.yaml:22:32: steps.0.ramp.rate: unknown unit "degC/min": a heating or cooling rate is '
        "given in K/min, K/s "
        'or K/h; write "K/min"',
    ]


def test_a_ramp_down_is_held_against_the_cooling_rate():
    steps = "  - ramp: {to: 100 degC, rate: 20 K/min}\n  - ramp: {to: 50 degC, rate: 61 K/min}\n"
    assert said(with_steps(steps)) == [
        "p.yaml:22:31: steps.1.ramp.rate: is faster than limits.max_cooling_rate, 60 K/min (step 2)"
    ]


def test_steps_are_counted_as_in_the_plan():
    text = with_steps("  - hold: look\n  - ramp: {to: 400 degC, rate: 20 K/min}\n")
    assert said(text) == ["p.yaml:22:16: steps.1.ramp.to: lies above limits.max_temperature, 300 °C (step 3)"]


def test_a_key_that_is_meant_by_no_other_is_missing():
    text = changed(PROTOCOL, "within: 0.5 K", "colour: 0.5 K")
    assert [line.split(", known")[0] for line in said(text)] == [
        "p.yaml:5:1: settle: `within` is missing",
        "p.yaml:5:10: settle.colour: unknown key `colour`",
    ]


def test_a_protocol_written_out_has_a_longest_length():
    looks = "  - {acquire: ecm}\n" * 1000
    text = PROTOCOL.replace("  look:\n", f"  long:\n{looks}  look:\n").replace("hold: look", "hold: long")
    text += "  - hold: long\n" * (MAX_STEPS // 1000)
    assert said(text)[0].endswith("steps: 6001 steps with the sequences written out; at most 5000")


def test_the_full_language_is_refused_by_name_and_nothing_else():
    everything = Path(__file__).parent / "full_language.yaml"
    assert [line.split(": ", 2)[1] for line in said(everything.read_text(encoding="utf-8"))] == [
        "optics",
        "acquisitions.ecm.optics",
        "acquisitions.ecm.binning",
        "acquisitions.ecm.beam_in_pause",
        "acquisitions.ecm.region.thickness",
        "acquisitions.fem.kind",
        "acquisitions.saed.kind",
        "sequences.isothermal.0.wait.drift_below",
        "sequences.isothermal.0.wait.at_most",
        "sequences.isothermal.1.prepare",
        "sequences.isothermal.4.prepare",
        "steps.0.prepare",
        "steps.6.park",
        "steps.12.park",
    ]


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


HOSTILE = {
    "many unknown keys": "".join(f"key{i}: 1\n" for i in range(2400)),
    "many unknown names": with_steps("  - acquire: emc\n" * 1600),
    "many wrong units": with_steps("  - ramp: {to: 5 nm, rate: 3}\n" * 700),
    "a list": "- a\n- b\n",
    "a text": "just text",
    "a number": "5",
    "not a number": changed(PROTOCOL, "100 degC", ".nan"),
    "sexagesimal": changed(PROTOCOL, "2000 s", "4:30"),
    "octal": changed(PROTOCOL, "frames: 2000", "frames: 010"),
    "long unit": changed(PROTOCOL, "100 degC", "1 " + "x" * 50_000),
    "long digits": changed(PROTOCOL, "100 degC", "1" * 50_000 + " degC"),
    "long spaces": changed(PROTOCOL, "100 degC", '"1' + " " * 50_000 + '1"'),
    "long key": PROTOCOL + "k" * 50_000 + ": 1\n",
    "sections of the wrong kind": "acquisitions: [1]\nsequences: 5\nsteps: {acquire: x}\n",
    "names that are blocks": with_steps("  - acquire: {a: 1}\n  - hold: {for: [1]}\n  - acquire: []\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_protocols_are_refused_quickly(name):
    assert said(HOSTILE[name])
    assert runs_within(LIMIT_S, lambda: said(HOSTILE[name]))


PLACES = sorted(parse_yaml(PROTOCOL, "p").values, key=str)[1:]
WEIRD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(st.tuples(st.sampled_from(PLACES), WEIRD | st.sampled_from(["park", "ecm", "look"])), max_size=3)
)
@settings(deadline=None, max_examples=200)
def test_whatever_stands_anywhere_only_protocol_errors_come(changes):
    data = parse_yaml(PROTOCOL, "p").data
    for path, value in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):
            block = data
            for part in path[:-1]:
                block = block[part]
            block[path[-1]] = value
    with contextlib.suppress(ProtocolError):
        protocol = parse_protocol(json.dumps(data))
        assert plan(protocol, parse_rig(RIG)).steps


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00\\ud800", "\\u0000", "\\ud800\\udc00"])
def test_characters_that_are_none_are_refused_where_they_stand(escape):
    text = PROTOCOL.replace("camera: imaging", f'camera: "{escape}"')
    assert text != PROTOCOL
    with pytest.raises(ProtocolError, match="control characters are not allowed"):
        parse_protocol(text)
