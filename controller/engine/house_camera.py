"""Guards that look at the frames, or at the column that lets the beam through."""

from annealscope.controller.config.housekeeping import GuardAction
from annealscope.controller.engine.bench import Bench
from annealscope.controller.engine.house import RunGuard
from annealscope.controller.errors import ExitCode

VALVES, EMISSION = "column_valves_open", "emission"
"""Channels that a microscope may have: 1 or 0, and a current."""
LOOK_EVERY_S = 1.0
"""How often the column is asked."""
FROZEN_PERIODS = 3.0
"""No frame for so long after one was due: the camera is frozen. It also is ..."""
SAME_FRAMES = 3
"""... when so many frames in a row have the same pixels."""
REST_S = (5.0, 30.0, 120.0)
"""How long a frozen camera rests before its first, second and third new start in a row."""
DIM_FRAMES = 3
"""So many dim frames in a row are a beam that has tripped."""


class FrozenCamera(RunGuard):
    """The camera gives no frames, or always the same: it is stopped, armed and started again, a few times."""

    name = "camera"
    exit_code = ExitCode.DEVICE

    def __init__(self) -> None:
        self._since_s = 0.0

    def action(self, bench: Bench) -> GuardAction:
        """Suspend; stop a run whose camera does not come back."""
        return "suspend" if bench.look.restarts < len(REST_S) else "stop"

    def check(self, bench: Bench) -> str | None:
        """Return how long there was no new frame."""
        look = bench.look
        if look.overdue_periods > FROZEN_PERIODS:
            what = f"no frame for {look.overdue_periods:.1f} periods after one was due"
        elif look.repeats >= SAME_FRAMES - 1:
            what = f"the last {look.repeats + 1} frames are the same"
        else:
            return None
        restarts = len(REST_S)
        then = f"it is started again, {look.restarts + 1} of {restarts} times"
        if look.restarts >= restarts:
            then = f"it was started again {restarts} times, in vain; check it"
        return f"{look.camera}: {what}; {then}"

    def begin(self, bench: Bench) -> None:
        """Let it rest."""
        self._since_s = bench.now_s
        bench.look.restarts += 1

    def cleared(self, bench: Bench) -> bool:
        """Say whether it has rested; the frames to come will tell whether that has helped."""
        return bench.now_s - self._since_s >= REST_S[bench.look.restarts - 1]


class BeamTrip(RunGuard):
    """The frames have become dark. Whether the beam is back cannot be seen while it is blanked."""

    name = "beam"

    def __init__(self) -> None:
        self._emits = True
        self._since_s = 0.0

    def action(self, bench: Bench) -> GuardAction:
        """As the rig says."""
        return bench.plan.house.beam_action

    def check(self, bench: Bench) -> str | None:
        """Return how dark the frames are, or that there is no beam to begin with."""
        if bench.outlook.acquisition_s > 0 and self._emission(bench) == 0:
            return "the gun does not emit; switch the beam on"
        if bench.look.dim_frames < DIM_FRAMES:
            return None
        share = max(bench.look.brightness, 0.0)
        what = f"{bench.look.dim_frames} frames in a row are dim, {share:.0%} of the usual brightness"
        return f"{what}: has the beam tripped? bring it back, then `resume`"

    def begin(self, bench: Bench) -> None:
        """Ask the gun, else the operator."""
        self._since_s = bench.now_s
        self._emits = self._emission(bench) != 0

    def cleared(self, bench: Bench) -> bool:
        """Say whether the gun emits again; where that is not what was wrong, whether the operator says so."""
        if not self._emits:
            return self._emission(bench) != 0
        answered = bench.operator.answers(self._since_s, bench.now_s)
        if answered:
            bench.look.forget_brightness()
        return answered

    def overruled(self, bench: Bench) -> None:
        """The brightness is what it is."""
        bench.look.forget_brightness()

    @staticmethod
    def _emission(bench: Bench) -> float | None:
        """Return the emission, None where it cannot be read."""
        reading = bench.microscope.read().get(EMISSION)
        return None if reading is None or reading.quality == "bad" else reading.value


class ValvesShut(RunGuard):
    """The column valves are closed while frames are taken."""

    name = "valves"

    def __init__(self) -> None:
        self._watched = False
        self._shut = False
        self._asked_s = float("-inf")

    def action(self, bench: Bench) -> GuardAction:
        """As the rig says."""
        return bench.plan.house.valves_action

    def start(self, bench: Bench) -> None:
        """See whether the microscope tells."""
        self._watched = VALVES in bench.microscope.describe()

    def check(self, bench: Bench) -> str | None:
        """Say so when they are closed, before the first frame too."""
        if not (self._watched and bench.outlook.exposes):
            return None
        if bench.now_s - self._asked_s >= LOOK_EVERY_S:
            self._asked_s = bench.now_s
            reading = bench.microscope.read()[VALVES]
            self._shut = reading.quality != "bad" and reading.value == 0
        return "the column valves are closed; open them" if self._shut else None
