"""The conformance suite passes good drivers, and names the rule that a bad one breaks."""

from dataclasses import replace

import pytest

from annealscope.drivers import check_driver
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.conformance import CAMERA_RULES, DEVICE_RULES, HOLDER_RULES, MICROSCOPE_RULES
from annealscope.drivers.interfaces import Channel, DeviceError, FrameSpec
from annealscope.simulators import WorldSpec, simulated_rig
from annealscope.simulators.camera import SimulatedCamera
from annealscope.simulators.devices import SimulatedHolder, SimulatedMicroscope

SMALL = WorldSpec(frame_shape=(24, 32))


def failures_of(device_class: type) -> list[str]:
    """Check a class of simulated device, each rule in a world of its own."""
    clock = VirtualClock()
    return check_driver(lambda: device_class(simulated_rig(SMALL, clock=clock, seed=1).world), clock)


@pytest.mark.parametrize("device_class", [SimulatedHolder, SimulatedMicroscope, SimulatedCamera])
def test_simulated_devices_keep_every_rule(device_class):
    assert failures_of(device_class) == []


class ForgetsAChannel(SimulatedHolder):
    def read(self):
        return {"temperature": super().read()["temperature"]}


class StampsBackwards(SimulatedHolder):
    _stamp_s = 0.0

    def read(self):
        self._stamp_s -= 1.0
        return {key: replace(reading, t_s=self._stamp_s) for key, reading in super().read().items()}


class StampsTheFuture(SimulatedMicroscope):
    def read(self):
        return {key: replace(reading, t_s=reading.t_s + 60) for key, reading in super().read().items()}


class CentresWhenOpened(SimulatedMicroscope):
    def open(self):
        self.shift_image((0.0, 0.0))


class SwitchesOffWhenClosed(SimulatedHolder):
    def close(self):
        self.switch_off()


class SafeOnlyOnce(SimulatedMicroscope):
    _is_safe = False

    def safe(self, why):
        if self._is_safe:
            raise DeviceError("is safe already")
        self._is_safe = True


class MeasuresInCelsius(SimulatedHolder):
    def describe(self):
        return {**super().describe(), "temperature": Channel("degC", "chip")}


class JumpsInsteadOfRamping(SimulatedHolder):
    def ramp(self, target_K, rate_K_per_s):
        return super().ramp(target_K, 1000 * rate_K_per_s)


class Crawls(SimulatedHolder):
    def ramp(self, target_K, rate_K_per_s):
        return super().ramp(target_K, rate_K_per_s / 2)


class IgnoresCancel(SimulatedHolder):
    def ramp(self, target_K, rate_K_per_s):
        ramp = super().ramp(target_K, rate_K_per_s)
        ramp.cancel = lambda: None
        return ramp


class SleepsWhenCancelled(SimulatedHolder):
    def hold_here(self):
        clock = self._world.clock
        clock.sleep_until(clock.monotonic() + 5.0)
        super().hold_here()


class HoldsNothing(SimulatedHolder):
    def hold_here(self):
        pass


class HoldsTheTarget(SimulatedHolder):
    def hold_here(self):
        super().ramp(303.15, 1000.0)
        self._world.clock.sleep_until(self._world.clock.monotonic() + 0.1)


class PromisesEverything(SimulatedHolder):
    def check(self, target_K, rate_K_per_s):
        return []


class RefusesEverything(SimulatedHolder):
    def check(self, target_K, rate_K_per_s):
        return ["no"]


class StaysHotWhenSafe(SimulatedHolder):
    def safe(self, why):
        pass


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


class SaysAnotherShape(SimulatedCamera):
    def __init__(self, world):
        super().__init__(world)
        self.shape = self.shape[::-1]


class SaysAnotherType(SimulatedCamera):
    dtype = "uint8"


class TakesItsOwnExposure(SimulatedCamera):
    def arm(self, spec):
        super().arm(FrameSpec(spec.exposure_s / 2, spec.period_s))


