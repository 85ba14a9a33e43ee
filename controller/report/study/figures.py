"""The figures of a study, numbered as in the paper: what each needs, and what is said below it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from annealscope.controller.report.figures_run import figure_temperature, table_temperature
from annealscope.controller.report.figures_temperature import has_first_peak, points_of
from annealscope.controller.report.plates import Plate
from annealscope.controller.report.study import (
    captions,
    figures_maps,
    figures_order,
    figures_probes,
    figures_relaxation,
)
from annealscope.controller.report.study.needs import Need
from annealscope.controller.report.study.summary import StudySummary
from annealscope.controller.report.style import Table

PROBES = ("as_cast_fem", "annealed_fem")
ROOM = ("as_cast_ecm", "annealed_ecm")
COMPARED = ("as_cast_ecm", "in_situ")
IN_SITU = ("in_situ",)


CHAPTERS = ("Order: variance at room temperature", "Order in situ", "Relaxation", "Supplement")
"""Of the figures, in their order."""


@dataclass(frozen=True)
class Maker:
    """How one figure is made."""

    number: str
    """In the paper."""

    topic: str
    title: str
    need: Need
    caption: Callable[[StudySummary], str]
    draw: Callable[[StudySummary], Figure]
    table: Callable[[StudySummary], Table]
    line_art: bool = True
    wide: bool = False

    @property
    def name(self) -> str:
        """Stem of its files."""
        number = "".join(c for c in self.number.lower() if c.isalnum())
        return f"fig_{number}_{self.topic}"

    @property
    def chapter(self) -> str:
        """What it stands under."""
        return CHAPTERS[{"3": 0, "4": 1, "A": 3}.get(self.number[0], 2)]

    @property
    def heading(self) -> str:
        """What stands above it."""
        return f"Fig. {self.number} · {self.title}"


@dataclass(frozen=True)
class Shown:
    """One figure of a study, or why there is none."""

    name: str
    heading: str
    plate: Plate | None
    missing: tuple[str, ...]
    """What is not in it, in sentences."""

    number: str
    chapter: str
    wide: bool


def _temperature(study: StudySummary) -> Figure:
    run = study.role("in_situ").run
    return figure_temperature(run) if run else Figure()


def _temperature_table(study: StudySummary) -> Table:
    run = study.role("in_situ").run
    return table_temperature(run) if run else ((), ())


TABLE_1_NEEDS = Need(COMPARED, "relaxation times", "ecm", lambda hold: hold.fits)

MAKERS = (
    Maker(
        "3 a, b", "variance_of_probes", "Variance with every probe size",
        Need(PROBES, "variance V(k)", "fem", lambda hold: hold.variance is not None),
        captions.probes, figures_probes.figure_variances, figures_probes.table_variances, wide=True,
    ),
    Maker(
        "3 c", "stratton_voyles", "Stratton-Voyles plot",
        Need(PROBES, "series of probe sizes", of_run=lambda role: role.stratton_voyles is not None),
        captions.stratton_voyles, figures_probes.figure_stratton_voyles,
        lambda study: figures_probes.table_series(
            figures_probes.stratton_voyles(study), "1/R^2 / 1/nm^2", "V first peak / 1"
        ),
    ),
    Maker(
        "3 d", "pair_persistence", "Pair persistence",
        Need(PROBES, "line through probe sizes", of_run=lambda role: role.pair_persistence is not None),
        captions.pair_persistence, figures_probes.figure_pair_persistence,
        lambda study: figures_probes.table_series(
            figures_probes.pair_persistence(study), "Q^2 / 1/nm^2", "Q^2/V / 1/nm^2"
        ),
    ),
    Maker(
        "4 a", "variance_in_situ", "Variance in situ",
        Need(IN_SITU, "first peak of V(k)", "fem", has_first_peak),
        captions.variance_in_situ, figures_order.figure_variances, figures_order.table_variances,
    ),
    Maker(
        "4 b", "variance_of_temperature", "First peak against temperature",
        Need(
            IN_SITU, "first peak of V(k)", "fem", has_first_peak, lambda role: points_of(role.holds("fem")),
            rule="the figure needs first peaks at two temperatures, with one probe size.",
        ),
        captions.heights, figures_order.figure_heights, figures_order.table_heights,
    ),
    Maker(
        "5", "durations", "Relaxation time against the length of the record",
        Need(ROOM, "relaxation times of its beginnings", "ecm", lambda hold: hold.durations is not None),
        captions.durations, figures_relaxation.figure_durations, figures_relaxation.table_lengths, wide=True,
    ),
    Maker(
        "6", "two_time_in_situ", "Two-time correlations in situ",
        Need(IN_SITU, "two-time correlation", "ecm", lambda hold: hold.two_time is not None),
        captions.two_times_in_situ,
        lambda study: figures_maps.figure_two_times(figures_maps.in_situ(study)),
        lambda study: figures_maps.table_two_times(figures_maps.in_situ(study)),
        line_art=False, wide=True,
    ),
    Maker(
        "7 a", "g2", "Correlation functions by temperature",
        Need(COMPARED, "g2 curves", "ecm", lambda hold: hold.correlation is not None),
        captions.correlations, figures_relaxation.figure_correlations, figures_relaxation.table_correlations,
        wide=True,
    ),
    Maker(
        "7 b", "fractions", "Relaxation times of pixels by temperature",
        Need(COMPARED, "map of relaxation times", "ecm", lambda hold: hold.tau_map is not None),
        captions.fractions, figures_relaxation.figure_fractions, figures_relaxation.table_fractions,
        wide=True,
    ),
    Maker(
        "8", "tau_maps", "Maps of relaxation times by temperature",
        Need(COMPARED, "map of relaxation times", "ecm", lambda hold: hold.tau_map is not None),
        captions.tau_maps, figures_maps.figure_tau_maps, figures_maps.table_tau_maps,
        line_art=False, wide=True,
    ),
    Maker(
        "A.9", "temperature", "Course of the in-situ run",
        Need(IN_SITU, "readings of the temperature", of_run=lambda role: role.run and role.run.trace),
        captions.course, _temperature, _temperature_table, wide=True,
    ),
    Maker(
        "A.10", "rings", "Ring profiles by temperature",
        Need(IN_SITU, "ring profile", "diffraction", lambda hold: hold.rings is not None),
        captions.rings, figures_order.figure_rings, figures_order.table_rings, wide=True,
    ),
    Maker(
        "A.11", "two_time_room", "Two-time correlations at room temperature",
        Need(ROOM, "two-time correlation", "ecm", lambda hold: hold.two_time is not None),
        captions.two_times_room,
        lambda study: figures_maps.figure_two_times(figures_maps.at_room_temperature(study)),
        lambda study: figures_maps.table_two_times(figures_maps.at_room_temperature(study)),
        line_art=False,
    ),
)  # fmt: skip


def study_figures(study: StudySummary) -> Iterable[Shown]:
    """Yield every figure of the paper in its order, those without data with what is missing."""
    for maker in MAKERS:
        lacking = tuple(dict.fromkeys(maker.need.lacking(study)))
        plate = _plate(maker, study) if maker.need.met(study) else None
        yield Shown(maker.name, maker.heading, plate, lacking, maker.number, maker.chapter, maker.wide)


def _plate(maker: Maker, study: StudySummary) -> Plate:
    return Plate(
        name=maker.name,
        title=maker.heading,
        caption=maker.caption(study),
        draw=partial(maker.draw, study),
        table=partial(maker.table, study),
        line_art=maker.line_art,
        wide=maker.wide,
    )
