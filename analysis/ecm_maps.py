"""The maps of an ECM record, with what a uniform specimen would have shown (docs/methods/maps.md)."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from annealscope.analysis.domains import SLOW_FACTOR, SlowDomains, slow_domains
from annealscope.analysis.ecm_fits import finite_record
from annealscope.analysis.ecm_rows import FrameState, Rows, Timeline
from annealscope.analysis.ecm_spec import EcmSpec
from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.geometry import correlator_levels
from annealscope.analysis.kww import KwwFit, fit_kww
from annealscope.analysis.map_curves import MapCurves, map_curves, varies
from annealscope.analysis.map_summary import (
    MapSummary,
    fraction_edges_s,
    pixel_fractions,
    summarise,
    variance_error,
)
from annealscope.analysis.maps import KwwMaps, fit_maps, fit_maps_finite
from annealscope.analysis.multitau import LagSums
from annealscope.analysis.null_map import NullSpec, grid_slots, noise_variance, null_curves
from annealscope.analysis.patches import patch_g2, patch_side_px
from annealscope.analysis.values import Result, Results


@dataclass(frozen=True)
class FittedMap:
    """A map, and the image it is part of."""

    maps: KwwMaps
    image_tau_s: float
    """Of the mean curve of its pixels, by the same fit; NaN when that failed."""


REPORTED = (
    "flagged_fraction",
    "median_tau_s",
    "geometric_mean_tau_s",
    "sigma_ln_tau",
    "robust_sigma_ln_tau",
    "skew",
    "ks_distance",
    "delta_bic",
)
"""What is said of a map and of its null alike."""

_NONE = np.empty((1, 0), dtype=np.float32)
NO_MAP = FittedMap(KwwMaps(_NONE, _NONE, _NONE, _NONE.astype(np.uint16)), math.nan)
"""Of a null that could not be made."""


def map_results(
    spec: EcmSpec,
    rows: Rows,
    time: Timeline,
    sums: LagSums,
    corrected: KwwFit,
    labels: npt.NDArray[np.int64],
) -> Results:
    """Fit every pixel, or every square of pixels of a large frame, and every patch; compare with a null.

    Parameters
    ----------
    spec
        The acquisition.
    rows, time
        Its frames, and where they lie in time.
    sums
        Sums of the pixels of the valid area.
    corrected
        The fit with the finite duration in it: the one relaxation time of the null. When it is not usable
        there is no null, and what compares with one is NaN.
    labels
        Block of the image that each pixel of the valid area is left out with, for the jackknife.

    Returns
    -------
    Results
        ``map`` and what is below it; shapes and units are in docs/methods/maps.md.
    """
    curves = map_curves(sums, spec.coarse)
    seen = fitted_map(curves, spec, time)
    null, noise = _null(curves, spec, rows, time, corrected)
    del curves
    domains, domain_results = _domains(seen, null, spec)
    results = _pixels(seen.maps, spec) | _patches(sums, spec, time)
    results |= domain_results | _fractions(seen.maps, null.maps, time)
    attrs = {"signal": "tau_s", "axes": ["y_nm", "x_nm"], "margin_px": spec.margin, "bin_px": spec.coarse}
    attrs |= _distribution(seen.maps, null.maps, spec, labels) | {"null_noise_variance": noise} | domains
    results["map"] = Result(None, attrs=attrs)
    return results


def fitted_map(curves: MapCurves, spec: EcmSpec, time: Timeline) -> FittedMap:
    """Fit up to the first crossing of g2 = 1: the pixels, and their mean."""
    lag_s, duration_s = curves.lag_slots * time.spacing_s, time.n_slots * time.spacing_s
    fit = replace(spec.fit, range="first1", free_baseline=False)
    mask = curves.contrast
    maps = fit_maps(lag_s, curves.y, curves.pairs, spec=fit, duration_s=duration_s, mask=mask)
    image = fit_kww(lag_s, curves.image_mean, curves.pairs, spec=fit, duration_s=duration_s)
    return FittedMap(_without_failed(maps), image.tau_s)


def _without_failed(maps: KwwMaps) -> KwwMaps:
    failed = (maps.flags & int(FitFlag.NOT_CONVERGED | FitFlag.MASKED)) != 0
    tau_s, beta, amplitude = (
        np.where(failed, np.float32(np.nan), values) for values in (maps.tau_s, maps.beta, maps.amplitude)
    )
    return KwwMaps(tau_s, beta, amplitude, maps.flags)


def _null(
    curves: MapCurves, spec: EcmSpec, rows: Rows, time: Timeline, corrected: KwwFit
) -> tuple[FittedMap, float]:
    """Return the map of the null, and the noise variance that was given to it."""
    if not corrected.usable:
        return NO_MAP, math.nan
    null = null_spec(spec, rows, time, corrected)
    noise = noise_variance(curves, null)
    return fitted_map(null_curves(null, noise), spec, time), noise


def null_spec(spec: EcmSpec, rows: Rows, time: Timeline, corrected: KwwFit) -> NullSpec:
    """Return what the null shares with a record; parameters are those of `map_results`."""
    used = rows[rows["state"] == FrameState.VALID]
    tau_slots = corrected.tau_s / time.spacing_s
    at = np.searchsorted(time.segment, used["segment"])
    since_first = used["slot"] - time.first_slot[at]
    return NullSpec(
        slot=used["slot"].copy(),
        segment=used["segment"].copy(),
        grid_slot=grid_slots(since_first, time.starts, time.slots, at, tau_slots),
        levels=correlator_levels(spec.frames_expected),
        tau_slots=tau_slots,
        beta=corrected.beta,
        contrast=corrected.amplitude,
        bin_px=spec.coarse,
        aperture_per_px=spec.aperture_per_nm * spec.pixel_nm,
    )


def _pixels(maps: KwwMaps, spec: EcmSpec) -> Results:
    first_px = (spec.coarse - 1) / 2
    y_nm, x_nm = (_positions_nm(n, first_px, spec.coarse, spec) for n in maps.tau_s.shape)
    return {
        "map/tau_s": Result(maps.tau_s, "s"),
        "map/beta": Result(maps.beta),
        "map/amplitude": Result(maps.amplitude),
        "map/flags": Result(maps.flags),
        "map/y_nm": y_nm,
        "map/x_nm": x_nm,
    }


def _positions_nm(n: int, first_px: float, step_px: int, spec: EcmSpec) -> Result:
    """Centres of ``n`` squares, measured from the centre of the first pixel of the raw frame."""
    return Result((spec.margin + first_px + step_px * np.arange(n)) * spec.pixel_nm, "nm")


def _distribution(
    seen: KwwMaps, null: KwwMaps, spec: EcmSpec, labels: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Describe the distribution of tau over the pixels, and that of the null."""
    independent = min(spec.n_speckles, seen.tau_s.size)
    summary, of_null = (summarise(maps.tau_s, maps.flags, independent) for maps in (seen, null))
    return {
        **_attributes(summary),
        "bimodal": int(summary.bimodal),
        **{f"null_{name}": value for name, value in _attributes(of_null).items()},
        "null_series": null.tau_s.size,
        **_excess(summary.sigma_ln_tau**2 - of_null.sigma_ln_tau**2),
        "sigma_excess_variance": _error_of_excess(seen, null, labels[:: spec.coarse, :: spec.coarse]),
    }


