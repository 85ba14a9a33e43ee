"""Go or no-go: every rule finds what is right, what is wrong, and what is not known yet."""

from dataclasses import replace

import numpy as np
import pytest
from monitor_folder import ANY_PLACE, RunAsSeen, frame, newest_with, opening, status

from annealscope.controller.monitor.go import FIRST_FRAMES, go, upcoming
from annealscope.controller.monitor.go_values import Before
from annealscope.controller.monitor.model import Model
from annealscope.controller.monitor.newest import FrameStatistics, Newest
from annealscope.controller.monitor.planned import Service, Step, read_plan
from annealscope.controller.monitor.story import Story
from annealscope.controller.monitor.tail import JournalTail

GOOD = FrameStatistics(mean_counts=300.0, std_counts=90.0, saturated=0.0)
"""Shot noise alone would give 59 counts, with the read noise."""
ACQUIRING = {"step": "acquire", "step_number": 2, "phase": "acquiring", "t_s": 2300.0, "drift_nm": 0.1}


@pytest.fixture
def run(tmp_path):
    run = RunAsSeen(tmp_path / "run").begin()
    run.say(1.0, "step", index=0, path="steps.0", step="ramp", label="ramp")
    return run.say(260.0, "settled", setpoint_K=373.15, age_s=0.0)


@pytest.fixture
def before(run):
    """Everything is known, and good."""
    story = Story()
    story.take(JournalTail(run.journal_path).new_records()[0])
    plan, _ = read_plan(run.path)
    newest = newest_with(GOOD)
    return Before(plan, plan.steps[2], story, status(**ACQUIRING), newest, free_bytes=10**12, tau_s=420.0)


def item(before, name):
    (found,) = [item for item in go(before)["items"] if item["name"] == name]
    return found


def verdict(before, name):
    return item(before, name)["verdict"]


def in_step(before, **fields):
    """Change fields of the acquisition."""
    step = Step.model_validate({**before.step.step.model_dump(), **fields})
    return replace(before, step=before.step.model_copy(update={"step": step}))


def saying(before, **changes):
    """Change what the run says of itself."""
    return replace(before, status={**before.status, **changes})


def counting(before, **changes):
    """Change the counts of the newest frame."""
    return replace(before, newest=replace(before.newest, statistics=replace(GOOD, **changes)))


# ------------------------------------------------------------------ when


def test_a_card_is_shown_from_the_settling_to_the_first_frames(run):
    plan, _ = read_plan(run.path)

    def coming(number, phase, **changes):
        step = upcoming(plan, status(step="x", step_number=number, phase=phase, **changes))
        return step.step.hold if step is not None else None

    assert coming(0, "ramping") is None
    assert coming(0, "settling") == 1
    assert coming(1, "waiting") == 1
    assert coming(1, "waiting", state="suspended") == 1
    assert coming(1, "waiting", state="finishing") is None
    assert coming(2, "preparing") == 1
    assert coming(2, "acquiring", frames=FIRST_FRAMES - 1) == 1
    assert coming(2, "acquiring", frames=FIRST_FRAMES) is None
    assert coming(2, "closing") is None
    assert coming(3, "settling") == 2
    assert coming(9, "settling") is None  # the last cool-down


def test_a_model_shows_the_card_of_a_live_run(run):
    run.announce()
    newest = Newest(status=status(), status_at_s=np.inf)
    card = Model(run.path).state(newest)["go"]
    assert (card["title"], card["verdict"]) == ("ecm at 100 °C", "wait")
    assert all(item["rule"] for item in card["items"])
    assert Model(run.path).state(replace(newest, status=status(phase="ramping", step_number=3)))["go"] is None


# ------------------------------------------------------------------ what


def test_go_when_all_is_well(before):
    card = go(before)
    assert card["verdict"] == "go", [item for item in card["items"] if item["verdict"] != "ok"]
    assert [item["name"] for item in card["items"]] == [
        *("run", "temperature", "speckles", "expected σ(τ), bias", "dose of the region", "disk"),
        *("drift", "counts per pixel", "speckle contrast"),
    ]


