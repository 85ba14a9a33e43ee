"""The steps of a plan one by one: preparation, prompts, parks, waits, acquisitions and their ends."""

import dataclasses
import math

import pytest
from engine_bench import (
    COOL,
    DARK_FIELD,
    ECM,
    ZERO_K,
    BenchRun,
    MemoryStream,
    make_plan,
)

from annealscope.controller.engine.commands import Command
from annealscope.controller.engine.operator import AbsentOperator, RehearsalOperator
from annealscope.controller.errors import ExitCode
from annealscope.controller.planning.values import (
    ParkStep,
    PrepareStep,
    PromptStep,
    RampStep,
    Setup,
    WaitStep,
    WatchPlan,
)
from annealscope.controller.stream.messages import DriftRow

RAMP = RampStep(40 + ZERO_K, 10.0)
SETUP = Setup("ecm", "dark_field", DARK_FIELD, 20.0, ("insert the aperture of 10 um",), True, (0.7, 0.9))
FEW = dataclasses.replace(ECM, frames=5)
WATCH = WatchPlan("imaging", 1.0, 10.0, DARK_FIELD)
QUICK = {"settle": (0.5, 1.0, 300.0)}


def _listened(run):
    """Write down what the column is asked for."""
    column, asked = run.rig.microscope, []
    for name in ("set_optics", "fresh_region", "focus", "blank"):
        call = getattr(column, name)
        setattr(
            column, name, lambda *a, n=name, c=call: (asked.append((n, *a, run.clock.monotonic())), c(*a))[1]
        )
    return asked


# ---------------------------------------------------------------------- preparation


def test_an_acquisition_prepares_itself_column_operator_region_focus(tmp_path):
    plan = make_plan(RAMP, dataclasses.replace(FEW, setup=SETUP), COOL, **QUICK)
    run = BenchRun(tmp_path, plan=plan)
    asked = _listened(run)

    assert run.run().outcome == "success"

    names = [name for name, *_ in asked if name != "blank"]
    assert names == ["set_optics", "fresh_region", "focus"]
    at = {name: args[-1] for name, *args in asked}
    (answered,) = run.records("answered")
    assert answered["by"] == "operator"
    assert at["set_optics"] < run.records("prompt")[0]["t_s"] < answered["t_s"] - 59.0
    assert at["fresh_region"] == pytest.approx(answered["t_s"] + 20.0, abs=1.01)
    assert run.records("optics")[0]["by_hand"] == ["insert the aperture of 10 um"]
    region = run.records("region")[0]
    assert 0.7 <= region["thickness"] <= 0.9
    assert run.records("hold_opened")[0]["region"] == region["number"]
    assert run.records("hold_opened")[0]["t_s"] > at["focus"]


def test_what_was_prepared_is_not_prepared_again_and_what_is_set_not_set_again(tmp_path):
    first, second = (dataclasses.replace(FEW, setup=SETUP, hold=hold) for hold in (1, 2))
    run = BenchRun(tmp_path, plan=make_plan(RAMP, PrepareStep(SETUP), first, second, COOL, **QUICK))
    asked = _listened(run)

    assert run.run().outcome == "success"

    names = [name for name, *_ in asked if name != "blank"]
    assert names == ["set_optics", "fresh_region", "focus", "fresh_region", "focus"]
    assert [record["region"] for record in run.records("hold_opened")] == [2, 3]


def test_a_state_that_the_driver_has_set_alone_is_not_what_the_operator_has_checked(tmp_path):
    wait = WaitStep(drift_below_nm_per_s=1.0, at_most_s=200.0, watch=WATCH)
    plan = make_plan(RAMP, wait, dataclasses.replace(FEW, setup=SETUP), COOL, **QUICK)
    run = BenchRun(tmp_path, plan=plan)

    assert run.run().outcome == "success"

    assert len(run.records("prompt")) == 1
    assert [len(record["by_hand"]) for record in run.records("optics")] == [0, 1]


def test_a_column_that_does_not_do_what_it_was_asked_for_is_named(tmp_path):
    plan = make_plan(RAMP, PrepareStep(SETUP), COOL, **QUICK)
    run = BenchRun(tmp_path, plan=plan)
    wrong = dataclasses.replace(DARK_FIELD, objective_aperture_um=40.0)
    run.rig.microscope.optics = lambda: wrong

    outcome = run.run()

    assert (outcome.outcome, outcome.exit_code) == ("failed", ExitCode.DEVICE)
    assert "objective_aperture_um 40.0, not 10.0" in outcome.why
    assert run.is_safe


