import io
import json
import re
import tracemalloc

import numpy as np
import pytest
from protocol_texts import PROTOCOL, changed, with_steps
from protocol_texts import RIG as SMALL_RIG
from rich.console import Console

from annealscope.analysis import geometry
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.precision import error_scale, record_bias
from annealscope.analysis.values import uniform_block
from annealscope.controller.config.load import load_protocol, load_rig, parse_protocol, parse_rig
from annealscope.controller.planning import AcquireStep, CoolStep, RampStep, WaitStep, plan, plan_to_json
from annealscope.controller.planning.checks import problem_faults
from annealscope.controller.planning.estimates import (
    analyst_memory_bytes,
    largest_lag_frames,
    plain_bias,
    sigma_ln_tau,
    speckle_count,
    valid_shape,
)
from annealscope.controller.planning.table import render, summary

RIG = changed(SMALL_RIG, "pixel: 0.2 nm", "pixel: 0.4 nm")  # large enough for the drift limit of 5 nm


def planned(protocol=PROTOCOL, rig=RIG, **machine):
    return plan(parse_protocol(protocol), parse_rig(rig), **machine)


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
    assert (acquire.setpoint_K, acquire.fresh_region, acquire.title) == (373.15, True, "ecm at 100 °C")
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
    assert result.bytes == 4000 * (64 * 96 * 2 + 64)
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
    protocol, rig = PROTOCOL.replace(old, new, 1), RIG.replace(rig_old, rig_new, 1)
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
        "the simulated beam has 4.4e+05 e/nm^2/s; the dose is counted with the declared rate"
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
    assert planned(rig=RIG.replace("500 degC", "200 degC")).max_temperature_K == pytest.approx(473.15)


# ---------------------------------------------------------------- estimates


def test_the_error_scale():
    # 1024 x 1024 pixels of 0.1647 nm, 10 um aperture at f = 3.5 mm: 4.7e4 speckles
    n_speckles = speckle_count((1024, 1024), 0.1647, 0.726)
    assert n_speckles == pytest.approx(4.7e4, rel=0.01)
    assert n_speckles == pytest.approx(geometry.speckle_count((1024, 1024), 0.1647, 0.726))
    expected, _ = error_scale(n_speckles, 14000.0, 485.0, model="finite")
    assert sigma_ln_tau(n_speckles, 14000.0, 485.0) == pytest.approx(expected)


BIASES = [
    # truth, duration, what the plain fit showed: all in s
    (485, 14000, 418),
    (743, 14000, 599),
    (886, 14000, 710),
    (1023, 14000, 797),
    (1585, 14000, 1059),
    (892, 25000, 770),
]


@pytest.mark.parametrize(("tau_s", "duration_s", "seen_s"), BIASES)
def test_the_bias_of_a_plain_fit(tau_s, duration_s, seen_s):
    shown_s = tau_s * (1 + plain_bias(duration_s, tau_s))
    assert shown_s == pytest.approx(seen_s, rel=0.05)
    assert shown_s == pytest.approx(record_bias(tau_s, 0.75, 1000, duration_s / 1000)[0], rel=0.05)


@pytest.mark.parametrize("frames", [32, 200, 2000, 7000, 100_000])
@pytest.mark.parametrize("drift", [True, False])
def test_lags_and_margin_are_those_of_the_analysis(frames, drift):
    spec = EcmSpec((128, 96), 2.0, 1.0, 0.1647, 0.726, frames, drift=drift)
    correlator = EcmAnalysis(spec)._correlator
    largest = max(int(level.lags.max()) * level.width for level in correlator._levels)
    assert largest_lag_frames(frames) == min(frames - 1, largest)
    assert valid_shape((128, 96), drift) == spec.valid_shape