def test_one_that_is_bad_is_no_go_and_one_that_is_unknown_waits(before):
    assert go(saying(before, prompt="turn the knob"))["verdict"] == "wait"
    assert go(saying(before, prompt="turn the knob", drift_nm=2.0))["verdict"] == "no-go"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "ok"),
        ({"state": "suspended", "why": "no beam"}, "unknown"),
        ({"prompt": "turn the knob"}, "unknown"),
    ],
)
def test_the_run_has_to_go_on_by_itself(before, changes, found):
    assert verdict(saying(before, **changes), "run") == found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"temperature_K": 373.6}, "ok"),
        ({"temperature_K": 373.7}, "bad"),
        ({"temperature_K": 372.6}, "bad"),
        ({"phase": "settling", "temperature_K": 380.0}, "unknown"),
    ],
)
def test_the_temperature_has_to_be_in_its_band(before, changes, found):
    assert verdict(saying(before, **changes), "temperature") == found


def test_a_temperature_that_has_not_settled_is_waited_for(before):
    before.story.settled_s = None
    assert verdict(before, "temperature") == "unknown"
    before.story.steps.clear()  # at room temperature from the start on there is nothing to settle
    assert verdict(before, "temperature") == "ok"


@pytest.mark.parametrize(("n_speckles", "found"), [(100.0, "ok"), (99.0, "bad")])
def test_a_frame_needs_enough_speckles(before, n_speckles, found):
    estimate = before.estimate.model_copy(update={"n_speckles": n_speckles})
    few = replace(before, plan=before.plan.model_copy(update={"holds": (estimate,)}))
    assert verdict(few, "speckles") == found


def test_the_expected_error_is_that_of_the_tau_nearest_to_the_last_one(before):
    assert item(before, "expected σ(τ), bias")["value"].startswith(
        "±4.3 % at τ = 400 s; a plain fit is off by −30"
    )
    whole = item(replace(before, tau_s=None), "expected σ(τ), bias")["value"]
    assert whole.startswith("±2.2 … 6.1 % at τ = 100 … 800 s; a plain fit is off by −8.5 … −47")


def test_the_error_is_compared_with_what_the_protocol_asks_for(before):
    asked = in_step(before, until={"combine": "any", "conditions": [{"frames": 9}, {"within": 0.03}]})
    found = item(asked, "expected σ(τ), bias")
    assert (found["verdict"], found["rule"]) == ("bad", "at most 3 %, as the protocol asks")


def test_the_dose_counts_what_a_region_has_seen_unless_it_is_fresh(before, run):
    run.say(300.0, "region", number=2, **ANY_PLACE)
    run.say(301.0, "dose", region=2, hold=1, frames=9, exposed_per_nm2=1.0e9, beam_on_per_nm2=6.0e9)
    before.story.take(JournalTail(run.journal_path).new_records()[0][-2:])
    assert verdict(before, "dose of the region") == "ok"
    assert verdict(in_step(before, setup={"fresh_region": False}), "dose of the region") == "bad"
    exposed = before.plan.model_copy(update={"dose_counts": "exposed"})
    used = in_step(replace(before, plan=exposed), setup={"fresh_region": False})
    assert verdict(used, "dose of the region") == "ok"


@pytest.mark.parametrize(("free_bytes", "found"), [(10**9, "ok"), (10**8, "bad"), (None, "unknown")])
def test_the_disk_needs_room_for_the_record(before, free_bytes, found):
    assert verdict(replace(before, free_bytes=free_bytes), "disk") == found