class CountsFromOne(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        frame = super().next_frame(timeout_s)
        return frame and replace(frame, seq=frame.seq + 1)


class HidesLostFrames(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        super().next_frame(timeout_s)
        frame = super().next_frame(timeout_s)
        return frame and replace(frame, lost_before=0)


class StampsTheEndOfTheExposure(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        frame = super().next_frame(timeout_s)
        return frame and replace(frame, t_start_s=frame.t_start_s + frame.exposure_s)


class RunsSlowly(SimulatedCamera):
    def arm(self, spec):
        super().arm(replace(spec, period_s=spec.period_s + 0.6))


class StartsWhenArmed(SimulatedCamera):
    def arm(self, spec):
        super().arm(spec)
        super().start()

    def start(self):
        pass


class NeverStops(SimulatedCamera):
    def stop(self):
        pass


class BlocksForAFrame(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        return super().next_frame(max(timeout_s, 10.0))


class CountsOn(SimulatedCamera):
    _total = 0

    def next_frame(self, timeout_s=0.0):
        frame = super().next_frame(timeout_s)
        if frame is None:
            return None
        self._total += 1
        return replace(frame, seq=self._total - 1)


class TakesAnyTiming(SimulatedCamera):
    def arm(self, spec):
        super().arm(spec if 0 < spec.exposure_s <= spec.period_s else FrameSpec(1.0, 1.0))


class Hangs(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        return None


BROKEN = [
    (ForgetsAChannel, "reads what it describes"),
    (StampsBackwards, "timestamps never go back"),
    (StampsTheFuture, "timestamps never go back"),
    (CentresWhenOpened, "open and close change nothing"),
    (SwitchesOffWhenClosed, "open and close change nothing"),
    (SafeOnlyOnce, "safe is harmless when repeated: raised DeviceError"),
    (MeasuresInCelsius, "measures its temperature"),
    (JumpsInsteadOfRamping, "ramps at the rate asked for"),
    (Crawls, "ramps at the rate asked for"),
    (IgnoresCancel, "a cancelled ramp stays where it is"),
    (SleepsWhenCancelled, "a cancelled ramp stays where it is"),
    (HoldsNothing, "hold here freezes the setpoint"),
    (HoldsTheTarget, "hold here freezes the setpoint"),
    (PromisesEverything, "refuses ramps it cannot do"),
    (RefusesEverything, "refuses ramps it cannot do"),
    (StaysHotWhenSafe, "a safe holder ramps no more"),
    (SwapsYAndX, "reads the shift back"),
    (AddsShifts, "reads the shift back"),
    (ClampsShifts, "refuses shifts beyond its range"),
    (SaysAnotherShape, "frames are what it says"),
    (SaysAnotherType, "frames are what it says"),
    (TakesItsOwnExposure, "frames are what it says"),
    (CountsFromOne, "frames are numbered and timed"),
    (HidesLostFrames, "frames are numbered and timed"),
    (StampsTheEndOfTheExposure, "frames are numbered and timed"),
    (RunsSlowly, "frames are numbered and timed"),
    (StartsWhenArmed, "frames come between start and stop only"),
    (NeverStops, "frames come between start and stop only"),
    (BlocksForAFrame, "waits no longer than told"),
    (CountsOn, "starts again from zero"),
    (TakesAnyTiming, "refuses impossible timing"),
    (Hangs, "frames are what it says: raised DeviceError"),
]


@pytest.mark.parametrize(("device_class", "rule"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_the_broken_rule_is_named(device_class, rule):
    failures = failures_of(device_class)
    assert any(failure.startswith(rule) for failure in failures), failures


def test_every_rule_has_a_device_that_breaks_it():
    rules = (*DEVICE_RULES, *HOLDER_RULES, *MICROSCOPE_RULES, *CAMERA_RULES)
    broken = [rule.split(":")[0] for _, rule in BROKEN]
    assert {rule.__name__.replace("_", " ") for rule in rules} == set(broken)


def test_a_driver_that_cannot_be_made_is_a_failure_not_a_crash():
    class Unplugged(SimulatedHolder):
        def open(self):
            raise DeviceError("no answer on COM3")

    failures = failures_of(Unplugged)
    assert failures
    assert all("no answer on COM3" in failure for failure in failures)
