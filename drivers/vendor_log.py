"""The temperature of a holder from the CSV file that its own software goes on writing.

Known are the files of Protochips Fusion and of DENSsolutions Impulse; any other with one line of names and
one column of temperatures will do. A line with more or fewer values than names counts as damaged.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Channel, DeviceError, Reading

STALE_AFTER_S = 3.0
"""A file that has not grown for so long says nothing about now."""
TAIL_BYTES = 1 << 16
"""What is read of it at a time: only the newest line counts."""

_TO_KELVIN = {
    "": 273.15,
    "degc": 273.15,
    "°c": 273.15,
    "c": 273.15,
    "degrees c": 273.15,
    "k": 0.0,
    "kelvin": 0.0,
}


@dataclass(frozen=True)
class _Columns:
    """What the head of a file says about its lines."""

    delimiter: str
    count: int
    temperature: int
    """Index of the column."""
    zero_K: float
    """What is added to its values."""

    def temperature_K(self, line: str) -> float:
        """Return the temperature of a line; NaN when it cannot be read."""
        cells = next(csv.reader([line], delimiter=self.delimiter, skipinitialspace=True), [])
        if len(cells) != self.count:
            return math.nan
        text = cells[self.temperature].strip()
        try:
            value_K = float(text if self.delimiter == "," else text.replace(",", ".")) + self.zero_K
        except ValueError:
            return math.nan
        return value_K if 0 < value_K < math.inf else math.nan


class VendorLog:
    """Reads the newest line of a growing file.

    Parameters
    ----------
    path
        The file; it has to exist, with its line of names.
    clock
        The clock that stamps the readings: a line counts from when it was found.
    column
        Name of the column; default: the one whose name has "temperature" in it.
    stale_after_s
        Without a new line for so long the reading is stale.
    """

    def __init__(
        self, path: Path, clock: Clock, column: str = "", stale_after_s: float = STALE_AFTER_S
    ) -> None:
        self._path = path
        self._clock = clock
        self._column = column
        self._stale_after_s = stale_after_s
        self._columns: _Columns | None = None
        self._read_to = 0
        """End of the last complete line, in bytes."""
        self._newest = Reading(math.nan, -math.inf, "bad")

    def open(self) -> None:
        """Read the names and the newest line. Raises DeviceError for a file without a temperature."""
        try:
            age_s = max(0.0, self._clock.wall() - self._path.stat().st_mtime)
            with self._path.open("rb") as file:
                self._columns = self._read_head(file)
                self._follow(file, self._clock.monotonic() - age_s)
        except OSError as error:
            raise DeviceError(f"{self._path}: the holder's log cannot be read: {error}") from None

    def close(self) -> None:
        """Nothing is kept open: the vendor's software may move the file."""

    def describe(self) -> Mapping[str, Channel]:
        """Name the channel."""
        return {"temperature": Channel("K", f"newest line of {self._path.name}")}

    def read(self) -> Mapping[str, Reading]:
        """Return the newest temperature; it grows stale when the file does not grow, or cannot be read."""
        now_s = self._clock.monotonic()
        try:
            with self._path.open("rb") as file:
                self._follow(file, now_s)
        except OSError:  # the vendor's software may hold it for a moment
            pass
        value_K, t_s, quality = self._newest.value, self._newest.t_s, self._newest.quality
        if quality == "ok" and now_s - t_s > self._stale_after_s:
            quality = "stale"
        return {"temperature": Reading(value_K, t_s, quality)}

    def _follow(self, file: BinaryIO, found_s: float) -> None:
        """Take the newest complete line; one that is still being written is left for later."""
        size = file.seek(0, 2)
        if size < self._read_to:  # a new file of the same name
            self._read_to = 0
        begin = max(self._read_to, size - TAIL_BYTES)
        file.seek(begin)
        complete, newline, _ = file.read(size - begin).rpartition(b"\n")
        if not newline or self._columns is None:
            return
        self._read_to = begin + len(complete) + 1
        line = complete.rpartition(b"\n")[2].decode("utf-8", errors="replace")
        value_K = self._columns.temperature_K(line)
        self._newest = Reading(value_K, found_s, "bad" if math.isnan(value_K) else "ok")

    def _read_head(self, file: BinaryIO) -> _Columns:
        head = file.read(TAIL_BYTES).decode("utf-8-sig", errors="replace")
        names, newline, notes = head.partition("\n")
        delimiter = max(",;\t", key=names.count)
        columns = [name.strip() for name in names.split(delimiter)]
        wanted = self._column.casefold() or "temperature"
        found = [index for index, name in enumerate(columns) if wanted in name.casefold()]
        if not newline or len(found) != 1:
            raise DeviceError(
                f"{self._path}: one column of its first line has to be the temperature, found "
                f'{len(found)} with "{wanted}" in the name; name it by `column`'
            )
        return _Columns(delimiter, len(columns), found[0], self._zero_K(columns[found[0]], notes))

    def _zero_K(self, name: str, notes: str) -> float:
        """Return what makes kelvin of a value: by the column's name, or by a note below it."""
        noted = notes.partition("Temperature units = ")[2].partition(",")[0]
        unit = name.partition("(")[2].partition(")")[0] or noted
        if unit.strip().casefold() not in _TO_KELVIN:
            raise DeviceError(f"{self._path}: temperatures have to be in degrees C or kelvin, got {unit!r}")
        return _TO_KELVIN[unit.strip().casefold()]
