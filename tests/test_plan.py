"""From a protocol and a rig to what is done when."""

import json

import pytest
from protocol_texts import PROTOCOL, WHOLE, WHOLE_RIG, changed, planned, with_steps

from annealscope.controller.config.load import load_protocol, load_rig
from annealscope.controller.planning import (
    AcquireStep,
    CoolStep,
    DriftPlan,
    DurationEnd,
    FramesEnd,
    GridPlan,
    ParkStep,
    PrecisionEnd,
    PrepareStep,
    PromptStep,
    RampStep,
    Setup,
    UntilPlan,
    WaitStep,
    WatchPlan,
    plan,
    plan_to_json,
)
from annealscope.controller.planning.estimates import pattern_memory_bytes, sigma_variance
from annealscope.drivers.interfaces import Optics


def test_the_timeline_of_a_small_protocol():
    steps = planned().steps
    assert [step.path for step in steps] == ["steps.0", "steps.1.hold.0", "steps.1.hold.1"]
    assert [step.label for step in steps] == [
        "ramp to 100 °C",
        "wait to age 2000 s",
        "acquire ecm at 100 °C",
    ]
    # 75 K at 20 K/min and 30 s to settle, age 2000 s, 2000 frames of 2 s
    assert [step.duration_s for step in steps] == pytest.approx([225 + 30, 2000, 4000])
    assert [step.t_start_s for step in steps] == pytest.approx([0, 255, 2255])
    assert [step.index for step in steps] == [0, 1, 2]


def test_the_steps_are_what_the_engine_carries_out():
    ramp, wait, acquire = (step.step for step in planned().steps)
    assert ramp == RampStep(target_K=373.15, rate_K_per_s=pytest.approx(1 / 3))
    assert wait == WaitStep(until_age_s=2000.0)
    assert isinstance(acquire, AcquireStep)
    assert (acquire.hold, acquire.name, acquire.camera) == (1, "01_ecm_100C", "imaging")
    assert (acquire.exposure_s, acquire.period_s, acquire.frames) == (1.0, 2.0, 2000)
    assert (acquire.setpoint_K, acquire.title, acquire.method) == (373.15, "ecm at 100 °C", "ecm")
    assert acquire.setup == Setup("ecm", None, None, 0.0, (), fresh_region=True, thickness=None)
    assert acquire.drift is not None
    assert (acquire.drift.warn_nm, acquire.drift.limit_nm) == (1.0, 5.0)


def test_acquisitions_are_numbered_through_the_plan():
    steps = (
        "  - acquire: ecm\n  - ramp: {to: -50.4 degC, rate: 50 K/min}\n  - hold: look\n"
        "  - cool: {to: -60 degC, rate: 50 K/min}\n  - hold: look\n"
    )
    result = planned(with_steps(steps))
    assert [hold.name for hold in result.holds] == ["01_ecm_25C", "02_ecm_-50C", "03_ecm_-60C"]
    assert isinstance(result.steps[4].step, CoolStep)


WAITS = [
    # steps, durations of the waits
    ("  - wait: {until_age: 100 s}\n  - wait: {until_age: 150 s}\n", [100, 50]),
    ("  - wait: {for: 100 s}\n  - wait: {until_age: 150 s}\n", [100, 50]),
    ("  - hold: {for: 2 h}\n  - wait: {until_age: 1 h}\n", [7200, 0]),
    ("  - ramp: {to: 25 degC, rate: 1 K/min}\n  - wait: {until_age: 10 s}\n", [30, 10]),
]


@pytest.mark.parametrize(("steps", "durations"), WAITS)
def test_age_runs_from_settling_through_every_step(steps, durations):
    assert [step.duration_s for step in planned(with_steps(steps)).steps] == durations


def test_an_age_that_has_passed_is_a_warning():
    (problem,) = planned(with_steps("  - hold: {for: 2 h}\n  - wait: {until_age: 1 h}\n")).problems
    assert (problem.severity, problem.path) == ("warning", "steps.1.wait.until_age")


def test_totals():
    result = planned(PROTOCOL + "  - hold: look\n")
    assert result.frames == 4000
    assert result.bytes == 4000 * (128 * 192 * 2 + 64)
    assert result.disk_bytes == pytest.approx(result.bytes * 1.5 * 1.1, rel=1e-6)
    assert result.duration_s == pytest.approx(255 + 2000 + 4000 + 0 + 4000)
    assert result.largest_lag_s == 1920 * 2.0


DOSES = [
    # dose_counts, fresh regions, electrons per nm^2 of each: two records of 2000 x (1 s of 2 s) at 4.4e5
    ("beam_on", True, (1.76e9, 1.76e9)),
    ("exposed", True, (0.88e9, 0.88e9)),
    ("beam_on", False, (3.52e9,)),
]


