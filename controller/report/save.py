"""Figures and tables as files."""

import csv
import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from annealscope.controller.report.plates import Plate
from annealscope.controller.report.style import STYLE, Table


@dataclass(frozen=True)
class DrawnPlate:
    """A figure, drawn once for the page, its files and the report on paper."""

    plate: Plate
    figure: Figure
    """Its layout is settled."""

    png: bytes

    @property
    def data_uri(self) -> str:
        """The picture as the page embeds it."""
        return f"data:image/png;base64,{b64encode(self.png).decode()}"


def save_plate(plate: Plate, folder: Path) -> DrawnPlate:
    """Write ``NAME.png``, ``NAME.pdf`` and ``NAME.csv`` into a folder; return the figure."""
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
    return DrawnPlate(plate, figure, png.getvalue())


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
