"""The figures of a report: which there are, what is said below each, and their files."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from annealscope.controller.report import captions
from annealscope.controller.report.figures_hold import figure_drift, figure_g2, table_drift, table_g2
from annealscope.controller.report.figures_map import (
    figure_picture,
    figure_tau_map,
    figure_two_time,
    table_picture,
    table_tau_map,
    table_two_time,
)
from annealscope.controller.report.figures_run import (
    figure_tau_of_temperature,
    figure_temperature,
    table_tau_of_temperature,
    table_temperature,
)
from annealscope.controller.report.style import STYLE, Table
from annealscope.controller.report.summary import HoldSummary, RunSummary


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


def run_plates(run: RunSummary) -> Iterable[Plate]:
    """Yield the figures about the whole run that there are data for."""
    if run.trace is not None:
        yield Plate(
            "temperature", "Temperature", captions.TEMPERATURE,
            lambda: figure_temperature(run), lambda: table_temperature(run),
        )  # fmt: skip
    fitted = [hold for hold in run.holds if hold.fits]
    if fitted:
        yield Plate(
            "tau_of_temperature", "Relaxation time against temperature", captions.TAU_OF_TEMPERATURE,
            lambda: figure_tau_of_temperature(fitted), lambda: table_tau_of_temperature(fitted),
        )  # fmt: skip


def hold_plates(hold: HoldSummary) -> Iterable[Plate]:
    """Yield the figures of one hold that there are data for."""

    def plate(
        topic: str, title: str, caption: str, draw: Callable[[HoldSummary], Figure],
        table: Callable[[HoldSummary], Table], line_art: bool = True,
    ) -> Plate:  # fmt: skip
        return Plate(
            f"{hold.name}_{topic}", title, caption, lambda: draw(hold), lambda: table(hold), line_art
        )

    if hold.correlation is not None:
        yield plate("g2", "Correlation functions and fits", captions.G2, figure_g2, table_g2)
    if hold.tau_map is not None:
        caption = captions.tau_map(hold.tau_map)
        yield plate("tau_map", "Map of relaxation times", caption, figure_tau_map, table_tau_map, False)
    if hold.two_time is not None:
        yield plate(
            "two_time", "Two-time correlation", captions.TWO_TIME, figure_two_time, table_two_time, False
        )
    if hold.picture is not None:
        caption = captions.picture(hold.picture)
        yield plate("dark_field", "Dark field", caption, figure_picture, table_picture, False)
    if hold.drift is not None:
        yield plate("drift", "Drift", captions.DRIFT, figure_drift, table_drift)


def save_plate(plate: Plate, folder: Path) -> bytes:
    """Write ``NAME.png``, ``NAME.pdf`` and ``NAME.csv`` into a folder; return the PNG."""
    png = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure = plate.draw()
        canvas: Any = FigureCanvasAgg(figure)
        canvas.print_png(png, metadata={"Software": None})
        # The layout is settled by the first drawing; solving it again only takes time.
        figure.set_layout_engine("none")
        canvas = FigureCanvasPdf(figure)
        canvas.print_pdf(folder / f"{plate.name}.pdf", metadata={"CreationDate": None})
    (folder / f"{plate.name}.png").write_bytes(png.getvalue())
    write_csv(folder / f"{plate.name}.csv", plate.table())
    return png.getvalue()


def write_csv(path: Path, table: Table) -> None:
    """Write a table as CSV (UTF-8, one header line); numbers keep nine digits, NaN is empty."""
    header, rows = table
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    text = f"{value:.9g}"
    return "" if text == "nan" else text
