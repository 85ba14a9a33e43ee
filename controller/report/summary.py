"""What a report knows: values read from a run folder, every one of them possibly absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
NOT_A_NUMBER = float("nan")


@dataclass(frozen=True)
class Truth:
    """What the simulated glass really did."""

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
    flags: int = 0
    model: str = ""
    range: str = ""

    def z_score(self, truth: Truth) -> float:
        """Return ln(tau / truth) in units of its standard deviation sigma_tau / tau; NaN without a sigma."""
        with np.errstate(all="ignore"):
            return float(
                np.log(np.float64(self.tau_s) / truth.tau_s) * self.tau_s / np.float64(self.sigma_tau_s)
            )


@dataclass(frozen=True)
class Correlation:
    """The image-averaged g2 curves of a hold."""

    lag_s: FloatArray
    """Shape (L,)."""

    curves: Mapping[str, FloatArray]
    """g2 (not g2 - 1) by estimator, each of shape (L,)."""

    pairs: FloatArray | None = None
    """Number of frame pairs behind every lag, shape (L,)."""


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
    """What is left in the corrected frames, shape (K, 2) spread evenly over the hold."""

    warn_nm: float | None = None
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
    """Time of each bin since the start, shape (n,)."""

    value: FloatArray
    """Shape (n, n), symmetric."""


@dataclass(frozen=True)
class TauMap:
    """Relaxation times of single pixels."""

    tau_s: FloatArray
    """Shape (ny, nx); NaN where the fit was flagged or the pixel masked."""

    pixel_nm: float | None
    flagged_fraction: float
    """Fraction of the fitted pixels without a usable fit; masked pixels do not count."""

    null_spread: float = NOT_A_NUMBER
    """Standard deviation of ln(tau) that a perfectly uniform specimen would show."""


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
    setpoint_K: float = NOT_A_NUMBER
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
    correlation: Correlation | None = None
    fits: Mapping[str, Fit] = field(default_factory=dict)
    """By estimator: ``pixel``, ``ratio``, ``roi``, ``ttcf``, ``corrected``."""

    truth: Truth | None = None
    ageing: str | None = None
    """Verdict of the steady-state test."""

    drift: DriftTrace | None = None
    two_time: TwoTimeCorrelation | None = None
    tau_map: TauMap | None = None
    picture: Picture | None = None
    missing: tuple[str, ...] = ()
    """What is not there, in sentences."""

    @property
    def setpoint_degC(self) -> float:
        """Set temperature in degC."""
        return self.setpoint_K - 273.15

    @property
    def duration_s(self) -> float:
        """Length of the record, pauses between segments left out."""
        return sum(self.segment_slots) * self.period_s

    @property
    def frames_lost(self) -> int:
        """Frames up to the last one that are not in the record."""
        return sum(loss.frames for loss in self.losses if not loss.recorded)

    @property
    def frames_unused(self) -> int:
        """Frames in the record that the results leave out."""
        return sum(loss.frames for loss in self.losses if loss.recorded)

    @property
    def label(self) -> str:
        """How figures and tables call the hold."""
        return f"{self.setpoint_degC:.0f} °C" if np.isfinite(self.setpoint_K) else self.name


@dataclass(frozen=True)
class TemperatureTrace:
    """Temperature over the whole run; the three arrays have the same shape (N,)."""

    t_s: FloatArray
    """On the run's clock."""

    measured_degC: FloatArray
    setpoint_degC: FloatArray


@dataclass(frozen=True)
class Event:
    """Something that happened and that a reader of the numbers should know."""

    t_s: float
    """On the run's clock."""

    what: str
    why: str = ""


@dataclass(frozen=True)
class RunSummary:
    """One run folder."""

    folder: Path
    title: str
    outcome: str
    """``success``, ``stopped``, ``aborted``, ``failed``, or ``unfinished``: the journal has no end."""

    why: str = ""
    started_s: float = 0.0
    """Zero of the run's time axis, on the run's clock."""

    ended_s: float = NOT_A_NUMBER
    started_utc: str = ""
    trace: TemperatureTrace | None = None
    events: tuple[Event, ...] = ()
    holds: tuple[HoldSummary, ...] = ()
    protocol_text: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
