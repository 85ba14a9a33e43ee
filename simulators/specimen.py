"""What a specimen remembers: how long it was hot, and which of its places have seen the beam."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from annealscope.drivers.interfaces import DeviceError, Region
from annealscope.simulators.random_streams import stream

FloatArray = npt.NDArray[np.float64]
Pair = tuple[float, float]

HOT_FROM_K = -2.0
"""A specimen ages at a temperature as soon as it is this close to it."""


class HeatRecord:
    """Total time that the specimen has spent at some temperatures or above, second by second.

    It stands still while the specimen is colder, so it outlasts a cool-down.
    """

    def __init__(self, temperatures_K: Sequence[float]) -> None:
        self._from_K = np.array(temperatures_K) + HOT_FROM_K
        self.ages_s: FloatArray = np.zeros(len(self._from_K))
        """Time at each temperature so far."""

    def ageing(self, temperature_K: float | FloatArray) -> FloatArray:
        """Return 1 for each temperature of the record that is reached, else 0; shape (..., n)."""
        return np.asarray(np.asarray(temperature_K)[..., None] >= self._from_K, dtype=np.float64)

    def age_of(self, t_s: FloatArray, temperature_K: FloatArray) -> FloatArray:
        """Return the time at each temperature that readings (n,) of a thermometer show.

        Between two readings the specimen is taken to be as cold as the colder one says.
        """
        colder_K = np.minimum(temperature_K[:-1], temperature_K[1:])
        return np.asarray(np.diff(t_s) @ self.ageing(colder_K))

    def extend(self, temperature_K: FloatArray) -> FloatArray:
        """Live through seconds of these temperatures; returns the ages before each, shape (m, n)."""
        reached = self.ageing(temperature_K)
        after = self.ages_s + np.cumsum(reached, axis=0)
        if len(after):
            self.ages_s = after[-1]
        return np.asarray(after - reached)


class Regions:
    """Places on a square grid of the stage, so far apart that no beam reaches two of them.

    Parameters
    ----------
    n
        How many there are.
    beam_radius_nm
        Radius of the illuminated area.
    thickness
        Limits of the thickness in mean free paths; each place has its own, drawn uniformly.
    seed
        Seed of the run.
    """

    def __init__(self, n: int, beam_radius_nm: float, thickness: tuple[float, float], seed: int) -> None:
        self._pitch_nm = 2.5 * beam_radius_nm
        self._columns = math.ceil(math.sqrt(n))
        self._thickness = stream(seed, "thickness").uniform(*thickness, size=n)
        self.visited: list[int] = []
        """Places that have seen the beam, in this order."""

    def revisit(self, positions_nm: Iterable[Pair]) -> None:
        """Go on where somebody has been to these places too. Raises ValueError for one that is not here."""
        self.visited = [*self.visited, *map(self._place, positions_nm)]

    def _place(self, position_nm: Pair) -> int:
        row, column = (round(value / self._pitch_nm) for value in position_nm)
        place = row * self._columns + column
        if min(row, column) < 0 or column >= self._columns or place >= len(self._thickness):
            raise ValueError(f"there is no place at {position_nm} nm on this specimen")
        return place

    def fresh(self, thickness: tuple[float, float] | None) -> Region:
        """Return the next place that has seen no beam, and count it as seen.

        Raises
        ------
        DeviceError
            When there is none of a thickness between the limits.
        """
        low, high = thickness or (0.0, math.inf)
        left = [
            place
            for place, value in enumerate(self._thickness.tolist())
            if low <= value <= high and place not in self.visited
        ]
        if not left:
            raise DeviceError(self._none_left(thickness))
        self.visited.append(left[0])
        return self.last()

    def last(self) -> Region:
        """Return the place that was visited last."""
        place = self.visited[-1]
        row, column = divmod(place, self._columns)
        return Region(
            number=len(self.visited),
            position_nm=(row * self._pitch_nm, column * self._pitch_nm),
            thickness=float(self._thickness[place]),
        )

    def _none_left(self, thickness: tuple[float, float] | None) -> str:
        wanted = "" if thickness is None else " between {:g} and {:g} mean free paths".format(*thickness)
        return (
            f"microscope: no region{wanted} is left that has seen no beam "
            f"({len(self.visited)} of {len(self._thickness)} have; they measure {self._thickness.min():.2f} "
            f"to {self._thickness.max():.2f}): allow other thicknesses, or change the specimen"
        )
