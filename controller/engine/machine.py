"""Which state changes of a run are legal. Nothing else happens here: no device is touched in a callback."""

from enum import StrEnum

from transitions import Machine, MachineError

from annealscope.controller.errors import RunError


class RunState(StrEnum):
    """Where a run is."""

    IDLE = "idle"
    ARMING = "arming"
    RUNNING = "running"
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
    FINISH = "finish"
    ABORT = "abort"
    FAULT = "fault"
    END = "end"


_ACTIVE = (RunState.ARMING, RunState.RUNNING, RunState.FINISHING)

LEGAL: tuple[tuple[Trigger, tuple[RunState, ...], RunState], ...] = (
    (Trigger.ARM, (RunState.IDLE,), RunState.ARMING),
    (Trigger.START, (RunState.ARMING,), RunState.RUNNING),
    (Trigger.FINISH, (RunState.ARMING, RunState.RUNNING), RunState.FINISHING),
    (Trigger.ABORT, _ACTIVE, RunState.ABORTING),
    (Trigger.END, (RunState.FINISHING, RunState.ABORTING), RunState.ENDED),
    (Trigger.FAULT, (RunState.IDLE, *_ACTIVE, RunState.ABORTING), RunState.FAULTED),
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