def test_a_column_that_never_arrives_is_a_device_fault(tmp_path):
    run = BenchRun(tmp_path, plan=make_plan(PrepareStep(SETUP)))

    class Never:
        poll = staticmethod(lambda: "running")
        cancel = staticmethod(lambda: None)

    run.rig.microscope.focus = lambda: Never
    outcome = run.run()

    assert outcome.exit_code == ExitCode.DEVICE
    assert "focus: failed" in outcome.why


# ---------------------------------------------------------------------- prompts and parks


@pytest.mark.parametrize(
    ("on_timeout", "outcome", "steps"),
    [("cool", "stopped", ["ramp", "prompt"]), ("continue", "success", None)],
)
def test_a_prompt_that_nobody_answers(tmp_path, on_timeout, outcome, steps):
    prompt = PromptStep("Is it safe?", timeout_s=120.0, on_timeout=on_timeout)
    run = BenchRun(tmp_path, plan=make_plan(RAMP, prompt, FEW, COOL, **QUICK), operator=AbsentOperator())

    ended = run.run()

    assert ended.outcome == outcome
    assert run.records("answered")[0]["by"] == "timeout"
    assert run.records("answered")[0]["t_s"] - run.records("prompt")[0]["t_s"] == pytest.approx(
        120.0, abs=1.01
    )
    if steps is not None:
        assert [record["step"] for record in run.records("step")] == [*steps, "cool"]
        assert (ended.exit_code, "Is it safe?" in ended.why) == (ExitCode.SAFETY, True)
    assert run.is_safe


def test_a_prompt_that_was_paused_has_its_whole_time_again(tmp_path):
    prompt = PromptStep("Is it safe?", timeout_s=120.0, on_timeout="continue")
    run = BenchRun(tmp_path, plan=make_plan(prompt), operator=AbsentOperator())

    assert run.run_with({60: [Command.PAUSE], 300: [Command.RESUME]}).outcome == "success"

    resumed = next(r["t_s"] for r in run.records("command") if r["command"] == "resume")
    assert run.records("answered")[0]["t_s"] - resumed == pytest.approx(120.0, abs=1.01)


def test_the_beam_is_off_between_acquisitions_and_the_heater_while_parked(tmp_path):
    park = ParkStep("End of the day.", 25 + ZERO_K, 10.0)
    run = BenchRun(tmp_path, plan=make_plan(RAMP, FEW, WaitStep(for_s=10.0), park, **QUICK))
    asked, off_s = [], []
    call = run.rig.holder.switch_off
    run.rig.holder.switch_off = lambda: (off_s.append(run.clock.monotonic()), call())[1]

    def look(status):
        if status.phase in ("closing", "waiting", "cooling"):
            asked.append(run.rig.world.blanked)

    assert run.run_with({}, look).outcome == "success"

    assert len(asked) > 10
    assert all(asked)
    assert off_s[0] == pytest.approx(run.records("parked")[0]["t_s"], abs=0.01)


def test_a_park_passes_a_night_and_the_plan_goes_on(tmp_path):
    park = ParkStep("End of the day.", 25 + ZERO_K, 10.0)
    second = dataclasses.replace(FEW, hold=2)
    run = BenchRun(
        tmp_path, plan=make_plan(RAMP, FEW, park, RAMP, second, **QUICK), operator=RehearsalOperator()
    )

    outcome = run.run()

    assert outcome.outcome == "success"
    (parked,) = run.records("parked")
    assert (parked["next"], parked["return_to_K"]) == (3, None)
    woken = next(r["t_s"] for r in run.records("state") if r["why"] == "the night is over")
    assert woken - parked["t_s"] == pytest.approx(12 * 3600.0, abs=600.0)
    steps = [record["step"] for record in run.records("step")]
    assert steps == ["ramp", "acquire", "park", "ramp", "acquire", "cool"]


# ---------------------------------------------------------------------- waits


class Drifting(MemoryStream):
    """The image moves at a rate that calms down."""

    rate_nm_per_s = staticmethod(lambda t_s: 0.1 * math.exp(-t_s / 100.0))

    def newest_drift(self):
        if not self.frames:
            return None
        t_s = self.frames[-1].t_start_s
        way_nm = 10.0 * (1.0 - math.exp(-t_s / 100.0))
        return DriftRow(hold=0, seq=self.sent[-1], measured_nm=(0.6 * way_nm, 0.8 * way_nm), quality=1.0)


