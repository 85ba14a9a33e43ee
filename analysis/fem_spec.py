"""What a FEM analysis must know of an acquisition before its first pattern."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from annealscope.analysis.values import InvalidData
from annealscope.analysis.variance import Detector

MOST_GROUPS = 16
"""Parts of the scan for the jackknife; each keeps two images in memory."""

FEWEST_ROWS = 4
"""With fewer rows of the scan the parts are made of positions instead."""


@dataclass(frozen=True)
class FemSpec:
    """What the analysis must know of an acquisition before its first pattern."""

    shape: tuple[int, int]
    """Of a pattern (ny, nx)."""

    pixel_per_nm: float
    """Size of a pixel in 1/nm (k = 1/d, without 2 pi)."""

    probe_nm: float
    """FWHM R of the probe's intensity on the specimen."""

    grid: tuple[int, int]
    """Positions of the scan: (rows, columns), row by row, centred on (0, 0)."""

    pitch_nm: float
    """Distance of neighbouring positions."""

    gain_counts_per_e: float = 1.0
    offset_counts: float = 0.0

    noise_power: float = 1.0
    """Share of the shot noise of a pixel that the spread of each electron over pixels leaves, 0 ... 1."""

    read_noise_counts: float = 0.0
    """Standard deviation of a pixel in the dark."""

    ellipse: tuple[float, float] = (1.0, 0.0)
    """Of the rings: (long over short axis, angle in degrees of the long one from +x towards +y)."""

    patterns_expected: int | None = None
    """Planned number of patterns; None: one for each position. More or fewer may come."""

    centre_px: tuple[float, float] | None = None
    """Centre of the rings (y, x); None: it is found."""

    beam_stop: npt.NDArray[np.bool_] | None = field(default=None, compare=False)
    """True where the beam stop hides the pattern, shape (ny, nx); None: it is found."""

    def __post_init__(self) -> None:
        for name in ("pixel_per_nm", "probe_nm", "pitch_nm", "gain_counts_per_e"):
            value = getattr(self, name)
            _require(np.isfinite(value) and value > 0, name, "must be a number > 0", value)
        _require(min(self.shape) >= 32, "shape", "must be at least 32 x 32 px", self.shape)
        _require(min(self.grid) >= 1, "grid", "must have at least one position", self.grid)
        _require(0 <= self.noise_power <= 1, "noise_power", "must be in [0, 1]", self.noise_power)
        _require(self.read_noise_counts >= 0, "read_noise_counts", "must be >= 0", self.read_noise_counts)
        _require(self.ellipse[0] >= 1, "ellipse", "must have long over short axis >= 1", self.ellipse)
        if self.beam_stop is not None:
            shape = self.beam_stop.shape
            _require(shape == self.shape, "beam_stop", f"must have the shape {self.shape}", shape)

    @property
    def positions(self) -> int:
        """Number of positions of the scan."""
        return self.grid[0] * self.grid[1]

    @property
    def disc_per_nm(self) -> float:
        """Radius Q of the diffraction disc, 0.61 / R: what blurs the pattern."""
        return 0.61 / self.probe_nm

    @property
    def detector(self) -> Detector:
        """What turns counts into electrons, and what noise comes with them."""
        return Detector(self.gain_counts_per_e, self.offset_counts, self.noise_power, self.read_noise_counts)

    def group(self, position: int) -> int:
        """Part of the scan for the jackknife that a position, counted row by row, belongs to."""
        rows, columns = self.grid
        if rows >= FEWEST_ROWS:
            return (position // columns) * min(rows, MOST_GROUPS) // rows
        return position * min(self.positions, MOST_GROUPS // 2) // self.positions


def _require(rule: bool, name: str, text: str, got: object) -> None:
    if not rule:
        raise InvalidData(f"FEM specification: {name} {text}: got {got!r}")
