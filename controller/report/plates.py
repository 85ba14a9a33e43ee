"""The figures of a report: which there are, and what is said below each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from annealscope.controller.report import captions, captions_ecm
from annealscope.controller.report.across import across, changes
from annealscope.controller.report.figures_age import figure_age, table_age
from annealscope.controller.report.figures_duration import figure_durations, table_durations
from annealscope.controller.report.figures_fem import (
    figure_patterns,
    figure_variance,
    table_patterns,
    table_variance,
)
from annealscope.controller.report.figures_hold import figure_drift, figure_g2, table_drift, table_g2
from annealscope.controller.report.figures_map import (
    figure_picture,
    figure_two_time,
    table_picture,
    table_two_time,
)
from annealscope.controller.report.figures_probes import (
    figure_pair_persistence,
    figure_stratton_voyles,
    table_probes,
)
from annealscope.controller.report.figures_relaxation import figure_relaxation, table_relaxation
from annealscope.controller.report.figures_rings import (
    figure_profile,
    figure_rings,
    table_profile,
    table_rings,
)
from annealscope.controller.report.figures_run import figure_temperature, table_temperature
from annealscope.controller.report.figures_tau_map import figure_tau_map, table_tau_map
from annealscope.controller.report.figures_temperature import (
    figure_variance_of_temperature,
    points_of,
    table_variance_of_temperature,
    truth_at,
)
from annealscope.controller.report.paper import Paper, paper_of
from annealscope.controller.report.style import Table
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray
from annealscope.controller.report.summary_run import ProbeSeries, RunSummary


@dataclass(frozen=True)
class Plate:
    """One figure of the report, not yet drawn."""

    name: str
    """Stem of its files."""

    title: str
    caption: str
    draw: Callable[[], Figure]
    table: Callable[[], Table]
    line_art: bool = True
    """Whether the colours carry no values: such a figure may be inverted on a dark page."""

    wide: bool = False
    """Whether it is made for the whole width of the page."""


def published(run: RunSummary) -> Paper | None:
    """Return the published numbers to show beside a run: those of its alloy as it was cast, if they exist."""
    holds = [hold for hold in run.holds if hold.material]
    return None if any(hold.state == "annealed" for hold in holds) else paper_of({h.material for h in holds})


def run_plates(run: RunSummary) -> Iterable[Plate]:
    """Yield the figures about the whole run that there are data for, its temperature first."""
    if run.trace is not None:
        yield Plate(
            "temperature", "Course of the run", captions.COURSE,
            lambda: figure_temperature(run), lambda: table_temperature(run), wide=True,
        )  # fmt: skip
    paper = published(run)
    yield from _relaxation_plates(run, paper)
    yield from _variance_plates(run, paper)
    yield from _probe_plates(run, paper)


def _relaxation_plates(run: RunSummary, paper: Paper | None) -> Iterable[Plate]:
    fitted = [hold for hold in run.holds if hold.fits]
    if not fitted:
        return
    what = across(fitted)
    against = f" against {what.words}" if changes(fitted, what) else " time and exponent"
    yield Plate(
        f"tau_of_{what.key}", f"Relaxation{against}", captions.relaxation(what, paper, run.simulated),
        lambda: figure_relaxation(fitted, paper), lambda: table_relaxation(fitted, paper),
    )  # fmt: skip


def _variance_plates(run: RunSummary, paper: Paper | None) -> Iterable[Plate]:
    scaled = run.scaled_variance
    points = points_of(run.holds, scaled)
    if points:
        yield Plate(
            "variance_of_temperature", "Variance against temperature",
            captions.variance_of_temperature(paper, scaled, points[0].hold.probe_nm),
            lambda: figure_variance_of_temperature(points, paper, scaled is not None),
            lambda: table_variance_of_temperature(points, scaled),
        )  # fmt: skip


def _probe_plates(run: RunSummary, paper: Paper | None) -> Iterable[Plate]:
    for number, series in enumerate(run.stratton_voyles, start=1):
        yield Plate(
            _numbered("stratton_voyles", number), "Stratton-Voyles plot", captions.STRATTON_VOYLES,
            partial(figure_stratton_voyles, series, paper, _true_heights(run, series)),
            partial(table_probes, series, "1/R^2 / 1/nm^2", "V first peak / 1"),
        )  # fmt: skip
    for number, series in enumerate(run.pair_persistence, start=1):
        yield Plate(
            _numbered("pair_persistence", number), "Pair persistence", captions.pair_persistence(series),
            partial(figure_pair_persistence, series, paper),
            partial(table_probes, series, "Q^2 / 1/nm^2", "Q^2/V / 1/nm^2"),
        )  # fmt: skip


def _true_heights(run: RunSummary, series: ProbeSeries) -> FloatArray | None:
    """Return what V of each point of a series should be, at its thickness; None for a real specimen."""
    holds = {hold.name: hold for hold in run.holds}
    names = [str(name) for name in series.numbers.get("holds", ())]
    scale = float(series.numbers.get("scaled_to_thickness", "nan"))
    if not names or not run.simulated or any(name not in holds for name in names):
        return None
    return np.array([truth_at(holds[name], scale if scale > 0 else None) for name in names])


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


@dataclass(frozen=True)
class Maker:
    """How one figure of a hold is made."""

    topic: str
    title: str
    there: Callable[[HoldSummary], object]
    """True where there are data for it."""

    caption: Callable[[HoldSummary], str]
    draw: Callable[[HoldSummary], Figure]
    table: Callable[[HoldSummary], Table]
    line_art: bool = True
    wide: bool = False


ECM = (
    Maker(
        "g2", "Correlation functions and fits",
        lambda hold: hold.correlation, captions_ecm.g2, figure_g2, table_g2,
    ),
    Maker(
        "durations", "Time against the length of the record",
        lambda hold: hold.durations, captions_ecm.durations, figure_durations, table_durations,
    ),
    Maker(
        "tau_map", "Map of relaxation times",
        lambda hold: hold.tau_map, captions_ecm.tau_map, figure_tau_map, table_tau_map, line_art=False,
        wide=True,
    ),
    Maker(
        "age", "Time against age",
        lambda hold: hold.aging, captions_ecm.age, figure_age, table_age,
    ),
    Maker(
        "two_time", "Two-time correlation",
        lambda hold: hold.two_time, lambda hold: captions.TWO_TIME, figure_two_time, table_two_time,
        line_art=False,
    ),
    Maker(
        "dark_field", "Dark field",
        lambda hold: hold.picture, captions.picture, figure_picture, table_picture, line_art=False,
    ),
    Maker(
        "drift", "Drift",
        lambda hold: hold.drift, lambda hold: captions.DRIFT, figure_drift, table_drift,
    ),
)  # fmt: skip

FEM = (
    Maker(
        "variance", "Normalised variance and its peaks",
        lambda hold: hold.variance, captions.variance, figure_variance, table_variance, wide=True,
    ),
    Maker(
        "patterns", "Mean pattern, variance image and dark field over the grid",
        lambda hold: hold.mean_pattern or hold.variance_image or hold.haadf, captions.patterns,
        figure_patterns, table_patterns, line_art=False, wide=True,
    ),
)  # fmt: skip

DIFFRACTION = (
    Maker(
        "profile", "Profile of the rings",
        lambda hold: hold.rings, captions.profile, figure_profile, table_profile,
    ),
    Maker(
        "rings", "Diffraction pattern",
        lambda hold: hold.mean_pattern, lambda hold: captions.RINGS, figure_rings, table_rings,
        line_art=False,
    ),
)  # fmt: skip

MAKERS = {"ecm": ECM, "fem": FEM, "diffraction": DIFFRACTION}


def hold_plates(hold: HoldSummary) -> Iterable[Plate]:
    """Yield the figures of one hold that there are data for."""
    for maker in MAKERS.get(hold.method, ECM):
        if maker.there(hold):
            yield _plate(maker, hold)


def _plate(maker: Maker, hold: HoldSummary) -> Plate:
    return Plate(
        name=f"{hold.name}_{maker.topic}",
        title=maker.title,
        caption=maker.caption(hold),
        draw=lambda: maker.draw(hold),
        table=lambda: maker.table(hold),
        line_art=maker.line_art,
        wide=maker.wide,
    )
