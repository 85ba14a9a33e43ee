"""Low-loss spectra of a specimen of known thickness."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from annealscope.simulators.glass import paper_numbers

FloatArray = npt.NDArray[np.float64]

SIGMA_PER_FWHM = 1 / math.sqrt(8 * math.log(2))
RAREST = 1e-9
"""Numbers of losses that are less likely are left out."""


@dataclass(frozen=True)
class LowLoss:
    """A zero-loss peak and plural plasmon losses, all of them Gaussian.

    The number of losses is Poisson distributed with mean t / lambda: n losses hold exp(-mu) mu^n / n! of the
    electrons, n plasmon energies away from zero, and their variances add up.
    """

    zero_loss_fwhm_eV: float
    plasmon_eV: float
    plasmon_fwhm_eV: float

    def spectrum(self, energy_eV: FloatArray, thickness: float, electrons: float) -> FloatArray:
        """Return the expected electrons in each channel.

        Parameters
        ----------
        energy_eV
            Middles of the channels, equidistant, shape (n,).
        thickness
            In mean free paths, >= 0.
        electrons
            In the whole spectrum.

        Returns
        -------
        float64 (n,)
        """
        channel_eV = float(energy_eV[1] - energy_eV[0])
        total = np.zeros(len(energy_eV))
        share, losses = math.exp(-thickness), 0
        while share > RAREST or losses < thickness:
            total += share * self._losses(energy_eV, losses)
            losses += 1
            share *= thickness / losses
        return total * electrons * channel_eV

    def _losses(self, energy_eV: FloatArray, losses: int) -> FloatArray:
        """Return the normalised distribution of the energy of so many losses, per eV."""
        fwhm_eV = math.hypot(self.zero_loss_fwhm_eV, math.sqrt(losses) * self.plasmon_fwhm_eV)
        sigma_eV = fwhm_eV * SIGMA_PER_FWHM
        away = (energy_eV - losses * self.plasmon_eV) / sigma_eV
        return np.asarray(np.exp(-0.5 * away**2) / (sigma_eV * math.sqrt(2 * math.pi)))


def load_low_loss(name_or_path: str | Path = "amz4_paper") -> LowLoss:
    """Make a `LowLoss` from the section ``model`` of a file of published numbers."""
    return LowLoss(**paper_numbers(name_or_path)["model"]["low_loss"])
