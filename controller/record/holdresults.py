"""The results of a hold one by one, without loading its maps."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.results import UNREADABLE
from annealscope.controller.stream.messages import OpenHold
from annealscope.controller.units import ZERO_CELSIUS_K


class HoldResults:
    """A hold file open for looking things up.

    Raises
    ------
    RecordError
        It cannot be read as one.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        try:
            self._file = h5py.File(path, "r")
            self._entry = self._file["entry"]
            self.info = OpenHold.model_validate_json(self._entry["instrument/open_hold"].asstr()[()])
        except UNREADABLE as error:
            raise RecordError(f"{path} cannot be read as a hold file: {error}") from None

    def __enter__(self) -> "HoldResults":
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def temperature_degC(self) -> float:
        """Mean measured temperature, or the setpoint when nothing was measured."""
        measured = self.array("instrument/heater/value_log/value")
        if measured is not None and len(measured):
            return float(np.nanmean(measured))
        return self.info.setpoint_K - ZERO_CELSIUS_K

    @property
    def thickness(self) -> float:
        """Thickness of the region in inelastic mean free paths; NaN when it is not known."""
        thickness = self.info.settings.get("region", {}).get("thickness")
        return float("nan") if thickness is None else float(thickness)

    def attrs(self, path: str) -> dict[str, Any]:
        """Return the attributes of a result; empty when there is no such result."""
        node = self._entry.get(path)
        return {} if node is None else dict(node.attrs)

    def array(self, path: str) -> npt.NDArray[Any] | None:
        """Return a result; None when there is no such one."""
        node = self._entry.get(path)
        return np.asarray(node[()]) if isinstance(node, h5py.Dataset) else None

    def names(self, path: str) -> list[str]:
        """Return what is in a group of results; empty when there is no such group."""
        node = self._entry.get(path)
        return list(node) if isinstance(node, h5py.Group) else []
