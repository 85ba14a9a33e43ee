"""What a camera must do: number and time its frames, run between start and stop, scan where it is told."""

from collections.abc import Iterator

import numpy as np

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Camera, DeviceError, Frame, FrameSpec
from annealscope.drivers.rules import GRACE_S, Rule, pass_time, refuses

FRAMES = FrameSpec(exposure_s=0.1, period_s=0.2)
SCAN = FrameSpec(0.1, 0.2, scan_yx_nm=((-2.0, -1.0), (-2.0, 1.0), (2.0, -1.0), (2.0, 1.0)))


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
    pass_time(clock, GRACE_S)
    if camera.next_frame() is not None:
        yield "a frame came before start"
    camera.start()
    pass_time(clock, GRACE_S)
    camera.stop()
    camera.stop()
    finished = int(GRACE_S / FRAMES.period_s) + 2
    frames = [camera.next_frame() for _ in range(finished)]
    pass_time(clock, GRACE_S)
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
        if not refuses(camera.arm, spec):
            yield f"arm accepted an exposure of {spec.exposure_s} s every {spec.period_s} s"


def a_scan_goes_where_it_is_told(camera: Camera, clock: Clock) -> Iterator[str]:
    """Stamp each frame of a scan with its position; without a scan generator, raise DeviceError in `arm`.

    After the last position there are no more frames.
    """
    if refuses(camera.arm, SCAN):
        return
    camera.start()
    pass_time(clock, (len(SCAN.scan_yx_nm) + 2) * SCAN.period_s + GRACE_S)
    frames = [camera.next_frame() for _ in range(len(SCAN.scan_yx_nm) + 2)]
    camera.stop()
    if frames[0] is None:
        yield "no frame of a scan came"
    for frame in frames:
        if frame is not None and frame.seq >= len(SCAN.scan_yx_nm):
            yield f"frame {frame.seq} came after the last of {len(SCAN.scan_yx_nm)} positions"
        elif frame is not None and frame.scan_yx_nm != SCAN.scan_yx_nm[frame.seq]:
            wanted = SCAN.scan_yx_nm[frame.seq]
            yield f"frame {frame.seq} was taken at {frame.scan_yx_nm} nm (y, x), not {wanted} nm"


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


CAMERA_RULES: tuple[Rule, ...] = (
    frames_are_what_it_says,
    frames_are_numbered_and_timed,
    frames_come_between_start_and_stop_only,
    waits_no_longer_than_told,
    starts_again_from_zero,
    refuses_impossible_timing,
    a_scan_goes_where_it_is_told,
)