def test_a_wait_for_calm_ends_when_the_drift_is_below(tmp_path):
    wait = WaitStep(until_age_s=30.0, drift_below_nm_per_s=1 / 60, at_most_s=4000.0, watch=WATCH)
    run = BenchRun(tmp_path, Drifting(), make_plan(RAMP, wait, FEW, COOL, **QUICK))

    assert run.run().outcome == "success"

    watch, movie = run.stream.opened
    assert (watch.hold, watch.name, watch.method, movie.hold) == (0, "watch", "watch", 1)
    rates = [record["nm_per_min"] for record in run.records("drift_rate")]
    assert rates[-1] < 1.0
    assert all(rate >= 1.0 for rate in rates[:-1])
    # mean rate over the last minute, 0.1 e^(-t/100) nm/s averaged: below 1/60 nm/s at t = 211 s
    opened = run.records("hold_opened")[0]["t_s"]
    assert opened == pytest.approx(211.0, abs=15.0)
    assert run.bench.doses.of(1).exposed_per_nm2 == pytest.approx(5 * 4.4e5)


class LostSight(Drifting):
    """After a while the frames are not found any more: rows repeat the last displacement."""

    def newest_drift(self):
        found = super().newest_drift()
        if found is None or found.seq < 3:
            self.last = found
            return found
        return self.last.model_copy(update={"seq": found.seq, "quality": 0.05, "found": False})


class Replaced(Drifting):
    """The analyst dies in a watch; the next one counts from a reference of its own."""

    def newest_drift(self):
        found = super().newest_drift()
        if found is None or found.seq < 3:
            return found
        return None if found.seq < 6 else found.model_copy(update={"measured_nm": (0.0, 0.0)})


def test_frames_that_are_not_found_do_not_look_calm(tmp_path):
    wait = WaitStep(drift_below_nm_per_s=1 / 60, at_most_s=400.0, watch=WATCH)
    run = BenchRun(tmp_path, LostSight(), make_plan(RAMP, wait, FEW, COOL, **QUICK))

    assert run.run().outcome == "success"

    assert run.records("drift_rate") == []
    (note,) = [record for record in run.records("guard") if record["action"] == "goes on"]
    assert "the drift is not known" in note["message"]


def test_an_analyst_that_is_replaced_does_not_make_the_specimen_look_calm(tmp_path):
    wait = WaitStep(drift_below_nm_per_s=1 / 60, at_most_s=400.0, watch=WATCH)
    run = BenchRun(tmp_path, Replaced(), make_plan(RAMP, wait, FEW, COOL, **QUICK))

    assert run.run().outcome == "success"

    assert [record["nm_per_min"] for record in run.records("drift_rate")] == [0.0]
    since_s = next(record["t_s"] for record in run.records("phase") if record["phase"] == "watching")
    watched_s = run.records("drift_rate")[0]["t_s"] - since_s
    assert watched_s > 6 * WATCH.period_s + 60.0


def test_what_a_watch_adds_to_the_dose_is_written_down(tmp_path):
    optics = dataclasses.replace(DARK_FIELD, dose_rate_per_nm2_s=1e5)
    watch = dataclasses.replace(WATCH, optics=optics)
    wait = WaitStep(drift_below_nm_per_s=1e-6, at_most_s=200.0, watch=watch)
    run = BenchRun(tmp_path, Drifting(), make_plan(RAMP, wait, COOL, **QUICK))

    run.run()

    (dose,) = run.records("dose")
    seen = run.bench.doses.of(dose["region"]).exposed_per_nm2
    assert (dose["hold"], dose["exposed_per_nm2"]) == (0, seen)
    assert seen == pytest.approx(1e5 * WATCH.exposure_s * 20, rel=0.11)


def test_a_wait_for_calm_gives_up_in_time_and_says_so(tmp_path):
    wait = WaitStep(drift_below_nm_per_s=1e-6, at_most_s=200.0, watch=WATCH)
    run = BenchRun(tmp_path, Drifting(), make_plan(RAMP, wait, FEW, COOL, **QUICK))

    assert run.run().outcome == "success"

    (note,) = [record for record in run.records("guard") if record["action"] == "goes on"]
    assert note["guard"] == "drift"
    start = next(record["t_s"] for record in run.records("step") if record["step"] == "wait")
    assert note["t_s"] - start == pytest.approx(200.0, abs=1.01)
