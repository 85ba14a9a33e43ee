"""What a plan runs into, and where in the file that is."""

import pytest
from protocol_texts import LARGE_RIG, PROTOCOL, WHOLE, WHOLE_RIG, changed, planned

from annealscope.controller.config.load import load_rig, parse_protocol
from annealscope.controller.planning import plan
from annealscope.controller.planning.checks import problem_faults

PROBLEMS = [
    # protocol: old, new; rig: old, new; severity, path, message
    (
        "period: 2 s",
        "period: 1 s",
        "",
        "",
        "error",
        "acquisitions.ecm.period",
        "leaves no pause to correct drift in; make it longer than the exposure, or leave out `drift`",
    ),
    (
        "camera: imaging",
        "camera: imagin",
        "",
        "",
        "error",
        "acquisitions.ecm.camera",
        'the rig "bench" has no camera "imagin", only imaging; did you mean "imaging"?',
    ),
    (
        "",
        "",
        "pixel: 0.2 nm",
        "pixel: 0.7 nm",
        "warning",
        "acquisitions.ecm.camera",
        '0.7 nm a pixel, by the rig "bench", are too coarse for the speckle behind its aperture of '
        "0.726 1/nm: at most 0.34 nm",
    ),
    (
        "",
        "",
        "name: bench",
        "name: bench\nimage_shift_owner: microscope",
        "error",
        "acquisitions.ecm.drift.owner",
        'the image shift of the rig "bench" belongs to microscope; only one may move it',
    ),
    (
        "",
        "",
        "500 degC",
        "90 degC",
        "error",
        "steps.0.ramp.to",
        '100 °C is more than the rig "bench" bears, 90 °C (step 1)',
    ),
    (
        "",
        "",
        "max_heating_rate: 100 K/min",
        "max_heating_rate: 10 K/min",
        "error",
        "steps.0.ramp.rate",
        '20 K/min is faster than the rig "bench" bears, 10 K/min (step 1)',
    ),
    (
        "",
        "",
        "max_cooling_rate: 100 K/min",
        "max_cooling_rate: 10 K/min",
        "error",
        "safe.rate",
        '50 K/min is faster than the rig "bench" bears, 10 K/min',
    ),
    (
        "max_temperature: 300 degC",
        "max_temperature: 300 degC, max_dose_per_region: 1e9 e/nm^2",
        "",
        "",
        "error",
        "steps.1.hold.1.acquire",
        "brings its region to 1.76e+09 e/nm^2, more than limits.max_dose_per_region (1e+09 e/nm^2); "
        "take fewer frames or a fresh region (step 3)",
    ),
    (
        "specimen: {material: AMZ4}",
        "specimen: {material: AMZ4, glass_transition: 90 degC, crystallization_onset: 100 degC}",
        "",
        "",
        "warning",
        "steps.0.ramp.to",
        "100 °C is above the specimen's glass transition, 90 °C (step 1)",
    ),
    (
        "specimen: {material: AMZ4}",
        "specimen: {material: AMZ4, glass_transition: 90 degC, crystallization_onset: 95 degC}",
        "",
        "",
        "warning",
        "steps.0.ramp.to",
        "100 °C is above the specimen's crystallization onset, 95 °C (step 1)",
    ),
    (
        "within: 0.5 K",
        "within: 50 mK",
        "",
        "",
        "warning",
        "settle.within",
        "0.05 K is less than the noise of a heating holder's sensor, about 0.1 K: the temperature may never "
        "count as reached",
    ),
    (
        "limit: 5 nm",
        "limit: 7 nm",
        "",
        "",
        "warning",
        "acquisitions.ecm.drift.limit",
        "7 nm is more than a quarter of the frame, 6.4 nm: too little of the specimen would stay in view",
    ),
]


@pytest.mark.parametrize(("old", "new", "rig_old", "rig_new", "severity", "path", "message"), PROBLEMS)
def test_problems(old, new, rig_old, rig_new, severity, path, message):
    protocol, rig = PROTOCOL.replace(old, new, 1), LARGE_RIG.replace(rig_old, rig_new, 1)
    (problem,) = planned(protocol, rig).problems
    assert (problem.severity, problem.path, problem.message) == (severity, path, message)


