"""Does a driver keep the rules? For authors of drivers, at their desk and in pytest.

The rules move hardware: a holder is heated by a few kelvin, the image is shifted, a camera takes frames.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Camera, Device, DeviceError, Frame, FrameSpec, Holder, Microscope

STEP_K = 5.0
RATE_K_PER_S = 0.5
SETPOINT_TOLERANCE_K = 0.05
SHIFT_NM = (12.0, -5.0)
SHIFT_TOLERANCE_NM = 1.0
FRAMES = FrameSpec(exposure_s=0.1, period_s=0.2)
GRACE_S = 1.0

Rule = Callable[[Any, Clock], Iterator[str]]
"""Takes an open device and the clock, yields what is wrong."""


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
    kinds = ((Holder, HOLDER_RULES), (Microscope, MICROSCOPE_RULES), (Camera, CAMERA_RULES))
    return tuple(rule for kind, rules in kinds if isinstance(device, kind) for rule in rules)


def _apply(rule: Rule, make_device: Callable[[], Device], clock: Clock) -> list[str]:
    failures: list[str] = []
    try:
        device = make_device()
        device.open()
        failures.extend(rule(device, clock))
        device.safe("end of a conformance rule")
        device.close()
    except Exception as error:  # whatever a driver raises is a finding about it
        failures.append(f"raised {type(error).__name__}: {error}")
    name = rule.__name__.replace("_", " ")
    return [f"{name}: {failure}" for failure in failures]


def _pass_time(clock: Clock, seconds: float) -> None:
    clock.sleep_until(clock.monotonic() + seconds)


def _refuses(call: Callable[..., object], *arguments: object) -> bool:
    try:
        call(*arguments)
    except DeviceError:
        return True
    return False


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
        _pass_time(clock, 0.35)


def open_and_close_change_nothing(device: Device, clock: Clock) -> Iterator[str]:
    """Leave the hardware alone when connecting and disconnecting."""
    _disturb(device, clock)
    before = _state(device)
    device.close()
    device.open()
    _pass_time(clock, GRACE_S)
    after = _state(device)
    if before != after:
        yield f"the state was {before} before close and open, and {after} after"


def safe_is_harmless_when_repeated(device: Device, clock: Clock) -> Iterator[str]:
    """`safe` can be called in any state, twice, and leaves the same state."""
    _disturb(device, clock)
    device.safe("conformance")
    _pass_time(clock, GRACE_S)
    once = _state(device)
    device.safe("conformance, again")
    _pass_time(clock, GRACE_S)
    if _state(device) != once:
        yield f"the state was {once} after safe, and {_state(device)} after a second safe"


def _disturb(device: Device, clock: Clock) -> None:
    """Bring a device out of the state it starts in, so that losing it shows."""
    if isinstance(device, Microscope):
        device.shift_image(SHIFT_NM)
    if isinstance(device, Holder):
        ramp = device.ramp(device.locate().setpoint_K + STEP_K, RATE_K_PER_S)
        _pass_time(clock, GRACE_S)
        ramp.cancel()


def _state(device: Device) -> object:
    if isinstance(device, Holder):
        return round(device.locate().setpoint_K, 3)
    if isinstance(device, Microscope):
        return device.image_shift_nm()
    return device.next_frame() is None if isinstance(device, Camera) else None


# --- holders


def measures_its_temperature(holder: Holder, clock: Clock) -> Iterator[str]:
    """There is a channel ``temperature`` in K."""
    channel = holder.describe().get("temperature")
    if channel is None or channel.units != "K":
        yield f"needs a channel 'temperature' in 'K', got {channel}"


def ramps_at_the_rate_asked_for(holder: Holder, clock: Clock) -> Iterator[str]:
    """Move the setpoint at the rate; the action is running until it arrives, and done after."""
    start_K, start_s = holder.locate().setpoint_K, clock.monotonic()
    ramp = holder.ramp(start_K + STEP_K, RATE_K_PER_S)
    duration_s = STEP_K / RATE_K_PER_S
    _pass_time(clock, duration_s / 2)
    moved_K = holder.locate().setpoint_K - start_K
    allowed_K = RATE_K_PER_S * (clock.monotonic() - start_s) + RATE_K_PER_S * GRACE_S
    if not 0 < moved_K <= allowed_K:
        yield f"half way the setpoint had moved by {moved_K:.3f} K, not between 0 and {allowed_K:.3f} K"
    if ramp.poll() != "running":
        yield f"half way the action was {ramp.poll()!r}, not 'running'"
    _pass_time(clock, duration_s / 2 + GRACE_S)
    if ramp.poll() != "done":
        yield f"{GRACE_S} s after its end the action was {ramp.poll()!r}, not 'done'"
    yield from _setpoint_is(holder, start_K + STEP_K)


def a_cancelled_ramp_stays_where_it_is(holder: Holder, clock: Clock) -> Iterator[str]:
    """`cancel` returns at once, freezes the setpoint, and may be repeated."""
    ramp = holder.ramp(holder.locate().setpoint_K + STEP_K, RATE_K_PER_S)
    _pass_time(clock, 2.0)
    before_s = clock.monotonic()
    ramp.cancel()
    ramp.cancel()
    if clock.monotonic() - before_s > GRACE_S:
        yield f"cancel took {clock.monotonic() - before_s:.3f} s"
    frozen_K = holder.locate().setpoint_K
    if ramp.poll() != "cancelled":
        yield f"after cancel the action was {ramp.poll()!r}, not 'cancelled'"
    _pass_time(clock, 3.0)
    yield from _setpoint_is(holder, frozen_K)


def hold_here_freezes_the_setpoint(holder: Holder, clock: Clock) -> Iterator[str]:
    """`hold_here` ends a ramp where it is."""
    start_K = holder.locate().setpoint_K
    ramp = holder.ramp(start_K + STEP_K, RATE_K_PER_S)
    _pass_time(clock, 4.0)
    holder.hold_here()
    frozen_K = holder.locate().setpoint_K
    if not start_K < frozen_K < start_K + STEP_K:
        yield f"in the middle of a ramp from {start_K:.2f} K by {STEP_K} K it froze at {frozen_K:.2f} K"
    _pass_time(clock, 3.0)
    yield from _setpoint_is(holder, frozen_K)
    if ramp.poll() == "running":
        yield "the ramp that it ended was still 'running'"


def refuses_ramps_it_cannot_do(holder: Holder, clock: Clock) -> Iterator[str]:
    """`check` names what is impossible, touches nothing, and `ramp` raises DeviceError for the same."""
    start_K = holder.locate().setpoint_K
    possible = holder.check(start_K + STEP_K, RATE_K_PER_S)
    if possible:
        yield f"check refused a ramp by {STEP_K} K at {RATE_K_PER_S} K/s: {possible}"
    for target_K, rate in (
        (1e5, RATE_K_PER_S),
        (start_K + STEP_K, 0.0),
        (start_K + STEP_K, -1.0),
        (np.nan, 1.0),
    ):
        if not holder.check(target_K, rate):
            yield f"check accepted a ramp to {target_K} K at {rate} K/s"
        if not _refuses(holder.ramp, target_K, rate):
            yield f"ramp to {target_K} K at {rate} K/s did not raise DeviceError"
    yield from _setpoint_is(holder, start_K)


def a_safe_holder_ramps_no_more(holder: Holder, clock: Clock) -> Iterator[str]:
    """`safe` ends a ramp and switches the heater off."""
    start_K = holder.locate().setpoint_K
    ramp = holder.ramp(start_K + STEP_K, RATE_K_PER_S)
    _pass_time(clock, 2.0)
    holder.safe("conformance")
    _pass_time(clock, STEP_K / RATE_K_PER_S)
    if ramp.poll() in ("running", "done"):
        yield f"the action of the ramp that it ended was {ramp.poll()!r}"
    if holder.locate().setpoint_K >= start_K + STEP_K - SETPOINT_TOLERANCE_K:
        yield "the ramp arrived in spite of it"


def _setpoint_is(holder: Holder, expected_K: float) -> Iterator[str]:
    setpoint_K = holder.locate().setpoint_K
    if abs(setpoint_K - expected_K) > SETPOINT_TOLERANCE_K:
        yield f"the setpoint was {setpoint_K:.3f} K, not {expected_K:.3f} K"


# --- microscopes


def reads_the_shift_back(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """Shifts are absolute, (y, x) in nm, and read back as set."""
    for wanted_nm in (SHIFT_NM, SHIFT_NM, (0.0, 0.0)):
        microscope.shift_image(wanted_nm)
        got_nm = microscope.image_shift_nm()
        if max(abs(got - wanted) for got, wanted in zip(got_nm, wanted_nm, strict=True)) > SHIFT_TOLERANCE_NM:
            yield f"a shift of {wanted_nm} nm (y, x) reads back as {got_nm} nm"


def refuses_shifts_beyond_its_range(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """Raise DeviceError for a shift that the column cannot do, and change nothing."""
    before_nm = microscope.image_shift_nm()
    for shift_nm in ((1e9, 0.0), (0.0, -1e9), (np.nan, 0.0)):
        if not _refuses(microscope.shift_image, shift_nm):
            yield f"a shift of {shift_nm} nm did not raise DeviceError"
    if microscope.image_shift_nm() != before_nm:
        yield f"a refused shift moved the image from {before_nm} to {microscope.image_shift_nm()} nm"


# --- cameras


def frames_are_what_it_says(camera: Camera, clock: Clock) -> Iterator[str]:
    """Frames have the camera's shape and dtype and the exposure asked for."""
    for frame in _take(camera, clock, 2):
        if frame.data.shape != tuple(camera.shape) or str(frame.data.dtype) != camera.dtype:
            yield f"frame {frame.data.shape} {frame.data.dtype}, camera {camera.shape} {camera.dtype}"
        if abs(frame.exposure_s - FRAMES.exposure_s) > 0.1 * FRAMES.exposure_s:
            yield f"the exposure was {frame.exposure_s} s, not {FRAMES.exposure_s} s"


