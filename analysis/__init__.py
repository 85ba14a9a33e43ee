"""Arrays in, arrays out: correlation functions, variances, fits, drift. No files, no sockets, no clock.

The names listed here are public; each is loaded when it is first asked for, so that looking at values costs
no compiler.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annealscope.analysis.diffraction import DiffractionAnalysis, DiffractionSpec, compare_rings
    from annealscope.analysis.drift import DriftTracker, register
    from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
    from annealscope.analysis.fem import FemAnalysis, FemSpec
    from annealscope.analysis.fit_spec import FitSpec
    from annealscope.analysis.kww import fit_kww, fit_kww_finite
    from annealscope.analysis.maps import fit_maps
    from annealscope.analysis.multitau import MultiTau
    from annealscope.analysis.order import pair_persistence, stratton_voyles
    from annealscope.analysis.peaks import fit_peak
    from annealscope.analysis.thickness import log_ratio_thickness
    from annealscope.analysis.twotime import TwoTime
    from annealscope.analysis.values import FrameBlock, InvalidData, Result, Results, uniform_block
    from annealscope.analysis.variance import NormalizedVariance

__all__ = [
    "DiffractionAnalysis",
    "DiffractionSpec",
    "DriftTracker",
    "EcmAnalysis",
    "EcmSpec",
    "FemAnalysis",
    "FemSpec",
    "FitSpec",
    "FrameBlock",
    "InvalidData",
    "MultiTau",
    "NormalizedVariance",
    "Result",
    "Results",
    "TwoTime",
    "compare_rings",
    "fit_kww",
    "fit_kww_finite",
    "fit_maps",
    "fit_peak",
    "log_ratio_thickness",
    "pair_persistence",
    "register",
    "stratton_voyles",
    "uniform_block",
]

_MODULES = {
    "diffraction": ("DiffractionAnalysis", "DiffractionSpec", "compare_rings"),
    "drift": ("DriftTracker", "register"),
    "ecm": ("EcmAnalysis", "EcmSpec"),
    "fem": ("FemAnalysis", "FemSpec"),
    "fit_spec": ("FitSpec",),
    "kww": ("fit_kww", "fit_kww_finite"),
    "maps": ("fit_maps",),
    "multitau": ("MultiTau",),
    "order": ("pair_persistence", "stratton_voyles"),
    "peaks": ("fit_peak",),
    "thickness": ("log_ratio_thickness",),
    "twotime": ("TwoTime",),
    "values": ("FrameBlock", "InvalidData", "Result", "Results", "uniform_block"),
    "variance": ("NormalizedVariance",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"annealscope.analysis.{module}"), name)
    raise AttributeError(f"module 'annealscope.analysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