def test_the_dose_of_a_region_is_complained_of_once():
    text = changed(PROTOCOL, "300 degC", "300 degC, max_dose_per_region: 3e9 e/nm^2")
    text = (
        changed(text, "kind: ecm", "kind: ecm\n    region: {fresh: false}")
        + "  - hold: look\n  - hold: look\n"
    )
    (problem,) = planned(text).errors
    assert problem.path == "steps.2.hold.1.acquire"


def test_another_dose_rate_than_the_simulated_one_is_a_warning():
    result = plan(parse_protocol(changed(PROTOCOL, "4.4e5", "1e5")), load_rig("simulated"))
    assert result.errors == ()
    assert [problem.message for problem in result.problems] == [
        "the simulated beam has 4.4e+05 e/nm^2/s as long as no `optics` is named; the dose is counted with "
        "the declared rate"
    ]


def test_disk_and_memory_are_held_against_the_machine():
    need = planned()
    assert planned(free_disk_bytes=need.disk_bytes, ram_bytes=2 * need.memory_bytes).problems == ()
    problems = planned(free_disk_bytes=need.disk_bytes - 1, ram_bytes=need.memory_bytes).problems
    assert [problem.path for problem in problems] == ["steps", "acquisitions"]
    assert "more than 60% of" in problems[1].message


def test_a_problem_is_put_at_its_place_in_the_file():
    text = changed(PROTOCOL, "300 degC", "300 degC, max_dose_per_region: 1e9 e/nm^2")
    (fault,) = problem_faults(planned(text).problems, text, "p.yaml")
    assert str(fault).startswith("p.yaml:22:11: steps.1.hold: brings its region to")


def test_a_plan_stops_at_the_lower_limit():
    assert planned().max_temperature_K == pytest.approx(573.15)
    assert planned(rig=LARGE_RIG.replace("500 degC", "200 degC")).max_temperature_K == pytest.approx(473.15)


WHOLE_PROBLEMS = [
    # protocol: old, new; rig: old, new; severity, path, message
    (
        "camera: imaging",
        "camera: diffraction",
        "diffraction, shape: [256, 256]",
        "diffraction, binning: 4, shape: [256, 256]",
        "error",
        "acquisitions.ecm.camera",
        '"diffraction" of the rig "bench" is a camera for diffraction, ecm needs one for imaging; use '
        "imaging",
    ),
    (
        "",
        "",
        "kind: diffraction, shape: [256, 256], k_pixel: 0.05 1/nm",
        "shape: [256, 256], pixel: 0.2 nm",
        "error",
        "acquisitions.fem.camera",
        '"diffraction" of the rig "bench" is a camera for imaging, fem needs one for diffraction; this '
        "rig has no diffraction camera",
    ),
    (
        "binning: 4",
        "binning: 2",
        "",
        "",
        "error",
        "acquisitions.ecm.binning",
        'the camera "imaging" of the rig "bench" is binned by 4, not by 2; give each binning an entry of its '
        "own in the rig file",
    ),
    (
        "",
        "",
        "modes: [tem_dark_field, nanobeam, diffraction]",
        "modes: [tem_dark_field, diffraction]",
        "error",
        "optics.beam.mode",
        'the microscope of the rig "bench" has no nanobeam, only tem_dark_field or diffraction',
    ),
    (
        "",
        "",
        "high_tension: 300 kV",
        "high_tension: 200 kV",
        "error",
        "optics.dark.high_tension",
        'the rig "bench" stays at 200 kV, nobody sets it to 300 kV',
    ),
    (
        "drift: {warn",
        "drift: {actuator: stage, warn",
        "",
        "",
        "error",
        "acquisitions.ecm.drift.actuator",
        'the rig "bench" can move the image with image_beam_shift only',
    ),
    (
        "drift: {warn",
        "drift: {owner: microscope, warn",
        "",
        "",
        "error",
        "acquisitions.ecm.drift.owner",
        'the image shift of the rig "bench" belongs to annealscope; only one may move it',
    ),
    (
        "      - acquire: ecm\n",
        "",
        "",
        "",
        "error",
        "steps.0.hold.0.wait.drift_below",
        "no acquisition of kind ecm follows, with whose camera the drift could be watched; wait for a time "
        "or an age (step 1)",
    ),
    (
        "pitch: 5 nm",
        "pitch: 0.5 nm",
        "",
        "",
        "warning",
        "acquisitions.fem.grid.pitch",
        "0.5 nm is less than the probe is wide, 0.91 nm: neighbouring patterns are of the same atoms, and "
        "the variance is known less well than their number says",
    ),
    (
        "- prepare: ecm",
        "- prepare: fem",
        "",
        "",
        "warning",
        "steps.0.hold.1.prepare",
        '"ecm" comes next: this preparation is in vain (step 2)',
    ),
    (
        "- acquire: saed",
        "- prepare: saed",
        "",
        "",
        "warning",
        "steps.0.hold.4.prepare",
        "nothing is taken afterwards: this preparation is in vain (step 5)",
    ),
]


