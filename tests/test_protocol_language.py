"""Every word of the language: what it is read into, and what is refused."""

import pytest
from protocol_texts import WHOLE, changed, said

from annealscope.controller.config.load import parse_protocol
from annealscope.controller.config.optics import AreaDiffraction, DarkField, Nanobeam
from annealscope.controller.config.steps import Prompt, Wait
from annealscope.controller.config.until import FramesCondition, PrecisionCondition


def with_steps(*steps):
    return WHOLE[: WHOLE.index("steps:")] + "steps:\n" + "".join(f"  - {step}\n" for step in steps)


def step_of(text):
    return parse_protocol(with_steps(text)).steps[0]


def test_states_of_the_column():
    optics = parse_protocol(WHOLE).optics
    dark, beam, area = optics["dark"], optics["beam"], optics["area"]
    assert isinstance(dark, DarkField)
    assert (dark.high_tension_kV, dark.magnification, dark.objective_aperture_nm) == (300.0, 340e3, 10e3)
    assert (dark.ring_per_nm, dark.settle_s, dark.normalize) == (4.27, 60.0, False)
    assert isinstance(beam, Nanobeam)
    assert (beam.probe_nm, beam.probe_current_pA, beam.camera_length_m) == (0.91, 15.0, 1.0)
    assert isinstance(area, AreaDiffraction)
    assert area.settle_s == 30.0


def test_the_three_kinds_of_acquisition():
    acquisitions = parse_protocol(WHOLE).acquisitions
    ecm, fem, saed = (acquisitions[key] for key in ("ecm", "fem", "saed"))
    assert (ecm.kind, ecm.optics, ecm.binning, ecm.beam_in_pause) == ("ecm", "dark", 4, "on")
    assert ecm.region.thickness == (0.7, 0.9)
    assert (fem.kind, fem.frames, fem.grid.pitch_nm, fem.haadf) == ("fem", 200, 5.0, True)
    assert (fem.frame_period_s, fem.region.fresh) == (4.0, True)
    assert (saed.kind, saed.frames, saed.dose_rate_per_nm2_s) == ("diffraction", 1, None)
    assert not saed.region.fresh


def test_a_beam_that_is_blanked_in_pauses():
    text = changed(WHOLE, "beam_in_pause: on", "beam_in_pause: blanked")
    assert parse_protocol(text).acquisitions["ecm"].beam_in_pause == "blanked"


ENDS = [
    # until, most frames of 2 s
    ("{any: [{frames: 500}, {duration: 600 s}]}", 300),
    ("{all: [{frames: 500}, {duration: 600 s}]}", 500),
    ("{all: [{frames: 500}, {duration: 600 s}], max: 800 s}", 400),
    ("{any: [{frames: 500}, {tau_within: 3 %}], max: 600 s}", 300),
    ("{any: [{frames: 500}, {tau_within: 3 %}], max: 6000 s}", 500),
    ("{all: [{frames: 500}, {tau_within: 3 %}], max: 6000 s}", 3000),
    ("{any: [{tau_within: 3 %}], max: 4 h}", 7200),
]


@pytest.mark.parametrize(("until", "frames"), ENDS)
def test_most_frames_of_an_end_with_conditions(until, frames):
    text = changed(WHOLE, "until: {frames: 2000}", f"until: {until}")
    assert parse_protocol(text).acquisitions["ecm"].frames == frames


def test_conditions_on_the_data_are_read_with_their_defaults():
    strict = "{tau_within: 1 %, min_duration: 20 tau, checks: 5}"
    until = f"{{any: [{{frames: 700}}, {{tau_within: 3 %}}, {strict}], max: 1 h}}"
    ecm = parse_protocol(changed(WHOLE, "{frames: 2000}", until)).acquisitions["ecm"]
    assert ecm.until.any == (
        FramesCondition(frames=700),
        PrecisionCondition(tau_within="3 %", min_duration="10 tau", checks=3, every="200 s"),
        PrecisionCondition(tau_within="1 %", min_duration="20 tau", checks=5, every="200 s"),
    )
    assert ecm.until.max_s == 3600.0