def frames_are_numbered_and_timed(camera: Camera, clock: Clock) -> Iterator[str]:
    """`seq` starts at 0 and counts lost frames; exposures follow each other at the period."""
    start_s = clock.monotonic()
    expected_seq, last_s = 0, -np.inf
    for frame in _take(camera, clock, 4):
        expected_seq += frame.lost_before
        if frame.seq != expected_seq:
            yield f"seq was {frame.seq} with {frame.lost_before} lost before, not {expected_seq}"
        if not last_s < frame.t_start_s <= clock.monotonic() - 0.5 * frame.exposure_s:
            yield f"the exposure began at {frame.t_start_s} s, after {last_s} s and at {clock.monotonic()} s"
        due_s = start_s + frame.seq * FRAMES.period_s
        if abs(frame.t_start_s - due_s) > GRACE_S:
            yield f"exposure {frame.seq} began at {frame.t_start_s} s, not about {due_s} s"
        expected_seq, last_s = frame.seq + 1, frame.t_start_s


def frames_come_between_start_and_stop_only(camera: Camera, clock: Clock) -> Iterator[str]:
    """Give no frame before `start`, and after `stop`, which may be repeated, only finished ones."""
    camera.arm(FRAMES)
    _pass_time(clock, GRACE_S)
    if camera.next_frame() is not None:
        yield "a frame came before start"
    camera.start()
    _pass_time(clock, GRACE_S)
    camera.stop()
    camera.stop()
    finished = int(GRACE_S / FRAMES.period_s) + 2
    frames = [camera.next_frame() for _ in range(finished)]
    _pass_time(clock, GRACE_S)
    if frames[-1] is not None or camera.next_frame() is not None:
        yield "frames kept coming after stop"


