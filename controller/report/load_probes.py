"""Reads from ``run.nxs`` what follows from several scans: V at one thickness, series of probe sizes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from annealscope.controller.report.load_arrays import array_of
from annealscope.controller.report.summary_run import ProbeSeries, ScaledVariance

Series = tuple[ProbeSeries, ...]


def load_probes(path: Path) -> tuple[Series, Series]:
    """Return the Stratton-Voyles plots and the pair-persistence plots of all series of probe sizes."""
    try:
        with h5py.File(path, "r") as file:
            fem = file["entry"].get("fem", {})
            return tuple(_all(fem, "stratton_voyles")), tuple(_all(fem, "pair_persistence"))
    except (OSError, KeyError):
        return (), ()


def load_scaled(path: Path) -> ScaledVariance | None:
    """Return the heights of the first peak at one thickness; None where no thickness is known."""
    try:
        with h5py.File(path, "r") as file:
            table = file["entry/V_of_T"]
            thickness = float(table["scaled_to_thickness"][()])
            names = [str(name) for name in table["hold"].asstr()[()]]
            V, sigma = table["V_scaled"][()].tolist(), table["V_scaled_errors"][()].tolist()
    except (OSError, KeyError):
        return None
    pairs = zip(V, sigma, strict=True)
    return ScaledVariance(thickness, dict(zip(names, pairs, strict=True))) if thickness > 0 else None


def _all(fem: Any, stem: str) -> Iterable[ProbeSeries]:
    for name in sorted(name for name in fem if name.startswith(stem)):
        series = _series(fem, name)
        if series is not None:
            yield series


def _series(fem: Any, name: str) -> ProbeSeries | None:
    """Read an NXdata of points: its signal against its axis, and the numbers in its attributes."""
    group = fem[name]
    signal = str(group.attrs.get("signal", "y"))
    axis = str(np.atleast_1d(group.attrs.get("axes", "x"))[0])
    x, y = array_of(group, axis), array_of(group, signal)
    if x is None or y is None or x.shape != y.shape or not x.size:
        return None
    errors = next((array_of(group, key) for key in (f"{signal}_errors", "sigma") if key in group), None)
    numbers = {key: _plain(value) for key, value in group.attrs.items() if key not in ("signal", "axes")}
    return ProbeSeries(x, y, errors, numbers)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