def test_waits():
    assert step_of("wait: {drift_below: 1 nm/min, at_most: 1 h}").wait == Wait(
        drift_below="1 nm/min", at_most="1 h"
    )
    both = step_of("wait: {until_age: 1000 s, drift_below: 6 nm/min, at_most: 1 h}").wait
    assert (both.until_age_s, both.drift_below_nm_per_s, both.at_most_s) == (1000.0, pytest.approx(0.1), 3600)


def test_prompts_and_parks_are_texts_or_blocks():
    assert step_of("prompt: Fill the trap.").prompt == Prompt(message="Fill the trap.")
    block = step_of("prompt: {message: Fill the trap., timeout: 1 h, on_timeout: continue}").prompt
    assert (block.timeout_s, block.on_timeout) == (3600.0, "continue")
    assert step_of("park: Good night.").park == step_of("park: {message: Good night.}").park
    assert step_of("prepare: fem").prepare == "fem"


REFUSED = [
    # old, new, everything that is said
    (
        "mode: nanobeam",
        "mode: nanobaem",
        [
            'p.yaml:10:16: optics.beam.mode: has to be "tem_dark_field", "nanobeam" or "diffraction", got '
            '"nanobaem"; did you mean "nanobeam"?'
        ],
    ),
    (
        "mode: nanobeam, ",
        "",
        ["p.yaml:10:3: optics.beam: `mode` is missing: tem_dark_field, nanobeam or diffraction"],
    ),
    (
        "mode: diffraction",
        "mode: diffraction, probe: 1 nm",
        [
            "p.yaml:12:29: optics.area.probe: unknown key `probe`, known here: high_tension, normalize, "
            "settle, mode, camera_length"
        ],
    ),
    ("probe: 0.91 nm, ", "", ["p.yaml:10:3: optics.beam: `probe` is missing"]),
    (
        "optics: beam",
        "optics: baem",
        [
            'p.yaml:28:13: acquisitions.fem.optics: "baem" is not in `optics`: known are dark, beam, area; '
            'did you mean "beam"?'
        ],
    ),
    (
        "optics: beam",
        "optics: area",
        ['p.yaml:28:13: acquisitions.fem.optics: "area" has mode diffraction; fem needs nanobeam'],
    ),
    ("    optics: beam\n", "", ["p.yaml:26:3: acquisitions.fem: `optics` is missing"]),
    (
        "exposure: 4 s",
        "exposure: 4 s\n    period: 3 s",
        ["p.yaml:31:13: acquisitions.fem.period: has to be at least the `exposure`, 4 s, got 3 s"],
    ),
    ("[10, 20]", "[10, 0]", ["p.yaml:31:25: acquisitions.fem.grid.points.1: has to be at least 1, got 0"]),
    (
        "[10, 20]",
        "[10000, 10000]",
        ["p.yaml:31:12: acquisitions.fem.grid.points: makes 100000000 patterns, at most 10000000"],
    ),
    (
        "beam_in_pause: on",
        "beam_in_pause: true",
        ['p.yaml:21:20: acquisitions.ecm.beam_in_pause: has to be "on" or "blanked", got true'],
    ),
    (
        "[0.7, 0.9]",
        "[0.9, 0.7]",
        [
            "p.yaml:23:27: acquisitions.ecm.region.thickness: has to be two numbers, the smaller one first",
        ],
    ),
    (
        "fresh: true,",
        "fresh: false,",
        [
            "p.yaml:23:28: acquisitions.ecm.region.thickness: is for choosing a fresh region; the "
            "present one is as thick as it is"
        ],
    ),
    (
        "{frames: 2000}",
        "{any: [{frames: 2000}, {tau_within: 3 %}]}",
        [
            "p.yaml:25:5: acquisitions.ecm.until: `max` is missing: an end that depends on the data needs a "
            "longest time"
        ],
    ),
    (
        "{frames: 2000}",
        "{frames: 2000, max: 1 h}",
        ["p.yaml:25:32: acquisitions.ecm.until.max: goes with `any` or `all` only"],
    ),
    (
        "{frames: 2000}",
        "{any: [{fames: 2000}]}",
        [
            "p.yaml:25:19: acquisitions.ecm.until.any.0: has to be {frames: 7000}, {duration: 14000 s} or "
            "{tau_within: 3 %}"
        ],
    ),
    (
        "{frames: 2000}",
        "{frames: 2000, tau_within: 3 %}",
        [
            "p.yaml:25:27: acquisitions.ecm.until.tau_within: `tau_within` belongs to a condition: write "
            "{any: [{tau_within: 3 %}], max: 14000 s}"
        ],
    ),
    (
        "{frames: 2000}",
        "{any: [{tau_within: 0.03}], max: 1 h}",
        [
            'p.yaml:25:32: acquisitions.ecm.until.any.0.tau_within: 0.03 has no unit; write it like "3 %"',
        ],
    ),
    (
        "{frames: 2000}",
        "{any: [{tau_within: 3 %}], max: 10 s}",
        ["p.yaml:25:5: acquisitions.ecm.until: makes 5 frames, has to be 32 to 10000000"],
    ),
]


