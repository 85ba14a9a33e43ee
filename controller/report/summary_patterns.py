"""What a report knows of diffraction patterns, on a grid or of an area."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
NOT_A_NUMBER = float("nan")


@dataclass(frozen=True)
class PatternTruth:
    """What the simulated glass really scatters."""

    V_max: float
    """Normalised variance at the first peak."""

    k0_per_nm: float = NOT_A_NUMBER
    V_ratio: float = NOT_A_NUMBER
    """Second peak over first."""

    thickness: float = NOT_A_NUMBER
    """In mean free paths."""


@dataclass(frozen=True)
class Peak:
    """A Gaussian on a constant base, fitted to V(k)."""

    k_per_nm: float
    V_max: float
    """Top of the fit, base included."""

    sigma_k_per_nm: float = NOT_A_NUMBER
    sigma_V_max: float = NOT_A_NUMBER
    base: float = 0.0
    height_above_base: float = NOT_A_NUMBER
    width_per_nm: float = NOT_A_NUMBER
    """Standard deviation of the Gaussian."""

    flagged: str = ""
    """Why the fit should not be believed, in words; empty when nothing is known against it."""

    truncated: bool = False
    """Whether the camera sees only a part of it."""


@dataclass(frozen=True)
class Variance:
    """The normalised variance of a grid of patterns, and its peaks."""

    k_per_nm: FloatArray
    """Shape (K,), like all that follow."""

    corrected: FloatArray
    """Without the noise of electrons and camera."""

    naive: FloatArray | None = None
    sigma: FloatArray | None = None
    """Jackknife standard error of ``corrected``."""

    mean_e: FloatArray | None = None
    """Mean intensity in electrons per pixel."""

    peaks: Mapping[str, Peak] = field(default_factory=dict)
    """``first`` and ``second``."""

    ratio: float = NOT_A_NUMBER
    """Second peak over first."""

    sigma_ratio: float = NOT_A_NUMBER
    shoulder: float = NOT_A_NUMBER
    """Height of the shoulder at 5.3 1/nm."""

    sigma_shoulder: float = NOT_A_NUMBER


@dataclass(frozen=True)
class PatternImage:
    """A picture in reciprocal space."""

    value: FloatArray
    """Shape (ny, nx)."""

    pixel_per_nm: float | None
    unit: str = ""


@dataclass(frozen=True)
class Haadf:
    """Annular dark field over the grid of a scan."""

    value: FloatArray
    """Shape (rows, columns), in counts."""

    pitch_nm: float | None = None
    gradient: str = ""
    """Verdict on a thickness gradient, in words; empty when there is none."""


@dataclass(frozen=True)
class RingProfile:
    """Azimuthal mean of a diffraction pattern."""

    k_per_nm: FloatArray
    """Shape (K,), like both others."""

    intensity: FloatArray
    sigma: FloatArray | None = None
    rings_per_nm: tuple[float, ...] = ()
    """Where the rings are."""


@dataclass(frozen=True)
class RingDifference:
    """A ring profile against that of the reference."""

    label: str
    """Of the reference, e.g. ``25 °C``."""

    reference: RingProfile
    difference: FloatArray
    """Sharp part of the difference in standard errors, on the k of the profile, shape (K,)."""

    crystalline: bool
    why: str
    """The verdict in words."""
