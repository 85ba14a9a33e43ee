"""What a simulated specimen remembers of a run: how hot it was, and where the beam has been."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from annealscope.controller.errors import ExitCode, RunError
from annealscope.controller.journal import read_journal
from annealscope.controller.record.runfolder import RunFolder
from annealscope.simulators.world import FloatArray, World


def restore_world(run: RunFolder, world: World) -> None:
    """Give a simulated specimen its memory back. Raises RunError when the journal is of another one."""
    records = list(read_journal(run.journal))
    t_s, temperature_K = heat_of(records)
    places_nm = [tuple(record["position_nm"]) for record in records if record["kind"] == "region"]
    continued = 1 + sum(record["kind"] == "run_continued" for record in records)
    try:
        world.restore(world.ages_of_s(t_s, temperature_K), places_nm, continued)
    except ValueError as error:
        raise RunError(f"{run.journal} is of another specimen: {error}", ExitCode.INVALID_INPUT) from None


def heat_of(records: Sequence[dict[str, Any]]) -> tuple[FloatArray, FloatArray]:
    """Return times in s and temperatures in K, (n,) each: of all readings, and of the end of each part.

    A part of a run that has ended keeps the temperature of its last reading to its last record.
    """
    heat: list[tuple[float, float]] = []
    for before, record in zip([None, *records], [*records, None], strict=True):
        if before is not None and heat and (record is None or record["kind"] == "run_continued"):
            heat.append((before["t_s"], heat[-1][1]))
        if record is not None and record["kind"] == "reading":
            heat.append((record["t_s"], record["temperature_K"]))
    t_s, temperature_K = np.array(heat, dtype=np.float64).reshape(-1, 2).T
    return t_s, temperature_K
