"""Nanobeam diffraction patterns of a glass whose normalised variance V(k, R) is prescribed."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.special

from annealscope.drivers.interfaces import Optics, Region
from annealscope.simulators.diffraction_camera import ELECTRON_PC, MeanPattern, Screen, table, table_k
from annealscope.simulators.sensor import FloatImage, mtf
from annealscope.simulators.variance_law import (
    DISC_PER_NM,
    Mount,
    State,
    VarianceLaw,
    disc_radius_per_nm,
    load_variance_law,
)

PROBE_REACH = 10.0
"""Distance in units of its FWHM at which a probe is cut off; 98 % of its current lie within."""

MOST_FIELDS = 4
"""More make a pattern slower, and the distribution of a pixel no different where it matters."""


class SpecimenView(Protocol):
    """What of the specimen and the beam a diffraction pattern depends on."""

    state: State

    def temperature_K(self, t_s: float) -> float:
        """Return the true temperature."""

    def optics_at(self, t_s: float) -> Optics | None:
        """Return the state of the column."""

    def region_at(self, t_s: float) -> Region:
        """Return the place on the specimen."""

    def blanked_at(self, t_s: float) -> bool:
        """Say whether the beam is blanked."""


@dataclass(frozen=True)
class DiscSpeckle:
    """Mean intensities of independent complex fields, each white noise in k smoothed by a disc.

    Drawn on a grid that is wider than the image by the disc's diameter, so opposite edges are independent.
    """

    shape: tuple[int, int]
    radius_px: float

    def draw(self, n_fields: int, rng: np.random.Generator) -> FloatImage:
        """Return an image of mean 1 and variance 1 / ``n_fields``: gamma distributed in every pixel."""
        ny, nx = self.shape
        total = np.zeros(self.shape, dtype=np.float32)
        spectrum = np.zeros(self._grid, dtype=np.complex64)
        for _ in range(n_fields):
            parts = rng.standard_normal((*self._probe.shape, 2), dtype=np.float32)
            spectrum[self._rows[:, None], self._columns] = parts.view(np.complex64)[..., 0] * self._probe
            wave = scipy.fft.ifft2(spectrum, norm="forward")[:ny, :nx]
            total += np.square(wave.real)
            total += np.square(wave.imag)
        total *= np.float32(0.5 / n_fields)
        return total

    def kept_variance(self, mtf_half_nyquist: float) -> float:
        """Return the share of its variance that a camera's point spread leaves."""
        power = np.zeros(self._grid)
        power[self._rows[:, None], self._columns] = self._probe.astype(float) ** 2
        correlation = np.abs(scipy.fft.ifft2(power, norm="forward")) ** 2
        spread = scipy.fft.irfft2(mtf(self._grid, mtf_half_nyquist).astype(float) ** 2, self._grid)
        return float(np.sum(correlation * spread))

    @cached_property
    def _grid(self) -> tuple[int, int]:
        ny, nx = (scipy.fft.next_fast_len(n + math.ceil(2 * self.radius_px)) for n in self.shape)
        return ny, nx

    @cached_property
    def _rows(self) -> npt.NDArray[np.intp]:
        return self._within_reach(self._grid[0])

    @cached_property
    def _columns(self) -> npt.NDArray[np.intp]:
        return self._within_reach(self._grid[1])

    def _within_reach(self, n: int) -> npt.NDArray[np.intp]:
        """Return the places in an FFT where the probe, which is the transform of the disc, has current."""
        farthest = PROBE_REACH * DISC_PER_NM / self.radius_px
        return np.flatnonzero(np.abs(scipy.fft.fftfreq(n)) <= farthest)

    @cached_property
    def _probe(self) -> FloatImage:
        """Amplitude 2 J1(x) / x of the probe, normalised for a field of unit intensity."""
        y = scipy.fft.fftfreq(self._grid[0])[self._rows]
        x = scipy.fft.fftfreq(self._grid[1])[self._columns]
        radius = np.maximum(2 * np.pi * self.radius_px * np.hypot(y[:, None], x), 1e-9)
        amplitude = 2 * scipy.special.j1(radius) / radius
        return np.asarray(amplitude / np.sqrt(np.sum(amplitude**2)), dtype=np.float32)


