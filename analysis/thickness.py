"""Thickness from a low-loss spectrum by the log-ratio method (docs/methods/diffraction.md)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from annealscope.analysis.values import FloatArray, InvalidData

SYSTEMATIC = 0.05
"""Relative error of t / lambda beside counting: background, spectrometer aperture, where the cut is made."""

SMOOTH_EV = 0.5
"""Standard deviation of the smoothing before the first minimum is looked for."""

LEAST_RANGE_EV = 20.0
"""The spectrum must go on for so long behind the zero-loss peak."""


@dataclass(frozen=True)
class Thickness:
    """Thickness in inelastic mean free paths."""

    mean_free_paths: float
    """t / lambda."""
    sigma: float
    """Counting statistics and 5 % systematic error, added in squares."""
    zero_loss_end_eV: float
    """First minimum behind the zero-loss peak: where it is cut off."""

    def nm(self, mean_free_path_nm: float) -> tuple[float, float]:
        """Return thickness and standard error in nm, for a known mean free path."""
        return self.mean_free_paths * mean_free_path_nm, self.sigma * mean_free_path_nm


def log_ratio_thickness(
    energy_eV: npt.ArrayLike, counts: npt.ArrayLike, *, counts_per_e: float = 1.0
) -> Thickness:
    """Thickness from the share of electrons that lost no energy: ``t / lambda = ln(I_t / I_0)``.

    I_t is the whole spectrum, I_0 its part up to the first minimum behind the zero-loss peak.

    Parameters
    ----------
    energy_eV
        Energy loss, shape (n,), evenly spaced, from before the zero-loss peak to 150 eV or more.
    counts
        Spectrum without background, shape (n,).
    counts_per_e
        For the counting error.

    Raises
    ------
    InvalidData
        When the arrays do not fit each other, or no minimum follows the zero-loss peak.
    """
    energy, spectrum = np.asarray(energy_eV, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if energy.shape != spectrum.shape or energy.ndim != 1 or energy.size < 16:
        raise InvalidData(f"one count for each energy, 16 at least: got {spectrum.shape} for {energy.shape}")
    end = _first_minimum(energy, spectrum)
    zero_loss, lost = float(spectrum[:end].sum()), float(spectrum[end:].sum())
    total = zero_loss + lost
    if not (zero_loss > 0 and lost >= 0):
        raise InvalidData(
            f"a spectrum must have counts in and behind the zero-loss peak: got {zero_loss:g} and {lost:g}"
        )
    t = float(np.log(total / zero_loss))
    counting = counts_per_e * (zero_loss * (1 / zero_loss - 1 / total) ** 2 + lost / total**2)
    return Thickness(t, float(np.hypot(np.sqrt(counting), SYSTEMATIC * t)), float(energy[end]))


def _first_minimum(energy: FloatArray, spectrum: FloatArray) -> int:
    """Index of the first minimum of the smoothed spectrum behind its largest peak near zero."""
    step = float(np.median(np.diff(energy)))
    smooth = ndimage.gaussian_filter1d(spectrum, SMOOTH_EV / step)
    near_zero = np.abs(energy) < 5.0
    if not (step > 0 and near_zero.any() and energy[-1] > LEAST_RANGE_EV):
        raise InvalidData(
            f"energies must increase from below 0 to {LEAST_RANGE_EV:g} eV at least, better 150 eV: got "
            f"{energy[0]:g} to {energy[-1]:g} eV"
        )
    peak = int(np.flatnonzero(near_zero)[np.argmax(smooth[near_zero])])
    rising = np.flatnonzero(np.diff(smooth[peak:]) > 0)
    # The first rise may be noise in a broad valley: go to the lowest point before the next clear hill.
    if not rising.size:
        raise InvalidData(
            f"no minimum follows the zero-loss peak at {energy[peak]:g} eV: the spectrum ends too early, or "
            f"it has no plasmon"
        )
    start = peak + int(rising[0])
    hill = start + int(np.argmax(smooth[start:]))
    return peak + int(np.argmin(smooth[peak : hill + 1]))
