"""A table with one row for each hold, in order of temperature."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from annealscope.analysis.values import Result, Results
from annealscope.controller.record.holdresults import HoldResults


class ByTemperature:
    """Columns of numbers against the mean measured temperature.

    Parameters
    ----------
    group
        Name of the group of results.
    holds
        What makes the rows.
    """

    def __init__(self, group: str, holds: Iterable[HoldResults]) -> None:
        self._group = group
        self.holds = sorted(holds, key=lambda hold: hold.temperature_degC)
        names = [hold.name.encode() for hold in self.holds]
        self._columns: Results = {
            f"{group}/hold": Result(np.array(names, dtype="S")),
            f"{group}/temperature": Result(
                np.array([hold.temperature_degC for hold in self.holds], float), "degC"
            ),
        }

    def add(
        self, name: str, value: Callable[[HoldResults], float], units: str = "", *, long_name: str = ""
    ) -> None:
        """Add a column: one number of every hold."""
        column = np.array([value(hold) for hold in self.holds], dtype=np.float64)
        attrs = {"long_name": long_name} if long_name else {}
        self._columns[f"{self._group}/{name}"] = Result(column, units, attrs)

    def results(self, signal: str, auxiliary: Sequence[str] = ()) -> Results:
        """Return the table as an NXdata."""
        attrs = {
            "signal": signal,
            "auxiliary_signals": list(auxiliary),
            "axes": ["temperature"],
            "temperature_indices": 0,
        }
        return {self._group: Result(None, attrs=attrs)} | self._columns