@dataclass(frozen=True)
class NanobeamPatterns:
    """Expected electrons of patterns of one probe.

    I = I(k) [1 + sqrt(V(k) / V_0) (gamma - 1)]: gamma, the mean of M fields, has mean 1 and variance
    V_0 = 1 / M, so a pixel varies by V from pattern to pattern, and never below 0 as V <= V_0. V is what is
    recorded: the modulation is enlarged by what the camera's point spread will take.
    """

    law: VarianceLaw
    mean: MeanPattern
    screen: Screen
    probe_nm: float

    def expected_e(
        self, electrons: float, temperature_K: float, thickness: float | None, rng: np.random.Generator
    ) -> FloatImage:
        """Return expected electrons per pixel of the sensor's wide frame.

        Parameters
        ----------
        electrons
            In the beam during the exposure.
        temperature_K, thickness
            Of the specimen; thickness in mean free paths, None: the reference of the law.
        rng
            Where structure and centre come from.
        """
        k = self.screen.k_per_nm(rng.standard_normal(2) * self.mean.centre_jitter_per_nm)
        variance = self.law.variance(self._k, self.probe_nm, temperature_K, thickness) / self._kept
        n_fields = max(1, min(MOST_FIELDS, math.floor(1 / variance.max())))
        pattern = self._speckle.draw(n_fields, rng)
        pattern -= 1
        pattern *= table(np.sqrt(np.minimum(variance * n_fields, 1.0)), k)
        pattern += 1
        pattern *= table(self._mean_e, k)
        pattern *= np.float32(electrons)
        pattern[self._stopped] = 0
        return pattern

    @cached_property
    def _speckle(self) -> DiscSpeckle:
        radius_px = disc_radius_per_nm(self.probe_nm) / self.screen.pixel_per_nm
        return DiscSpeckle(self.screen.sensor.wide_shape, radius_px)

    @cached_property
    def _k(self) -> npt.NDArray[np.float64]:
        return table_k(self.mean.reach_per_nm)

    @cached_property
    def _mean_e(self) -> npt.NDArray[np.float64]:
        return self.mean.profile(self._k) * self.screen.pixel_per_nm**2

    @cached_property
    def _stopped(self) -> npt.NDArray[np.bool_]:
        return self.screen.stopped(self.mean.beam_stop)

    @cached_property
    def _kept(self) -> float:
        return self._speckle.kept_variance(self.screen.sensor.mtf_half_nyquist)


def electrons_in(current_pA: float, exposure_s: float) -> float:
    """Return the electrons of a beam: 15 pA in 4 s are 3.74e8."""
    return current_pA * exposure_s / ELECTRON_PC


def truth_fem(
    view: SpecimenView,
    probe_nm: float,
    t_s: float,
    mount: Mount = "chip",
    numbers: str | Path = "amz4_paper",
) -> dict[str, float]:
    """Return the planted V(k) at a time in a few numbers.

    Parameters
    ----------
    view
        The specimen.
    probe_nm
        FWHM of the probe.
    t_s
        When the patterns are taken.
    mount
        What the specimen lies on.
    numbers
        File of published numbers.

    Returns
    -------
    ``V_max`` and ``k0_per_nm`` of the first peak, ``V_ratio`` of the second to the first, ``thickness`` of
    the region in mean free paths (the reference of the law where none is known).
    """
    law = load_variance_law(view.state, mount, numbers)
    thickness = view.region_at(t_s).thickness or law.reference_thickness
    k = table_k(8.0)
    profile = law.variance(k, probe_nm, view.temperature_K(t_s), thickness)
    first = int(np.argmax(profile))
    second = profile[k > 0.5 * sum(law.peaks_per_nm)].max()
    return {
        "V_max": float(profile[first]),
        "k0_per_nm": float(k[first]),
        "V_ratio": float(second / profile[first]),
        "thickness": float(thickness),
    }
