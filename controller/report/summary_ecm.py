"""What an ECM movie says beyond its fits: tau against the length and the age, statistics of its map."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from annealscope.controller.report.summary_patterns import NOT_A_NUMBER, FloatArray


@dataclass(frozen=True)
class DurationSeries:
    """Relaxation times seen in beginnings of the record of growing length (docs/methods/duration.md)."""

    T_s: FloatArray
    """Length of each beginning, shape (K,)."""

    tau_s: Mapping[str, FloatArray]
    """By estimator (``pixel``, ``corrected``, ``ttcf``), each of shape (K,); NaN where it was not usable."""

    sigma_tau_s: Mapping[str, FloatArray]
    """Their errors, by the same names; NaN where there is none."""

    beta: Mapping[str, FloatArray]
    sigma_beta: Mapping[str, FloatArray]
    expected_tau_s: FloatArray
    """What the plain fit shows of the corrected values of the whole record, on average, shape (K,)."""

    expected_beta: FloatArray
    law: str = ""
    """That the asymptote is of: ``hyp``, ``exp``, ``invT`` or ``pow``."""

    tau_asym_s: float = NOT_A_NUMBER
    sigma_tau_asym_s: float = NOT_A_NUMBER
    T0_s: float = NOT_A_NUMBER
    rms_s: float = NOT_A_NUMBER
    why: str = ""
    """Why there is no asymptote."""

    other_laws_s: Mapping[str, float] = field(default_factory=dict)
    """Asymptote by the other laws."""


@dataclass(frozen=True)
class AgeSeries:
    """Relaxation time along the age of the specimen (docs/methods/age.md)."""

    t_s: FloatArray
    """Since the first frame, shape (J,): the middles of J equal parts of the record."""

    tau_s: FloatArray
    sigma_s: FloatArray
    reach_s: FloatArray
    """Longest lag that the record has around each age."""

    slope: float = NOT_A_NUMBER
    """Change of ln tau over the whole record, by least squares without weights."""

    sigma_slope: float = NOT_A_NUMBER
    verdict: str = ""
    """``steady``, ``aging``, ``speeding up`` or ``undetermined``."""

    jumps_s: FloatArray = field(default_factory=lambda: np.empty(0))
    """When the image changed at once, since the first frame."""


@dataclass(frozen=True)
class PatchMap:
    """Corrected relaxation times of squares of pixels."""

    tau_s: FloatArray
    """Shape (ny, nx); NaN where the fit was flagged."""

    side_px: float
    """Of one square, in pixels of the map of pixels."""


@dataclass(frozen=True)
class PixelFractions:
    """Distribution of tau over the pixels, in bins of equal width in log tau."""

    edges_s: FloatArray
    """Shape (n + 1,)."""

    seen: FloatArray
    """Fraction of the unflagged pixels in each bin, shape (n,)."""

    null: FloatArray | None = None
    """The same of the simulated uniform glass."""


@dataclass(frozen=True)
class MapStatistics:
    """What the pixels of a map say together, beside the map of a uniform glass (docs/methods/maps.md)."""

    sigma_ln_tau: float = NOT_A_NUMBER
    null_sigma_ln_tau: float = NOT_A_NUMBER
    median_tau_s: float = NOT_A_NUMBER
    null_median_tau_s: float = NOT_A_NUMBER
    null_series: float = NOT_A_NUMBER
    """Simulated pixels."""

    sigma_het: float = NOT_A_NUMBER
    """Spread of ln tau that the specimen itself has; 0 when the map is no wider than its null."""

    excess_variance: float = NOT_A_NUMBER
    """Of ln tau beyond the null; may be negative."""

    sigma_excess_variance: float = NOT_A_NUMBER
    slow_domains: float = NOT_A_NUMBER
    slow_diameter_nm: float = NOT_A_NUMBER
    """Mean, weighted with the areas."""

    slow_fraction: float = NOT_A_NUMBER
    """Area of the domains over the area that could be judged."""

    above_fraction: float = NOT_A_NUMBER
    """Pixels above the threshold of the domains, domains or not."""

    null_above_fraction: float = NOT_A_NUMBER
    """The same of the uniform glass: by chance."""

    delta_bic: float = NOT_A_NUMBER
    bimodal: float = NOT_A_NUMBER

    @property
    def sigma_sigma_het(self) -> float:
        """Standard error of ``sigma_het``; NaN when that is 0."""
        return self.sigma_excess_variance / (2 * self.sigma_het) if self.sigma_het > 0 else NOT_A_NUMBER

    @property
    def most_het(self) -> float:
        """Largest spread within two standard errors; NaN when the error is not known."""
        return float(np.sqrt(max(self.excess_variance, 0.0) + 2 * self.sigma_excess_variance))

    @property
    def verdict(self) -> str:
        """``heterogeneous`` beyond three standard errors, else ``undetermined``; empty without a null."""
        if not np.isfinite(self.excess_variance):
            return ""
        beyond = self.excess_variance > 3 * self.sigma_excess_variance
        return "heterogeneous" if beyond else "undetermined"
