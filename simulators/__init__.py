"""Devices made of physics: one seeded world behind a microscope, a holder and a camera."""

from annealscope.simulators.devices import SimulatedRig, simulated_rig
from annealscope.simulators.world import World, WorldSpec

__all__ = ["SimulatedRig", "World", "WorldSpec", "simulated_rig"]
