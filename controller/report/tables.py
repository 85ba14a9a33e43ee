"""The tables of a report below the first: numbers against the truth, dose, and what a hold was."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from annealscope.controller.report import cells
from annealscope.controller.report.cells import UNKNOWN, Cell
from annealscope.controller.report.numbers import counted, duration, pm, scientific
from annealscope.controller.report.style import Table
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import DoseLedger, RegionDose
from annealscope.controller.report.verdicts import Check

NamedCells = list[tuple[str, Cell]]

SYMBOLS = {"tau": "τ", "beta": "β", "V_max": "V₁", "k": "k₁", "V_ratio": "V₂/V₁"}
VERDICT_KINDS = {"pass": "good", "fail": "bad"}
RELATIVE = frozenset({"tau", "V_max"})
"""Quantities whose deviation and tolerance are relative."""


def check_cells(check: Check) -> NamedCells:
    """Return one line of the table of truth, each cell with its name."""
    deviation = "{:+.1%}" if check.quantity in RELATIVE else "{:+.3f}"
    allowed = "±{:.1%}" if check.quantity in RELATIVE else "±{:.3f}"
    return [
        ("Hold", Cell(f"{check.label} {check.method}", check.temperature_degC)),
        ("Number", Cell(SYMBOLS[check.quantity])),
        ("Age at start", _number(check.age_s, duration(check.age_s))),
        ("Found ± σ", _number(check.value, pm(check.value, check.sigma, _unit(check)))),
        ("Truth", _number(check.truth, pm(check.truth, unit=_unit(check)))),
        ("Ratio", _number(check.ratio, f"{check.ratio:.3f}")),
        ("Off by", _number(check.off_by, deviation.format(check.off_by).replace("-", "−"))),
        ("Allowed", _number(check.tolerance, allowed.format(check.tolerance))),
        ("Verdict", Cell(check.verdict, None, VERDICT_KINDS.get(check.verdict, ""), check.flagged)),
    ]


def _unit(check: Check) -> str:
    return check.unit.replace("1/nm", "nm⁻¹")


def _number(value: float, text: str) -> Cell:
    return Cell(text, value) if np.isfinite(value) else UNKNOWN


def dose_cells(dose: DoseLedger, region: RegionDose) -> NamedCells:
    """Return one line of the table of dose, each cell with its name."""
    share = dose.share(region)
    place = region.position_nm
    return [
        ("Region", Cell(str(region.number), region.number)),
        ("Exposed", _number(region.exposed_per_nm2, scientific(region.exposed_per_nm2))),
        ("Beam on", _number(region.beam_on_per_nm2, scientific(region.beam_on_per_nm2))),
        ("Share of the limit", _share(share)),
        ("Thickness", _number(region.thickness, f"{region.thickness:.2f}")),
        ("Place y, x", Cell(f"{place[0]:.0f}, {place[1]:.0f} nm") if place else UNKNOWN),
        ("Used by", Cell(", ".join(region.holds) or "–")),
    ]


def _share(share: float) -> Cell:
    return Cell(f"{share:.0%}", share, "bad" if share > 1 else "") if np.isfinite(share) else UNKNOWN


def table_dose(dose: DoseLedger) -> Table:
    """Return one row per region."""
    header = (
        "region", "exposed dose / 1/nm^2", "beam-on dose / 1/nm^2", "share of limit / 1",
        "thickness / mean free paths", "y / nm", "x / nm", "holds",
    )  # fmt: skip
    return header, [_dose_row(dose, region) for region in dose.regions]


def _dose_row(dose: DoseLedger, region: RegionDose) -> tuple[Any, ...]:
    y_nm, x_nm = region.position_nm or (float("nan"), float("nan"))
    return (
        str(region.number), region.exposed_per_nm2, region.beam_on_per_nm2, dose.share(region),
        region.thickness, y_nm, x_nm, " ".join(region.holds),
    )  # fmt: skip


def description(hold: HoldSummary, regions: Sequence[RegionDose]) -> Iterable[str]:
    """Yield what an acquisition was, in a few words each."""
    if np.isfinite(hold.age_s):
        yield f"begun at age {duration(hold.age_s)}"
    yield f"{_frames(hold)} in {duration(hold.duration_s)}"
    if len(hold.segment_slots) > 1:
        yield f"{len(hold.segment_slots)} segments"
    if np.isfinite(hold.probe_nm):
        yield f"probe {hold.probe_nm:g} nm"
    for region in regions:
        if hold.name in region.holds:
            thickness = f", {region.thickness:.2f} mean free paths" if np.isfinite(region.thickness) else ""
            yield f"region {region.number}{thickness}"
    if hold.frames_lost:
        yield f"{counted(hold.frames_lost, 'frame')} lost"


def _frames(hold: HoldSummary) -> str:
    text = cells.frames(hold).text
    return f"{text} frames" if "of" in text else counted(hold.frames, "frame")
