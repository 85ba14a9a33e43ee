"""What the journal of a run says so far, taken up record by record."""

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from annealscope.controller.journal import GOING, STANDING
from annealscope.controller.monitor.seen import HoldSeen, Record, RegionSeen, Stretch
from annealscope.controller.monitor.words import Line, line_of, said

LINES_KEPT = 300
ALARMS_KEPT = 100
SAME_LOSS = ("kind", "hold", "why")
"""What losses have in common that are told in one line."""
CHANGING = frozenset({"ramp", "cool", "park"})
"""Steps that change the temperature."""


class Story:
    """What has happened so far; every value is that of the newest record that said something of it."""

    def __init__(self) -> None:
        self.t_s = 0.0
        """Time of the newest record, on the run's clock."""
        self.begun: Record = {}
        """The newest ``run_started`` or ``run_continued``."""
        self.first: Record = {}
        """The ``run_started``."""
        self.ended: Record | None = None
        """The ``run_ended``; None again when the run was continued."""
        self.steps: list[Stretch] = []
        """The steps as they were really done."""
        self.standing: list[Stretch] = []
        """Pauses, suspensions and parks."""
        self.asked: list[Stretch] = []
        """Times in which the operator was asked for something."""
        self.settled_s: float | None = None
        """When the temperature has settled; None while it is on its way."""
        self.drift_rate_nm_per_min: float | None = None
        """The newest that was found in a wait at this temperature."""
        self.holds: dict[int, HoldSeen] = {}
        self.regions: dict[int, RegionSeen] = {1: RegionSeen(1)}
        """A run begins on the first one, without a word."""
        self.region = 1
        """The one under the beam."""
        self.noted_s: dict[str, float] = {}
        """When a guard last said something, by its name."""
        self.readings = (array("d"), array("d"))
        """All temperatures: t_s, temperature in K."""
        self.lines: deque[tuple[Record, Line]] = deque(maxlen=LINES_KEPT)
        """The last records that are worth a line, and the line."""
        self.alarms: deque[tuple[Record, Line]] = deque(maxlen=ALARMS_KEPT)
        """Of all records, not of the last lines only."""

    def take(self, records: Iterable[Record]) -> None:
        """Take up what comes next; a record of another version that lacks its fields is passed over."""
        for record in records:
            taker = _TAKERS.get(record["kind"])
            try:
                self.t_s = float(record["t_s"])
                if taker is not None:
                    taker(self, record)
            except (KeyError, TypeError, ValueError, OverflowError):
                continue
            if said(record["kind"]):
                self._tell(record)

    @property
    def open_hold(self) -> HoldSeen | None:
        """The acquisition whose file is not complete yet."""
        newest = next(reversed(self.holds.values()), None)
        return newest if newest is not None and not newest.closed else None

    @property
    def changed_temperature(self) -> bool:
        """Say whether the specimen has been at another temperature than that of the room."""
        return any(step.what in CHANGING for step in self.steps)

    def last_service_s(self, name: str) -> float:
        """Return when something was last done that has to be done every few hours.

        Its clock starts with the run and after each park; it was done when the suspension for it ended.
        """
        parks = (one.t_to_s or self.t_s for one in self.standing if one.what == "parked")
        since_s = max((float(self.begun.get("t_s", 0.0)), *parks))
        noted_s = self.noted_s.get(name, since_s)
        rests = (
            one for one in self.standing if one.what == "suspended" and one.t_from_s >= noted_s > since_s
        )
        rest = next(rests, None)
        return max(since_s, noted_s if rest is None else rest.t_to_s or self.t_s)

    def _tell(self, record: Record) -> None:
        """Add a line to the log; a loss that follows another one for the same reason adds to its line."""
        newest = self.lines[-1][0] if self.lines else {}
        if record["kind"] == "lost" and all(newest.get(key) == record.get(key) for key in SAME_LOSS):
            self.lines.pop()
            frames, places = newest["frames"] + record["frames"], newest.get("places", 1) + 1
            record = {**newest, "frames": frames, "places": places}
        line = line_of(record, {hold.hold: hold.name for hold in self.holds.values()})
        if line is None:
            return
        self.lines.append((record, line))
        if line.level == "alarm":
            self.alarms.append((record, line))


def _reading(story: Story, record: Record) -> None:
    values = float(record["t_s"]), float(record["temperature_K"])  # both, or none of them
    for column, value in zip(story.readings, values, strict=True):
        column.append(value)


def _run_started(story: Story, record: Record) -> None:
    story.first = story.begun = record
    story.ended = None


