"""Simulated holders and cameras that each break one rule of the conformance suite."""

from dataclasses import replace

from annealscope.drivers.interfaces import Channel, FrameSpec
from annealscope.simulators.camera import SimulatedCamera
from annealscope.simulators.devices import SimulatedHolder


class ForgetsAChannel(SimulatedHolder):
    def read(self):
        return {"temperature": super().read()["temperature"]}


class StampsBackwards(SimulatedHolder):
    _stamp_s = 0.0

    def read(self):
        self._stamp_s -= 1.0
        return {key: replace(reading, t_s=self._stamp_s) for key, reading in super().read().items()}


class SwitchesOffWhenClosed(SimulatedHolder):
    def close(self):
        self.switch_off()


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


class SaysAnotherShape(SimulatedCamera):
    def __init__(self, *arguments):
        super().__init__(*arguments)
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


class IgnoresTheScan(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        frame = super().next_frame(timeout_s)
        return frame and replace(frame, scan_yx_nm=None)


class ScansXBeforeY(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        frame = super().next_frame(timeout_s)
        return frame and replace(frame, scan_yx_nm=frame.scan_yx_nm and frame.scan_yx_nm[::-1])


class ScansInACircle(SimulatedCamera):
    def arm(self, spec):
        super().arm(replace(spec, scan_yx_nm=spec.scan_yx_nm * 2))


class Hangs(SimulatedCamera):
    def next_frame(self, timeout_s=0.0):
        return None


BROKEN = [
    (ForgetsAChannel, "reads what it describes"),
    (StampsBackwards, "timestamps never go back"),
    (SwitchesOffWhenClosed, "open and close change nothing"),
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
    (IgnoresTheScan, "a scan goes where it is told"),
    (ScansXBeforeY, "a scan goes where it is told"),
    (ScansInACircle, "a scan goes where it is told"),
    (Hangs, "frames are what it says: raised DeviceError"),
]
