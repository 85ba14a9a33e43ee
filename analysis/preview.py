"""Small results for a look at a record that still grows: what the previews of all methods share."""

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import Result, Results

MOST_POINTS = 500


def small(values: npt.ArrayLike, units: str = "") -> Result:
    """Return numbers in single precision, which is plenty for the eye."""
    return Result(np.asarray(values, dtype=np.float32), units)


class Progress:
    """Keeps the live relaxation times of a hold: all of a short one, evenly thinned out of a long one."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float, float]] = []
        self._seen = 0
        self._every = 1

    def add(self, t_s: float, tau_s: float, sigma_tau_s: float) -> None:
        """Keep a relaxation time and its error, s, that were known at a time into the hold, s."""
        if self._seen % self._every == 0:
            self._points.append((t_s, tau_s, sigma_tau_s))
        self._seen += 1
        if len(self._points) == MOST_POINTS:
            self._points = self._points[::2]
            self._every *= 2

    def results(self) -> Results:
        """Return ``progress/t_s``, ``tau_s`` and ``sigma_tau_s``, float32, K < `MOST_POINTS` long."""
        names = ("t_s", "tau_s", "sigma_tau_s")
        columns = zip(*self._points, strict=True)
        return {f"progress/{name}": small(column, "s") for name, column in zip(names, columns, strict=False)}
