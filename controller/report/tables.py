"""The tables of a report below the first: numbers against the truth, dose, and what a hold was."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from annealscope.controller.config.wording import counted, duration, scientific
from annealscope.controller.report import cells
from annealscope.controller.report.cells import UNKNOWN, Cell
from annealscope.controller.report.numbers import beside, percent, pm
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
        ("Hold", Cell(f"{check.method} {check.label}", check.temperature_degC)),
        ("Number", Cell(SYMBOLS[check.quantity])),
        ("Age at start", _number(check.age_s, duration(check.age_s))),
        ("Found ± σ", _number(check.value, pm(check.value, check.sigma, _unit(check)))),
        ("Truth", _number(check.truth, beside(check.truth, check.sigma, _unit(check)))),
        ("Ratio", _number(check.ratio, f"{check.ratio:.3f}")),
        ("Off by", _number(check.off_by, _signed(deviation.format(check.off_by)))),
        ("Allowed", _number(check.tolerance, allowed.format(check.tolerance))),
        ("Verdict", Cell(check.verdict, None, VERDICT_KINDS.get(check.verdict, ""), check.flagged)),
    ]


def _signed(text: str) -> str:
    """Return a signed number in print: with a minus, and none before nothing."""
    return text.replace("-", "−") if text.strip("+-0.%") else text.lstrip("+-")


def _unit(check: Check) -> str:
    return check.unit.replace("1/nm", "nm⁻¹")


def _number(value: float, text: str) -> Cell:
    return Cell(text, value) if np.isfinite(value) else UNKNOWN


def dose_cells(dose: DoseLedger, region: RegionDose, labels: Mapping[str, str]) -> NamedCells:
    """Return one line of the table of dose, each cell with its name; ``labels`` are the words for holds."""
    share = dose.share(region)
    place = region.position_nm
    return [
        ("Region", Cell(str(region.number), region.number)),
        ("Exposed", _number(region.exposed_per_nm2, scientific(region.exposed_per_nm2))),
        ("Beam on", _number(region.beam_on_per_nm2, scientific(region.beam_on_per_nm2))),
        ("Share of the limit", _share(share)),
        ("Thickness", _number(region.thickness, f"{region.thickness:.2f}")),
        ("Place y, x", Cell(f"{place[0]:.0f}, {place[1]:.0f} nm") if place else UNKNOWN),
        ("Used by", Cell(", ".join(labels.get(name, name) for name in region.holds) or "–")),
    ]


def _share(share: float) -> Cell:
    if not np.isfinite(share):
        return UNKNOWN
    return Cell(percent(share), share, "bad" if share > 1 else "")


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
    rate = f"{scientific(hold.dose_rate_per_nm2_s, 1)} e/nm²/s"
    if hold.dose_rate_per_nm2_s > 0 and rate not in hold.variant:
        yield rate
    if np.isfinite(hold.probe_nm) and "probe" not in hold.variant:
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
