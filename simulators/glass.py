"""How fast a glass rearranges: tau and beta against temperature and dose rate."""

import math
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import yaml

State = Literal["as-cast", "annealed"]
FloatArray = npt.NDArray[np.float64]

ZERO_DEGC_K = 273.15


@dataclass(frozen=True)
class Ageing:
    """How tau grows with the time that the specimen has spent at a temperature or above."""

    slopes: tuple[float, ...]
    """d ln tau / d(age / `record_s`) at each temperature of the table."""

    record_s: float
    middle_age_s: float
    """Age at which tau is that of the table: the middle of the record that it was measured in."""

    longest_age_s: float
    """The glass ages no further."""

    def ln_tau(self, ages_s: FloatArray) -> FloatArray:
        """Return what the ages at each temperature of the table add to ln tau there, shape (..., n)."""
        ages = np.minimum(ages_s, self.longest_age_s) - self.middle_age_s
        return np.asarray(ages / self.record_s * self.slopes)


@dataclass(frozen=True)
class SlowDomains:
    """Blobs of a slower glass that appear when it gets hot."""

    area: float
    """Share of the area."""

    ln_tau: float
    """What they add to ln tau once they are there."""

    diameter_nm: tuple[float, float]
    from_K: float
    """They begin to show above ..."""

    full_K: float
    """... and are slow in full from here on."""

    def fade(self, temperature_K: float) -> float:
        """Return how far they are there, 0 ... 1."""
        return float(np.clip((temperature_K - self.from_K) / (self.full_K - self.from_K), 0.0, 1.0))


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
    ageing: Ageing | None = None
    """None: at a constant temperature nothing changes."""

    slow_domains: SlowDomains | None = None
    """Seen where tau varies over the specimen at all."""

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
        if self.ageing is not None and len(self.ageing.slopes) != len(self.temperature_K):
            raise ValueError(
                f"glass {self.name}: ageing needs one slope for each of the {len(self.temperature_K)} table "
                f"temperatures, got {len(self.ageing.slopes)}"
            )

    def tau_s(
        self,
        temperature_K: float | FloatArray,
        dose_rate_e_per_nm2_s: float | FloatArray,
        ages_s: FloatArray | None = None,
    ) -> FloatArray:
        """Return the relaxation time in s, in the shape of the temperatures.

        Parameters
        ----------
        temperature_K, dose_rate_e_per_nm2_s
            What the glass feels; the same shape, or one value.
        ages_s
            Time spent at each temperature of the table or above, shape (..., n); None: middle-aged.
        """
        log_tau = np.interp(temperature_K, self.temperature_K, np.log(self.tau_at_reference_s))
        if self.ageing is not None and ages_s is not None:
            log_tau = log_tau + np.sum(self._shares(temperature_K) * self.ageing.ln_tau(ages_s), axis=-1)
        ratio = dose_rate_e_per_nm2_s / self.reference_dose_rate_e_per_nm2_s
        return np.asarray(np.exp(log_tau) * ratio**-self.dose_rate_exponent)

    def beta(self, temperature_K: float | FloatArray) -> FloatArray:
        """Return the stretching exponent, in the shape of the temperatures."""
        return np.asarray(np.interp(temperature_K, self.temperature_K, self.beta_table))

    def _shares(self, temperature_K: float | FloatArray) -> FloatArray:
        """Return the weight of each row of the table in a linear interpolation, shape (..., n)."""
        rows = np.eye(len(self.temperature_K))
        return np.stack([np.interp(temperature_K, self.temperature_K, row) for row in rows], axis=-1)


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


def load_glass(name_or_path: str | Path = "amz4_paper", state: State = "as-cast") -> Glass:
    """Make a `Glass` from the table ``ecm.relaxation`` of a file of published numbers, and its ``model``.

    The two coldest rows were taken at different dose rates; the exponent of the dose rate is the one that
    explains their difference by the beam alone (docs/methods/simulator.md).

    Parameters
    ----------
    name_or_path
        As for `paper_numbers`.
    state
        An annealed glass does not age; it has the limits of tau and beta that were published for it.
    """
    numbers = paper_numbers(name_or_path)
    rows = sorted(numbers["ecm"]["relaxation"], key=lambda row: row["temperature_degC"])
    reference = rows[-1]["dose_rate_e_per_nm2_s"]
    exponent = _dose_rate_exponent(rows[0], rows[1])
    model = numbers.get("model", {})
    glass = Glass(
        name=numbers["alloy"]["name"],
        temperature_K=tuple(row["temperature_degC"] + ZERO_DEGC_K for row in rows),
        tau_at_reference_s=tuple(
            row["tau_s"] * (row["dose_rate_e_per_nm2_s"] / reference) ** exponent for row in rows
        ),
        beta_table=tuple(row["beta"] for row in rows),
        reference_dose_rate_e_per_nm2_s=reference,
        dose_rate_exponent=exponent,
        ageing=_ageing(model.get("ageing"), [row["temperature_degC"] for row in rows]),
        slow_domains=_slow_domains(model.get("slow_domains")),
    )
    return glass if state == "as-cast" else _annealed(glass, numbers["ecm"]["room_temperature"])


def _annealed(glass: Glass, published: dict[str, Any]) -> Glass:
    limits = published["tau_asymptote_s"]
    slower = limits["annealed"]["value"] / limits["as_cast"]["value"]
    return replace(
        glass,
        tau_at_reference_s=tuple(tau_s * slower for tau_s in glass.tau_at_reference_s),
        beta_table=(published["beta_limit"]["annealed"],) * len(glass.beta_table),
        ageing=None,
    )


def _ageing(model: dict[str, Any] | None, rows_degC: list[float]) -> Ageing | None:
    if model is None:
        return None
    slopes = {row["temperature_degC"]: row["ln_tau_per_record"] for row in model["slopes"]}
    return Ageing(
        slopes=tuple(slopes.get(row_degC, 0.0) for row_degC in rows_degC),
        record_s=model["record_s"],
        middle_age_s=model["middle_age_s"],
        longest_age_s=model["longest_age_s"],
    )


def _slow_domains(model: dict[str, Any] | None) -> SlowDomains | None:
    if model is None:
        return None
    smallest_nm, largest_nm = model["diameter_nm"]
    return SlowDomains(
        area=model["area"],
        ln_tau=math.log(model["tau_factor"]),
        diameter_nm=(smallest_nm, largest_nm),
        from_K=model["from_degC"] + ZERO_DEGC_K,
        full_K=model["full_degC"] + ZERO_DEGC_K,
    )


def _dose_rate_exponent(cold: dict[str, float], warm: dict[str, float]) -> float:
    ratio = warm["dose_rate_e_per_nm2_s"] / cold["dose_rate_e_per_nm2_s"]
    return 0.0 if ratio == 1 else math.log(cold["tau_s"] / warm["tau_s"]) / math.log(ratio)
