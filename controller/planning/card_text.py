"""The pre-run card as lines of text, for a terminal or a sheet of paper."""

from collections.abc import Iterator

from annealscope.controller.config.wording import celsius, clock, counted, data_size, duration, per_minute
from annealscope.controller.planning.card_values import (
    Card,
    ColumnState,
    DoseNeed,
    Expected,
    RegionNeed,
    SessionTasks,
)
from annealscope.controller.planning.house_values import ServiceDue
from annealscope.controller.planning.sessions import Task
from annealscope.controller.planning.text import wrapped
from annealscope.controller.units import ZERO_CELSIUS_K
from annealscope.drivers.interfaces import Optics

WIDTH = 80

_BOX = "[ ] "
_BY_HAND = "by hand: "


def card_lines(card: Card, width: int = WIDTH) -> list[str]:
    """Return the lines of a card.

    Parameters
    ----------
    card
        The card.
    width
        Most characters of a line; only a word that is longer makes a longer line.
    """
    lines: list[str] = []
    for title, entries in _chapters(card):
        lines += [""] * bool(lines) + wrapped(title, "", width)
        for lead, text in entries:
            lines += wrapped(text, lead, width)
    return lines


_Entry = tuple[str, str]
"""What stands before a text, and the text."""


def _chapters(card: Card) -> Iterator[tuple[str, list[_Entry]]]:
    sessions = counted(len(card.sessions), "session")
    size = (
        f"{duration(card.duration_s)} in {sessions}, {card.acquisitions} acquisitions, {card.frames} frames"
    )
    yield f"Before the run: {card.name} on {card.rig}", [("  ", size)]
    yield "Check", [(f"  {_BOX}", text) for text in _checks(card)]
    if card.states:
        yield "States of the column", [entry for state in card.states for entry in _state(state)]
    for session in card.sessions:
        if session.tasks:
            yield _session_title(session), [_task(task) for task in session.tasks]
    if not any(session.tasks for session in card.sessions):
        yield "During the run", [("  ", "nobody is asked for anything")]
    by_itself = [_service(due) for due in card.services if not due.by_operator]
    if by_itself:
        yield "What falls due by itself, times from the start of the run", by_itself
    if card.expected:
        yield "What it can tell (expected standard errors)", [("  ", _told(told)) for told in card.expected]
    yield "When nobody is in charge any more", [("  ", _safe(card))]


def _checks(card: Card) -> Iterator[str]:
    highest, limit = celsius(card.highest_K), celsius(card.max_temperature_K)
    yield f"temperature: up to {highest}; the run stops above {limit}"
    if card.cameras:
        yield f"camera{'s' if len(card.cameras) > 1 else ''}: {', '.join(card.cameras)}"
    rates = ", ".join(f"{key} {rate:.3g}" for key, rate in card.dose_rates)
    if rates:
        yield f"dose rate through vacuum in e/nm^2/s: {rates}"
    if card.dose is not None:
        yield _dose(card.dose)
    yield from map(_region, card.regions)
    yield f"disk: {data_size(card.disk_bytes)}; memory: {data_size(card.memory_bytes)}"


def _dose(dose: DoseNeed) -> str:
    counted = {"beam_on": "while the beam is on", "exposed": "during exposures"}[dose.counts]
    limit = f"of {dose.limit_per_nm2:.3g} that are allowed" if dose.limit_per_nm2 is not None else "no limit"
    return f"dose of a region: at most {dose.largest_per_nm2:.3g} e/nm^2 {counted}, {limit}"


def _region(need: RegionNeed) -> str:
    regions = counted(need.regions, "fresh region")
    thickness = ""
    if need.thickness is not None:
        thickness = f" of {need.thickness[0]:g} to {need.thickness[1]:g} mean free paths"
    return f"{regions}{thickness} ({', '.join(need.used_by)})"


def _state(state: ColumnState) -> Iterator[_Entry]:
    yield "  ", f"{state.name} ({', '.join(state.used_by)}): {optics_in_words(state.optics)}"
    for item in state.by_hand:
        yield f"    {_BOX}", f"{_BY_HAND}{item}"


def optics_in_words(optics: Optics) -> str:
    """Write a state of the column: what is not asked for is left out."""
    numbers = (
        (optics.high_tension_kV, "{:g} kV"),
        (optics.magnification, "{:g} x"),
        (optics.objective_aperture_um, "objective aperture {:g} um"),
        (optics.ring_per_nm, "ring at {:g} 1/nm"),
        (optics.probe_nm, "probe of {:g} nm"),
        (optics.probe_current_pA, "{:g} pA"),
        (optics.camera_length_m, "camera length {:g} m"),
    )
    words = [form.format(number) for number, form in numbers if number is not None]
    return ", ".join([optics.mode.replace("_", " "), *words])


def _session_title(session: SessionTasks) -> str:
    return f"Be there in session {session.number} ({duration(session.duration_s)}), times from its start"


def _task(task: Task) -> _Entry:
    words = {
        "set": f"{task.message}: {'; '.join(task.checklist)}",
        "prompt": f"answer: {task.message}",
        "park": f"park: {task.message} {_parks(task)}",
        "holder": "; then ".join((task.message, *task.checklist)),
        "service": task.message,
    }
    return f"  {clock(task.t_s):>8}  ", words[task.kind]


def _parks(task: Task) -> str:
    by_hand = "".join(f"{order[0].upper()}{order[1:]}. " for order in task.checklist)
    return f"{by_hand or 'Heater off, '}{'B' if by_hand else 'b'}eam blanked; `annealscope continue` goes on."


def _service(due: ServiceDue) -> _Entry:
    rests = f"; no frames for {duration(due.takes_s)}" if due.suspends else ""
    return f"  {clock(due.t_s):>8}  ", f"{due.message}{rests}"


def _told(told: Expected) -> str:
    at = ", ".join(f"{kelvin - ZERO_CELSIUS_K:.6g}" for kelvin in told.temperatures_K)
    where = f"{told.key} at {at} °C"
    if told.precision:
        errors = ", ".join(f"{p.tau_s:.4g} s ± {p.sigma_ln_tau:.1%}" for p in told.precision)
        return f"{where}: tau of {errors}"
    if told.sigma_variance is not None:
        return f"{where}: V(k) of the first ring ± {told.sigma_variance:.1%}"
    return f"{where}: ring profile"


def _safe(card: Card) -> str:
    safe = card.safe
    if card.holder_set_by == "operator":
        return "the heater stays as it is until somebody sets it at its controller; be reachable"
    return (
        f"after {duration(safe.grace_s)} the heater goes to {celsius(safe.cool_to_K)} at "
        f"{per_minute(safe.rate_K_per_s)} and off, the beam is blanked"
    )
