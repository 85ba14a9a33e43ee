"""What the page is told of a run: from its plan, its journal and its word, whatever of them is missing."""

import json
import time
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from monitor_folder import ANY_PLACE, RunAsSeen, newest_with, opening, status, task

from annealscope.controller.monitor import pieces
from annealscope.controller.monitor.model import Model
from annealscope.controller.monitor.newest import Newest, frame_statistics
from annealscope.controller.monitor.story import LINES_KEPT, Story
from annealscope.controller.monitor.tasks import next_task, time_of_day


@pytest.fixture
def run(tmp_path):
    return RunAsSeen(tmp_path / "run")


def live(**changes):
    return Newest(status=status(**changes), status_at_s=time.monotonic())


# ------------------------------------------------------------------ hello


def test_hello_has_the_plan(run):
    hello = Model(run.begin().path, control=True).hello()
    assert (hello["title"], hello["rig"], hello["version"]) == ("Quick look at AMZ4", "simulated", "9")
    assert (hello["simulated"], hello["control"], hello["virtual"]) == (True, True, True)
    assert hello["utc_zero"] == "2023-11-14T22:13:20.000+00:00"
    plan = hello["plan"]
    assert sum(step["duration_s"] for step in plan["steps"]) == 19065.0
    step = plan["steps"][2]
    assert (step["kind"], step["hold"], step["name"], step["frames"]) == ("acquire", 1, "01_ecm_100C", 2000)
    assert (step["drift_warn_nm"], step["drift_limit_nm"]) == (1.0, 5.0)
    assert (step["setpoint_degC"], plan["start_degC"], plan["max_degC"]) == pytest.approx(
        (100.0, 25.0, 300.0)
    )


def test_another_run_in_the_same_folder_has_its_own_plan(run):
    model = Model(run.begin().path)
    model.hello()
    run.change_plan(name="Another").journal_path.unlink()
    model.hello()
    run.begin()
    assert model.hello()["title"] == "Another"


def test_a_run_on_a_real_clock_has_times_of_day(run):
    assert Model(run.begin("real").path).hello()["virtual"] is False
    assert Model(RunAsSeen(run.path.parent / "fast").begin("60").path).hello()["virtual"] is True


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("plan.json", None, "plan.json is missing"),
        ("plan.json", '{"name": "x", "steps"', "plan.json is damaged, or of another version"),
        ("plan.json", '{"name": "x", "steps": [{"index": 0}]}', "steps.0.label: Field required"),
        ("rig.yaml", None, "rig.yaml is missing"),
        ("rig.yaml", "name: [", "rig.yaml is damaged, or of another version"),
    ],
)
def test_without_plan_or_rig_the_page_says_so_and_works(run, file, content, message):
    run.begin().announce()
    (run.path / file).unlink()
    if content is not None:
        (run.path / file).write_text(content)
    model = Model(run.path)
    state = model.state(live())
    assert message in state["message"]
    assert (state["life"], state["status"]["phase"]) == ("live", "waiting")
    assert (model.hello()["plan"] is None) == (file == "plan.json")


def test_a_damaged_journal_is_said_once_in_the_log(run):
    run.begin().say(1.0, "prompt", message="A", timeout_s=None).say(2.0, "answered", by="operator")
    content = run.journal_path.read_bytes()
    run.journal_path.write_bytes(content.replace(b'"A"', b'"B"'))
    model = Model(run.path)
    assert "damaged" in model.state(live())["message"]
    told = [line["text"] for line in model.log()["lines"]]
    assert sum("damaged" in text for text in told) == 1
    assert not any("answered" in text for text in told)


def test_a_journal_that_cannot_be_read_is_said(run, monkeypatch):
    model = Model(run.begin().path)

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("annealscope.controller.monitor.tail.JournalTail.new_records", refuse)
    assert "journal.jsonl cannot be read: Permission denied" in model.state(Newest())["message"]


# ------------------------------------------------------------------ state


def test_temperatures_are_in_degrees(run):
    shown = Model(run.begin().announce().path).state(live())["status"]
    assert (shown["temperature_degC"], shown["setpoint_degC"]) == pytest.approx((100.05, 100.0))
    assert "next_task" not in shown
    assert not [name for name in shown if name.endswith("_K")]


