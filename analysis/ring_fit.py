"""Centre and ellipse of diffraction rings, with errors that know of speckle (docs/methods/fem.md)."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from annealscope.analysis.rings import GROW_PX, Annuli, BoolArray, Geometry, usable_pixels
from annealscope.analysis.values import FloatArray, InvalidData

SECTORS, BANDS = 16, 6
"""Cells of a pattern that count as independent of each other: speckle makes neighbouring pixels alike."""

SMOOTH_PX = 1.0
"""Standard deviation of the smoothing of the profile before its slope is taken."""

LEAST_RADIUS_PX = 4
"""Closer to the centre pixels have no direction."""

LONGEST_STEP_PX = 8.0
MOST_STEPS = 40

LEAST_SCATTER = 1e-12
"""Of the residuals of an annulus, squared: patterns without noise have none."""

AT_REST_PX, AT_REST_SHARE = 0.02, 0.02
"""A step of the centre shorter than this, plus this share of its error, is the last one."""


@dataclass(frozen=True)
class RingFit:
    """How far the rings of a pattern are from where they were expected."""

    shift_px: tuple[float, float]
    """Of the centre, (y, x); positive: to larger index."""
    sigma_px: tuple[float, float]
    """Standard errors, from the scatter of the cells."""
    ellipse: tuple[float, float]
    """What is left of the ellipse: half of (ratio - 1), times cosine and sine of twice its angle."""
    sigma_ellipse: tuple[float, float]


@dataclass(frozen=True)
class RingsFound:
    """The rings of a pattern."""

    geometry: Geometry
    fit: RingFit
    """Of the last step: its errors are those of the centre, and it has the ellipse that is left."""
    valid: BoolArray
    """True for pixels that see the pattern."""


class RingGauge:
    """Compares patterns with the rings of one reference pattern.

    To first order, a pattern whose centre is at d has ``I / profile - 1 = -g (d_x cos phi + d_y sin phi)``
    with g the slope of the logarithm of the profile; an ellipse adds terms in 2 phi. Both are fitted by least
    squares over all pixels, the mean of each annulus set free. Pixels weigh by the inverse variance of their
    annulus, so that whatever is sharp decides: the edge of a direct beam where there is one, else the rings.

    Parameters
    ----------
    reference
        Pattern in counts above the offset, shape (ny, nx).
    geometry
        Its centre, ellipse and scale.
    valid
        True for pixels to use.
    """

    def __init__(self, reference: FloatArray, geometry: Geometry, valid: BoolArray) -> None:
        radius = geometry.radius_px(valid.shape)
        annuli = Annuli(geometry, valid)
        profile = annuli.mean(reference)
        known = np.isfinite(profile) & (profile > 0)
        log_profile = _log_profile(profile, known)
        rings = np.arange(annuli.size)
        usable = valid & (known & (rings >= LEAST_RADIUS_PX))[annuli.index]
        radius, phi = radius[usable], geometry.angle(valid.shape)[usable]
        slope = np.gradient(ndimage.gaussian_filter1d(log_profile, SMOOTH_PX, mode="nearest"))
        self._pixels = np.flatnonzero(usable)
        self._ring = annuli.index[usable]
        self._count = np.maximum(np.bincount(self._ring, minlength=annuli.size), 1)
        self._expected = np.exp(np.interp(radius, rings, log_profile))
        columns = _columns(np.interp(radius, rings, slope), radius, phi)
        design = np.array([column - self._ring_mean(column)[self._ring] for column in columns])
        scatter = self._ring_mean(self._residual(reference) ** 2)
        self._scores = design / np.maximum(scatter, LEAST_SCATTER)[self._ring]
        self._inverse = np.linalg.pinv(self._scores @ design.T)
        self._cell = _cells(phi, radius)

    def measure(self, pattern: npt.NDArray[np.floating]) -> RingFit:
        """Fit one pattern of counts above the offset, shape (ny, nx)."""
        contributions = self._scores * self._residual(np.asarray(pattern, dtype=np.float64))
        value = self._inverse @ contributions.sum(axis=1)
        cells = [np.bincount(self._cell, weights=row, minlength=SECTORS * BANDS) for row in contributions]
        covariance = self._inverse @ (np.array(cells) @ np.array(cells).T) @ self._inverse
        sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        return RingFit(_pair(value[:2]), _pair(sigma[:2]), _pair(value[2:]), _pair(sigma[2:]))

    def _residual(self, pattern: FloatArray) -> FloatArray:
        """Deviation of each pixel from its annulus, relative to it."""
        ratio = pattern.ravel()[self._pixels] / self._expected
        level = self._ring_mean(ratio)
        level[level <= 0] = np.inf
        return np.asarray(ratio / level[self._ring] - np.isfinite(level)[self._ring])

    def _ring_mean(self, values: FloatArray) -> FloatArray:
        total = np.bincount(self._ring, weights=values, minlength=self._count.size)
        return np.asarray(total / self._count)


def find_rings(
    signal: FloatArray, start: Geometry, excluded: BoolArray | None = None, grow_px: int = GROW_PX
) -> RingsFound:
    """Find the centre of the rings of a pattern, and the pixels that see it.

    The fit of `RingGauge`, of the pattern against its own profile, is repeated until the centre rests; the
    beam stop is found anew at each step.

    Parameters
    ----------
    signal
        Pattern, or mean of many, in counts above the offset.
    start
        Scale, ellipse and a centre to start from.
    excluded
        True for pixels that are known not to be usable, beside those that `rings.usable_pixels` finds.
    grow_px
        How far the shadow of the beam stop is grown.

    Returns
    -------
    RingsFound

    Raises
    ------
    InvalidData
        When there are no rings, or the centre does not come to rest.
    """
    geometry = start
    for _ in range(MOST_STEPS):
        found = look_at_rings(signal, geometry, excluded, grow_px)
        length = float(np.hypot(*found.fit.shift_px))
        step = np.array(found.fit.shift_px) * min(1.0, LONGEST_STEP_PX / max(length, 1e-12))
        moved = _pair(np.array(geometry.centre_px) + step)
        if not all(0 <= c < n for c, n in zip(moved, signal.shape, strict=True)):
            break
        geometry = replace(geometry, centre_px=moved)
        if length < AT_REST_PX + AT_REST_SHARE * max(found.fit.sigma_px):
            return replace(found, geometry=geometry)
    raise InvalidData(
        f"the centre of the rings cannot be found: the fit does not come to rest, last at "
        f"{tuple(round(c, 1) for c in geometry.centre_px)} px; give the centre in the specification"
    )


def look_at_rings(
    signal: FloatArray, geometry: Geometry, excluded: BoolArray | None = None, grow_px: int = GROW_PX
) -> RingsFound:
    """Do one step of `find_rings`: usable pixels, and how far the rings are from a geometry, which stays."""
    valid = usable_pixels(signal, geometry, grow_px)
    if excluded is not None:
        valid &= ~excluded
    return RingsFound(geometry, RingGauge(signal, geometry, valid).measure(signal), valid)


def _log_profile(profile: FloatArray, known: BoolArray) -> FloatArray:
    """Logarithm of a profile, by straight lines over the annuli where it is not known."""
    if np.count_nonzero(known) < 2 * LEAST_RADIUS_PX:
        raise InvalidData(
            f"no rings can be found: fewer than {2 * LEAST_RADIUS_PX} annuli of the pattern are brighter "
            f"than the offset; check the beam, the exposure and the camera's offset"
        )
    rings = np.arange(profile.size)
    return np.interp(rings, rings[known], np.log(profile[known]))


def _columns(slope: FloatArray, radius: FloatArray, phi: FloatArray) -> tuple[FloatArray, ...]:
    """Change of ``I / profile`` by a shift along y and x, and by the two terms of an ellipse."""
    stretch = -slope * radius
    return -slope * np.sin(phi), -slope * np.cos(phi), stretch * np.cos(2 * phi), stretch * np.sin(2 * phi)


def _cells(phi: FloatArray, radius: FloatArray) -> npt.NDArray[np.intp]:
    sector = ((phi / (2.0 * np.pi)) % 1.0 * SECTORS).astype(np.intp) % SECTORS
    band = (radius / (radius.max() + 1e-9) * BANDS).astype(np.intp)
    return np.asarray(sector * BANDS + band)


def _pair(values: FloatArray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
