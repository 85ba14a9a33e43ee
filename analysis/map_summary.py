"""What the pixels of a map say together, in ln tau (docs/methods/maps.md)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from annealscope.analysis.fit_spec import UNUSABLE, FitFlag
from annealscope.analysis.jackknife import left_out_error
from annealscope.analysis.values import ROBUST_SIGMA, FloatArray

BIN_DECADES = 0.05
LEAST_PIXELS = 16
"""Fewer unflagged pixels have no distribution."""

BIMODAL_FROM = 10.0
"""Least BIC difference at which two components are claimed."""

_FINE_BINS = 400
_MOST_ROUNDS = 1000


@dataclass(frozen=True)
class MapSummary:
    """Distribution of ln tau over the unflagged pixels; NaN when there are too few."""

    pixels: int
    """Unflagged pixels."""

    flagged_fraction: float
    """Of the pixels that were fitted; NaN when none was."""

    median_tau_s: float = math.nan
    geometric_mean_tau_s: float = math.nan
    """exp of the mean of ln tau: the median of the lognormal with the greatest likelihood."""

    sigma_ln_tau: float = math.nan
    """Standard deviation of ln tau: the width of the same lognormal."""

    robust_sigma_ln_tau: float = math.nan
    """1.4826 times the median absolute deviation of ln tau."""

    skew: float = math.nan
    """Third standardised moment of ln tau."""

    ks_distance: float = math.nan
    """Largest difference of the cumulated fractions from those of the lognormal."""

    delta_bic: float = math.nan
    """BIC of one normal component in ln tau minus that of two; above 10: two describe it better."""

    maxima: int = 0
    """Maxima of the density of the two components together; 0 when they were not fitted."""

    @property
    def bimodal(self) -> bool:
        """Whether two populations may be claimed: two components are better, and stand apart."""
        return self.delta_bic > BIMODAL_FROM and self.maxima == 2


def unflagged(tau_s: npt.NDArray[np.floating], flags: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Return where a pixel counts in a summary: no flag but perhaps the residual-runs hint."""
    return np.asarray((flags & int(UNUSABLE) == 0) & np.isfinite(tau_s))


def summarise(
    tau_s: npt.NDArray[np.floating], flags: npt.NDArray[np.integer], independent: float
) -> MapSummary:
    """Describe the distribution of ln tau over a map.

    Parameters
    ----------
    tau_s, flags
        Of a `KwwMaps`, any shape.
    independent
        Number of independent pixels, flagged ones included: speckles in the area, at most its pixels. The
        number of components is judged by it.
    """
    good = unflagged(tau_s, flags)
    fitted = flags & int(FitFlag.MASKED) == 0
    n_fitted, n_good = int(fitted.sum()), int(good.sum())
    share = n_good / n_fitted if n_fitted else math.nan
    if n_good < LEAST_PIXELS:
        return MapSummary(n_good, 1.0 - share)
    ln_tau = np.sort(np.log(tau_s[good].astype(np.float64)))
    return _describe(ln_tau, 1.0 - share, independent * share)


def fraction_edges_s(spacing_s: float, duration_s: float) -> FloatArray:
    """Edges of the bins of `pixel_fractions`: 0.05 decades each, from one slot to at least 10 durations."""
    n = math.ceil(round(math.log10(10 * duration_s / spacing_s) / BIN_DECADES, 6))
    return np.asarray(spacing_s * 10 ** (BIN_DECADES * np.arange(n + 1)))


def pixel_fractions(
    tau_s: npt.NDArray[np.floating], flags: npt.NDArray[np.integer], edges_s: FloatArray
) -> FloatArray:
    """Return the fraction of the unflagged pixels in each bin, sum 1; NaN without such pixels."""
    good = tau_s[unflagged(tau_s, flags)].astype(np.float64)
    counts = np.histogram(good, edges_s)[0]
    return np.asarray(counts / (counts.sum() or np.nan))


def variance_error(
    tau_s: npt.NDArray[np.floating], flags: npt.NDArray[np.integer], labels: npt.NDArray[np.int64]
) -> float:
    """Return the standard error of the variance of ln tau, by leaving out one block of pixels at a time.

    Parameters
    ----------
    tau_s, flags
        Of a `KwwMaps`, any shape.
    labels
        Block of each pixel, 0 ... B - 1, the same shape. Pixels of different blocks count as independent.

    Returns
    -------
    float
        NaN where `left_out_error` is, or where a block holds all unflagged pixels.
    """
    good = unflagged(tau_s, flags)
    n_blocks = int(labels.max(initial=0)) + 1
    ln_tau, block = np.log(tau_s[good].astype(np.float64)), labels[good]
    ln_tau -= ln_tau.mean() if ln_tau.size else 0.0
    sums = np.stack([np.bincount(block, ln_tau**power, n_blocks) for power in range(3)])
    count, first, second = sums.sum(axis=1, keepdims=True) - sums
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(left_out_error(second / count - (first / count) ** 2))