def _excess(variance: float) -> dict[str, float]:
    """Say what the map spreads beyond its null; the difference of the variances may be negative."""
    sigma_het = math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.nan
    return {"sigma_het": sigma_het, "excess_variance": variance}


def _error_of_excess(seen: KwwMaps, null: KwwMaps, labels: npt.NDArray[np.int64]) -> float:
    """Join the errors of the map, block by block, and of the null, series by series."""
    ny, nx = seen.tau_s.shape
    series = np.arange(null.tau_s.size).reshape(null.tau_s.shape)
    return math.hypot(
        variance_error(seen.tau_s, seen.flags, labels[:ny, :nx]),
        variance_error(null.tau_s, null.flags, series),
    )


def _attributes(summary: MapSummary) -> dict[str, float]:
    return {name: getattr(summary, name) for name in REPORTED}


def _fractions(seen: KwwMaps, null: KwwMaps, time: Timeline) -> Results:
    edges_s = fraction_edges_s(time.spacing_s, time.n_slots * time.spacing_s)
    return {
        "map/fraction": Result(pixel_fractions(seen.tau_s, seen.flags, edges_s)),
        "map/null_fraction": Result(pixel_fractions(null.tau_s, null.flags, edges_s)),
        "map/fraction_edges_s": Result(edges_s, "s"),
    }


def _patches(sums: LagSums, spec: EcmSpec, time: Timeline) -> Results:
    """Fit the `ratio` curve of every patch with the finite duration in the model."""
    side_px = patch_side_px(spec.valid_shape, spec.aperture_per_nm * spec.pixel_nm)
    y = patch_g2(sums, side_px) - 1
    maps = _without_failed(
        fit_maps_finite(
            sums.lag_slots * time.spacing_s,
            y,
            **finite_record(sums, time, spec),
            mask=varies(y),
        )
    )
    y_nm, x_nm = (_positions_nm(n, (side_px - 1) / 2, side_px, spec) for n in y.shape[1:])
    return {
        "map/patch_tau_s": Result(maps.tau_s, "s", {"side_px": side_px}),
        "map/patch_beta": Result(maps.beta),
        "map/patch_flags": Result(maps.flags),
        "map/patch_y_nm": y_nm,
        "map/patch_x_nm": x_nm,
    }


def _domains(seen: FittedMap, null: FittedMap, spec: EcmSpec) -> tuple[dict[str, float], Results]:
    found, by_chance = _slow(seen, spec), _slow(null, spec)
    numbers = {
        "slow_threshold_s": SLOW_FACTOR * seen.image_tau_s,
        "slow_domains": len(found.diameters_nm),
        "slow_diameter_nm": found.mean_diameter_nm,
        "slow_fraction": found.area_fraction,
        "above_fraction": found.above_fraction,
        "null_above_fraction": by_chance.above_fraction,
    }
    return numbers, {"map/slow_domains_nm": Result(found.diameters_nm, "nm")}


def _slow(fitted: FittedMap, spec: EcmSpec) -> SlowDomains:
    return slow_domains(
        fitted.maps.tau_s,
        fitted.maps.flags,
        threshold_s=SLOW_FACTOR * fitted.image_tau_s,
        pixel_nm=spec.coarse * spec.pixel_nm,
        smallest_nm2=1 / (math.pi * spec.aperture_per_nm**2),
    )