def waits_no_longer_than_told(camera: Camera, clock: Clock) -> Iterator[str]:
    """`next_frame` with no timeout returns at once, also when there is no frame."""
    camera.arm(FRAMES)
    camera.start()
    before_s = clock.monotonic()
    if camera.next_frame() is not None:
        yield "a frame came before its exposure was over"
    waited_s = clock.monotonic() - before_s
    if waited_s > 0.5 * FRAMES.exposure_s:
        yield f"next_frame with no timeout took {waited_s:.3f} s"
    camera.stop()


def starts_again_from_zero(camera: Camera, clock: Clock) -> Iterator[str]:
    """Count a second acquisition from 0."""
    _take(camera, clock, 2)
    again = _take(camera, clock, 1)
    if again and again[0].seq - again[0].lost_before != 0:
        yield f"the first seq of a second acquisition was {again[0].seq}"


def refuses_impossible_timing(camera: Camera, clock: Clock) -> Iterator[str]:
    """`arm` raises DeviceError for an exposure of nothing, or longer than the period."""
    for spec in (FrameSpec(0.0, 1.0), FrameSpec(-1.0, 1.0), FrameSpec(2.0, 1.0)):
        if not _refuses(camera.arm, spec):
            yield f"arm accepted an exposure of {spec.exposure_s} s every {spec.period_s} s"


def _take(camera: Camera, clock: Clock, n: int) -> list[Frame]:
    """Take ``n`` frames in one acquisition; fewer when the camera does not deliver."""
    camera.arm(FRAMES)
    camera.start()
    frames = [camera.next_frame(FRAMES.period_s + GRACE_S) for _ in range(n)]
    camera.stop()
    delivered = [frame for frame in frames if frame is not None]
    if len(delivered) < n:
        raise DeviceError(
            f"{n} frames at a period of {FRAMES.period_s} s were asked for, {len(delivered)} came"
        )
    return delivered


DEVICE_RULES: tuple[Rule, ...] = (
    reads_what_it_describes,
    timestamps_never_go_back,
    open_and_close_change_nothing,
    safe_is_harmless_when_repeated,
)
HOLDER_RULES: tuple[Rule, ...] = (
    measures_its_temperature,
    ramps_at_the_rate_asked_for,
    a_cancelled_ramp_stays_where_it_is,
    hold_here_freezes_the_setpoint,
    refuses_ramps_it_cannot_do,
    a_safe_holder_ramps_no_more,
)
MICROSCOPE_RULES: tuple[Rule, ...] = (reads_the_shift_back, refuses_shifts_beyond_its_range)
CAMERA_RULES: tuple[Rule, ...] = (
    frames_are_what_it_says,
    frames_are_numbered_and_timed,
    frames_come_between_start_and_stop_only,
    waits_no_longer_than_told,
    starts_again_from_zero,
    refuses_impossible_timing,
)