@pytest.mark.slow
def test_memory_is_what_the_analysis_takes():
    shape, program_bytes = (320, 256), 300_000_000
    rng = np.random.Generator(np.random.Philox(5))
    frames = rng.poisson(100, (96, *shape)).astype(np.uint16)
    spec = EcmSpec(shape, 2.0, 1.0, 0.1647, 0.726, len(frames), drift=False)
    EcmAnalysis(spec).update(uniform_block(frames[:32], 2.0))  # compiled before it is measured
    tracemalloc.start()
    try:
        analysis = EcmAnalysis(spec)
        analysis.update(uniform_block(frames, 2.0))
        analysis.result()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    of_pixels = analyst_memory_bytes(shape, len(frames)) - program_bytes
    assert 0.5 * of_pixels < peak_bytes < 1.2 * of_pixels + 0.1 * program_bytes


# ---------------------------------------------------------------- what is shown and written


def test_json_holds_steps_totals_and_problems():
    result = planned(free_disk_bytes=0)
    data = json.loads(plan_to_json(result))
    assert [row["step"]["kind"] for row in data["steps"]] == ["ramp", "wait", "acquire"]
    assert data["totals"]["frames"] == 2000
    assert data["totals"]["duration_s"] == result.duration_s
    assert data["problems"][0]["severity"] == "error"
    assert data["settle"] == {"within_K": 0.5, "for_s": 30.0, "timeout_s": 1800.0}
    assert data["safe"] == {"cool_to_K": 298.15, "rate_K_per_s": pytest.approx(50 / 60), "grace_s": 30.0}


def test_the_table_has_a_row_a_step():
    lines = printed(planned(free_disk_bytes=0), 80)
    rows = [re.split(r"  +", line.strip()) for line in lines[3:6]]
    assert rows == [
        ["1", "ramp, 20 K/min", "0:00:00", "0:04:15", "100 °C"],
        ["2", "wait to age 2000 s", "0:04:15", "0:33:20", "100 °C"],
        ["3", "acquire ecm", "0:37:35", "1:06:40", "100 °C", "01_ecm_100C", "2000", "24.7 MB"],
    ]
    assert any(line.startswith("error: steps: the run may need") for line in lines)


def printed(result, width):
    console = Console(width=width, record=True, file=io.StringIO())
    render(result, console)
    return console.export_text().splitlines()


def test_nothing_is_wider_than_the_terminal_and_the_title_stands_left():
    lines = printed(plan(load_protocol("quick_look"), load_rig("simulated")), 80)
    assert lines[0].startswith("Quick look at AMZ4 on simulated")
    assert len([line for line in lines if re.match(r" ?\d+  \w", line)]) == 10
    assert max(map(len, lines)) <= 80


def test_markup_in_names_is_not_obeyed():
    console = Console(width=120, record=True, file=io.StringIO())
    render(planned(changed(PROTOCOL, "name: test", 'name: "[red]x[/nothing]"')), console)
    assert "[red]x[/nothing] on bench" in console.export_text()


def test_records_that_are_alike_are_summed_up_once():
    lines = summary(planned(PROTOCOL + "  - hold: look\n"))
    assert lines[-2].startswith("  01_ecm_100C, 02_ecm_100C: 100 s ± ")
    assert lines[-2].endswith("; lags up to 1 h 4 min")


def test_precision_is_stated_from_a_40th_to_a_5th_of_a_record():
    (hold,) = planned().holds
    assert [told.tau_s for told in hold.precision] == pytest.approx([100, 200, 400, 800])
    for told in hold.precision:
        assert told.sigma_ln_tau == sigma_ln_tau(hold.n_speckles, 4000.0, told.tau_s)
        assert told.plain_bias == plain_bias(4000.0, told.tau_s)
    (line,) = (line for line in summary(planned()) if "01_ecm" in line)
    assert [float(tau) for tau in re.findall(r"(\d+) s ±", line)] == [100, 200, 400, 800]
    assert summary(planned())[-1] == "Rule: T of at least 40 tau."


def test_the_quick_look_runs_on_the_simulated_rig():
    result = plan(load_protocol("quick_look"), load_rig("simulated"))
    assert result.problems == ()
    assert [hold.name for hold in result.holds] == ["01_ecm_100C", "02_ecm_200C", "03_ecm_250C"]
    assert result.frames <= 6000  # two minutes at 6 ms a frame leave time to start and to report
