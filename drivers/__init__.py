"""What a device is: interfaces, the clock, the conformance suite, and the drivers of real ones."""

from annealscope.drivers.clock import Clock
from annealscope.drivers.conformance import check_driver
from annealscope.drivers.interfaces import Camera, Device, DeviceError, Frame, Holder, Microscope, Reading

__all__ = [
    "Camera",
    "Clock",
    "Device",
    "DeviceError",
    "Frame",
    "Holder",
    "Microscope",
    "Reading",
    "check_driver",
]
