"""What a microscope must do: shift the image, set the column, and find regions that have seen no beam."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Microscope, Optics
from annealscope.drivers.rules import GRACE_S, Rule, end_of, refuses

SHIFT_NM = (12.0, -5.0)
SHIFT_TOLERANCE_NM = 1.0
REGIONS = 3
NO_THICKNESS = (1e3, 1e4)
IMPOSSIBLE_OPTICS = Optics("tem_dark_field", high_tension_kV=-1.0)


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
        if not refuses(microscope.shift_image, shift_nm):
            yield f"a shift of {shift_nm} nm did not raise DeviceError"
    if microscope.image_shift_nm() != before_nm:
        yield f"a refused shift moved the image from {before_nm} to {microscope.image_shift_nm()} nm"


def shifts_do_not_move_the_stage(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """Stay in the same region when the image is shifted or the beam is blanked."""
    before = microscope.region()
    microscope.shift_image(SHIFT_NM)
    microscope.blank(False)
    microscope.blank(True)
    if microscope.region() != before:
        yield f"the region was {before} before a shift, and {microscope.region()} after"


def finds_fresh_regions(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """Move to a region with another number and position each time, and report it as the present one."""
    seen = [microscope.region()]
    for _ in range(REGIONS):
        region = microscope.fresh_region()
        if microscope.region() != region:
            yield f"moved to {region}, but the present region is {microscope.region()}"
        if region.number in [other.number for other in seen]:
            yield f"the number {region.number} was given twice"
        if region.position_nm in [other.position_nm for other in seen]:
            yield f"the position {region.position_nm} nm was given twice"
        seen.append(region)


def finds_regions_of_a_thickness(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """Return a region between the limits, or raise DeviceError and stay."""
    thickness = microscope.region().thickness
    if thickness is not None:
        low, high = 0.9 * thickness, 1.1 * thickness
        if not refuses(microscope.fresh_region, (low, high)):
            found = microscope.region().thickness
            if found is None or not low <= found <= high:
                yield f"asked for {low:.2f} to {high:.2f} mean free paths, moved to {found}"
    before = microscope.region()
    if not refuses(microscope.fresh_region, NO_THICKNESS):
        yield f"found a region of {NO_THICKNESS[0]:g} to {NO_THICKNESS[1]:g} mean free paths"
    if microscope.region() != before:
        yield f"moved from {before} to {microscope.region()} although it found nothing"


def sets_the_optics_and_reads_them_back(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """Reach a state that `check_optics` accepts; what is read back is what was asked for, or not known."""
    wanted = next((state for state in _states(microscope) if not microscope.check_optics(state)), None)
    if wanted is None:
        yield "check_optics accepts no state that was tried, not even the present one"
        return
    end = end_of(microscope.set_optics(wanted), clock)
    if end != "done":
        yield f"the action of setting the optics ended {end!r}, not 'done'"
    reached = microscope.optics()
    for name, value in asdict(wanted).items():
        got = getattr(reached, name, None)
        if value is not None and got not in (None, value) and name != "normalize":
            yield f"{name} was set to {value!r} and reads back as {got!r}"
    if reached is None:
        yield "the state is not known although it has just been set"


def refuses_optics_it_cannot_set(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """`check_optics` names what is impossible; `set_optics` raises DeviceError for it, and sets nothing."""
    before = microscope.optics()
    if not microscope.check_optics(IMPOSSIBLE_OPTICS):
        yield f"check_optics finds nothing wrong with {IMPOSSIBLE_OPTICS}"
    if not refuses(microscope.set_optics, IMPOSSIBLE_OPTICS):
        yield f"set_optics accepted {IMPOSSIBLE_OPTICS}"
    if microscope.optics() != before:
        yield f"the state was {before} before, and {microscope.optics()} after optics that are impossible"


def focuses_beside_the_region(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """`focus` returns at once, ends, and leaves region, image shift and optics as they were."""
    before = microscope.region(), microscope.image_shift_nm(), microscope.optics()
    before_s = clock.monotonic()
    action = microscope.focus()
    if clock.monotonic() - before_s > GRACE_S:
        yield f"focus took {clock.monotonic() - before_s:.3f} s to return"
    end = end_of(action, clock)
    if end != "done":
        yield f"the action of focusing ended {end!r}, not 'done'"
    after = microscope.region(), microscope.image_shift_nm(), microscope.optics()
    if after != before:
        yield f"region, shift and optics were {before} before, and {after} after"


def focusing_can_be_cancelled(microscope: Microscope, clock: Clock) -> Iterator[str]:
    """`cancel` returns at once, may be repeated, and ends the action unless it is over."""
    action = microscope.focus()
    before_s = clock.monotonic()
    action.cancel()
    action.cancel()
    if clock.monotonic() - before_s > GRACE_S:
        yield f"cancel took {clock.monotonic() - before_s:.3f} s"
    if action.poll() not in ("cancelled", "done"):
        yield f"after cancel the action was {action.poll()!r}, not 'cancelled'"


def _states(microscope: Microscope) -> list[Optics]:
    """Return states of the column worth trying, the present one first."""
    present = microscope.optics()
    known = [] if present is None else [present]
    return known + [Optics("tem_dark_field", tension_kV) for tension_kV in (300.0, 200.0, 120.0, 80.0, 60.0)]


MICROSCOPE_RULES: tuple[Rule, ...] = (
    reads_the_shift_back,
    refuses_shifts_beyond_its_range,
    shifts_do_not_move_the_stage,
    finds_fresh_regions,
    finds_regions_of_a_thickness,
    sets_the_optics_and_reads_them_back,
    refuses_optics_it_cannot_set,
    focuses_beside_the_region,
    focusing_can_be_cancelled,
)
