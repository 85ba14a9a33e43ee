"""The methods of a run in prose, for a manuscript: facts of the record; what is not in it is left out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import load_rig
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.config.wording import counted, duration, scientific
from annealscope.controller.report.load_arrays import number
from annealscope.controller.report.load_journal import Records
from annealscope.controller.report.manuscript_methods import analysis, recordings
from annealscope.controller.report.numbers import listed, span
from annealscope.controller.report.provenance import json_of
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import RunSummary, TemperatureTrace
from annealscope.controller.units import to_celsius

REFERENCE = (
    "The method follows Vaerst, Rösner, Peterlechner and Wilde, local structure and dynamics of the bulk "
    "metallic glass AMZ4 during annealing."
)

RAMPS = {"ramp": "heated", "cool": "cooled"}
"""Kinds of steps that change the temperature, and what they do."""

SETTLE = ("within_K", "for_s")
"""What the plan says of a temperature that counts as reached."""

Plan = Mapping[str, Any]


def methods_text(run: RunSummary) -> str:
    """Return the methods of a run in prose, one paragraph a line.

    Parameters
    ----------
    run
        The run. Its ``plan.json`` and ``rig.yaml`` are read if they are there.
    """
    plan, rig = json_of(run.folder / "plan.json"), _rig(run.folder)
    paragraphs = [
        [*_simulated(run, rig), *_specimen(run.holds), *_heating(run, plan, _done(plan, run.records))],
        [*recordings(run), *_dose(run)],
        [*analysis(run.holds), *_completeness(run)],
        [*_software(run), REFERENCE],
    ]
    return "\n\n".join(" ".join(sentences) for sentences in paragraphs if sentences) + "\n"


def _rig(folder: Path) -> RigConfig | None:
    try:
        return load_rig(folder / "rig.yaml")
    except (ProtocolError, OSError):
        return None


def _done(plan: Plan, records: Records) -> list[Mapping[str, Any]]:
    """Return what the plan says of the steps that were begun; empty when the plan is damaged."""
    begun = {record.get("index") for record in records if record["kind"] == "step"}
    try:
        return [dict(entry["step"]) for entry in plan.get("steps", ()) if entry.get("index") in begun]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


def _simulated(run: RunSummary, rig: RigConfig | None) -> Iterator[str]:
    simulation = rig.simulation if rig else None
    if not (run.simulated or simulation):
        return
    model = f", model {simulation.material}" if simulation else ""
    seed = f", seed {run.provenance['seed']}" if "seed" in run.provenance else ""
    rig_name = f"rig {run.provenance['rig']}" if "rig" in run.provenance else "no rig named"
    yield (
        f"The specimen, the heating holder and the microscope were simulated ({rig_name}{model}{seed}): "
        "nothing in this text was measured on a real specimen."
    )


def _specimen(holds: Sequence[HoldSummary]) -> Iterator[str]:
    samples = [sample for hold in holds if (sample := hold.announcement.get("settings", {}).get("sample"))]
    if not samples or not samples[0].get("name"):
        return
    sample = samples[0]
    parts = [_formula(sample.get("composition") or {}), str(sample.get("state") or "")]
    for key, words in (
        ("glass_transition_K", "glass transition"),
        ("crystallization_onset_K", "onset of crystallization"),
    ):
        if number(sample.get(key)) > 0:
            parts.append(f"{words} {to_celsius(sample[key]):.4g} °C")
    if number(sample.get("mean_free_path_nm")) > 0:
        parts.append(f"inelastic mean free path {sample['mean_free_path_nm']:g} nm")
    parts.append(str(sample.get("preparation") or ""))
    known = "; ".join(part for part in parts if part)
    yield f"The specimen was {sample['name']}{f' ({known})' if known else ''}."


def _formula(composition: Mapping[str, float]) -> str:
    elements = "".join(f"{element}{percent:g}" for element, percent in composition.items())
    return f"{elements}, at.%" if elements else ""


def _heating(run: RunSummary, plan: Plan, steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    parts = [words for kind, verb in RAMPS.items() if (words := _ramps(steps, kind, verb))]
    if parts:
        yield f"It was {listed(parts)}."
    settle = plan.get("settle")
    within_K, for_s = (number(settle.get(key)) if isinstance(settle, dict) else np.nan for key in SETTLE)
    if within_K > 0 and for_s >= 0:
        yield (
            f"A temperature counted as reached when it had stayed within {within_K:g} K of the set one for "
            f"{duration(for_s)}; the age counts from there."
        )
    yield from _waits(steps)
    yield from _stability(run.trace, run.holds)
    parked_s = [stretch.end_s - stretch.start_s for stretch in run.interruptions if stretch.state == "parked"]
    if parked_s:
        each = " each" if len(parked_s) > 1 else ""
        yield f"The run was parked {counted(len(parked_s), 'time')}, for {span(parked_s, duration)}{each}."


def _ramps(steps: Sequence[Mapping[str, Any]], kind: str, verb: str) -> str:
    """Say where the ramps of one direction went, and how fast they were asked to."""
    alike = [step for step in steps if step.get("kind") == kind]
    ramps = [
        step for step in alike if number(step.get("target_K")) > 0 and number(step.get("rate_K_per_s")) > 0
    ]
    targets = dict.fromkeys(f"{to_celsius(step['target_K']):.4g}" for step in ramps)
    rates = dict.fromkeys(f"{60 * step['rate_K_per_s']:.4g}" for step in ramps)
    if not ramps:
        return ""
    return f"{verb} to {listed(list(targets))} °C at a set rate of {listed(list(rates))} K/min"


def _waits(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    waits = dict.fromkeys(_wait(step) for step in steps if step.get("kind") == "wait")
    found = [words for words in waits if words]
    if found:
        yield f"The waits of the protocol were: {'; '.join(found)}."


def _wait(step: Mapping[str, Any]) -> str:
    """Say what a wait waited for."""
    names = ("for_s", "until_age_s", "drift_below_nm_per_s", "at_most_s")
    for_s, age_s, drift_nm_per_s, at_most_s = (number(step.get(name)) for name in names)
    conditions = (
        f"for {duration(for_s)}" if for_s >= 0 else "",
        f"to an age of {duration(age_s)}" if age_s >= 0 else "",
        f"until the drift was below {60 * drift_nm_per_s:.3g} nm/min" if drift_nm_per_s > 0 else "",
    )
    words = listed([each for each in conditions if each])
    return f"{words}, at most {duration(at_most_s)}" if words and at_most_s > 0 else words


def _stability(trace: TemperatureTrace | None, holds: Sequence[HoldSummary]) -> Iterator[str]:
    """Say how well the temperature was kept while frames were taken."""
    if trace is None:
        return
    found = []
    for hold in holds:
        inside = (trace.t_s >= hold.opened_s) & (trace.t_s <= hold.closed_s)
        off_K = trace.measured_degC[inside] - hold.setpoint_degC
        off_K = off_K[np.isfinite(off_K)]
        if len(off_K) > 1:
            found.append((abs(float(off_K.mean())), float(off_K.std(ddof=1))))
    if found:
        mean_K, spread_K = (max(column) for column in zip(*found, strict=True))
        yield (
            f"During {counted(len(found), 'acquisition')} the measured temperature was on average within "
            f"{mean_K:.2g} K of the set one, with a standard deviation of {spread_K:.2g} K at most."
        )


def _dose(run: RunSummary) -> Iterator[str]:
    used = [region for region in run.dose.regions if region.holds]
    doses = [dose for region in used if np.isfinite(dose := run.dose.counted_per_nm2(region))]
    if not doses:
        return
    counts = "during exposures" if run.dose.counts == "exposed" else "with the beam on"
    limit = run.dose.limit_per_nm2
    against = f"; the limit was {scientific(limit)} e/nm²" if limit > 0 else ""
    yield f"Each region received {span(doses, scientific)} e/nm² {counts}{against}."


def _completeness(run: RunSummary) -> Iterator[str]:
    frames, lost, unused = (
        sum(getattr(hold, name) for hold in run.holds) for name in ("frames", "frames_lost", "frames_unused")
    )
    if frames:
        used = f"{unused} of those recorded were not used" if unused else "all that were recorded were used"
        yield f"Of {frames + lost} frames {lost or 'none'} {'was' if lost == 1 else 'were'} lost; {used}."
    if run.outcome != "success":
        yield f"The outcome of the run is: {run.outcome}."


def _software(run: RunSummary) -> Iterator[str]:
    known = run.provenance
    if "version" not in known:
        return
    libraries = [
        f"{name.removeprefix('packages ')} {value}"
        for name, value in known.items()
        if name.startswith("packages ") and name.endswith((" numpy", " scipy", " numba", " h5py"))
    ]
    python = [f"Python {known['python']}"] if "python" in known else []
    with_ = f" ({', '.join([*python, *libraries])})" if python or libraries else ""
    run_ = f"run {known['run']}" if "run" in known else f"run {run.folder.name}"
    begun = f" of {run.started_utc[:10]}" if run.started_utc else ""
    digest = f", SHA-256 {known['protocol sha256']}" if "protocol sha256" in known else ""
    yield (
        f"Experiment and analysis were run with annealscope {known['version']}{with_}: {run_}{begun}, "
        f"protocol “{run.title}”{digest}."
    )