def test_the_state_is_plain_json(run):
    run.begin().announce().open_hold(300.0)
    newest = replace(live(), opening=opening(settings={"drift": {"warn_nm": float("inf"), "limit_nm": 5.0}}))
    state = Model(run.path).state(newest)
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert (state["hold"]["drift_warn_nm"], state["hold"]["drift_limit_nm"]) == (None, 5.0)


def test_a_hold_is_shown_until_it_is_closed_and_a_watch_while_it_watches(run):
    run.begin().announce().open_hold(300.0)
    model, newest = Model(run.path), replace(live(), opening=opening())
    assert model.state(newest)["hold"]["name"] == "01_ecm_100C"
    run.close_hold(400.0)
    assert model.state(newest)["hold"] is None
    watch = replace(live(phase="watching"), opening=opening(hold=0, method="watch"))
    assert model.state(watch)["hold"]["method"] == "watch"
    assert model.state(replace(watch, status=status()))["hold"] is None


def test_holds_that_are_over_have_their_results(run):
    run.begin().announce().open_hold(300.0)
    run.say(399.0, "results", hold=1, tau_s=450.0, sigma_tau_s=20.0, beta=0.7, sigma_beta=0.02)
    run.close_hold(400.0, lost=3).open_hold(500.0, hold=2)
    run.say(599.0, "results", hold=2, V_max=0.15, sigma_V_max=0.002, k_per_nm=4.27)
    run.close_hold(600.0, hold=2)
    movie, grid = Model(run.path).state(live())["done"]
    assert (movie["tau_s"], movie["sigma_tau_s"], movie["V_max"]) == (450.0, 20.0, None)
    assert (movie["lost"], movie["reason"]) == (3, "complete")
    assert (grid["V_max"], grid["sigma_V_max"], grid["tau_s"]) == (0.15, 0.002, None)


def test_lost_frames_of_all_holds_are_counted_once(run):
    run.begin().announce().open_hold(300.0)
    run.say(301.0, "lost", hold=1, first_seq=5, frames=2, t_lost_s=1.0, why="dropped")
    model = Model(run.path)
    assert model.state(live(frames_lost=3))["lost"] == {"hold": 3, "total": 3}
    run.close_hold(400.0, lost=3).open_hold(500.0, hold=2)
    assert model.state(live(frames_lost=1))["lost"] == {"hold": 1, "total": 4}


def test_the_disk_needs_what_is_ahead(run, monkeypatch):
    run.begin().announce()
    model = Model(run.path)
    needed = model.state(live())["disk"]["needed_bytes"]
    size = json.loads((run.path / "plan.json").read_text())["holds"][0]["bytes"]
    assert needed == pytest.approx(1.1 * 4 * size)
    run.open_hold(300.0)
    assert model.state(live(frames=1000))["disk"]["needed_bytes"] == pytest.approx(1.1 * 3.5 * size)
    run.close_hold(400.0)
    assert model.state(live())["disk"]["needed_bytes"] == pytest.approx(1.1 * 3 * size)
    assert pieces.disk(model._plan, Story(), 0, needed - 1)["verdict"] == "low"
    assert pieces.disk(model._plan, Story(), 0, needed)["verdict"] == "ok"


def test_the_dose_of_the_region_under_the_beam_is_the_newest(run):
    run.begin().announce().say(1.0, "region", number=2, **ANY_PLACE).open_hold(300.0)
    run.say(301.0, "dose", region=2, hold=1, frames=9, exposed_per_nm2=1.0e9, beam_on_per_nm2=2.0e9)
    state = Model(run.path).state(replace(live(region=2, region_dose_per_nm2=3.5e9), opening=opening()))
    (row,) = state["dose"]["regions"]
    assert (row["number"], row["y_nm"], row["x_nm"], row["current"]) == (2, 0.0, 250.0, True)
    assert (row["dose_per_nm2"], row["share"], row["holds"]) == (3.5e9, 0.5, ["01_ecm_100C"])
    assert state["dose"]["beam_radius_nm"] == pytest.approx(100 * 2**0.5 * 0.2 / 2)