@pytest.mark.parametrize(("old", "new", "rig_old", "rig_new", "severity", "path", "message"), WHOLE_PROBLEMS)
def test_problems_with_cameras_optics_and_preparation(old, new, rig_old, rig_new, severity, path, message):
    protocol = changed(WHOLE, old, new) if old else WHOLE
    rig = changed(WHOLE_RIG, rig_old, rig_new) if rig_old else WHOLE_RIG
    first = planned(protocol, rig).problems[0]
    assert (first.severity, first.path, first.message) == (severity, path, message)


def test_a_whole_protocol_has_no_problems():
    assert planned(WHOLE, WHOLE_RIG).problems == ()


def test_states_of_the_column_that_are_not_used_are_no_problem():
    unused = changed(
        WHOLE, "optics:\n", "optics:\n  low: {mode: diffraction, high_tension: 80 kV, camera_length: 1 m}\n"
    )
    assert planned(unused, WHOLE_RIG).problems == ()


def test_what_the_operator_or_the_microscope_does_is_no_problem():
    by_hand = changed(
        WHOLE_RIG, "high_tension: 300 kV", "high_tension: 200 kV\n  set_by_operator: [high_tension]"
    )
    assert planned(WHOLE, by_hand).problems == ()
    followed = changed(WHOLE, "drift: {warn", "drift: {owner: microscope, warn")
    followed = changed(followed, "period: 2 s", "period: 1 s")
    assert planned(followed, WHOLE_RIG + "image_shift_owner: microscope\n").problems == ()


def test_a_camera_that_is_missing_is_said_where_it_is_named():
    rig = WHOLE_RIG[: WHOLE_RIG.index("  diffraction:")] + WHOLE_RIG[WHOLE_RIG.index("envelope:") :]
    result = planned(WHOLE, rig)
    faults = problem_faults(result.errors, WHOLE, "p.yaml")
    assert [str(fault).split(": ")[0] for fault in faults] == ["p.yaml:29:13", "p.yaml:36:13"]
    assert faults[0].message == 'the rig "bench" has no camera "diffraction", only imaging'
    assert [hold.name for hold in result.holds] == ["01_ecm_25C"]


def test_a_specimen_that_is_not_simulated_is_remarked_upon():
    rig = load_rig("simulated")
    for state, told in (("as-cast", False), ("annealed", False), ("rejuvenated", True)):
        text = changed(WHOLE, "state: as-cast", f"state: {state}")
        text = changed(text, "    binning: 4\n", "")
        paths = [problem.path for problem in plan(parse_protocol(text), rig).problems]
        assert paths == (["specimen.state"] if told else [])


def test_a_stated_dose_rate_is_set_with_the_column():
    """No warning about the beam of the simulation: the state of the column has the rate."""
    text = changed(WHOLE, "4.4e5", "1e5")
    assert plan(parse_protocol(text), load_rig("simulated")).problems == ()
