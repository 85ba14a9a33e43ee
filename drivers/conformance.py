"""Does a driver keep the rules? For authors of drivers, at their desk and in pytest.

The rules move hardware: a holder is heated by a few kelvin, the image is shifted, the stage moves, the
column is set to the state it is in (to tilted dark field when that is not known), a camera takes frames.
Orders of a holder that is set by hand count as obeyed at once: that driver is checked without its hardware.
"""

from collections.abc import Callable, Iterator

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Camera, Device, HandSet, Holder, Microscope
from annealscope.drivers.rules import GRACE_S, Rule, pass_time
from annealscope.drivers.rules_camera import CAMERA_RULES
from annealscope.drivers.rules_hand_set import HAND_SET_RULES, with_operator
from annealscope.drivers.rules_holder import HOLDER_RULES, RATE_K_PER_S, STEP_K
from annealscope.drivers.rules_microscope import MICROSCOPE_RULES, SHIFT_NM


def check_driver(make_device: Callable[[], Device], clock: Clock) -> list[str]:
    """Check a driver against the rules of its interface.

    Every rule gets a fresh device, which is opened before and made safe and closed after.

    Parameters
    ----------
    make_device
        Makes the device, unopened.
    clock
        The clock that the device was given; a real one makes this take about a minute.

    Returns
    -------
    What is wrong, one sentence each that begins with the name of the rule; empty when nothing is.
    """
    rules = (*DEVICE_RULES, *_rules_of(make_device()))
    return [failure for rule in rules for failure in _apply(rule, make_device, clock)]


def _rules_of(device: Device) -> tuple[Rule, ...]:
    kinds = (
        (HandSet, HAND_SET_RULES),
        (Holder, HOLDER_RULES),
        (Microscope, MICROSCOPE_RULES),
        (Camera, CAMERA_RULES),
    )
    return tuple(rule for kind, rules in kinds if isinstance(device, kind) for rule in rules)


def _apply(rule: Rule, make_device: Callable[[], Device], clock: Clock) -> list[str]:
    failures: list[str] = []
    try:
        device = make_device()
        device.open()
        attended = device if rule in HAND_SET_RULES else with_operator(device)
        failures.extend(rule(attended, clock))
        device.safe("end of a conformance rule")
        device.close()
    except Exception as error:  # whatever a driver raises is a finding about it
        failures.append(f"raised {type(error).__name__}: {error}")
    name = rule.__name__.replace("_", " ")
    return [f"{name}: {failure}" for failure in failures]


# --- every device


def reads_what_it_describes(device: Device, clock: Clock) -> Iterator[str]:
    """`read` returns exactly the channels that `describe` names."""
    described, read = set(device.describe()), set(device.read())
    if described != read:
        yield f"describe names {sorted(described)}, read returns {sorted(read)}"


def timestamps_never_go_back(device: Device, clock: Clock) -> Iterator[str]:
    """Stamp readings in order, and never with a time that has not come."""
    last: dict[str, float] = {}
    for _ in range(5):
        for key, reading in device.read().items():
            if reading.t_s < last.get(key, reading.t_s):
                yield f"{key} was stamped {reading.t_s} s after {last[key]} s"
            if reading.t_s > clock.monotonic():
                yield f"{key} was stamped {reading.t_s} s in the future, at {clock.monotonic()} s"
            last[key] = reading.t_s
        pass_time(clock, 0.35)


def open_and_close_change_nothing(device: Device, clock: Clock) -> Iterator[str]:
    """Leave the hardware alone when connecting and disconnecting."""
    _disturb(device, clock)
    before = _state(device)
    device.close()
    device.open()
    pass_time(clock, GRACE_S)
    after = _state(device)
    if before != after:
        yield f"the state was {before} before close and open, and {after} after"


def safe_is_harmless_when_repeated(device: Device, clock: Clock) -> Iterator[str]:
    """`safe` can be called in any state, twice, and leaves the same state."""
    _disturb(device, clock)
    device.safe("conformance")
    pass_time(clock, GRACE_S)
    once = _state(device)
    device.safe("conformance, again")
    pass_time(clock, GRACE_S)
    if _state(device) != once:
        yield f"the state was {once} after safe, and {_state(device)} after a second safe"


def _disturb(device: Device, clock: Clock) -> None:
    """Bring a device out of the state it starts in, so that losing it shows."""
    if isinstance(device, Microscope):
        device.shift_image(SHIFT_NM)
    if isinstance(device, Holder):
        ramp = device.ramp(device.locate().setpoint_K + STEP_K, RATE_K_PER_S)
        pass_time(clock, GRACE_S)
        ramp.cancel()


def _state(device: Device) -> object:
    if isinstance(device, Holder):
        return round(device.locate().setpoint_K, 3)
    if isinstance(device, Microscope):
        return device.image_shift_nm(), device.region(), device.optics()
    return device.next_frame() is None if isinstance(device, Camera) else None


DEVICE_RULES: tuple[Rule, ...] = (
    reads_what_it_describes,
    timestamps_never_go_back,
    open_and_close_change_nothing,
    safe_is_harmless_when_repeated,
)
