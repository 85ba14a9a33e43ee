"""Devices made of physics: one seeded world behind a microscope, a holder and cameras."""

from annealscope.simulators.camera_spec import CameraFaults, CameraSpec
from annealscope.simulators.devices import SimulatedRig, simulated_rig
from annealscope.simulators.world import World
from annealscope.simulators.world_spec import Heterogeneity, WorldSpec

__all__ = [
    "CameraFaults",
    "CameraSpec",
    "Heterogeneity",
    "SimulatedRig",
    "World",
    "WorldSpec",
    "simulated_rig",
]