def _describe(ln_tau: FloatArray, flagged_fraction: float, independent: float) -> MapSummary:
    """Describe sorted values."""
    mean, sigma, median = float(ln_tau.mean()), float(ln_tau.std()), float(np.median(ln_tau))
    z = (ln_tau - mean) / (sigma or np.nan)
    delta_bic, maxima = _two_components(ln_tau, independent)
    return MapSummary(
        pixels=ln_tau.size,
        flagged_fraction=flagged_fraction,
        median_tau_s=math.exp(median),
        geometric_mean_tau_s=math.exp(mean),
        sigma_ln_tau=sigma,
        robust_sigma_ln_tau=float(ROBUST_SIGMA * np.median(np.abs(ln_tau - median))),
        skew=float(np.mean(z**3)),
        ks_distance=_ks_distance(ndtr(z)),
        delta_bic=delta_bic,
        maxima=maxima,
    )


def _ks_distance(cumulated: FloatArray) -> float:
    """Kolmogorov-Smirnov distance of sorted values, given the cumulated fractions expected at them."""
    steps = np.arange(cumulated.size + 1) / cumulated.size
    return float(max(np.max(steps[1:] - cumulated), np.max(cumulated - steps[:-1])))


def _two_components(ln_tau: FloatArray, independent: float) -> tuple[float, int]:
    """Compare one and two normal components: BIC difference, and number of maxima of the two.

    Works on fine bins, which makes no difference and is fast. The likelihood counts independent pixels only.
    """
    counts, edges = np.histogram(ln_tau, _FINE_BINS)
    if not ln_tau[0] < ln_tau[-1]:
        return np.nan, 0
    x, share = (edges[1:] + edges[:-1]) / 2, counts / counts.sum()
    one = share @ np.log(_density(x, _moments(x, share)).sum(axis=0))
    fits = [_expectation_maximisation(x, share, cut) for cut in (0.2, 0.5, 0.8)]
    two, components = max(fits, key=lambda fit: fit[0])
    delta_bic = 2 * independent * (two - one) - 3 * math.log(independent)
    return float(delta_bic), _maxima(components)


def _expectation_maximisation(x: FloatArray, share: FloatArray, cut: float) -> tuple[float, FloatArray]:
    """Fit two components, beginning with the part below and above a quantile: (mean ln likelihood, they)."""
    below = np.cumsum(share) <= max(cut, share[0])
    components = _moments(x, np.stack([share * below, share * ~below]))
    likelihood = -np.inf
    for _ in range(_MOST_ROUNDS):
        density = _density(x, components)
        total = density.sum(axis=0)
        before, likelihood = likelihood, float(share @ np.log(total))
        if likelihood - before < 1e-8:
            break
        components = _moments(x, share * density / total)
    return likelihood, components


def _moments(x: FloatArray, weights: FloatArray) -> FloatArray:
    """Weight, mean and standard deviation, (n, 3), of components that hold these shares of the bins."""
    weights = np.atleast_2d(weights)
    total = np.maximum(weights.sum(axis=1), 1e-12)
    mean = weights @ x / total
    variance = np.sum(weights * (x - mean[:, None]) ** 2, axis=1) / total
    narrowest = 4 * (x[1] - x[0])
    return np.stack([total, mean, np.sqrt(variance + narrowest**2 / 12)], axis=1)


def _density(x: FloatArray, components: FloatArray) -> FloatArray:
    """Weighted normal densities (n, bins); never 0."""
    weight, mean, sigma = components.T[:, :, None]
    scaled = (x - mean) / sigma
    return np.asarray(weight / (sigma * math.sqrt(2 * np.pi)) * np.exp(-0.5 * scaled**2) + 1e-300)


def _maxima(components: FloatArray) -> int:
    """Count the maxima of the sum of two components, which lie between their means."""
    low, high = np.sort(components[:, 1])
    reach = components[:, 2].max()
    density = _density(np.linspace(low - reach, high + reach, 1001), components).sum(axis=0)
    rising = np.diff(density) > 0
    return int(np.count_nonzero(rising[:-1] & ~rising[1:]))