@pytest.mark.parametrize(("old", "new", "messages"), REFUSED)
def test_what_is_refused_of_states_and_acquisitions(old, new, messages):
    assert said(changed(WHOLE, old, new)) == messages


REFUSED_STEPS = [
    # step, where below it, what
    (
        "wait: {drift_below: 1 nm/min}",
        ".wait.drift_below",
        "needs `at_most`: the drift may never become that slow",
    ),
    (
        "wait: {until_age: 1 h, drift_below: 1 nm/min, at_most: 1 h}",
        ".wait.at_most",
        "has to be more than `until_age`: it is an age too",
    ),
    (
        "wait: {for: 1 h, drift_below: 1 nm/min, at_most: 2 h}",
        ".wait.drift_below",
        "cannot stand beside `for`; with `until_age` it can",
    ),
    ("wait: {until_age: 1 h, at_most: 2 h}", ".wait.at_most", "goes with `drift_below` only"),
    ("wait: {at_most: 2 h}", ".wait", "`wait` has exactly one of for or until_age; got none"),
    (
        "wait: {for: 1 h, until_age: 2 h}",
        ".wait",
        "`wait` has exactly one of for or until_age; got for and until_age",
    ),
    (
        "prepare: ecn",
        ".prepare",
        '"ecn" is not in `acquisitions`: known are ecm, fem, saed; did you mean "ecm"?',
    ),
    ('prompt: ""', ".prompt", 'has to be a text of at least 1 characters, got ""'),
    ("prompt: {timeout: 1 h}", ".prompt", "`message` is missing"),
    ("prompt: 5", ".prompt", "has to be a block of `key: value`, got 5"),
    ("prompt: {message: Hm., on_timeout: cool}", ".prompt.on_timeout", "needs a `timeout`"),
    (
        "prompt: {message: Hm., timeout: 1 h, on_timeout: stop}",
        ".prompt.on_timeout",
        'has to be "cool" or "continue", got "stop"',
    ),
    ("park: {text: Bye.}", ".park", "`message` is missing"),
    (
        "hold: [{park: Bye.}]",
        ".hold.0.park",
        "`park` cannot stand inside a hold: write it as a step of its own, outside",
    ),
]


@pytest.mark.parametrize(("step", "where", "what"), REFUSED_STEPS)
def test_what_is_refused_of_steps(step, where, what):
    first = said(with_steps(step))[0]
    assert first.split(": ", 2)[1:] == [f"steps.0{where}", what]


def test_after_a_park_the_specimen_is_cool():
    steps = ("ramp: {to: 100 degC, rate: 20 K/min}", "park: Bye.", "cool: {to: 50 degC, rate: 20 K/min}")
    (message,) = said(with_steps(*steps))
    assert "steps.2.cool.to: 50 °C lies above the present 25 °C" in message
