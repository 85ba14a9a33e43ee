"""A complex speckle field whose relaxation time may change while it is watched."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from annealscope.analysis.speckle import ComplexArray, Pupil, shift_phase

RATES = (0.3344, 0.8624, 2.2241, 5.7359, 14.7932, 38.1523, 98.3966, 253.7691)
"""Rates of the exponential relaxations, in 1/tau: geometric, common to every beta."""


def mixture_weights(beta: float) -> npt.NDArray[np.float64]:
    """Return the weights w >= 0, sum 1, for which sum w exp(-RATES t) is closest to exp(-t^beta).

    Closest in the largest error over t = 1e-3 ... 30 (t in units of tau), found by a linear programme.
    ``beta`` is rounded to 0.001, so that a run needs few solutions.

    Raises
    ------
    ValueError
        When beta is not in (0, 1]: only then is the stretched exponential a mixture of exponentials.
    """
    if not 0 < beta <= 1:
        raise ValueError(f"a mixture of exponentials needs 0 < beta <= 1, got {beta}")
    return np.asarray(_solve_weights(round(beta, 3)))


@lru_cache(maxsize=1024)
def _solve_weights(beta: float) -> tuple[float, ...]:
    t = np.geomspace(1e-3, 30, 200)
    exponentials = np.exp(-np.outer(t, RATES))
    target = np.exp(-(t**beta))
    slack = np.ones((len(t), 1))
    solution = linprog(
        c=[0.0] * len(RATES) + [1.0],
        A_ub=np.block([[exponentials, -slack], [-exponentials, -slack]]),
        b_ub=np.concatenate([target, -target]),
        A_eq=[[1.0] * len(RATES) + [0.0]],
        b_eq=[1.0],
    )
    weights = np.maximum(np.asarray(solution.x)[:-1], 0.0)
    return tuple(weights / weights.sum())


class SpeckleField:
    """A field with g1 = sum w_k exp(-RATES_k xi) in every pixel, xi being the material time that passed.

    Each mode of the pupil is a sum of Ornstein-Uhlenbeck processes. Their step is exact for any length, and
    in material time (the integral of dt / tau) a change of temperature needs nothing else.

    Parameters
    ----------
    pupil
        Modes of the aperture on a periodic grid.
    rng
        Draws the stationary starting state.
    """

    def __init__(self, pupil: Pupil, rng: np.random.Generator) -> None:
        self._pupil = pupil
        self._processes = draw_modes(pupil, rng)

    def advance(self, step: float, rng: np.random.Generator, fade: float = 0.0) -> None:
        """Let a material time >= 0 pass; where tau is the same everywhere, no slow domains fade in."""
        decay = np.asarray(RATES)[:, None] * step
        self._processes *= np.exp(-decay).astype(np.float32)
        self._processes += np.sqrt(-np.expm1(-2 * decay)).astype(np.float32) * draw_modes(self._pupil, rng)

    def modes(self, beta: float) -> ComplexArray:
        """Return the mode amplitudes of the field, unit variance, shape (n_modes,)."""
        weights = np.sqrt(mixture_weights(beta)).astype(np.float32)
        modes: ComplexArray = np.einsum("k,km->m", weights, self._processes)
        return modes

    def render(
        self, modes: ComplexArray, shift_px: tuple[float, float], shape: tuple[int, int]
    ) -> ComplexArray:
        """Return a corner of the field, moved by (y, x) pixels to larger index; complex64 of ``shape``."""
        return render(self._pupil, modes, shift_px, shape)


def draw_modes(pupil: Pupil, rng: np.random.Generator) -> ComplexArray:
    """Draw complex amplitudes of unit variance, one for each rate and mode; shape (n_rates, n_modes)."""
    parts = rng.standard_normal((len(RATES), pupil.n_modes, 2), dtype=np.float32)
    parts *= np.float32(np.sqrt(0.5))
    return parts.view(np.complex64)[..., 0]


def render(
    pupil: Pupil, modes: ComplexArray, shift_px: tuple[float, float], shape: tuple[int, int]
) -> ComplexArray:
    """Return a corner of a field, moved by (y, x) pixels to larger index; complex64 of ``shape``."""
    return pupil.field(modes * shift_phase(pupil, shift_px), shape[0])[:, : shape[1]]
