"""What a simulated camera is, and what goes wrong with it."""

from dataclasses import dataclass
from typing import Literal

CameraKind = Literal["imaging", "diffraction"]


@dataclass(frozen=True)
class CameraFaults:
    """What a real camera does now and then."""

    jitter_s: float = 0.0
    """Standard deviation of the start of an exposure."""
    drop_rate: float = 0.0
    """Probability that a frame is lost."""
    duplicate_rate: float = 0.0
    """Probability that a frame is delivered with the pixels of the one before."""

    def __post_init__(self) -> None:
        if not self.jitter_s >= 0:
            raise ValueError(f"jitter_s must be >= 0, got {self.jitter_s}")
        for name in ("drop_rate", "duplicate_rate"):
            if not 0 <= getattr(self, name) < 0.5:
                raise ValueError(f"{name} must be in [0, 0.5), got {getattr(self, name)}")


@dataclass(frozen=True)
class CameraSpec:
    """A camera in one of its modes, as binned."""

    name: str = "imaging"
    kind: CameraKind = "imaging"
    """What falls on it: an image of the specimen, or a diffraction pattern."""
    shape: tuple[int, int] = (128, 128)
    """Pixels (ny, nx)."""
    pixel_nm: float | None = 0.1647
    """Size of a pixel on the specimen; of an imaging camera."""
    pixel_per_nm: float | None = None
    """Size of a pixel in 1/nm; of a diffraction camera."""
    gain_counts_per_e: float = 10.0
    offset_counts: float = 100.0
    read_noise_e: float = 2.0
    mtf_half_nyquist: float = 0.35
    """Modulation transfer at half the Nyquist frequency."""
    faults: CameraFaults = CameraFaults()

    def __post_init__(self) -> None:
        if min(self.shape) < 16:
            raise ValueError(
                f"camera {self.name}: shape must be at least 16 pixels each way, got {self.shape}"
            )
        if not 0 < self.mtf_half_nyquist <= 1:
            raise ValueError(
                f"camera {self.name}: mtf_half_nyquist must be in (0, 1], got {self.mtf_half_nyquist}"
            )
        needed = "pixel_nm" if self.kind == "imaging" else "pixel_per_nm"
        if not (getattr(self, needed) or 0) > 0:
            raise ValueError(
                f"camera {self.name}: kind {self.kind} needs {needed} > 0, got {getattr(self, needed)}"
            )