def test_the_first_region_is_where_its_hold_says(run):
    run.begin().announce()
    place = {"number": 1, "position_nm": (3.0, 4.0), "thickness": 0.5}
    model, newest = Model(run.path), live(region=1, region_dose_per_nm2=1.0e9)
    assert model.state(newest)["dose"]["regions"][0]["y_nm"] is None
    other = replace(newest, opening=opening(settings={"region": {**place, "number": 7}}))
    assert model.state(other)["dose"]["regions"][0]["y_nm"] is None
    (row,) = model.state(replace(newest, opening=opening(settings={"region": place})))["dose"]["regions"]
    assert (row["y_nm"], row["x_nm"], row["thickness"], row["dose_per_nm2"]) == (3.0, 4.0, 0.5, 1.0e9)


@pytest.mark.parametrize("action", ["alarm", "every device made safe", "aborting"])
def test_what_somebody_had_to_come_for_is_an_alarm(run, action):
    run.begin().announce().say(5.0, "guard", guard="holder", message="cool down, now", action=action)
    expected = [{"t_s": 5.0, "text": f"guard holder: cool down, now ({action})"}]
    assert Model(run.path).state(live(t_s=400.0, alarm="cool down, now"))["alarms"] == expected


def test_a_reading_without_a_temperature_is_passed_over_as_a_whole(run):
    run.begin().announce().say(5.0, "reading", temperature_K=None, setpoint_K=300.0)
    run.say(6.0, "reading", temperature_K=301.15, setpoint_K=300.0)
    _, arrays = Model(run.path).trace()
    assert {name: values.tolist() for name, values in arrays.items()} == {
        "t_s": [6.0],
        "temperature_degC": [28.0],
    }


def test_an_alarm_outlives_the_lines_of_the_log(run):
    run.begin().announce().say(5.0, "guard", guard="disk", message="it is full", action="parked")
    for n in range(LINES_KEPT):
        run.say(6.0 + n, "command", command="pause", source="page")
    model = Model(run.path)
    assert model.state(live())["alarms"] == [{"t_s": 5.0, "text": "guard disk: it is full (parked)"}]
    assert {line["level"] for line in model.log()["lines"]} == {"notice"}


def test_the_next_task_has_a_time_of_day_on_a_real_clock():
    now, ahead = datetime(2024, 5, 6, 14, 0), status(next_task=task("fill the trap", 1600.0))
    assert next_task(ahead, 0.0, now, virtual=False) == {
        "what": "fill the trap",
        "in_s": 1200.0,
        "at": "14:20",
    }
    assert next_task(ahead, 60.0, now, virtual=False)["at"] == "14:19"
    assert next_task(ahead, 0.0, now, virtual=True) == {"what": "fill the trap", "in_s": 1200.0, "at": None}
    assert next_task(status(), 0.0, now, virtual=False) is None


def test_another_day_is_named():
    now = datetime(2024, 5, 6, 23, 0)
    assert [time_of_day(now, hours * 3600.0) for hours in (0.5, 2, 200)] == [
        "23:30",
        "Tue 01:00",
        "2024-05-15 07:00",
    ]


# ------------------------------------------------------------------ numbers


def test_no_peak_of_the_temperature_is_lost_in_the_trace():
    story = Story()
    temperature_K = np.full(100_000, 300.0)
    temperature_K[[12_345, 67_890]] = 290.0, 350.0
    story.take(
        {"kind": "reading", "t_s": float(t_s), "temperature_K": value, "setpoint_K": 300.0}
        for t_s, value in enumerate(temperature_K)
    )
    trace = pieces.trace(story)
    assert len(trace["t_s"]) <= pieces.TRACE_POINTS
    assert (trace["temperature_degC"].min(), trace["temperature_degC"].max()) == pytest.approx((16.85, 76.85))
    assert (trace["t_s"][0], trace["t_s"][-1]) == (0.0, 99_999.0)
    assert np.all(np.diff(trace["t_s"]) > 0)


def test_an_empty_trace_is_one(run):
    _, arrays = Model(run.begin().path).trace()
    assert {name: values.shape for name, values in arrays.items()} == {
        "t_s": (0,),
        "temperature_degC": (0,),
    }


def test_counts_of_a_frame_are_measured_above_the_offset():
    pixels = np.full((100, 100), 300, dtype=np.uint16)
    pixels[:50], pixels[0, :10] = 500, 65535
    found = frame_statistics(pixels, newest_with().opening.camera)
    assert found.mean_counts == pytest.approx(pixels.mean() - 100.0)
    assert found.contrast == pytest.approx(pixels.std() / (pixels.mean() - 100.0))
    assert found.saturated == 1e-3
