"""How fast a glass rearranges: tau and beta against temperature and dose rate."""

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

FloatArray = npt.NDArray[np.float64]

ZERO_DEGC_K = 273.15


@dataclass(frozen=True)
class Glass:
    """A measured table as a law: ln tau and beta linear between its temperatures, constant beyond its ends.

    The dose rate acts as a factor (phi / reference)^-exponent on tau.
    """

    name: str
    temperature_K: tuple[float, ...]
    """Table temperatures, increasing."""

    tau_at_reference_s: tuple[float, ...]
    """Relaxation times at the reference dose rate."""

    beta_table: tuple[float, ...]
    """Stretching exponents, 0 < beta <= 1."""

    reference_dose_rate_e_per_nm2_s: float
    dose_rate_exponent: float

    def __post_init__(self) -> None:
        if not all(0 < beta <= 1 for beta in self.beta_table):
            raise ValueError(
                f"glass {self.name}: beta must be in (0, 1] because the simulator mixes exponential "
                f"relaxations, got {self.beta_table}; analysis.speckle.uniform_speckle knows beta up to 2"
            )
        if not all(tau_s > 0 for tau_s in self.tau_at_reference_s):
            raise ValueError(f"glass {self.name}: tau_s must be > 0, got {min(self.tau_at_reference_s)}")
        if not np.all(np.diff(self.temperature_K) > 0):
            raise ValueError(f"glass {self.name}: table temperatures must increase, got {self.temperature_K}")

    def tau_s(self, temperature_K: float | FloatArray, dose_rate_e_per_nm2_s: float) -> FloatArray:
        """Return the relaxation time in s, in the shape of the temperatures."""
        log_tau = np.interp(temperature_K, self.temperature_K, np.log(self.tau_at_reference_s))
        ratio = dose_rate_e_per_nm2_s / self.reference_dose_rate_e_per_nm2_s
        return np.asarray(np.exp(log_tau) * ratio**-self.dose_rate_exponent)

    def beta(self, temperature_K: float | FloatArray) -> FloatArray:
        """Return the stretching exponent, in the shape of the temperatures."""
        return np.asarray(np.interp(temperature_K, self.temperature_K, self.beta_table))


def paper_numbers(name_or_path: str | Path = "amz4_paper") -> dict[str, Any]:
    """Read a file of published numbers: a shipped one by its name, or any by its path.

    Raises
    ------
    FileNotFoundError
        When there is neither.
    """
    shipped = resources.files("annealscope.protocols") / f"{name_or_path}.yaml"
    source = Path(name_or_path) if Path(name_or_path).suffix else shipped
    numbers: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return numbers


def load_glass(name_or_path: str | Path = "amz4_paper") -> Glass:
    """Make a `Glass` from the table ``ecm.relaxation`` of a file of published numbers.

    The two coldest rows were taken at different dose rates; the exponent of the dose rate is the one that
    explains their difference by the beam alone (docs/methods/simulator.md).
    """
    numbers = paper_numbers(name_or_path)
    rows = sorted(numbers["ecm"]["relaxation"], key=lambda row: row["temperature_degC"])
    reference = rows[-1]["dose_rate_e_per_nm2_s"]
    exponent = _dose_rate_exponent(rows[0], rows[1])
    return Glass(
        name=numbers["alloy"]["name"],
        temperature_K=tuple(row["temperature_degC"] + ZERO_DEGC_K for row in rows),
        tau_at_reference_s=tuple(
            row["tau_s"] * (row["dose_rate_e_per_nm2_s"] / reference) ** exponent for row in rows
        ),
        beta_table=tuple(row["beta"] for row in rows),
        reference_dose_rate_e_per_nm2_s=reference,
        dose_rate_exponent=exponent,
    )


def _dose_rate_exponent(cold: dict[str, float], warm: dict[str, float]) -> float:
    ratio = warm["dose_rate_e_per_nm2_s"] / cold["dose_rate_e_per_nm2_s"]
    return 0.0 if ratio == 1 else math.log(cold["tau_s"] / warm["tau_s"]) / math.log(ratio)
