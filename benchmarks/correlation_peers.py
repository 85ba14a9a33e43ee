"""Other programs that do the same, per 1024 x 1024 frame: measured on a part of it, scaled by pixels.

Programs that take whole frames get as many pixels as make what they do once a frame not count.
"""

import importlib.util
import time
from collections.abc import Callable

import numpy as np

PIXELS = 1024**2

TRACE_SIDE = 16
"""Of the part of a frame for a program that takes pixel after pixel."""


def peers(frames: np.ndarray) -> dict[str, float | None]:
    """Return seconds per 1024 x 1024 frame of every peer; None: not installed.

    Parameters
    ----------
    frames
        Shape (n, ny, nx), float32.
    """
    corner = frames[:, :TRACE_SIDE, :TRACE_SIDE]
    known: dict[str, tuple[str, Callable[[np.ndarray], object], np.ndarray]] = {
        "boost-corr MultitauCorrelator, CPU": ("boost_corr", _boost_corr, frames),
        "scikit-beam multi-tau, one ROI's average": ("skbeam", _scikit_beam, frames),
        "multipletau, pixel after pixel": ("multipletau", _multipletau, corner),
    }
    return {
        name: _seconds_per_frame(work, given) if importlib.util.find_spec(module) else None
        for name, (module, work, given) in known.items()
    }


def _seconds_per_frame(work: Callable[[np.ndarray], object], frames: np.ndarray) -> float:
    """Time the second call: the first one imports, and torch takes seconds for that."""
    work(frames)
    start = time.perf_counter()
    work(frames)
    return (time.perf_counter() - start) / len(frames) * PIXELS / frames[0].size


def _boost_corr(frames: np.ndarray) -> object:
    import torch
    from boost_corr import MultitauCorrelator

    correlator = MultitauCorrelator(frames.shape[1:], len(frames), device="cpu")
    for frame in torch.from_numpy(frames):
        correlator.process(frame.reshape(1, -1))
    correlator.post_process()
    return correlator.get_results()


def _scikit_beam(frames: np.ndarray) -> object:
    from skbeam.core.correlation import multi_tau_auto_corr

    labels = np.ones(frames.shape[1:], dtype=np.int64)
    return multi_tau_auto_corr(6, 16, labels, frames)


def _multipletau(frames: np.ndarray) -> object:
    import multipletau

    traces = frames.reshape(len(frames), -1).T.astype(np.float64)
    return [multipletau.autocorrelate(trace, m=16, normalize=True) for trace in traces]
