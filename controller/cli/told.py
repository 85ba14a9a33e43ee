"""What a snapshot of a run says, in words for whoever sits at the terminal."""

from collections.abc import Iterator
from pathlib import Path

from annealscope.controller.config.wording import clock, counted, with_reason
from annealscope.controller.engine.ports import Status
from annealscope.controller.units import to_celsius


def where(status: Status) -> str:
    """Say which step is under way: ``[7/11] acquire ecm at 275 °C``."""
    if not status.step:
        return status.state
    return f"[{min(status.step_number + 1, status.steps)}/{status.steps}] {status.step}"


def describe(status: Status, frames_per_s: float | None = None) -> str:
    """Return the numbers of a snapshot in one line."""
    doing = status.phase if status.state == "running" else status.state
    parts = [f"{to_celsius(status.temperature_K):6.1f} °C", f"{doing:<9}"]
    if status.frames:
        parts.append(f"{status.frames}/{status.frames_planned} frames")
        if frames_per_s is not None:
            parts.append(f"{frames_per_s:.0f}/s")
    if status.drift_nm is not None:
        parts.append(f"drift {status.drift_nm:.2f} nm")
    if status.tau_s is not None:
        sigma = f" ± {status.sigma_tau_s:.0f}" if status.sigma_tau_s is not None else ""
        parts.append(f"τ {status.tau_s:.0f}{sigma} s")
    return "  ".join(parts).rstrip()


def record(status: Status) -> str:
    """Say what the frames so far have cost and what is missing of them; empty outside acquisitions."""
    parts = []
    if status.region is not None and status.region_dose_per_nm2 is not None:
        parts.append(f"region {status.region}: {status.region_dose_per_nm2:.3g} e/nm^2")
    if status.segment:
        parts.append(f"segment {status.segment}")
    if status.frames_lost:
        parts.append(f"{counted(status.frames_lost, 'frame')} lost by the camera")
    return "; ".join(parts)


def notices(status: Status, folder: Path) -> Iterator[str]:
    """Yield what the operator should know or do now: why the run rests, what is asked, how to go on."""
    resume = f"annealscope resume {folder}"
    if status.compiling:
        yield "first run: the analysis is compiled, later runs start at once; no frame is lost meanwhile"
    if status.alarm:
        yield f"ALARM: {status.alarm}"
    if status.state in ("pausing", "paused", "suspended", "parked", "finishing", "aborting"):
        yield with_reason(status.state, status.why)
    if status.order:
        yield f"asked of you: {status.order}"
        yield f"confirm with: {resume}"
    elif status.state == "paused":
        yield f"go on with: {resume}"
    elif status.state == "suspended" and "`resume`" in status.why:  # somebody has to do something first
        yield f"when that is done: {resume}"
    elif status.state == "suspended":
        yield f"goes on by itself; to go on all the same: {resume}"
    elif status.prompt:
        yield f"asked of you: {status.prompt}"
        yield f"answer with: {resume}"


def next_task(status: Status) -> str:
    """Say what the operator will be wanted for next, and when; empty when for nothing any more."""
    task = status.next_task
    if task is None or status.state in ("finishing", "aborting"):
        return ""
    ahead_s = task.t_s - status.t_s
    when = f"in {clock(ahead_s)}" if ahead_s > 0 else "after this step"
    return f"you are needed next {when} for: {task.what}"
