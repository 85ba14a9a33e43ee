"""Devices made of physics: one seeded world behind a microscope, a holder and cameras."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annealscope.simulators.camera_spec import CameraFaults, CameraSpec
    from annealscope.simulators.devices import SimulatedRig, simulated_rig
    from annealscope.simulators.timed_faults import TimedFault
    from annealscope.simulators.world import World
    from annealscope.simulators.world_spec import Heterogeneity, WorldSpec

__all__ = [
    "CameraFaults",
    "CameraSpec",
    "Heterogeneity",
    "SimulatedRig",
    "TimedFault",
    "World",
    "WorldSpec",
    "simulated_rig",
]

_HOMES = {
    "CameraFaults": "camera_spec",
    "CameraSpec": "camera_spec",
    "Heterogeneity": "world_spec",
    "SimulatedRig": "devices",
    "TimedFault": "timed_faults",
    "World": "world",
    "WorldSpec": "world_spec",
    "simulated_rig": "devices",
}
"""Looked up when asked for: a guard that hosts a simulated heater has to start quickly."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