@pytest.mark.parametrize(("counts", "fresh", "doses"), DOSES)
def test_dose_of_each_region(counts, fresh, doses):
    text = changed(PROTOCOL, "max_temperature: 300 degC", f"max_temperature: 300 degC, dose_counts: {counts}")
    text = changed(text, "kind: ecm", f"kind: ecm\n    region: {{fresh: {str(fresh).lower()}}}")
    assert planned(text + "  - hold: look\n").dose_per_region_per_nm2 == pytest.approx(doses)


def test_the_paper_s_record_has_the_paper_s_dose():
    text = changed(PROTOCOL, "frames: 2000", "frames: 7000")
    assert planned(text).dose_per_region_per_nm2 == pytest.approx((6.16e9,))


def test_json_holds_steps_totals_and_problems():
    result = planned(free_disk_bytes=0)
    data = json.loads(plan_to_json(result))
    assert [row["step"]["kind"] for row in data["steps"]] == ["ramp", "wait", "acquire"]
    assert data["totals"]["frames"] == 2000
    assert data["totals"]["duration_s"] == result.duration_s
    assert data["problems"][0]["severity"] == "error"
    assert data["settle"] == {"within_K": 0.5, "for_s": 30.0, "timeout_s": 1800.0}
    assert data["safe"] == {"cool_to_K": 298.15, "rate_K_per_s": pytest.approx(50 / 60), "grace_s": 30.0}


def test_the_quick_look_runs_on_the_simulated_rig():
    result = plan(load_protocol("quick_look"), load_rig("simulated"))
    assert result.problems == ()
    assert [hold.name for hold in result.holds] == ["01_ecm_100C", "02_ecm_200C", "03_ecm_250C"]
    assert result.frames <= 6000  # two minutes at 6 ms a frame leave time to start and to report


# ---------------------------------------------------------------- the whole language


def steps_of(text, rig=WHOLE_RIG):
    return [planned_step.step for planned_step in planned(text, rig).steps]


def test_the_column_is_set_up_as_the_protocol_says():
    wait, prepare, ecm, fem, saed = steps_of(WHOLE)
    dark = Optics(
        "tem_dark_field", 300.0, magnification=340e3, objective_aperture_um=10.0, ring_per_nm=4.27,
        dose_rate_per_nm2_s=4.4e5,
    )  # fmt: skip
    assert prepare == PrepareStep(Setup("ecm", "dark", dark, 60.0, (), True, (0.7, 0.9)))
    assert ecm.setup == prepare.setup
    assert fem.setup.optics == Optics(
        "nanobeam", 300.0, probe_nm=0.91, probe_current_pA=15.0, camera_length_m=1.0
    )
    assert (saed.setup.optics.mode, saed.setup.fresh_region, saed.dose_rate_per_nm2_s) == (
        "diffraction",
        False,
        0,
    )
    assert wait == WaitStep(
        until_age_s=2000.0, drift_below_nm_per_s=pytest.approx(1 / 60), at_most_s=4000.0,
        watch=WatchPlan("imaging", 1.0, 10.0, dark),
    )  # fmt: skip


def test_the_three_methods_as_they_are_carried_out():
    ecm, fem, saed = (step for step in steps_of(WHOLE) if isinstance(step, AcquireStep))
    assert (ecm.method, ecm.drift, ecm.beam_in_pause) == ("ecm", DriftPlan(1.0, 5.0), True)
    assert (fem.method, fem.frames, fem.period_s, fem.grid) == ("fem", 200, 4.0, GridPlan((10, 20), 5.0))
    assert (fem.haadf, fem.drift, fem.name) == (True, None, "02_fem_25C")
    # 15 pA over 200 squares of 5 nm
    assert fem.dose_rate_per_nm2_s == pytest.approx(15e-12 / 1.602177e-19 / (200 * 25), rel=1e-6)
    assert (saed.method, saed.frames, saed.title) == ("diffraction", 1, "saed at 25 °C")


def test_what_the_operator_sets_stands_in_a_checklist():
    by_hand = "set_by_operator: [objective_aperture, probe, high_tension, magnification, probe_current]"
    rig = changed(WHOLE_RIG, "  high_tension: 300 kV", f"  {by_hand}")
    checklists = [step.setup.checklist for step in steps_of(WHOLE, rig) if isinstance(step, AcquireStep)]
    assert checklists == [
        ("objective aperture: 10 um", "high tension: 300 kV", "magnification: 340000 x"),
        ("probe: 0.91 nm", "high tension: 300 kV", "probe current: 15 pA"),
        ("high tension: 300 kV",),
    ]


