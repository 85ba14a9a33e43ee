"""The drift feedback: from the measured displacement of a frame to the image shift of the next."""

import math
from dataclasses import dataclass

Pair = tuple[float, float]
Matrix = tuple[Pair, Pair]


@dataclass(frozen=True)
class FeedbackLaw:
    """An integrating controller with a dead band; docs/methods/drift.md says why."""

    matrix: Matrix
    """M: image displacement per actuator shift, both (y, x) in nm."""

    dead_band_nm: float
    """No move for less than this."""

    range_nm: float
    """Largest shift per axis that the actuator may be asked for."""

    gain: float = 0.5
    max_step_nm: float = 20.0
    """Largest change per axis between two frames."""

    def next_shift(self, shift_nm: Pair, measured_nm: Pair) -> Pair | None:
        """Return the shift s - gain M^-1 d, or None when the actuator should stay where it is."""
        if not all(map(math.isfinite, measured_nm)):
            return None
        if max(abs(measured_nm[0]), abs(measured_nm[1])) < self.dead_band_nm:
            return None
        step = solve_2x2(self.matrix, measured_nm)
        return (self._moved(shift_nm[0], step[0]), self._moved(shift_nm[1], step[1]))

    def _moved(self, shift_nm: float, error_nm: float) -> float:
        step_nm = _clip(-self.gain * error_nm, self.max_step_nm)
        return _clip(shift_nm + step_nm, self.range_nm)


def solve_2x2(matrix: Matrix, rhs: Pair) -> Pair:
    """Solve ``matrix @ x = rhs``. Raises ValueError for a singular matrix."""
    (a, b), (c, d) = matrix
    determinant = a * d - b * c
    if abs(determinant) < 1e-12:
        raise ValueError(f"image_shift_matrix {matrix} cannot be inverted; calibrate the image shift again")
    return (d * rhs[0] - b * rhs[1]) / determinant, (a * rhs[1] - c * rhs[0]) / determinant


def _clip(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
