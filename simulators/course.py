"""What the history of temperature does to the specimen: it drifts, and it grows older."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from annealscope.simulators.random_streams import stream

FloatArray = npt.NDArray[np.float64]

WALK_BLOCK_S = 1024
"""Steps of the random walk drawn at a time."""


@dataclass(frozen=True)
class ThermalDrift:
    """One exponential of the drift that follows a change of temperature."""

    amplitude_nm_per_K: float
    time_s: float
    direction_deg: float
    """From +x towards +y."""

    @property
    def vector_nm_per_K(self) -> FloatArray:
        """Final displacement (y, x) per kelvin."""
        angle = math.radians(self.direction_deg)
        return self.amplitude_nm_per_K * np.array([math.sin(angle), math.cos(angle)])


@dataclass
class _Grid:
    """State of the specimen at every whole second so far; lists, because they only grow at the end."""

    temperature_K: list[float] = field(default_factory=list)
    rate_per_s: list[float] = field(default_factory=list)
    material_time: list[float] = field(default_factory=list)
    lagging_K: list[tuple[float, ...]] = field(default_factory=list)
    walk_nm: list[tuple[float, float]] = field(default_factory=list)


class Course:
    """Drift path and material time as functions of time.

    Both are integrated cell by cell on a grid of whole seconds, each cell with the temperature at its
    beginning; inside a cell they are continued exactly. So it does not matter how often anybody looks.

    Parameters
    ----------
    temperature_K
        Temperature of the chip at times in s; must never change for times gone by.
    rate_per_s
        1/tau at times in s and temperatures in K; asked once for each second, in order.
    drifts
        The exponentials of the thermal drift.
    walk_nm_per_sqrt_s
        Random walk, rms per axis after one second.
    seed
        Seed of the run.
    """

    def __init__(
        self,
        temperature_K: Callable[[FloatArray], FloatArray],
        rate_per_s: Callable[[FloatArray, FloatArray], FloatArray],
        drifts: Sequence[ThermalDrift],
        walk_nm_per_sqrt_s: float,
        seed: int,
    ) -> None:
        self._temperature_K = temperature_K
        self._rate_per_s = rate_per_s
        self._drifts = tuple(drifts)
        self._walk_nm_per_sqrt_s = walk_nm_per_sqrt_s
        self._seed = seed
        self._grid = _Grid()
        self._lock = threading.Lock()

    def material_time(self, t_s: float) -> float:
        """Return the integral of dt/tau from 0 to a time that has come."""
        cell, rest_s = self._locate(t_s)
        return self._grid.material_time[cell] + rest_s * self._grid.rate_per_s[cell]

    def path_nm(self, t_s: float) -> FloatArray:
        """Return the drift (y, x) in nm since 0 at a time that has come."""
        cell, rest_s = self._locate(t_s)
        here, after = self._grid.walk_nm[cell], self._grid.walk_nm[cell + 1]
        path = np.array(here) + rest_s * np.subtract(after, here)
        for drift, lagging_K in zip(self._drifts, self._lagging(cell, rest_s), strict=True):
            path += drift.vector_nm_per_K * (lagging_K - self._grid.temperature_K[0])
        return path

    def _locate(self, t_s: float) -> tuple[int, float]:
        cell = int(t_s)
        with self._lock:
            self._extend(cell)
        return cell, t_s - cell

    def _extend(self, cell: int) -> None:
        grid = self._grid
        first = len(grid.temperature_K)
        if cell < first:
            return
        seconds = np.arange(first, cell + 1, dtype=np.float64)
        temperatures = self._temperature_K(seconds)
        rates = self._rate_per_s(seconds, temperatures)
        for index, temperature_K, rate in zip(
            range(first, cell + 1), temperatures.tolist(), rates.tolist(), strict=True
        ):
            grid.material_time.append(self._material_time_at(index))
            grid.lagging_K.append(
                self._lagging(index - 1, 1.0) if index else (temperature_K,) * len(self._drifts)
            )
            grid.temperature_K.append(temperature_K)
            grid.rate_per_s.append(rate)
        while len(grid.walk_nm) < cell + 2:
            self._walk_on()

    def _material_time_at(self, index: int) -> float:
        return self._grid.material_time[-1] + self._grid.rate_per_s[-1] if index else 0.0

    def _lagging(self, cell: int, rest_s: float) -> tuple[float, ...]:
        """Return the temperature as each slow part of the holder has it, some time after a whole second."""
        chip_K = self._grid.temperature_K[cell]
        return tuple(
            chip_K + (lagging_K - chip_K) * math.exp(-rest_s / drift.time_s)
            for drift, lagging_K in zip(self._drifts, self._grid.lagging_K[cell], strict=True)
        )

    def _walk_on(self) -> None:
        walk = self._grid.walk_nm
        if not walk:
            walk.append((0.0, 0.0))
        rng = stream(self._seed, "walk", len(walk) // WALK_BLOCK_S)
        steps = rng.standard_normal((WALK_BLOCK_S, 2)) * self._walk_nm_per_sqrt_s
        walk.extend((y, x) for y, x in (np.cumsum(steps, axis=0) + walk[-1]).tolist())
