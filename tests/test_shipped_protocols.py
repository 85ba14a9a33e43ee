"""The protocols that ship with the program do what they say."""

from pathlib import Path

import pytest
from protocol_texts import planned

from annealscope.controller.config.load import load_protocol, load_rig, parse_protocol
from annealscope.controller.config.sources import read_source, shipped_names
from annealscope.controller.config.template import template
from annealscope.controller.planning import AcquireStep, ParkStep, RampStep, WaitStep, plan

RIG = read_source("simulated_128", "rigs").content.decode()


def laid_out(name):
    return plan(load_protocol(name), load_rig("simulated_128"))


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_protocols_have_no_problems(name):
    assert laid_out(name).problems == ()
    assert plan(load_protocol(name), load_rig("simulated")).problems == ()


def test_every_word_of_the_language_can_be_planned():
    everything = Path(__file__).parent / "full_language.yaml"
    result = planned(everything.read_text(encoding="utf-8"), RIG)
    assert result.errors == ()
    assert {step.step.kind for step in result.steps} == {
        "ramp", "cool", "wait", "prepare", "acquire", "prompt", "park"
    }  # fmt: skip
    assert {hold.method for hold in result.holds} == {"ecm", "fem", "diffraction"}


def test_a_new_protocol_can_be_run_on_the_simulated_rig():
    result = plan(parse_protocol(template()), load_rig("simulated"))
    assert result.problems == ()
    assert {hold.method for hold in result.holds} == {"ecm", "fem"}


# ---------------------------------------------------------------- the paper's experiment


def holds_of_the_paper():
    """Yield the steps from each ramp up to what comes after its hold, with the time of settling."""
    steps = laid_out("amz4_in_situ").steps
    ramps = [number for number, planned_step in enumerate(steps) if isinstance(planned_step.step, RampStep)]
    for number in ramps:
        end = steps[number].t_start_s + steps[number].duration_s
        yield steps[number : number + 9], end


def test_the_times_of_the_paper():
    ramps_s = []
    for (ramp, wait, prepare, ecm, age, _, fem, saed, _), settled_s in holds_of_the_paper():
        ramps_s.append(ramp.duration_s - 30)  # to settle
        assert isinstance(wait.step, WaitStep)
        assert wait.step.watch.camera == "imaging"
        assert prepare.t_start_s - settled_s == pytest.approx(2000)
        assert ecm.t_start_s - settled_s == pytest.approx(2060)  # the column comes to rest
        assert ecm.duration_s == 14000
        assert age.t_start_s + age.duration_s - settled_s == pytest.approx(16200)
        assert (ecm.step.key, fem.step.key, saed.step.key) == ("ecm", "fem", "saed")
    assert ramps_s == pytest.approx([225, 375, 150, 675, 75])


def test_the_sessions_of_the_paper():
    result = laid_out("amz4_in_situ")
    parks = [step.t_start_s for step in result.steps if isinstance(step.step, ParkStep)]
    sessions = [
        [hold.step.setpoint_K - 273.15 for hold in result.steps
         if isinstance(hold.step, AcquireStep) and hold.step.method == "ecm" and begin < hold.t_start_s < end]
        for begin, end in zip([0.0, *parks], [*parks, result.duration_s], strict=True)
    ]  # fmt: skip
    assert sessions == [pytest.approx([100]), pytest.approx([150, 200]), pytest.approx([250, 275])]


def test_the_acquisitions_of_the_paper():
    names = [hold.name for hold in laid_out("amz4_in_situ").holds]
    assert names[:5] == ["01_fem_25C", "02_saed_25C", "03_ecm_100C", "04_fem_100C", "05_saed_100C"]
    assert names[-1] == "17_saed_275C"
    assert len(names) == 17


def test_the_dose_of_the_paper():
    for hold in laid_out("amz4_in_situ").holds:
        if hold.method == "ecm":
            assert hold.dose_per_nm2 == pytest.approx(6.16e9)
    (room,) = laid_out("room_temperature_ecm").holds
    assert (room.frames, room.duration_s) == (5000, 25_000)
    assert room.dose_per_nm2 == pytest.approx(3.75e9)


def test_every_movie_and_every_grid_has_a_region_of_its_own():
    for name in ("amz4_in_situ", "vr_fem", "dose_series"):
        regions = [hold.region for hold in laid_out(name).holds if hold.method != "diffraction"]
        assert len(set(regions)) == len(regions)


def test_the_ten_probes():
    optics = [
        planned_step.step.setup.optics
        for planned_step in laid_out("vr_fem").steps
        if isinstance(planned_step.step, AcquireStep)
    ]
    probes_nm = [state.probe_nm for state in optics]
    assert probes_nm == [0.8, 0.91, 1.05, 1.2, 1.3, 1.5, 1.9, 2.5, 3.5, 5.0]
    assert {state.probe_current_pA for state in optics} == {15.0}


def test_the_dose_rates():
    rates = [
        planned_step.step.setup.optics.dose_rate_per_nm2_s for planned_step in laid_out("dose_series").steps
    ]
    assert rates == [0.5e5, 1.0e5, 2.1e5, 4.4e5]
