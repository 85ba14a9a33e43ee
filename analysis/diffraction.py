"""Diffraction patterns of an area: do crystals show? (docs/methods/diffraction.md)."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from annealscope.analysis.binning import bin_frame
from annealscope.analysis.peaks import FIRST_WINDOW, SECOND_WINDOW
from annealscope.analysis.preview import small
from annealscope.analysis.ring_fit import RingsFound, find_rings, look_at_rings
from annealscope.analysis.rings import Annuli, Geometry
from annealscope.analysis.values import (
    ROBUST_SIGMA,
    FloatArray,
    FrameBlock,
    InvalidData,
    Result,
    Results,
    uniform_block,
)

PREVIEW_PX = 256
"""Longest side of the pattern that a preview is made of."""

SECTORS = 24
"""Parts of a ring whose scatter gives the error of its mean."""

FULL = 0.98
"""Of the camera's range: a pixel at or above is saturated."""

SMOOTH_ANNULI = 9
"""Neighbours whose median error is taken: two dozen parts know their scatter to a quarter only."""

BROAD_PER_NM = 0.6
"""Differences broader than this are no crystals: background, thickness, a glass that relaxes."""

SHARP_SIGMA = 6.0
"""Height of a sharp ring that counts, in standard errors ..."""

SHARP_SHARE = 0.02
"""... and relative to the profile."""


