"""Synthetic acquisitions of diffraction patterns: grids with a variance, and ring profiles of an area."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

PIXEL_PER_NM = 0.0284
K = np.arange(20, 250) * PIXEL_PER_NM
WIDTH_PER_NM = 0.35


@dataclass(frozen=True)
class FakePatterns:
    """What one synthetic acquisition of patterns shall contain."""

    ordinal: int
    degC: float
    method: str = "fem"
    V_max: float = 0.130
    rows: int = 10
    period_s: float = 4.0
    side: int = 64
    lost: tuple[int, ...] = ()
    results: bool = True
    simulated: bool = True
    crystals: bool = False
    gradient: str = "none"
    flags: int = 0
    region: int = 0
    age_s: float = 16200.0
    pause_after: int | None = None

    @property
    def key(self) -> str:
        return "fem" if self.method == "fem" else "saed"

    @property
    def name(self) -> str:
        return f"{self.ordinal:02d}_{self.key}_{self.degC:.0f}C"

    @property
    def frames(self) -> int:
        return self.rows**2 if self.method == "fem" else 1

    @property
    def estimate(self) -> float:
        return 1.02 * self.V_max

    @property
    def sigma(self) -> float:
        return 0.017 * self.V_max

    def write(self, path: Path, start_s: float) -> None:
        """Write the hold file of an acquisition that began at a time of the run's clock."""
        rng = np.random.Generator(np.random.Philox(self.ordinal))
        with h5py.File(path, "w") as file:
            entry = file.create_group("entry")
            for name, column in self._table(start_s).items():
                entry[f"instrument/detector/{name}"] = column
            patterns = rng.poisson(30, (self.frames - len(self.lost), 16, 16))
            entry["instrument/detector/data"] = patterns.astype(np.uint16)
            entry["instrument/open_hold"] = json.dumps(self._announced())
            if self.simulated:
                truth = {"V_max": self.V_max, "k0_per_nm": 4.27, "V_ratio": 0.40, "thickness": 0.70}
                entry.create_group("sample/truth").attrs.update(truth)
            if self.results:
                (write_fem if self.method == "fem" else write_rings)(entry, self, rng)

    def _table(self, start_s: float) -> dict[str, Any]:
        seq = np.delete(np.arange(self.frames), self.lost)
        return {
            "seq": seq, "slot": seq, "segment": np.zeros_like(seq),
            "frame_time": start_s + seq * self.period_s, "valid": np.ones(len(seq), dtype=bool),
        }  # fmt: skip

    def _announced(self) -> dict[str, Any]:
        return {
            "kind": "open_hold", "title": f"{self.key} at {self.degC:g} degC", "method": self.method,
            "camera": {"pixel_per_nm": PIXEL_PER_NM}, "probe_nm": 0.91 if self.method == "fem" else None,
            "grid": {"points": [self.rows, self.rows], "pitch_nm": 5.0} if self.method == "fem" else None,
            "period_s": self.period_s, "frames_planned": self.frames, "setpoint_K": self.degC + 273.15,
            "settings": {"sample": {"name": "AMZ4", "state": "as-cast"}},
        }  # fmt: skip


def write_fem(entry: Any, hold: FakePatterns, rng: np.random.Generator) -> None:
    """Store a variance with two peaks, its images, and a dark-field map."""
    corrected = variance(K, hold.estimate) + 0.3 * hold.sigma * rng.normal(size=K.size)
    y, x = (np.indices((hold.side, hold.side)) - hold.side / 2) * PIXEL_PER_NM * 512 / hold.side
    k = np.hypot(y, x)
    mean = 40 * np.exp(-k / 3) + 9 * np.exp(-(((k - 4.2) / 0.6) ** 2)) + 2
    arrays = {
        "fem/k": K, "fem/V": corrected + 0.02 + 0.008 * K, "fem/V_corrected": corrected,
        "fem/sigma": np.full(K.size, hold.sigma), "fem/V_annular": corrected / 40,
        "fem/mean": 40 * np.exp(-K / 3) + 2, "fem/n_px": (2 * np.pi * K / PIXEL_PER_NM).astype(int),
        "fem/variance_image": (variance(k, hold.estimate) * rng.gamma(4, 0.25, k.shape)).astype(np.float32),
        "fem/mean_image": mean.astype(np.float32),
        "haadf/value": 5000 + 50 * rng.normal(size=(hold.rows, hold.rows)),
    }  # fmt: skip
    for path, values in arrays.items():
        entry[path] = values
    entry["fem"].attrs.update(signal="V_corrected", axes=["k"], probe_nm=0.91, patterns=hold.frames)
    entry["haadf"].attrs.update(gradient=hold.gradient)
    peaks = entry.create_group("fem/peaks")
    peaks.attrs.update(ratio=0.41, sigma_ratio=0.012, shoulder_5p3=0.001, sigma_shoulder=0.002)
    for name, k_per_nm, share in (("first", 4.272, 1.0), ("second", 7.24, 0.41)):
        top = share * hold.estimate
        peaks.create_group(name).attrs.update(
            k_per_nm=k_per_nm, sigma_k_per_nm=0.004, V_max=top, sigma_V_max=hold.sigma * share,
            base=0.1 * hold.estimate, height_above_base=top - 0.1 * hold.estimate, width_per_nm=WIDTH_PER_NM,
            flags=hold.flags,
        )  # fmt: skip


def variance(k: np.ndarray, V_max: float) -> np.ndarray:
    """Return a normalised variance with two peaks."""
    first, second = (np.exp(-((k - k0) ** 2) / (2 * WIDTH_PER_NM**2)) for k0 in (4.272, 7.24))
    return 0.1 * V_max + 0.9 * V_max * first + 0.31 * V_max * second


def write_rings(entry: Any, hold: FakePatterns, rng: np.random.Generator) -> None:
    """Store a profile of broad rings, with a sharp one where there are crystals, and the pattern."""
    k = K[hold.ordinal % 3 :]
    profile = ring_intensity(k) * (1 + 0.002 * rng.normal(size=k.size))
    if hold.crystals:
        profile *= 1 + 0.3 * np.exp(-(((k - 4.6) / 0.04) ** 2))
    y, x = (np.indices((hold.side, hold.side)) - hold.side / 2) * PIXEL_PER_NM * 512 / hold.side
    entry["diffraction/k"], entry["diffraction/I"] = k, profile
    entry["diffraction/sigma"] = 0.002 * profile
    entry["diffraction/mean_image"] = ring_intensity(np.hypot(y, x)).astype(np.float32)
    entry["diffraction"].attrs.update(signal="I", axes=["k"], rings_per_nm=[4.2, 7.1])


def ring_intensity(k: np.ndarray) -> np.ndarray:
    """Return a profile with two broad rings."""
    broad = 90 * np.exp(-(((k - 4.2) / 0.6) ** 2)) + 30 * np.exp(-(((k - 7.1) / 0.8) ** 2))
    return 400 * np.exp(-k / 3) + broad + 20
