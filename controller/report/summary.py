"""What a report knows of one acquisition: values read from its file, every one of them possibly absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.controller.report.summary_ecm import (
    AgeSeries,
    DurationSeries,
    MapStatistics,
    PatchMap,
    PixelFractions,
)
from annealscope.controller.report.summary_patterns import (
    NOT_A_NUMBER,
    FloatArray,
    Haadf,
    PatternImage,
    PatternTruth,
    RingDifference,
    RingProfile,
    Variance,
)
from annealscope.controller.units import to_celsius

NO_FLAG = FitFlag(0)

REASONS = {
    FitFlag.NOT_CONVERGED: "did not converge",
    FitFlag.TAU_AT_BOUND: "τ at its bound",
    FitFlag.BETA_AT_BOUND: "β at its bound",
    FitFlag.LOW_AMPLITUDE: "amplitude within the noise",
    FitFlag.TOO_FAST: "too fast (τ < 3 slots)",
    FitFlag.TOO_SLOW: "too slow (τ > T/3)",
    FitFlag.FEW_POINTS: "too few points",
    FitFlag.MASKED: "not fitted",
    FitFlag.BASELINE_AT_BOUND: "baseline at its bound",
}
"""Why a fit should not be believed, by flag; the hint `RESIDUAL_RUNS` is no reason."""


@dataclass(frozen=True)
class Truth:
    """What the simulated glass really did."""

    tau_s: float
    beta: float


@dataclass(frozen=True)
class Expected:
    """What a plain fit shows of the corrected values in a record as long as this one, on average."""

    tau_s: float
    beta: float


@dataclass(frozen=True)
class Fit:
    """Parameters of one KWW fit as stored in ``kww/<estimator>``."""

    tau_s: float
    beta: float
    amplitude: float = NOT_A_NUMBER
    baseline: float = 0.0
    sigma_tau_s: float = NOT_A_NUMBER
    sigma_beta: float = NOT_A_NUMBER
    flags: FitFlag = NO_FLAG
    model: str = ""
    range: str = ""
    errors: str = ""
    """Where the errors come from: ``jackknife`` or ``error scale``; empty when the file does not say."""

    curve: FloatArray | None = None
    """g2 - 1 of the fit at the lags of the hold, shape (L,); None: the file does not have it."""

    tau_at_beta_s: Mapping[float, float] = field(default_factory=dict)
    """tau with beta held at a step from the fitted one, by the step."""

    @property
    def flagged(self) -> str:
        """Why the fit should not be believed, in words; empty when nothing is known against it."""
        reasons = [REASONS[flag] for flag in self.flags & UNUSABLE]
        return f"flagged: {', '.join(reasons)}" if reasons else ""


@dataclass(frozen=True)
class Correlation:
    """The image-averaged g2 curves of a hold."""

    lag_s: FloatArray
    """Shape (L,)."""

    curves: Mapping[str, FloatArray]
    """g2 (not g2 - 1) by estimator, each of shape (L,)."""

    pairs: FloatArray | None = None
    """Number of frame pairs behind every lag, shape (L,)."""

    n_speckles: float = NOT_A_NUMBER
    """Independent speckles in the part of the frame that was analysed."""

    bad_pixels: int = 0
    """Of the camera, left out."""


@dataclass(frozen=True)
class DriftTrace:
    """Displacements of a hold in nm, columns (y, x)."""

    t_s: FloatArray
    """Time of each frame since the first one, shape (N,)."""

    measured_nm: FloatArray | None
    """Raw frame against the reference, after feedback, shape (N, 2)."""

    applied_nm: FloatArray | None
    """Displacement of the image made by the image shift, shape (N, 2)."""

    residual_nm: FloatArray | None
    """What is left in the corrected frames, shape (N, 2)."""

    warn_nm: float | None = None
    """Largest component of ``measured_nm`` that the protocol takes without a warning, like ``limit_nm``."""

    limit_nm: float | None = None

    @property
    def largest_residual_nm(self) -> float:
        """Largest distance of the corrected image from its place; NaN if it was not measured."""
        if self.residual_nm is None or not np.isfinite(self.residual_nm).any():
            return NOT_A_NUMBER
        return float(np.nanmax(np.hypot(self.residual_nm[:, 0], self.residual_nm[:, 1])))


@dataclass(frozen=True)
class TwoTimeCorrelation:
    """C(t1, t2) of a hold."""

    t_s: FloatArray
    """Middle of each bin since the start, shape (n,); evenly spaced within a segment."""

    value: FloatArray
    """Shape (n, n), symmetric; NaN between segments."""

    segment: npt.NDArray[np.int64]
    """Segment of each bin, shape (n,)."""


@dataclass(frozen=True)
class TauMap:
    """Relaxation times of single pixels."""

    tau_s: FloatArray
    """Shape (ny, nx); NaN where the fit was flagged or the pixel masked."""

    pixel_nm: float | None
    flagged_fraction: float
    """Fraction of the fitted pixels without a usable fit; masked pixels do not count."""

    statistics: MapStatistics | None = None
    fractions: PixelFractions | None = None
    patches: PatchMap | None = None


@dataclass(frozen=True)
class Picture:
    """A dark-field image."""

    counts: FloatArray
    """Shape (ny, nx)."""

    pixel_nm: float | None
    frames: int
    """How many of the last frames were averaged."""


@dataclass(frozen=True)
class Loss:
    """Neighbouring frames that the results do not contain."""

    t_s: float
    """Time since the first frame of the hold."""

    first: int
    """Camera counter of the first of them."""

    frames: int
    why: str
    recorded: bool
    """True when they are in the file but could not be used."""


@dataclass(frozen=True)
class HoldSummary:
    """One acquisition."""

    ordinal: int
    name: str
    """File stem, e.g. ``02_ecm_100C``."""

    title: str = ""
    method: str = "ecm"
    """``ecm``, ``fem`` or ``diffraction``."""

    material: str = ""
    state: str = ""
    """Of the specimen when the run began, e.g. ``as-cast``."""

    acquisition: str = ""
    """What the protocol calls this kind of acquisition."""

    setpoint_K: float = NOT_A_NUMBER
    variant: str = ""
    """What tells it from others at the same temperature, in words; empty where there are none."""

    age_s: float = NOT_A_NUMBER
    """Time since the temperature had settled, when the acquisition began."""

    opened_s: float = NOT_A_NUMBER
    """On the run's clock, like ``closed_s``; NaN if the journal does not say."""

    closed_s: float = NOT_A_NUMBER
    frames: int = 0
    frames_planned: int | None = None
    segment_slots: tuple[int, ...] = ()
    """Places on the time grid between the first and the last frame of each segment."""

    segment_starts: tuple[int, ...] = ()
    """First slot of each segment, counted from the first one."""

    period_s: float = NOT_A_NUMBER
    """Mean spacing of the slots."""

    losses: tuple[Loss, ...] = ()
    frames_lost: int = 0
    """Frames that are not in the record."""

    correlation: Correlation | None = None
    fits: Mapping[str, Fit] = field(default_factory=dict)
    """By estimator: ``pixel``, ``ratio``, ``roi``, ``ttcf``, ``corrected``."""

    expected: Expected | None = None
    """Of the plain fits, from the corrected one and the length of the record alone."""

    durations: DurationSeries | None = None
    aging: AgeSeries | None = None
    truth: Truth | None = None
    drift: DriftTrace | None = None
    two_time: TwoTimeCorrelation | None = None
    tau_map: TauMap | None = None
    picture: Picture | None = None
    dose_rate_per_nm2_s: float = NOT_A_NUMBER
    """Electrons while the beam is on."""

    probe_nm: float = NOT_A_NUMBER
    """FWHM of the probe."""

    announcement: Mapping[str, Any] = field(default_factory=dict)
    """What the file says was announced when the acquisition was opened: camera, optics, settings."""

    variance: Variance | None = None
    variance_image: PatternImage | None = None
    mean_pattern: PatternImage | None = None
    """Mean of all patterns, of a grid or of an area."""

    haadf: Haadf | None = None
    rings: RingProfile | None = None
    ring_reference: str = ""
    """Name of the hold that the ring profile was compared with."""

    ring_difference: RingDifference | None = None
    pattern_truth: PatternTruth | None = None
    missing: tuple[str, ...] = ()
    """What is not there, in sentences."""

    @property
    def analysed(self) -> bool:
        """Whether the file has what its method is after: times, a variance, or a ring profile."""
        return bool({"fem": self.variance, "diffraction": self.rings}.get(self.method, self.fits))

    @property
    def simulated(self) -> bool:
        """Whether the specimen was a simulated one, whose truth is known."""
        return self.truth is not None or self.pattern_truth is not None

    @property
    def setpoint_degC(self) -> float:
        """Set temperature in degC."""
        return to_celsius(self.setpoint_K)

    @property
    def duration_s(self) -> float:
        """Length of the record, pauses between segments left out."""
        return sum(self.segment_slots) * self.period_s

    @property
    def frames_unused(self) -> int:
        """Frames in the record that the results leave out."""
        return sum(loss.frames for loss in self.losses if loss.recorded)

    @property
    def temperature_label(self) -> str:
        """Set temperature in words; the name of the hold where it is not known."""
        return f"{round(self.setpoint_degC, 1):g} °C" if np.isfinite(self.setpoint_K) else self.name

    @property
    def label(self) -> str:
        """How figures and tables call the hold."""
        return " · ".join(filter(None, (self.temperature_label, self.variant)))

    @property
    def heading(self) -> str:
        """Title of the hold with its temperature, once, and with what tells it apart."""
        title = self.title.replace("degC", "°C") or self.name
        temperature = "" if self.temperature_label in title else self.temperature_label
        return " · ".join(filter(None, (temperature, title, self.variant)))
