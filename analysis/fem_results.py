"""From the sums of a finished scan to its results (docs/methods/fem.md)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from annealscope.analysis.fem_patterns import Pattern, PatternPlacer, PatternState
from annealscope.analysis.fem_spec import FemSpec
from annealscope.analysis.haadf import gradient
from annealscope.analysis.peaks import FIRST_WINDOW, SECOND_WINDOW, Peak, fit_peak, fit_split_peak, shoulder
from annealscope.analysis.ring_fit import RingsFound, find_rings, look_at_rings
from annealscope.analysis.rings import GROW_PX, Annuli, Geometry
from annealscope.analysis.values import FloatArray, Result, Results
from annealscope.analysis.variance import (
    Moments,
    NormalizedVariance,
    jackknife_sigma,
    variance_images,
    variance_of_annular_means,
)

ESTIMATOR = "variance of each pixel, then annular mean"


@dataclass(frozen=True)
class Scan:
    """A scan whose patterns are all in, or those that are in so far."""

    spec: FemSpec
    parts: tuple[NormalizedVariance, ...]
    """Sums of each part of the scan, for the jackknife."""
    placer: PatternPlacer
    patterns: tuple[Pattern, ...]
    annular_means: tuple[FloatArray, ...]
    """Of the patterns that are used, in counts above the offset."""


@dataclass(frozen=True)
class _Curves:
    """Annular means of a scan over the annuli that are kept."""

    rings: RingsFound
    annuli: Annuli
    V_image: FloatArray
    mean_e: FloatArray
    k: FloatArray
    V: FloatArray
    V_corrected: FloatArray
    without: FloatArray
    """V_corrected without one part, (parts, k)."""


def measured_curve(scan: Scan) -> tuple[FloatArray, FloatArray]:
    """Return k in 1/nm and V(k), corrected for noise. Raises InvalidData."""
    moments = _total(scan.parts).moments()
    _, corrected = variance_images(moments, scan.spec.detector)
    rings = _find(scan, moments, corrected)
    annuli = Annuli(rings.geometry, rings.valid)
    return annuli.k[annuli.kept], annuli.mean(corrected)[annuli.kept]


def fem_results(scan: Scan) -> Results:
    """All results of a scan.

    Raises
    ------
    InvalidData
        When no rings can be found in the mean pattern.
    """
    total = _total(scan.parts)
    moments = total.moments()
    curves = _curves(scan, total, moments)
    results = _variance(scan, moments, curves) | _peaks(scan, curves) | _patterns(scan)
    if any(np.isfinite(pattern.haadf) for pattern in scan.patterns):
        results |= _haadf(scan)
    return results


def _total(parts: tuple[NormalizedVariance, ...]) -> NormalizedVariance:
    total = NormalizedVariance(parts[0].shape, parts[0].reference)
    for part in parts:
        total.merge(part)
    return total


def _find(scan: Scan, moments: Moments, corrected: FloatArray) -> RingsFound:
    """Find the rings of the mean pattern; pixels count where every pattern had some signal."""
    spec, placer = scan.spec, scan.placer
    excluded = ~placer.covered | ~np.isfinite(corrected)
    if spec.beam_stop is not None:
        excluded |= spec.beam_stop
    assert placer.reference is not None, "a pattern that is used has made the reference"  # noqa: S101
    signal, grow_px = moments.mean - spec.offset_counts, GROW_PX + placer.largest_move_px
    if spec.centre_px is None:
        return find_rings(signal, placer.reference, excluded, grow_px)
    given = Geometry(spec.centre_px, spec.pixel_per_nm, spec.ellipse)
    return look_at_rings(signal, given, excluded, grow_px)


def _curves(scan: Scan, total: NormalizedVariance, moments: Moments) -> _Curves:
    detector = scan.spec.detector
    naive, corrected = variance_images(moments, detector)
    rings = _find(scan, moments, corrected)
    annuli = Annuli(rings.geometry, rings.valid)
    kept = annuli.kept
    without = [
        annuli.mean(variance_images(total.without(part).moments(), detector)[1])[kept]
        for part in (scan.parts if len(scan.parts) > 1 else ())
    ]
    return _Curves(
        rings=rings,
        annuli=annuli,
        V_image=np.where(rings.valid, corrected, np.nan),
        mean_e=annuli.mean((moments.mean - detector.offset_counts) / detector.gain_counts_per_e)[kept],
        k=annuli.k[kept],
        V=annuli.mean(naive)[kept],
        V_corrected=annuli.mean(corrected)[kept],
        without=np.array(without),
    )


def _variance(scan: Scan, moments: Moments, curves: _Curves) -> Results:
    spec, detector = scan.spec, scan.spec.detector
    mean_e = (moments.mean - detector.offset_counts) / detector.gain_counts_per_e
    return {
        "fem": Result(None, attrs=_attributes(scan, curves)),
        "fem/k": Result(curves.k, "1/nm"),
        "fem/V": Result(curves.V),
        "fem/V_corrected": Result(curves.V_corrected),
        "fem/sigma": Result(_sigma(scan, curves.V_corrected, curves.without)),
        "fem/V_annular": Result(
            _annular(scan, curves), attrs={"estimator": "variance of the annular means: never compare with V"}
        ),
        "fem/V_jitter": Result(
            (
                _jitter_px(scan)
                * spec.pixel_per_nm
                * np.gradient(np.log(np.maximum(curves.mean_e, 1e-9)), curves.k)
            )
            ** 2,
            attrs={"meaning": "false variance from the jitter of the centre that is left; not subtracted"},
        ),
        "fem/mean": Result(curves.mean_e, "electrons/pixel"),
        "fem/n_px": Result(curves.annuli.n_px[curves.annuli.kept]),
        "fem/variance_image": Result(curves.V_image.astype(np.float32)),
        "fem/mean_image": Result(mean_e.astype(np.float32), "electrons/pixel"),
    }


def _attributes(scan: Scan, curves: _Curves) -> dict[str, Any]:
    spec, fit = scan.spec, curves.rings.fit
    states = [pattern.state for pattern in scan.patterns]
    return {
        "signal": "V_corrected",
        "auxiliary_signals": ["V"],
        "axes": ["k"],
        "estimator": ESTIMATOR,
        "probe_nm": spec.probe_nm,
        "disc_per_nm": spec.disc_per_nm,
        "patterns": states.count(PatternState.VALID),
        "patterns_planned": spec.patterns_expected or spec.positions,
        **{f"patterns_{state.name.lower()}": states.count(state) for state in PatternState if state},
        "jackknife_parts": len(scan.parts),
        "centre_px": list(curves.rings.geometry.centre_px),
        "sigma_centre_px": list(fit.sigma_px),
        "ellipse": list(spec.ellipse),
        "ellipse_left": list(fit.ellipse),
        "sigma_ellipse_left": list(fit.sigma_ellipse),
        "pixel_per_nm": spec.pixel_per_nm,
        "hidden_px": int(np.count_nonzero(~curves.rings.valid)),
        "jitter_px": _jitter_px(scan),
        "patterns_moved": sum(pattern.moved_px != (0, 0) for pattern in scan.patterns),
        "noise_power": spec.noise_power,
        "gain_counts_per_e": spec.gain_counts_per_e,
    }


def _sigma(scan: Scan, estimate: FloatArray, without: FloatArray) -> FloatArray:
    return jackknife_sigma(estimate, without, [part.n for part in scan.parts])


def _annular(scan: Scan, curves: _Curves) -> FloatArray:
    """Variance of annular means, on the annuli that are kept."""
    means = np.array(scan.annular_means)[:, : curves.annuli.size]
    n_px = curves.annuli.n_px[: means.shape[1]].astype(np.float64)
    full = np.full(curves.annuli.size, np.nan)
    full[: means.shape[1]] = variance_of_annular_means(means, n_px, scan.spec.detector)
    return full[curves.annuli.kept]


def _jitter_px(scan: Scan) -> float:
    """Standard deviation per axis of the centres as added, without the error of finding them."""
    used = [pattern for pattern in scan.patterns if pattern.state is PatternState.VALID]
    centre = np.array([np.add(pattern.centre_px, pattern.moved_px) for pattern in used])
    error = np.array([pattern.sigma_px for pattern in used])
    excess = centre.var(axis=0, ddof=1).mean() - (error**2).mean()
    return float(np.sqrt(max(excess, 0.0)))


def _peaks(scan: Scan, curves: _Curves) -> Results:
    values = _peak_numbers(curves.k, curves.V_corrected)
    without = np.array([_peak_numbers(curves.k, V) for V in curves.without])
    sigma = _sigma(scan, values, without)
    first = fit_peak(curves.k, curves.V_corrected, FIRST_WINDOW)
    second = fit_peak(curves.k, curves.V_corrected, SECOND_WINDOW)
    split = fit_split_peak(curves.k, curves.V_corrected, FIRST_WINDOW, scan.spec.disc_per_nm)
    names = ("ratio", "sigma_ratio", "shoulder_5p3", "sigma_shoulder")
    numbers = dict(zip(names, (values[4], sigma[4], values[5], sigma[5]), strict=True))
    return {
        "fem/peaks": Result(None, attrs={name: float(value) for name, value in numbers.items()}),
        "fem/peaks/first": Result(None, attrs=_peak_attributes(first, sigma[0], sigma[1])),
        "fem/peaks/second": Result(None, attrs=_peak_attributes(second, sigma[2], sigma[3])),
        "fem/peaks/split": Result(
            None,
            attrs={
                "k_per_nm": list(split.k_per_nm),
                "V": list(split.V),
                "delta_bic": split.delta_bic,
                "resolved": int(split.resolved),
            },
        ),
    }


def _peak_numbers(k: FloatArray, V: FloatArray) -> FloatArray:
    """Numbers that get an error from the jackknife: both maxima, their ratio, the shoulder."""
    first, second = fit_peak(k, V, FIRST_WINDOW), fit_peak(k, V, SECOND_WINDOW)
    ratio = second.V_max / first.V_max if first.V_max else float("nan")
    return np.array(
        [first.k_per_nm, first.V_max, second.k_per_nm, second.V_max, ratio, shoulder(k, V)], dtype=np.float64
    )


def _peak_attributes(peak: Peak, sigma_k: float, sigma_V_max: float) -> dict[str, Any]:
    numbers = asdict(peak) | {"flags": int(peak.flags)}
    return numbers | {"sigma_k_per_nm": float(sigma_k), "sigma_V_max": float(sigma_V_max)}


def _patterns(scan: Scan) -> Results:
    """What is known of every pattern, used or not."""
    states = np.array([pattern.state for pattern in scan.patterns], dtype=np.uint8)
    mean_e = [pattern.mean_counts / scan.spec.gain_counts_per_e for pattern in scan.patterns]
    return {
        "fem/centre": Result(np.array([pattern.centre_px for pattern in scan.patterns]), "px"),
        "fem/sigma_centre": Result(np.array([pattern.sigma_px for pattern in scan.patterns]), "px"),
        "fem/pattern_mean": Result(np.array(mean_e), "electrons/pixel"),
        "fem/pattern_state": Result(
            states, attrs={"meaning": [state.name.lower() for state in PatternState]}
        ),
    }


def _haadf(scan: Scan) -> Results:
    spec = scan.spec
    value = np.full(spec.positions, np.nan)
    for pattern in scan.patterns:
        if pattern.state is not PatternState.BLANKED:
            value[pattern.position] = pattern.haadf
    signal = value.reshape(spec.grid)
    plane = gradient(signal, spec.pitch_nm)
    y_nm, x_nm = (spec.pitch_nm * (np.arange(n) - (n - 1) / 2.0) for n in spec.grid)
    attrs = {
        "signal": "value",
        "axes": ["y_nm", "x_nm"],
        "trend_per_nm": list(plane.per_nm),
        "sigma_per_nm": list(plane.sigma_per_nm),
        "change": plane.change,
        "gradient": plane.verdict,
    }
    return {
        "haadf": Result(None, attrs=attrs),
        "haadf/value": Result(signal, "counts"),
        "haadf/y_nm": Result(y_nm, "nm"),
        "haadf/x_nm": Result(x_nm, "nm"),
    }
