"""Drift feedback of an acquisition: the image is moved in the pauses between exposures."""

from collections import deque

from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.exposures import INSTANT_S, Exposures
from annealscope.controller.engine.outcome import PlannedEnd
from annealscope.controller.engine.ports import Pair
from annealscope.controller.planning.values import DriftPlan
from annealscope.controller.stream.messages import DriftRow

SHIFTS_KEPT = 512


class Steering:
    """Moves the image against its measured displacement, and says when it is too far away."""

    def __init__(self, drift: DriftPlan | None, exposures: Exposures) -> None:
        self._drift = drift
        self._exposures = exposures
        self._on_limit = drift.on_limit if drift is not None else "flag"
        self._shifts: deque[tuple[float, Pair]] = deque(maxlen=SHIFTS_KEPT)
        """When the image shift was set, and to what: a frame fetched late was taken before the last move."""
        self._first_fresh_seq = 0
        """Frames before this one were exposed before the last move: their displacement says nothing new."""
        self._excursion = ""
        """What was said about the displacement that goes on now."""
        self._beyond = ""
        """How far the newest frame lies beyond the limit."""

    def begin(self, bench: Bench) -> None:
        """Begin a segment: what was measured before it says nothing about it."""
        self._first_fresh_seq = self._exposures.frames
        self._excursion = self._beyond = ""
        self._note_shift(bench)

    def steer(self, bench: Bench) -> None:
        """Move the image by the newest drift row, but only while no exposure runs.

        Raises PlannedEnd beyond a limit that ends the run.
        """
        drift, row = self._drift, bench.stream.newest_drift()
        if drift is None or row is None or row.seq < self._first_fresh_seq:
            return
        self._watch_limit(bench, drift, row)
        if not self._exposures.in_pause(bench.now_s):
            return
        self._first_fresh_seq = row.seq + 1
        if drift.owner == "annealscope":
            self._move(bench, row)

    def shift_at(self, t_s: float) -> Pair:
        """Return the image shift that was set at a time."""
        return next(
            (shift for since_s, shift in reversed(self._shifts) if since_s <= t_s + INSTANT_S),
            self._shifts[0][1],
        )

    def beyond_limit(self) -> str | None:
        """Say how far the newest frame lies beyond a limit that suspends, or None."""
        return self._beyond if self._beyond and self._on_limit == "suspend" else None

    def only_flag(self) -> None:
        """Flag excursions from now on, instead of suspending the acquisition."""
        self._on_limit = "flag"

    def _move(self, bench: Bench, row: DriftRow) -> None:
        if not row.found:
            return
        shift_nm = bench.feedback.next_shift(self._shifts[-1][1], row.measured_nm)
        if shift_nm is not None:
            bench.microscope.shift_image(shift_nm)
            self._note_shift(bench)
            self._first_fresh_seq = self._exposures.next_seq(bench.now_s)

    def _note_shift(self, bench: Bench) -> None:
        self._shifts.append((bench.now_s, bench.microscope.image_shift_nm()))

    def _watch_limit(self, bench: Bench, drift: DriftPlan, row: DriftRow) -> None:
        """Say, once for each excursion, that a raw frame lies beyond the protocol's `warn` or `limit`."""
        drift_nm = max(abs(row.measured_nm[0]), abs(row.measured_nm[1]))
        message = f"frame {row.seq} lies {drift_nm:.2f} nm from the reference"
        beyond = drift_nm > drift.limit_nm
        excursion = self._on_limit if beyond else "warn" if drift_nm > drift.warn_nm else ""
        if excursion not in ("", "suspend", self._excursion):
            bench.journal.write("guard", guard="drift", message=message, action=excursion)
        self._excursion, self._beyond = excursion, message if beyond else ""
        if excursion == "stop":
            raise PlannedEnd(f"{message}, {drift.limit_nm:g} nm is the limit")
