"""Results of a hold file against those that `annealscope analyze` computes from its frames."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
from faults.checker import Violation

WITHIN_S = 120.0


def check_results(run: Path, name: str, work: Path) -> list[Violation]:
    """Compute the results of a hold again, in a process of its own, into a file of its own."""
    hold, again = run / "holds" / f"{name}.nxs", work / f"{name}.again.nxs"
    command = [sys.executable, "-m", "annealscope.controller.cli", "analyze", str(hold), "-o", str(again)]
    done = subprocess.run(
        command, capture_output=True, timeout=WITHIN_S, env={**os.environ, "PYTHONIOENCODING": "utf-8"}
    )
    if done.returncode != 0:
        return [
            Violation("same", name, f"analyze ends with {done.returncode}: {done.stderr.decode()[-300:]}")
        ]
    with h5py.File(hold, "r") as file:
        groups = [str(group) for group in file["entry"].attrs.get("results", ())]
    if not groups:
        return [Violation("same", name, "has no results")]
    return [Violation("same", name, f"{place} differs") for place in differences(hold, again, groups)]


def differences(one: Path, other: Path, groups: Sequence[str]) -> list[str]:
    """Return the places below ``/entry`` at which two files do not hold the same bits."""
    with h5py.File(one, "r") as a, h5py.File(other, "r") as b:
        return sorted(place for group in groups for place in _differences(a["entry"], b["entry"], group))


def _differences(a: h5py.Group, b: h5py.Group, path: str) -> Iterator[str]:
    if (path in a) != (path in b):
        yield path
        return
    for key in sorted(set(a[path].attrs) | set(b[path].attrs)):
        if not _same(a[path].attrs.get(key), b[path].attrs.get(key)):
            yield f"{path}@{key}"
    if isinstance(a[path], h5py.Dataset):
        if not _same(a[path][()], b[path][()]):
            yield path
        return
    for name in sorted(set(a[path]) | set(b[path])):
        yield from _differences(a, b, f"{path}/{name}")


def _same(one: object, other: object) -> bool:
    if one is None or other is None:
        return one is other
    first, second = np.asarray(one), np.asarray(other)
    same_form = first.dtype == second.dtype and first.shape == second.shape
    if first.dtype == object:
        return same_form and bool(np.all(first == second))
    return same_form and first.tobytes() == second.tobytes()
