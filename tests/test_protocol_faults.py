"""What is wrong with a protocol is said at its place."""

import pytest
from protocol_texts import PROTOCOL, changed, said, with_steps

from annealscope.controller.config.checks import MAX_STEPS

ONE_FAULT = [
    # old, new, everything that is said
    (
        "name: test",
        "nmae: test",
        [
            "p.yaml:2:1: nmae: unknown key `nmae`, known here: schema_version, name, specimen, "
            "limits, settle, safe, optics, "
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
    (
        "kind: ecm",
        "kind: saed",
        ['p.yaml:9:11: acquisitions.ecm.kind: has to be "ecm", "fem" or "diffraction", got "saed"'],
    ),
    ("    kind: ecm\n", "", ["p.yaml:8:3: acquisitions.ecm: `kind` is missing: ecm, fem or diffraction"]),
    (
        "period: 2 s",
        "period: 0.5 s",
        ["p.yaml:12:13: acquisitions.ecm.period: has to be at least the `exposure`, 1 s, got 0.5 s"],
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
            "p.yaml:15:5: acquisitions.ecm.until: `until` has exactly one of frames, duration, any or "
            "all; got frames and duration"
        ],
    ),
    ("{warn: 1 nm", "{warn: 9 nm", ["p.yaml:14:19: acquisitions.ecm.drift.warn: has to be at most `limit`"]),
    (
        "{warn: 1 nm",
        "{owner: me, warn: 1 nm",
        ['p.yaml:14:20: acquisitions.ecm.drift.owner: has to be "annealscope" or "microscope", got "me"'],
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
            "p.yaml:22:5: steps.1.hodl: unknown step `hodl`, known here: wait, prepare, acquire, "
            'prompt, for_each, ramp, cool, hold, park; did you mean "hold"?'
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
        [
            "p.yaml:22:5: steps.1: a step has exactly one of wait, prepare, acquire, prompt, for_each, ramp, "
            "cool, hold or park; got none"
        ],
    ),
    (
        "- hold: look",
        "- {acquire: ecm, hold: look}",
        [
            "p.yaml:22:5: steps.1: a step has exactly one of wait, prepare, acquire, prompt, for_each, ramp, "
            "cool, hold or park; got acquire and hold"
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
        ["p.yaml:21:16: steps.0.ramp.to: 400 °C lies above limits.max_temperature, 300 °C (step 1)"],
    ),
    (
        "20 K/min",
        "30 K/min",
        [
            "p.yaml:21:32: steps.0.ramp.rate: 30 K/min is faster than limits.max_heating_rate, "
            "25 K/min (step 1)"
        ],
    ),
    (
        "  - ramp:",
        "  - cool:",
        ["p.yaml:21:16: steps.0.cool.to: 100 °C lies above the present 25 °C; to heat, use `ramp` (step 1)"],
    ),
    (
        "50 K/min",
        "70 K/min",
        ["p.yaml:6:32: safe.rate: 70 K/min is faster than limits.max_cooling_rate, 60 K/min"],
    ),
    (
        "cool_to: 25 degC",
        "cool_to: 350 degC",
        ["p.yaml:6:17: safe.cool_to: 350 °C lies above limits.max_temperature, 300 °C"],
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
        "p.yaml:13:5: acquisitions.ecm.perod: unknown key `perod`, known here: camera, binning, "
        "exposure, kind, optics, period, beam_in_pause, "
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
        "p.yaml:22:31: steps.1.ramp.rate: 61 K/min is faster than limits.max_cooling_rate, 60 K/min (step 2)"
    ]


def test_steps_are_counted_as_in_the_plan():
    text = with_steps("  - hold: look\n  - ramp: {to: 400 degC, rate: 20 K/min}\n")
    assert said(text) == [
        "p.yaml:22:16: steps.1.ramp.to: 400 °C lies above limits.max_temperature, 300 °C (step 3)"
    ]


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
