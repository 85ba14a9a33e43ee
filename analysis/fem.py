"""Fluctuation electron microscopy, live: patterns in, normalised variance out (docs/methods/fem.md)."""

from dataclasses import dataclass

import numpy as np

from annealscope.analysis.fem_patterns import Pattern, PatternPlacer, PatternState, positions
from annealscope.analysis.fem_results import Scan, fem_results, measured_curve
from annealscope.analysis.fem_spec import FemSpec
from annealscope.analysis.peaks import fit_peak
from annealscope.analysis.preview import small
from annealscope.analysis.values import FloatArray, FrameBlock, InvalidData, Result, Results
from annealscope.analysis.variance import NormalizedVariance, variance_error_scale

__all__ = ["FemAnalysis", "FemLive", "FemSpec"]

LEAST_PATTERNS = 4
"""Fewer usable patterns are no scan."""


@dataclass(frozen=True)
class FemLive:
    """What the scan says so far; the numbers are None until there are enough patterns."""

    patterns: int
    used: int = 0
    """Of these patterns."""
    V_max: float | None = None
    sigma: float | None = None
    """Expected standard error of `V_max`, see `variance.variance_error_scale`."""
    k_max: float | None = None
    """Where V is `V_max`, 1/nm."""
    k: FloatArray | None = None
    """1/nm."""
    V: FloatArray | None = None
    """Normalised variance, corrected for noise."""


class FemAnalysis:
    """The FEM pipeline of one scan (docs/methods/fem.md).

    Patterns may come in blocks of any size; the results do not depend on it, not by a bit.

    Parameters
    ----------
    spec
        The acquisition.
    """

    def __init__(self, spec: FemSpec) -> None:
        self._spec = spec
        self._placer = PatternPlacer(spec)
        self._patterns: list[Pattern] = []
        self._annular_means: list[FloatArray] = []
        self._parts: dict[int, NormalizedVariance] = {}
        self._newest_live: FemLive | None = None

    def update(self, block: FrameBlock) -> list[object]:
        """Take the next patterns.

        Parameters
        ----------
        block
            n >= 0 patterns of raw counts, shape (n, ny, nx) as in the specification, any real dtype. Blanked,
            saturated and dark ones are left out and counted.

        Returns
        -------
        list
            Always empty: a scan has no displacements.

        Raises
        ------
        InvalidData
            When patterns do not fit the specification; none of the block is taken then.
        """
        expected = (len(block), *self._spec.shape)
        if block.frames.shape != expected:
            raise InvalidData(f"patterns must have shape {expected}: got {block.frames.shape}")
        for i, position in enumerate(positions(block, self._spec)):
            beam_on = block.beam_on is None or bool(block.beam_on[i])
            haadf = float("nan") if block.haadf is None else float(block.haadf[i])
            pattern, placed = self._placer.place(block.frames[i], int(position), beam_on, haadf)
            self._patterns.append(pattern)
            if placed is not None:
                self._annular_means.append(placed.annular_means)
                self._part(pattern.position).update(placed.counts)
        return []

    def live(self) -> FemLive:
        """Evaluate what has come so far."""
        self._newest_live = self._evaluated()
        return self._newest_live

    def preview(self) -> Results:
        """Show what `live` found when it was called last; large patterns take it seconds.

        Returns
        -------
        Results
            ``fem`` and what is below it, float32; nothing until there are enough patterns.
        """
        live = self._newest_live or self.live()
        if live.k is None or live.V is None:
            return {}
        scale = variance_error_scale(live.used, live.k, self._spec.probe_nm)
        peak = {"V_max": live.V_max, "sigma_V_max": live.sigma, "k_per_nm": live.k_max}
        known = {name: value for name, value in peak.items() if value is not None}
        return {
            "fem": Result(None, attrs=known | {"patterns": live.used}),
            "fem/k": small(live.k, "1/nm"),
            "fem/V": small(live.V),
            "fem/sigma": small(np.abs(live.V) * scale),
        }

    def result(self) -> Results:
        """Everything the scan says. Call it after the last pattern.

        Returns
        -------
        Results
            By path below ``/entry`` of a hold file; shapes and units are in the last table of
            docs/methods/fem.md.

        Raises
        ------
        InvalidData
            When fewer than 4 patterns are usable, or their rings cannot be found.
        """
        if self._used < LEAST_PATTERNS:
            lost = {state.name.lower(): self._count(state) for state in PatternState if state}
            raise InvalidData(
                f"FEM needs at least {LEAST_PATTERNS} usable patterns: got {self._used} of "
                f"{len(self._patterns)} ({', '.join(f'{n} {name}' for name, n in lost.items())}); scan more "
                f"positions, or check beam and exposure"
            )
        return fem_results(self._scan())

    def _evaluated(self) -> FemLive:
        patterns, used = len(self._patterns), self._used
        if used < LEAST_PATTERNS:
            return FemLive(patterns, used)
        try:
            k, V = measured_curve(self._scan())
        except InvalidData:
            return FemLive(patterns, used)
        peak = fit_peak(k, V)
        if not peak.V_max > 0:
            return FemLive(patterns, used, k=k, V=V)
        sigma = peak.V_max * variance_error_scale(used, peak.k_per_nm, self._spec.probe_nm)
        return FemLive(patterns, used, peak.V_max, float(sigma), peak.k_per_nm, k, V)

    @property
    def _used(self) -> int:
        return self._count(PatternState.VALID)

    def _count(self, state: PatternState) -> int:
        return sum(pattern.state is state for pattern in self._patterns)

    def _part(self, position: int) -> NormalizedVariance:
        """Return the accumulator of the part of the scan that a position belongs to."""
        group = self._spec.group(position)
        if group not in self._parts:
            first = next(iter(self._parts.values()), None)
            reference = None if first is None else first.reference
            self._parts[group] = NormalizedVariance(self._spec.shape, reference)
        return self._parts[group]

    def _scan(self) -> Scan:
        return Scan(
            spec=self._spec,
            parts=tuple(self._parts[group] for group in sorted(self._parts)),
            placer=self._placer,
            patterns=tuple(self._patterns),
            annular_means=tuple(self._annular_means),
        )
