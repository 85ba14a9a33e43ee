"""Which state changes of a run are legal. Nothing else happens here: no device is touched in a callback."""

from enum import StrEnum

from transitions import Machine, MachineError

from annealscope.controller.errors import RunError


class RunState(StrEnum):
    """Where a run is."""

    IDLE = "idle"
    ARMING = "arming"
    RUNNING = "running"
    PAUSING = "pausing"
    """On the way to `PAUSED` or `SUSPENDED`: what has to reach its boundary reaches it."""
    PAUSED = "paused"
    """By the operator: the heater holds, the beam is blanked, nothing is taken."""
    SUSPENDED = "suspended"
    """The same by a guard, which lets the run go on when its condition is gone."""
    PARKED = "parked"
    """The heater is off and the beam blanked; the plan goes on another day."""
    FINISHING = "finishing"
    """The planned end: cooling down, closing files."""
    ABORTING = "aborting"
    """The unplanned end: the protocol's ``safe:`` ramp."""
    FAULTED = "faulted"
    """Every device was sent to its safe state; terminal."""
    ENDED = "ended"


class Trigger(StrEnum):
    """What may change the state."""

    ARM = "arm"
    START = "start"
    HALT = "halt"
    PAUSE = "pause"
    SUSPEND = "suspend"
    RESUME = "resume"
    PARK = "park"
    FINISH = "finish"
    ABORT = "abort"
    FAULT = "fault"
    END = "end"


_RESTING = (RunState.PAUSED, RunState.SUSPENDED)
_UNDER_WAY = (RunState.ARMING, RunState.RUNNING, RunState.PAUSING, *_RESTING, RunState.PARKED)
_ENDING = (RunState.FINISHING, RunState.ABORTING)

LEGAL: tuple[tuple[Trigger, tuple[RunState, ...], RunState], ...] = (
    (Trigger.ARM, (RunState.IDLE,), RunState.ARMING),
    (Trigger.START, (RunState.ARMING,), RunState.RUNNING),
    (Trigger.HALT, (RunState.RUNNING,), RunState.PAUSING),
    (Trigger.PAUSE, (RunState.PAUSING, RunState.SUSPENDED), RunState.PAUSED),
    (Trigger.SUSPEND, (RunState.PAUSING, RunState.PAUSED), RunState.SUSPENDED),
    (Trigger.RESUME, (RunState.PAUSING, *_RESTING, RunState.PARKED), RunState.RUNNING),
    (Trigger.PARK, (RunState.RUNNING,), RunState.PARKED),
    (Trigger.FINISH, _UNDER_WAY, RunState.FINISHING),
    (Trigger.ABORT, (*_UNDER_WAY, RunState.FINISHING), RunState.ABORTING),
    (Trigger.END, (RunState.PARKED, *_ENDING), RunState.ENDED),
    (Trigger.FAULT, (RunState.IDLE, *_UNDER_WAY, *_ENDING), RunState.FAULTED),
)
"""The one table of transitions: (trigger, from, to)."""


class RunMachine:
    """The state of a run; changes only along `LEGAL`, only by `fire`."""

    def __init__(self) -> None:
        self._machine = Machine(
            model=None,
            states=[state.value for state in RunState],
            initial=RunState.IDLE.value,
            auto_transitions=False,
            send_event=False,
        )
        self._model = _Model()
        self._machine.add_model(self._model)
        for trigger, sources, target in LEGAL:
            self._machine.add_transition(trigger.value, [s.value for s in sources], target.value)

    @property
    def state(self) -> RunState:
        """The present state."""
        return RunState(self._model.state)

    @property
    def over(self) -> bool:
        """True when nothing can happen any more."""
        return self.state in (RunState.ENDED, RunState.FAULTED)

    def allows(self, trigger: Trigger) -> bool:
        """Say whether a trigger is legal now."""
        return trigger.value in self._machine.get_triggers(self._model.state)

    def fire(self, trigger: Trigger) -> RunState:
        """Change the state and return the new one. Raises RunError when the change is illegal."""
        try:
            getattr(self._model, trigger.value)()
        except MachineError as error:
            raise RunError(
                f"cannot {trigger.value} a run that is {self.state.value}: {error.value}"
            ) from None
        return self.state


class _Model:
    """What `transitions` hangs the state and a method for each trigger on."""

    state: str