def test_what_falls_due_in_the_record_is_said(before):
    def trap(every_s):
        rule = Service(name="cold_trap", every_s=every_s)
        house = before.plan.house.model_copy(update={"services": (rule,)})
        return item(replace(before, plan=before.plan.model_copy(update={"house": house})), "cold_trap")

    assert trap(7200.0)["why"] == ""
    assert trap(3600.0)["why"] == "falls due in 21 min 40 s: a new segment there"
    assert trap(2000.0)["verdict"] == "unknown"
    assert (trap(7200.0)["value"], trap(7200.0)["rule"]) == ("done 38 min 20 s ago", "every 2 h")


# ------------------------------------------------------------------ what frames tell


def watched(before):
    """Put a wait for a drift of less than 1 nm/min before the acquisition."""
    wait = before.plan.steps[1]
    calm = wait.model_copy(update={"step": Step(kind="wait", drift_below_nm_per_s=1 / 60)})
    steps = (before.plan.steps[0], calm, *before.plan.steps[2:])
    return replace(before, plan=before.plan.model_copy(update={"steps": steps}))


def test_the_drift_rate_is_that_of_the_watch(before):
    waiting = watched(before)
    assert verdict(waiting, "drift rate") == "unknown"
    before.story.drift_rate_nm_per_min = 1.2
    assert verdict(waiting, "drift rate") == "bad"
    assert verdict(saying(waiting, phase="watching"), "drift rate") == "unknown"
    before.story.drift_rate_nm_per_min = 0.9
    assert verdict(waiting, "drift rate") == "ok"


def test_without_a_watch_the_first_frames_have_to_lie_within_the_warning(before):
    assert verdict(before, "drift") == "ok"
    assert verdict(saying(before, drift_nm=1.1), "drift") == "bad"
    assert verdict(saying(before, drift_nm=None), "drift") == "unknown"
    assert "drift" not in [item["name"] for item in go(in_step(before, drift=None))["items"]]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"mean_counts": 99.0}, "too dark"),
        ({"mean_counts": 40_000.0, "std_counts": 9000.0}, "too bright"),
        ({"saturated": 0.002}, "0.2 % of the pixels are saturated"),
    ],
)
def test_counts_lie_between_read_noise_and_saturation(before, changes, why):
    found = item(counting(before, **changes), "counts per pixel")
    assert (found["verdict"], found["why"]) == ("bad" if why else "ok", why)


def test_counts_of_a_shorter_exposure_count_for_more(before):
    short = replace(before.newest, opening=opening(hold=0, method="watch", exposure_s=0.1), frame=frame(0))
    dark = replace(GOOD, mean_counts=30.0)
    assert item(replace(before, newest=replace(short, statistics=dark)), "counts per pixel")["value"] == "300"


@pytest.mark.parametrize(("std_counts", "found"), [(90.0, "ok"), (60.0, "bad"), (58.0, "bad")])
def test_speckle_has_more_contrast_than_noise(before, std_counts, found):
    """Noise alone: sqrt(10 x 300 + 20^2) = 58.3 counts; five sigma of 10 000 pixels are 3.5 % of that."""
    assert verdict(counting(before, std_counts=std_counts), "speckle contrast") == found


def test_frames_of_something_else_say_nothing(before):
    other = replace(before.newest, opening=opening(hold=7), frame=frame(7))
    blanked = replace(before.newest, frame=frame(beam_on=False))
    stale = replace(before.newest, frame=frame(7))
    for newest in (other, blanked, stale, Newest()):
        assert verdict(replace(before, newest=newest), "counts per pixel") == "unknown"
        assert verdict(replace(before, newest=newest), "speckle contrast") == "unknown"


def test_patterns_may_be_dark_but_not_saturated(before):
    patterns = in_step(counting(before, mean_counts=1.0), method="fem", drift=None)
    names = [item["name"] for item in go(patterns)["items"]]
    assert "counts per pixel" not in names
    assert verdict(patterns, "saturated") == "ok"
    assert verdict(in_step(counting(before, saturated=0.01), method="fem"), "saturated") == "bad"
