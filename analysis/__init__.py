"""Arrays in, arrays out: correlation functions, fits, drift. No files, no sockets, no clock.

The names listed here are public; each is loaded when it is first asked for, so that looking at values costs
no compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annealscope.analysis.drift import DriftTracker, register
    from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
    from annealscope.analysis.fit_spec import FitSpec
    from annealscope.analysis.kww import fit_kww, fit_kww_finite
    from annealscope.analysis.maps import fit_maps
    from annealscope.analysis.multitau import MultiTau
    from annealscope.analysis.twotime import TwoTime
    from annealscope.analysis.values import FrameBlock, InvalidData, Result, Results, uniform_block

__all__ = [
    "DriftTracker",
    "EcmAnalysis",
    "EcmSpec",
    "FitSpec",
    "FrameBlock",
    "InvalidData",
    "MultiTau",
    "Result",
    "Results",
    "TwoTime",
    "fit_kww",
    "fit_kww_finite",
    "fit_maps",
    "register",
    "uniform_block",
]

_MODULES = {
    "drift": ("DriftTracker", "register"),
    "ecm": ("EcmAnalysis", "EcmSpec"),
    "fit_spec": ("FitSpec",),
    "kww": ("fit_kww", "fit_kww_finite"),
    "maps": ("fit_maps",),
    "multitau": ("MultiTau",),
    "twotime": ("TwoTime",),
    "values": ("FrameBlock", "InvalidData", "Result", "Results", "uniform_block"),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"annealscope.analysis.{module}"), name)
    raise AttributeError(f"module 'annealscope.analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
