"""The annular dark-field detector: a signal that grows with thickness."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annealscope.simulators.glass import paper_numbers


@dataclass(frozen=True)
class AnnularDetector:
    """Signal = dark + slope * thickness * (1 + noise), in counts."""

    dark_counts: float
    counts_per_mean_free_path: float
    noise: float
    """Relative, rms."""

    def signal(self, thickness: float, rng: np.random.Generator) -> float:
        """Return the signal of a place of a thickness in mean free paths."""
        lit = self.counts_per_mean_free_path * thickness
        return self.dark_counts + lit * (1 + self.noise * float(rng.standard_normal()))


def load_annular_detector(name_or_path: str | Path = "amz4_paper") -> AnnularDetector:
    """Make an `AnnularDetector` from the section ``model`` of a file of published numbers."""
    return AnnularDetector(**paper_numbers(name_or_path)["model"]["dark_field_detector"])
