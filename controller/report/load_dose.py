"""What every region of the specimen has seen: from the journal, or else from ``run.nxs``."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.load_journal import Record, Records
from annealscope.controller.report.summary_run import DoseLedger, RegionDose

Regions = dict[int, RegionDose]


def load_dose(folder: Path, records: Records, plan: Mapping[str, Any]) -> DoseLedger:
    """Return the regions of a run and their limit.

    Parameters
    ----------
    folder
        The run folder, for ``run.nxs``.
    records
        The journal.
    plan
        ``plan.json``, which has the limit; may be empty.
    """
    names = {record.get("hold"): str(record.get("name")) for record in records if _opened(record)}
    regions: Regions = {}
    here = 0
    for record in records:
        here = _region(record, here)
        if record["kind"] == "region":
            regions[here] = _moved(regions, here, record)
        elif record["kind"] == "dose":
            regions[here] = _counted(_used(regions, here, names.get(record.get("hold"))), record)
        elif _opened(record) and here:
            regions[here] = _used(regions, here, names.get(record.get("hold")))
    for region in _stored(folder / "run.nxs"):
        regions.setdefault(region.number, region)
    limit = number(plan.get("max_dose_per_region_per_nm2"))
    found = tuple(regions[number_] for number_ in sorted(regions))
    return DoseLedger(found, limit, str(plan.get("dose_counts", "beam_on")))


def _region(record: Record, before: int) -> int:
    """Return the number of the region after a record; most say nothing of it."""
    named = record.get("number" if record["kind"] == "region" else "region")
    return named if isinstance(named, int) else before


def _opened(record: Record) -> bool:
    return bool(record["kind"] == "hold_opened")


def _moved(regions: Regions, region: int, record: Record) -> RegionDose:
    position = [number(value) for value in record.get("position_nm") or ()]
    known = len(position) == 2 and all(map(math.isfinite, position))
    return replace(
        regions.get(region, RegionDose(region)),
        position_nm=(position[0], position[1]) if known else None,
        thickness=number(record.get("thickness")),
    )


def _used(regions: Regions, region: int, hold: str | None) -> RegionDose:
    known = regions.get(region, RegionDose(region))
    if hold is None or hold in known.holds:
        return known
    return replace(known, holds=(*known.holds, hold))


def _counted(region: RegionDose, record: Record) -> RegionDose:
    return replace(
        region,
        exposed_per_nm2=number(record.get("exposed_per_nm2")),
        beam_on_per_nm2=number(record.get("beam_on_per_nm2")),
    )


def _stored(path: Path) -> Iterable[RegionDose]:
    """Yield the regions in ``run.nxs``; none when it is absent, damaged or has none."""
    try:
        with h5py.File(path, "r") as file:
            table = {name: data[()] for name, data in file["entry/dose"].items() if data.ndim == 1}
    except (OSError, KeyError, AttributeError):
        return
    unknown = np.full(len(table.get("region", ())), np.nan)
    exposed, beam_on = (table.get(name, unknown) for name in ("exposed_per_nm2", "beam_on_per_nm2"))
    for row in range(len(unknown)):
        yield RegionDose(
            int(table["region"][row]),
            exposed_per_nm2=float(exposed[row]),
            beam_on_per_nm2=float(beam_on[row]),
        )