@dataclass(frozen=True)
class DiffractionSpec:
    """What the analysis must know of an acquisition."""

    shape: tuple[int, int]
    """Of a pattern (ny, nx)."""

    pixel_per_nm: float
    """Size of a pixel in 1/nm (k = 1/d, without 2 pi)."""

    gain_counts_per_e: float = 1.0
    offset_counts: float = 0.0

    ellipse: tuple[float, float] = (1.0, 0.0)
    """Of the rings: (long over short axis, angle in degrees of the long one from +x towards +y)."""

    centre_px: tuple[float, float] | None = None
    """Centre of the rings (y, x); None: it is found."""

    beam_stop: npt.NDArray[np.bool_] | None = field(default=None, compare=False)
    """True where the beam stop hides the pattern, shape (ny, nx); what is found is added."""

    def __post_init__(self) -> None:
        for name in ("pixel_per_nm", "gain_counts_per_e"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InvalidData(f"diffraction specification: {name} must be a number > 0: got {value!r}")


@dataclass(frozen=True)
class DiffractionLive:
    """What has come so far."""

    patterns: int


@dataclass(frozen=True)
class RingComparison:
    """A ring profile against a reference."""

    difference: FloatArray
    """Sharp part of the difference, in standard errors; shape of k."""
    largest: float
    """Of `difference`."""
    k_of_largest: float
    """1/nm."""
    crystalline: bool
    """Whether a sharp ring has come that the reference does not have."""
    why: str


class DiffractionAnalysis:
    """Profile of the rings of area patterns, which are added up (docs/methods/diffraction.md).

    Parameters
    ----------
    spec
        The acquisition.
    """

    def __init__(self, spec: DiffractionSpec) -> None:
        self._spec = spec
        self._sum = np.zeros(spec.shape)
        self._saturated = np.zeros(spec.shape, dtype=bool)
        self._used = self._seen = 0

    def update(self, block: FrameBlock) -> list[object]:
        """Take the next patterns: raw counts, shape (n, ny, nx); blanked ones are left out.

        A pixel that is saturated in one pattern is left out of the profile.

        Returns
        -------
        list
            Always empty: there are no displacements.

        Raises
        ------
        InvalidData
            When patterns do not fit the specification; none of the block is taken then.
        """
        expected = (len(block), *self._spec.shape)
        if block.frames.shape != expected:
            raise InvalidData(f"patterns must have shape {expected}: got {block.frames.shape}")
        self._seen += len(block)
        for i, pattern in enumerate(block.frames):
            if block.beam_on is None or block.beam_on[i]:
                self._sum += pattern
                if np.issubdtype(pattern.dtype, np.integer):
                    self._saturated |= pattern >= FULL * np.iinfo(pattern.dtype).max
                self._used += 1
        return []

    def preview(self) -> Results:
        """Return the profile of the mean pattern so far, of large patterns a coarser one.

        Returns
        -------
        Results
            ``diffraction/k`` and ``intensity``, float32; nothing while no rings are found.
        """
        if not self._used:
            return {}
        side = -(-max(self._spec.shape) // PREVIEW_PX)
        coarse = DiffractionAnalysis(_binned(self._spec, self._excluded, side))
        coarse.update(uniform_block(bin_frame(self._sum / self._used, side)[np.newaxis], 1.0))
        try:
            profile = coarse.result()
        except InvalidData:
            return {}
        k, intensity = (np.array(profile[f"diffraction/{name}"].values) for name in ("k", "I"))
        return {
            "diffraction": Result(None, attrs={"patterns": self._used}),
            "diffraction/k": small(k, "1/nm"),
            "diffraction/intensity": small(intensity, "electrons/pixel"),
        }

    def live(self) -> DiffractionLive:
        """Say how many patterns there are."""
        return DiffractionLive(self._used)

    def result(self) -> Results:
        """Profile and mean pattern. Call it after the last pattern.

        Raises
        ------
        InvalidData
            When there is no pattern, or its rings cannot be found.
        """
        if not self._used:
            raise InvalidData(f"no pattern with the beam on: got {self._seen} patterns; check the shutter")
        spec = self._spec
        mean_e = (self._sum / self._used - spec.offset_counts) / spec.gain_counts_per_e
        found = self._rings(mean_e)
        annuli = Annuli(found.geometry, found.valid)
        kept = annuli.kept
        k, profile = annuli.k[kept], annuli.mean(mean_e)[kept]
        sectors = annuli.sector_means(mean_e, found.geometry.angle(spec.shape), SECTORS)[:, kept]
        rings_per_nm = [ring_position(k, profile, window) for window in (FIRST_WINDOW, SECOND_WINDOW)]
        return {
            "diffraction": Result(None, attrs=self._attributes(found) | {"rings_per_nm": rings_per_nm}),
            "diffraction/k": Result(k, "1/nm"),
            "diffraction/I": Result(profile, "electrons/pixel"),
            "diffraction/sigma": Result(_standard_error(sectors), "electrons/pixel"),
            "diffraction/mean_image": Result(mean_e.astype(np.float32), "electrons/pixel"),
        }

    def _attributes(self, found: RingsFound) -> dict[str, Any]:
        return {
            "signal": "I",
            "axes": ["k"],
            "patterns": self._used,
            "patterns_blanked": self._seen - self._used,
            "centre_px": list(found.geometry.centre_px),
            "sigma_centre_px": list(found.fit.sigma_px),
            "ellipse": list(self._spec.ellipse),
            "ellipse_left": list(found.fit.ellipse),
            "hidden_px": int(np.count_nonzero(~found.valid)),
            "saturated_px": int(np.count_nonzero(self._saturated)),
        }

    def _rings(self, mean_e: FloatArray) -> RingsFound:
        spec = self._spec
        middle = ((spec.shape[0] - 1) / 2, (spec.shape[1] - 1) / 2)
        geometry = Geometry(spec.centre_px or middle, spec.pixel_per_nm, spec.ellipse)
        find = find_rings if spec.centre_px is None else look_at_rings
        return find(mean_e, geometry, self._excluded)

    @property
    def _excluded(self) -> npt.NDArray[np.bool_]:
        beam_stop = self._spec.beam_stop
        return self._saturated if beam_stop is None else self._saturated | beam_stop


def _binned(spec: DiffractionSpec, excluded: npt.NDArray[np.bool_], side: int) -> DiffractionSpec:
    """Return the specification of patterns that were averaged over squares of ``side`` pixels."""
    centre_px = spec.centre_px
    if centre_px is not None:
        centre_px = ((centre_px[0] + 0.5) / side - 0.5, (centre_px[1] + 0.5) / side - 0.5)
    return replace(
        spec,
        shape=(spec.shape[0] // side, spec.shape[1] // side),
        pixel_per_nm=side * spec.pixel_per_nm,
        centre_px=centre_px,
        beam_stop=bin_frame(excluded, side) > 0,
    )


def ring_position(k: FloatArray, profile: FloatArray, window: tuple[float, float]) -> float:
    """Position of a ring in 1/nm: where the profile is highest above the straight line between the ends.

    Parameters
    ----------
    k, profile
        Shape (n,).
    window
        Lower and upper end, 1/nm.

    Returns
    -------
    float
        Maximum of a parabola through the points above 70 % of the height; NaN when there is none inside.
    """
    inside = (k >= window[0]) & (k <= window[1]) & np.isfinite(profile)
    x, y = k[inside], profile[inside]
    if x.size < 6:
        return float("nan")
    above = y - np.interp(x, [x[0], x[-1]], [y[0], y[-1]])
    top = above > 0.7 * above.max()
    if above.max() <= 0 or np.count_nonzero(top) < 4:
        return float("nan")
    curvature, slope, _ = np.polyfit(x[top] - x[top].mean(), above[top], 2)
    best = float(x[top].mean() - slope / (2.0 * curvature)) if curvature < 0 else float("nan")
    return best if x[0] < best < x[-1] else float("nan")


def compare_rings(
    k: npt.ArrayLike,
    I_ref: npt.ArrayLike,
    sigma_ref: npt.ArrayLike,
    I: npt.ArrayLike,  # noqa: E741
    sigma: npt.ArrayLike,
) -> RingComparison:
    """Ask whether a ring profile has sharp rings, those of crystals, that a reference does not have.

    The profile is scaled to the reference; of the relative difference, what is broader than 0.6 / nm is taken
    away; the rest is compared with the errors.

    Parameters
    ----------
    k
        Spatial frequency in 1/nm, shape (n,), evenly spaced.
    I_ref, sigma_ref, I, sigma
        Reference and profile with standard errors, shape (n,); NaN counts as not measured.

    Returns
    -------
    RingComparison
        ``crystalline`` when the largest difference exceeds 6 standard errors and 2 % of the profile, and one
        of its neighbours exceeds 3 standard errors.

    Raises
    ------
    InvalidData
        When shapes differ, or fewer than 16 points are known in both.
    """
    arrays = [np.asarray(a, dtype=np.float64) for a in (k, I_ref, sigma_ref, I, sigma)]
    if any(a.shape != arrays[0].shape or a.ndim != 1 for a in arrays):
        raise InvalidData(f"ring profiles must be equally long: got {[a.shape for a in arrays]}")
    x, reference, reference_sigma, profile, profile_sigma = arrays
    known = np.all(np.isfinite(arrays), axis=0) & (reference > 0) & (profile > 0)
    if np.count_nonzero(known) < 16:
        raise InvalidData(f"a comparison needs 16 points known in both: got {np.count_nonzero(known)}")
    relative = np.log(profile[known] / reference[known])
    error = np.hypot(profile_sigma[known] / profile[known], reference_sigma[known] / reference[known])
    sharp = relative - _broad(x[known], relative)
    difference = np.full(x.shape, np.nan)
    difference[known] = sharp / np.maximum(error, 1e-12)
    return _verdict(x[known], sharp, difference, known)


def _broad(k: FloatArray, relative: FloatArray) -> FloatArray:
    """Running median, then mean: a sharp ring does not move it."""
    width = max(3, round(BROAD_PER_NM / float(np.median(np.diff(k)))) | 1)
    median = ndimage.median_filter(relative, width, mode="nearest")
    return np.asarray(ndimage.uniform_filter1d(median, width, mode="nearest"))


def _verdict(
    k: FloatArray, sharp: FloatArray, difference: FloatArray, known: npt.NDArray[np.bool_]
) -> RingComparison:
    in_sigma = difference[known]
    top = int(np.argmax(in_sigma))
    largest, share = float(in_sigma[top]), float(np.expm1(sharp[top]))
    neighbour = max(in_sigma[max(top - 1, 0)] if top else -np.inf, *in_sigma[top + 1 : top + 2], -np.inf)
    crystalline = bool(largest > SHARP_SIGMA and share > SHARP_SHARE and neighbour > SHARP_SIGMA / 2.0)
    where = f"{100 * share:.1f} % above the reference at {k[top]:.2f} / nm, {largest:.1f} standard errors"
    rule = f"a crystal's would be above {100 * SHARP_SHARE:g} %, {SHARP_SIGMA:g} standard errors, two annuli"
    why = f"sharp ring {where}" if crystalline else f"largest sharp difference {where}; {rule}"
    return RingComparison(difference, largest, float(k[top]), crystalline, why)


def _standard_error(sectors: FloatArray) -> FloatArray:
    """Of the mean of each annulus, by the median scatter of its parts: spots of crystals are no noise."""
    known = np.count_nonzero(np.isfinite(sectors), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = ROBUST_SIGMA * np.nanmedian(np.abs(sectors - np.nanmedian(sectors, axis=0)), axis=0)
        error = spread / np.sqrt(np.where(known > 1, known, np.nan))
    return np.asarray(ndimage.median_filter(error, SMOOTH_ANNULI, mode="nearest"))
