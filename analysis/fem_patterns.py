"""Patterns of a scan as they come: which are used, where they belong, how they are laid over each other."""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from annealscope.analysis.fem_spec import FemSpec
from annealscope.analysis.ring_fit import RingGauge, find_rings
from annealscope.analysis.rings import Annuli, BoolArray, Geometry
from annealscope.analysis.values import FloatArray, FrameBlock, InvalidData

SATURATED_SHARE = 1e-3
"""Of pixels at or above 0.98 of full scale: a pattern with more is not used."""

BEAM_TRIP = 0.5
"""Of the median brightness so far: a darker pattern is not used."""

CLEAR_SHIFT = 4.0
"""Standard errors by which a pattern must be off before it is moved."""

MOST_MOVES = 8
"""Measurements of one pattern."""

Whole = tuple[int, int]


class PatternState(IntEnum):
    """Why a pattern is not used."""

    VALID = 0
    BLANKED = 1
    SATURATED = 2
    DARK = 3
    """Darker than half of the others, or without rings."""


class Pattern(NamedTuple):
    """What is known of one pattern."""

    position: int
    """In the scan, counted row by row."""
    state: PatternState
    haadf: float
    mean_counts: float
    """Above the offset."""
    centre_px: tuple[float, float]
    """In the raw pattern; NaN when it is not used."""
    sigma_px: tuple[float, float]
    moved_px: Whole
    """By what it was moved before it was added."""


class Placed(NamedTuple):
    """A pattern that is used, as it is to be added."""

    counts: npt.NDArray[Any]
    """Moved by whole pixels, round the edges; `PatternPlacer.covered` knows where."""
    annular_means: FloatArray
    """Counts above the offset; about the centre of the first pattern."""


class PatternPlacer:
    """Decides on patterns, in their order.

    The first one that is used makes the reference. Another one is moved by whole pixels when its centre is
    off by at least half a pixel and by more than 4 times the error of finding it: the speckle of a single
    pattern often hides its centre better than the microscope moves it, and then moving would do harm.
    """

    def __init__(self, spec: FemSpec) -> None:
        self.covered: BoolArray = np.ones(spec.shape, dtype=bool)
        self.reference: Geometry | None = None
        self.largest_move_px = 0
        self._spec = spec
        self._brightness: list[float] = []

    def place(
        self, raw: npt.NDArray[Any], position: int, beam_on: bool, haadf: float
    ) -> tuple[Pattern, Placed | None]:
        """Say what becomes of one pattern of raw counts, shape (ny, nx)."""
        signal = raw.astype(np.float64) - self._spec.offset_counts
        mean = float(signal.mean())
        state = self._state(raw, mean, beam_on)
        if state is PatternState.VALID and not self._make_reference(signal):
            state = PatternState.DARK
        nowhere = (float("nan"), float("nan"))
        if state is not PatternState.VALID:
            return Pattern(position, state, haadf, mean, nowhere, nowhere, (0, 0)), None
        self._brightness.append(mean)
        off, error, move = self._locate(signal)
        centre = self._centre + off - move
        pattern = Pattern(position, state, haadf, mean, _pair(centre), _pair(error), move)
        self._uncover(move)
        return pattern, Placed(np.roll(raw, move, (0, 1)), self._annuli.mean(np.roll(signal, move, (0, 1))))

    def _locate(self, signal: FloatArray) -> tuple[FloatArray, FloatArray, Whole]:
        """Say by what to move a pattern, and how far its centre is off after that, with the error.

        The gauge is exact for small shifts only: what has been moved is measured again.
        """
        move = (0, 0)
        for _ in range(MOST_MOVES):
            fit = self._gauge.measure(np.roll(signal, move, (0, 1)))
            off, error = np.array(fit.shift_px), np.array(fit.sigma_px)
            step = np.rint(off).astype(int)
            if not step.any() or np.hypot(*off) <= CLEAR_SHIFT * np.hypot(*error):
                break
            move = (move[0] - int(step[0]), move[1] - int(step[1]))
        return off, error, move

    def _state(self, raw: npt.NDArray[Any], mean: float, beam_on: bool) -> PatternState:
        if not beam_on:
            return PatternState.BLANKED
        if np.issubdtype(raw.dtype, np.integer):
            top = int(0.98 * np.iinfo(raw.dtype).max)
            if np.count_nonzero(raw >= top) > SATURATED_SHARE * raw.size:
                return PatternState.SATURATED
        usual = float(np.median(self._brightness)) if self._brightness else 0.0
        return PatternState.VALID if mean > BEAM_TRIP * usual else PatternState.DARK

    def _make_reference(self, signal: FloatArray) -> bool:
        """Find the rings of the first pattern; False when it has none."""
        if self.reference is not None:
            return True
        spec = self._spec
        middle = ((spec.shape[0] - 1) / 2, (spec.shape[1] - 1) / 2)
        try:
            found = find_rings(
                signal, Geometry(spec.centre_px or middle, spec.pixel_per_nm, spec.ellipse), spec.beam_stop
            )
            self._gauge = RingGauge(signal, found.geometry, found.valid)
        except InvalidData:
            return False
        self.reference = found.geometry
        self._centre = np.array(found.geometry.centre_px)
        self._annuli = Annuli(found.geometry, found.valid)
        return True

    def _uncover(self, move: Whole) -> None:
        """Remember the pixels that a move fills with what is no part of the pattern."""
        self.largest_move_px = max(self.largest_move_px, *map(abs, move))
        for axis, step in enumerate(move):
            outside = slice(0, step) if step > 0 else slice(step, None)
            if step:
                np.moveaxis(self.covered, axis, 0)[outside] = False


def positions(block: FrameBlock, spec: FemSpec) -> npt.NDArray[np.int64]:
    """Place of each pattern of a block in the scan, counted row by row; by slot where no position is known.

    Raises
    ------
    InvalidData
        When a position is outside the scan.
    """
    rows, columns = spec.grid
    by_slot = np.asarray(block.slot % spec.positions, dtype=np.int64)
    if block.scan_yx_nm is None:
        return by_slot
    known = np.isfinite(block.scan_yx_nm).all(axis=1)
    yx = np.nan_to_num(block.scan_yx_nm) / spec.pitch_nm + (np.array(spec.grid) - 1) / 2
    place = np.rint(yx).astype(np.int64)
    outside = known & ((place < 0) | (place >= spec.grid)).any(axis=1)
    if outside.any():
        raise InvalidData(
            f"scan positions must lie on the grid of {rows} x {columns} at {spec.pitch_nm:g} nm, centred on "
            f"(0, 0): got {block.scan_yx_nm[outside][0].tolist()} nm"
        )
    return np.where(known, place[:, 0] * columns + place[:, 1], by_slot)


def _pair(values: FloatArray) -> tuple[float, float]:
    return float(values[0]), float(values[1])
