"""Simulated microscopes that each break one rule of the conformance suite."""

from dataclasses import replace

from annealscope.drivers.interfaces import DeviceError
from annealscope.simulators.devices import SimulatedMicroscope


class StampsTheFuture(SimulatedMicroscope):
    def read(self):
        return {key: replace(reading, t_s=reading.t_s + 60) for key, reading in super().read().items()}


class CentresWhenOpened(SimulatedMicroscope):
    def open(self):
        self.shift_image((0.0, 0.0))


class SafeOnlyOnce(SimulatedMicroscope):
    _is_safe = False

    def safe(self, why):
        if self._is_safe:
            raise DeviceError("is safe already")
        self._is_safe = True


class SwapsYAndX(SimulatedMicroscope):
    def image_shift_nm(self):
        y, x = super().image_shift_nm()
        return x, y


class AddsShifts(SimulatedMicroscope):
    def shift_image(self, shift_nm):
        y, x = self.image_shift_nm()
        super().shift_image((y + shift_nm[0], x + shift_nm[1]))


class ClampsShifts(SimulatedMicroscope):
    def shift_image(self, shift_nm):
        super().shift_image(tuple(max(-100.0, min(100.0, value)) for value in shift_nm))


class MovesWhenItShifts(SimulatedMicroscope):
    def shift_image(self, shift_nm):
        super().shift_image(shift_nm)
        super().fresh_region()


class StaysWhereItIs(SimulatedMicroscope):
    def fresh_region(self, thickness=None):
        return self.region()


class CountsRegionsOnly(SimulatedMicroscope):
    def fresh_region(self, thickness=None):
        return replace(super().fresh_region(thickness), position_nm=(0.0, 0.0))

    def region(self):
        return replace(super().region(), position_nm=(0.0, 0.0))


class TakesAnyThickness(SimulatedMicroscope):
    def fresh_region(self, thickness=None):
        return super().fresh_region()


class MovesAndThenRefuses(SimulatedMicroscope):
    def fresh_region(self, thickness=None):
        region = super().fresh_region()
        if thickness is not None and not thickness[0] <= region.thickness <= thickness[1]:
            raise DeviceError("too thick")
        return region


class GoesIntoDiffraction(SimulatedMicroscope):
    def set_optics(self, optics):
        return super().set_optics(replace(optics, mode="diffraction"))


class NeverReachesTheOptics(SimulatedMicroscope):
    def set_optics(self, optics):
        action = super().set_optics(optics)
        action.poll = lambda: "running"
        return action


class DoesNotKnowItsOptics(SimulatedMicroscope):
    def optics(self):
        return None


class RefusesAllOptics(SimulatedMicroscope):
    def check_optics(self, optics):
        return ["no"]


class SetsAnyOptics(SimulatedMicroscope):
    def check_optics(self, optics):
        return []


class SetsOpticsBeforeChecking(SimulatedMicroscope):
    def set_optics(self, optics):
        self._world.set_optics(optics)
        return super().set_optics(optics)


class FocusesOnAFreshRegion(SimulatedMicroscope):
    def focus(self):
        self.fresh_region()
        return super().focus()


class WaitsForTheFocus(SimulatedMicroscope):
    def focus(self):
        self._world.clock.sleep_until(self._world.clock.monotonic() + 20.0)
        return super().focus()


class NeverFocuses(SimulatedMicroscope):
    def focus(self):
        action = super().focus()
        action.poll = lambda: "failed"
        return action


class FocusesOnAndOn(SimulatedMicroscope):
    def focus(self):
        action = super().focus()
        action.cancel = lambda: None
        return action


BROKEN_MICROSCOPES = [
    (StampsTheFuture, "timestamps never go back"),
    (CentresWhenOpened, "open and close change nothing"),
    (SafeOnlyOnce, "safe is harmless when repeated: raised DeviceError"),
    (SwapsYAndX, "reads the shift back"),
    (AddsShifts, "reads the shift back"),
    (ClampsShifts, "refuses shifts beyond its range"),
    (MovesWhenItShifts, "shifts do not move the stage"),
    (StaysWhereItIs, "finds fresh regions"),
    (CountsRegionsOnly, "finds fresh regions"),
    (TakesAnyThickness, "finds regions of a thickness"),
    (MovesAndThenRefuses, "finds regions of a thickness"),
    (GoesIntoDiffraction, "sets the optics and reads them back"),
    (NeverReachesTheOptics, "sets the optics and reads them back"),
    (DoesNotKnowItsOptics, "sets the optics and reads them back"),
    (RefusesAllOptics, "sets the optics and reads them back"),
    (SetsAnyOptics, "refuses optics it cannot set"),
    (SetsOpticsBeforeChecking, "refuses optics it cannot set"),
    (FocusesOnAFreshRegion, "focuses beside the region"),
    (WaitsForTheFocus, "focuses beside the region"),
    (NeverFocuses, "focuses beside the region"),
    (FocusesOnAndOn, "focusing can be cancelled"),
]
