"""Rules of a protocol that concern several blocks."""

from collections.abc import Iterator
from itertools import islice

from annealscope.controller.config.errors import Fault, clip, did_you_mean
from annealscope.controller.config.protocol import Limits, Protocol
from annealscope.controller.config.quantities import ROOM_K
from annealscope.controller.config.steps import Ramp, Step
from annealscope.controller.config.wording import celsius, per_minute
from annealscope.controller.config.yaml_nodes import MAX_FAULTS, Document, Path

MAX_STEPS = 5000
"""Steps of a protocol with its sequences written out."""


_SECTIONS = {
    "acquire": "acquisitions", "prepare": "acquisitions", "hold": "sequences", "optics": "optics"
}  # fmt: skip
"""Where what a key names is defined."""

_MODES = {"ecm": "tem_dark_field", "fem": "nanobeam", "diffraction": "diffraction"}
"""What the column does for each kind of acquisition."""


def unknown_names(document: Document) -> list[Fault]:
    """Find what the file names and does not define: acquisitions, sequences, states of the column."""
    faults = (_unknown_name(document, path) for path in document.values)
    return list(islice((fault for fault in faults if fault), MAX_FAULTS))


def _unknown_name(document: Document, path: Path) -> Fault | None:
    section = _SECTIONS.get(str(path[-1])) if path else None
    name = document.at(path)
    if section is None or not isinstance(name, str) or not _names_something(path):
        return None
    defined = document.data.get(section, {})
    names = [str(key) for key in defined] if isinstance(defined, dict) else []
    if name in names:
        return None
    known = f"known are {', '.join(names)}" if names else "the file defines none"
    hint = did_you_mean(name, names)
    return document.fault(path, f'"{clip(name)}" is not in `{section}`: {known}{hint}')


def _names_something(path: Path) -> bool:
    """Say whether a key with a text behind it stands where it names a part of the file."""
    if path[-1] == "optics":
        return len(path) == 3 and path[0] == "acquisitions"
    return path[0] in ("steps", "sequences")


def wrong_modes(document: Document, protocol: Protocol) -> Iterator[Fault]:
    """Find acquisitions with a state of the column in which they cannot be taken."""
    for key, acquisition in protocol.acquisitions.items():
        mode = _MODES[acquisition.kind]
        state = protocol.optics.get(acquisition.optics or "")
        if state is not None and state.mode != mode:
            message = f'"{acquisition.optics}" has mode {state.mode}; {acquisition.kind} needs {mode}'
            yield document.fault(("acquisitions", key, "optics"), message)


def broken_limits(document: Document, protocol: Protocol) -> Iterator[Fault]:
    """Find what the limits forbid, and ramps that go the wrong way."""
    limits = protocol.limits
    present_K = ROOM_K
    number = 1
    for i, step in enumerate(protocol.steps):
        for kind, ramp in (("ramp", step.ramp), ("cool", step.cool)):
            if ramp is not None:
                for key, message in _ramp_faults(ramp, present_K, limits, only_down=kind == "cool"):
                    yield document.fault(("steps", i, kind, key), f"{message} {step_number(number)}")
                present_K = ramp.to_K
        if step.park is not None:
            present_K = min(present_K, protocol.safe.cool_to_K)
        number += _written_out(protocol, step)
    yield from _safe_faults(document, protocol)


def step_number(number: int) -> str:
    """Name a step as the table of the plan does: its number from 1, with the sequences written out."""
    return f"(step {number})"


def _ramp_faults(ramp: Ramp, present_K: float, limits: Limits, only_down: bool) -> Iterator[tuple[str, str]]:
    heats = ramp.to_K > present_K
    if only_down and heats:
        yield "to", f"{celsius(ramp.to_K)} lies above the present {celsius(present_K)}; to heat, use `ramp`"
        return
    yield from _too_hot("to", ramp.to_K, limits)
    which = "max_heating_rate" if heats else "max_cooling_rate"
    fastest = limits.max_heating_rate_K_per_s if heats else limits.max_cooling_rate_K_per_s
    yield from _too_fast(ramp.rate_K_per_s, which, fastest)


def _too_hot(key: str, target_K: float, limits: Limits) -> Iterator[tuple[str, str]]:
    if target_K > limits.max_temperature_K:
        limit = celsius(limits.max_temperature_K)
        yield key, f"{celsius(target_K)} lies above limits.max_temperature, {limit}"


def _too_fast(rate_K_per_s: float, which: str, fastest_K_per_s: float) -> Iterator[tuple[str, str]]:
    if rate_K_per_s > fastest_K_per_s * (1 + 1e-9):
        limit = per_minute(fastest_K_per_s)
        yield "rate", f"{per_minute(rate_K_per_s)} is faster than limits.{which}, {limit}"


def _safe_faults(document: Document, protocol: Protocol) -> Iterator[Fault]:
    limits, safe = protocol.limits, protocol.safe
    found = (
        *_too_hot("cool_to", safe.cool_to_K, limits),
        *_too_fast(safe.rate_K_per_s, "max_cooling_rate", limits.max_cooling_rate_K_per_s),
    )
    for key, message in found:
        yield document.fault(("safe", key), message)


def too_many_steps(document: Document, protocol: Protocol) -> list[Fault]:
    """Refuse a protocol that is too long to be planned."""
    total = sum(_written_out(protocol, step) for step in protocol.steps)
    message = f"{total} steps with the sequences written out; at most {MAX_STEPS}"
    return [document.fault(("steps",), message)] if total > MAX_STEPS else []


def _written_out(protocol: Protocol, step: Step) -> int:
    return 1 if step.hold is None else len(protocol.steps_of(step.hold))