def test_a_column_that_is_set_takes_no_time_again():
    durations = [step.duration_s for step in planned(WHOLE, WHOLE_RIG).steps]
    assert durations == [2000, 60, 4000, 60 + 800, 30 + 1]


def test_estimates_of_the_three_methods():
    ecm, fem, saed = planned(WHOLE, WHOLE_RIG).holds
    assert (ecm.method, fem.method, saed.method) == ("ecm", "fem", "diffraction")
    assert [hold.frames for hold in (ecm, fem, saed)] == [2000, 200, 1]
    assert (fem.bytes, fem.largest_lag_s, fem.n_speckles, fem.precision) == (
        200 * (256 * 256 * 2 + 64),
        0,
        None,
        (),
    )
    assert fem.sigma_variance == sigma_variance(200, 0.91)
    assert fem.memory_bytes == pattern_memory_bytes((256, 256), 10)
    assert (ecm.sigma_variance, saed.sigma_variance) == (None, None)


REGIONS = [
    # steps, region of each acquisition
    (["acquire: ecm", "acquire: fem", "acquire: saed"], [1, 2, 2]),
    (["prepare: ecm", "acquire: ecm", "acquire: ecm"], [1, 2]),
    (["acquire: saed", "acquire: ecm"], [1, 2]),
    (["prepare: ecm", "prepare: ecm", "acquire: ecm"], [1]),
    (["prepare: ecm", "prepare: fem", "acquire: fem", "acquire: saed"], [2, 2]),
]


@pytest.mark.parametrize(("steps", "regions"), REGIONS)
def test_a_region_is_found_by_the_preparation(steps, regions):
    text = WHOLE[: WHOLE.index("steps:")] + "steps:\n" + "".join(f"  - {step}\n" for step in steps)
    assert [hold.region for hold in planned(text, WHOLE_RIG).holds] == regions


def test_doses_of_both_methods_add_up_in_a_region():
    stays = changed(WHOLE, "    haadf: true\n", "    haadf: true\n    region: {fresh: false}\n")
    (dose,) = planned(stays, WHOLE_RIG).dose_per_region_per_nm2
    movie, grid = 2000 * 2 * 4.4e5, 15e-12 / 1.602177e-19 * 800 / (200 * 25)
    assert dose == pytest.approx(movie + grid)
    blanked = changed(stays, "beam_in_pause: on", "beam_in_pause: blanked")
    assert planned(blanked, WHOLE_RIG).dose_per_region_per_nm2 == pytest.approx((movie / 2 + grid,))


def test_a_plan_knows_the_dose_limit():
    assert planned(WHOLE, WHOLE_RIG).max_dose_per_region_per_nm2 is None
    limited = changed(WHOLE, "300 degC,", "300 degC, max_dose_per_region: 7e9 e/nm^2, dose_counts: exposed,")
    result = planned(limited, WHOLE_RIG)
    assert (result.max_dose_per_region_per_nm2, result.dose_counts) == (7e9, "exposed")


def test_an_end_that_depends_on_the_data():
    until = "{any: [{frames: 7000}, {duration: 1 h}, {tau_within: 3 %, every: 60 s}], max: 14000 s}"
    step = steps_of(changed(WHOLE, "{frames: 2000}", until))[2]
    assert step.frames == 1800
    assert step.until == UntilPlan(
        "any", (FramesEnd(7000), DurationEnd(3600.0), PrecisionEnd(0.03, 10.0, 3, 60.0))
    )
    assert steps_of(WHOLE)[2].until is None


def test_parks_and_prompts():
    steps = (
        "  - ramp: {to: 125 degC, rate: 20 K/min}\n  - prompt: {message: Fill., timeout: 30 s}\n"
        "  - prompt: Ready?\n  - park: Bye.\n  - wait: {until_age: 100 s}\n"
    )
    result = planned(with_steps(steps))
    assert [step.step for step in result.steps[1:4]] == [
        PromptStep("Fill.", 30.0, "cool"),
        PromptStep("Ready?", None, "cool"),
        ParkStep("Bye.", pytest.approx(298.15), pytest.approx(50 / 60)),
    ]
    assert [step.duration_s for step in result.steps] == pytest.approx([330, 30, 60, 120, 100])
    assert [step.setpoint_K for step in result.steps[2:4]] == pytest.approx([398.15, 298.15])


def test_a_park_does_not_heat():
    result = planned(with_steps("  - cool: {to: -50 degC, rate: 50 K/min}\n  - park: Bye.\n"))
    assert result.steps[1].step.cool_to_K == pytest.approx(223.15)
    assert result.steps[1].duration_s == 0
