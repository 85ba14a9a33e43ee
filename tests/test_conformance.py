"""The conformance suite passes good drivers, and names the rule that a bad one breaks."""

import pytest
from broken_devices import BROKEN
from broken_microscopes import BROKEN_MICROSCOPES

from annealscope.drivers import check_driver
from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.conformance import CAMERA_RULES, DEVICE_RULES, HOLDER_RULES, MICROSCOPE_RULES
from annealscope.drivers.interfaces import Device, DeviceError
from annealscope.simulators import CameraFaults, CameraSpec, World, WorldSpec, simulated_rig
from annealscope.simulators.camera import SimulatedCamera
from annealscope.simulators.devices import SimulatedHolder, SimulatedMicroscope
from annealscope.simulators.glass import load_glass
from annealscope.simulators.imaging import ImagingScene

IMAGING = CameraSpec(shape=(24, 32))
DIFFRACTION = CameraSpec("diffraction", "diffraction", (64, 64), pixel_nm=None, pixel_per_nm=0.23)
ALL_BROKEN = BROKEN + BROKEN_MICROSCOPES
SMALL = WorldSpec(cameras=(IMAGING, DIFFRACTION))


def failures_of(device_class: type) -> list[str]:
    """Check a class of simulated device, each rule in a world of its own."""
    clock, glass = VirtualClock(), load_glass()

    def make() -> Device:
        world = World(SMALL, glass, clock, 1)
        if issubclass(device_class, SimulatedCamera):
            return device_class(IMAGING, ImagingScene(world), clock, 1)
        return device_class(world)

    return check_driver(make, clock)


@pytest.mark.parametrize("device_class", [SimulatedHolder, SimulatedMicroscope, SimulatedCamera])
def test_simulated_devices_keep_every_rule(device_class):
    assert failures_of(device_class) == []


def test_a_diffraction_camera_keeps_every_rule():
    clock = VirtualClock()
    assert check_driver(lambda: simulated_rig(SMALL, clock=clock, seed=1).cameras["diffraction"], clock) == []


def test_a_camera_with_faults_keeps_every_rule():
    """Exposures that begin late and lost frames that are counted are within the rules."""
    faults = CameraFaults(jitter_s=0.005, drop_rate=0.1, duplicate_rate=0.1)
    spec = WorldSpec(cameras=(CameraSpec(shape=(24, 32), faults=faults),))
    clock = VirtualClock()
    assert check_driver(lambda: simulated_rig(spec, clock=clock, seed=2).cameras["imaging"], clock) == []


@pytest.mark.parametrize(
    ("device_class", "rule"), ALL_BROKEN, ids=lambda value: getattr(value, "__name__", None)
)
def test_the_broken_rule_is_named(device_class, rule):
    failures = failures_of(device_class)
    assert any(failure.startswith(rule) for failure in failures), failures


def test_every_rule_has_a_device_that_breaks_it():
    rules = (*DEVICE_RULES, *HOLDER_RULES, *MICROSCOPE_RULES, *CAMERA_RULES)
    broken = [rule.split(":")[0] for _, rule in ALL_BROKEN]
    assert {rule.__name__.replace("_", " ") for rule in rules} == set(broken)


def test_a_driver_that_cannot_be_made_is_a_failure_not_a_crash():
    class Unplugged(SimulatedHolder):
        def open(self):
            raise DeviceError("no answer on COM3")

    failures = failures_of(Unplugged)
    assert failures
    assert all("no answer on COM3" in failure for failure in failures)