def _run_continued(story: Story, record: Record) -> None:
    story.begun, story.ended = record, None
    _end(story.standing, record)


def _run_ended(story: Story, record: Record) -> None:
    story.ended = record
    _end(story.steps, record)
    _end(story.asked, record)
    if record["outcome"] == "parked":
        _stand(story, "parked", record)
    else:
        _end(story.standing, record)


def _state(story: Story, record: Record) -> None:
    state = str(record["state"])
    if state in STANDING:
        _stand(story, state, record)
    elif not _parked(story) or state in GOING:
        _end(story.standing, record)


def _parked(story: Story) -> bool:
    return bool(story.standing) and story.standing[-1].t_to_s is None and story.standing[-1].what == "parked"


def _stand(story: Story, state: str, record: Record) -> None:
    """The plan stands still; a state that goes on is not told twice."""
    newest = story.standing[-1] if story.standing else None
    if newest is None or newest.t_to_s is not None or newest.what != state:
        _end(story.standing, record)
        story.standing.append(Stretch(state, record["t_s"], why=str(record.get("why") or "")))


def _step(story: Story, record: Record) -> None:
    _end(story.steps, record)
    _end(story.asked, record)
    story.steps.append(Stretch(str(record["step"]), record["t_s"], index=int(record["index"])))
    if record["step"] in CHANGING:
        story.settled_s = story.drift_rate_nm_per_min = None


def _settled(story: Story, record: Record) -> None:
    story.settled_s = record["t_s"] - record.get("age_s", 0.0)


def _prompt(story: Story, record: Record) -> None:
    _end(story.asked, record)
    story.asked.append(Stretch("prompt", record["t_s"], why=str(record["message"])))


def _answered(story: Story, record: Record) -> None:
    _end(story.asked, record)


def _guard(story: Story, record: Record) -> None:
    story.noted_s[str(record["guard"])] = record["t_s"]


def _drift_rate(story: Story, record: Record) -> None:
    story.drift_rate_nm_per_min = float(record["nm_per_min"])


def _hold_opened(story: Story, record: Record) -> None:
    """A hold that is gone on with by another process keeps what it has lost; an older version says less."""
    opened = HoldSeen(
        hold=int(record["hold"]),
        name=str(record["name"]),
        title=str(record.get("title", "")),
        method=str(record.get("method", "ecm")),
        region=record.get("region"),
    )
    before = story.holds.pop(opened.hold, None)
    if before is not None:
        opened.lost = before.lost
    story.holds[opened.hold] = opened


def _lost(story: Story, record: Record) -> None:
    story.holds[record["hold"]].lost += int(record["frames"])


def _hold_closed(story: Story, record: Record) -> None:
    seen = story.holds[record["hold"]]
    seen.closed, seen.frames, seen.reason = True, int(record["frames"]), str(record["reason"])
    seen.lost = max(seen.lost, int(record.get("lost", 0)))


def _results(story: Story, record: Record) -> None:
    seen = story.holds[record["hold"]]
    seen.tau_s, seen.sigma_tau_s = record.get("tau_s"), record.get("sigma_tau_s")
    seen.V_max, seen.sigma_V_max = record.get("V_max"), record.get("sigma_V_max")


def _region(story: Story, record: Record) -> None:
    story.region = int(record["number"])
    y_nm, x_nm = record["position_nm"]
    seen = story.regions.setdefault(story.region, RegionSeen(story.region))
    seen.y_nm, seen.x_nm, seen.thickness = y_nm, x_nm, record.get("thickness")


def _dose(story: Story, record: Record) -> None:
    seen = story.regions.setdefault(record["region"], RegionSeen(record["region"]))
    seen.exposed_per_nm2 = float(record["exposed_per_nm2"])
    seen.beam_on_per_nm2 = float(record["beam_on_per_nm2"])


def _end(stretches: list[Stretch], record: Record) -> None:
    """What still lasts ends with a record."""
    if stretches and stretches[-1].t_to_s is None:
        stretches[-1].t_to_s = record["t_s"]


_TAKERS: Mapping[str, Callable[[Story, Record], None]] = {
    "reading": _reading,
    "run_started": _run_started,
    "run_continued": _run_continued,
    "run_ended": _run_ended,
    "state": _state,
    "step": _step,
    "settled": _settled,
    "prompt": _prompt,
    "answered": _answered,
    "guard": _guard,
    "drift_rate": _drift_rate,
    "hold_opened": _hold_opened,
    "lost": _lost,
    "results": _results,
    "hold_closed": _hold_closed,
    "region": _region,
    "dose": _dose,
}
