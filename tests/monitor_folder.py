"""A run folder as the monitor finds it: plan and rig of a shipped protocol, a journal that a test writes."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from annealscope.controller.config.load import load_protocol, load_rig
from annealscope.controller.config.sources import read_source
from annealscope.controller.engine.ports import NextTask, Status
from annealscope.controller.journal import Journal
from annealscope.controller.live import write_live
from annealscope.controller.monitor.newest import FrameStatistics, Newest
from annealscope.controller.planning import plan, plan_to_json
from annealscope.controller.stream.messages import CameraInfo, FrameHeader, OpenHold
from annealscope.drivers.clock import VirtualClock

UTC_ZERO_S = 1_700_000_000.0
ANY_PLACE = {"position_nm": [0.0, 250.0], "thickness": 0.7}


class RunAsSeen:
    """A folder whose journal a test goes on with."""

    def __init__(self, path: Path, protocol: str = "quick_look", rig: str = "simulated") -> None:
        self.path = path
        path.mkdir()
        (path / "plan.json").write_text(plan_to_json(plan(load_protocol(protocol), load_rig(rig))))
        (path / "rig.yaml").write_bytes(read_source(rig, "rigs").content)
        self.clock = VirtualClock(UTC_ZERO_S)
        self.journal_path = path / "journal.jsonl"

    def say(self, t_s: float, kind: str, **fields: Any) -> "RunAsSeen":
        """Append a record of a time."""
        self.clock.sleep_until(t_s)
        journal = Journal(self.journal_path, self.clock)
        journal.write(kind, **fields)
        journal.close()
        return self

    def begin(self, clock: str = "max") -> "RunAsSeen":
        """Write how a run begins."""
        self.say(0.0, "run_started", run="r", protocol="P", rig="simulated", seed=0, version="9", clock=clock)
        return self.say(0.0, "state", state="running", why="the protocol begins")

    def announce(self, alive: bool = True) -> "RunAsSeen":
        """Write ``live.json`` of this process, or of one that has died."""
        pid = os.getpid() if alive else max(psutil.pids()) + 100_000
        write_live(self.path / "live.json", {"pid": pid})
        return self

    def open_hold(self, t_s: float, hold: int = 1, region: int = 2) -> "RunAsSeen":
        """Write that an acquisition begins."""
        named = {"name": f"{hold:02d}_ecm_100C", "title": "ecm at 100 °C", "method": "ecm", "hold": hold}
        state = {"t_settled_s": 260.0, "setpoint_K": 373.15, "frames_planned": 2000}
        return self.say(t_s, "hold_opened", region=region, **named, **state)

    def close_hold(self, t_s: float, hold: int = 1, lost: int = 0, reason: str = "complete") -> "RunAsSeen":
        """Write that its file is complete."""
        closed = {"path": "holds/x.nxs", "frames": 2000, "lost": lost, "analysis": "complete"}
        return self.say(t_s, "hold_closed", hold=hold, reason=reason, **closed)

    def change_plan(self, **changes: Any) -> "RunAsSeen":
        """Overwrite fields of the plan."""
        path = self.path / "plan.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        return self


def status(**changes: Any) -> dict[str, Any]:
    """Return what the engine says of itself, in the wait before the first acquisition of ``quick_look``."""
    fields: dict[str, Any] = {
        "state": "running",
        "step": "wait to age 2000 s",
        "phase": "waiting",
        "step_number": 1,
        "steps": 10,
        "t_s": 400.0,
        "total_s": 19065.0,
        "temperature_K": 373.2,
        "setpoint_K": 373.15,
    }
    return asdict(Status(**{**fields, **changes}))


def task(what: str, t_s: float) -> NextTask:
    """Return something that the operator does."""
    return NextTask(what, t_s)


def opening(hold: int = 1, method: str = "ecm", **changes: Any) -> OpenHold:
    """Return what frames are of; a camera of 100 x 100 pixels, 100 counts of read noise times five."""
    camera = CameraInfo(
        shape=(100, 100), dtype="uint16", pixel_nm=0.2, offset_counts=100.0, gain_counts_per_e=10.0,
        read_noise_counts=20.0, aperture_per_nm=0.7,
    )  # fmt: skip
    fields: dict[str, Any] = {
        "run": "r", "hold": hold, "name": f"{hold:02d}_ecm_100C", "folder": "r", "title": "ecm at 100 °C",
        "method": method, "camera": camera, "exposure_s": 1.0, "period_s": 2.0, "frames_planned": 2000,
        "t_settled_s": 260.0, "start_utc": "2024-01-01T00:00:00+00:00", "setpoint_K": 373.15,
        "image_shift_matrix": ((1.0, 0.0), (0.0, 1.0)), "drift": True,
        "settings": {"drift": {"warn_nm": 1.0, "limit_nm": 5.0}},
    }  # fmt: skip
    return OpenHold(**{**fields, **changes})


def frame(hold: int = 1, beam_on: bool = True) -> FrameHeader:
    """Return the header of a frame."""
    return FrameHeader(
        hold=hold, seq=3, slot=3, segment=0, t_start_s=2300.0, exposure_s=1.0, lost_before=0,
        shape=(100, 100), dtype="uint16", crc32=0, shift_applied_nm=(0.0, 0.0), beam_on=beam_on,
    )  # fmt: skip


def newest_with(counts: FrameStatistics | None = None, **changes: Any) -> Newest:
    """Return what has come when a frame of the first acquisition was the last."""
    fields = {"status": status(), "opening": opening(), "frame": frame(), "statistics": counts}
    return Newest(**{**fields, **changes})
