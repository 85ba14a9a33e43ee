"""Text, tables and figures as blocks that stand below each other on pages of paper."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from typing import Protocol

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from annealscope.controller.report.cells import Cell
from annealscope.controller.report.style import GREEN, GREY, INK, LIGHT, RED

WIDTH_MM, HEIGHT_MM = 210.0, 297.0
"""A4, upright."""

MM_PER_INCH, MM_PER_POINT = 25.4, 25.4 / 72
LEADING = 1.35
"""Distance of lines in sizes of the font."""

LEAST_GAP_MM, LARGEST_GAP_MM = 2.2, 9.0
"""Between the columns of a table."""

FEW_COLUMNS = 8
"""Columns up to which a table has letters of the usual size."""

COLOURS = {"good": GREEN, "bad": RED}


class Block(Protocol):
    """Something of a known height that can be drawn on a page."""

    @property
    def height_mm(self) -> float:
        """How much of the page it takes, with the space below it."""
        ...

    def draw(self, page: Figure, left_mm: float, top_mm: float) -> None:
        """Draw it with its upper left corner at a place that counts from that of the page."""
        ...


@dataclass(frozen=True)
class Font:
    """How letters look."""

    size_pt: float
    bold: bool = False
    colour: str = INK

    @property
    def line_mm(self) -> float:
        """Height of a line."""
        return self.size_pt * LEADING * MM_PER_POINT

    @property
    def weight(self) -> str:
        """Name of the weight."""
        return "bold" if self.bold else "normal"


@lru_cache(maxsize=4096)
def width_mm(text: str, font: Font) -> float:
    """Return how wide a text is in print."""
    properties = FontProperties(size=font.size_pt, weight=font.weight)
    width_pt, _, _ = text_to_path.get_text_width_height_descent(text, properties, False)
    return float(width_pt) * MM_PER_POINT


def wrap(text: str, font: Font, at_mm: float) -> list[str]:
    """Break a text into lines; a word that is wider than a line keeps one of its own."""
    lines = []
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if line and width_mm(longer, font) > at_mm:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


@dataclass(frozen=True)
class Text:
    """Lines of text."""

    lines: Sequence[str]
    font: Font
    gap_mm: float = 0.0
    """Space below it."""

    @property
    def height_mm(self) -> float:
        """Height of all lines and of the space below."""
        return len(self.lines) * self.font.line_mm + self.gap_mm

    def draw(self, page: Figure, left_mm: float, top_mm: float) -> None:
        """Draw the lines below each other."""
        for number, line in enumerate(self.lines):
            base_mm = top_mm + (number + 0.75) * self.font.line_mm
            page.text(
                left_mm / WIDTH_MM, 1 - base_mm / HEIGHT_MM, line,
                size=self.font.size_pt, weight=self.font.weight, color=self.font.colour, va="baseline",
                parse_math=False,
            )  # fmt: skip


class _Placed(Artist):
    """A finished figure as a part of another one."""

    def __init__(self, figure: Figure) -> None:
        super().__init__()
        self._placed = figure

    def draw(self, renderer: RendererBase) -> None:
        """Draw the figure where its box is."""
        self._placed.draw(renderer)


@dataclass(frozen=True)
class Picture:
    """A figure whose layout is settled, in its own size."""

    figure: Figure

    @property
    def height_mm(self) -> float:
        """Height of the figure."""
        return float(self.figure.bbox_inches.height) * MM_PER_INCH

    @property
    def width_mm(self) -> float:
        """Width of the figure."""
        return float(self.figure.bbox_inches.width) * MM_PER_INCH

    def draw(self, page: Figure, left_mm: float, top_mm: float) -> None:
        """Put the figure on the page, as lines and letters."""
        bottom_mm = HEIGHT_MM - top_mm - self.height_mm
        box_mm = np.array([[left_mm, bottom_mm], [left_mm + self.width_mm, bottom_mm + self.height_mm]])
        self.figure.dpi = page.dpi
        self.figure.bbox_inches.set_points(box_mm / MM_PER_INCH)
        page.add_artist(_Placed(self.figure))


@dataclass(frozen=True)
class Stack:
    """Blocks below each other that are not torn apart."""

    blocks: Sequence[Block]

    @property
    def height_mm(self) -> float:
        """Height of all of them."""
        return sum(block.height_mm for block in self.blocks)

    def draw(self, page: Figure, left_mm: float, top_mm: float) -> None:
        """Draw each below the one before."""
        heights = accumulate((block.height_mm for block in self.blocks), initial=top_mm)
        for block, at_mm in zip(self.blocks, heights, strict=False):
            block.draw(page, left_mm, at_mm)


@dataclass(frozen=True)
class Beside:
    """Blocks side by side."""

    blocks: Sequence[Block]
    offsets_mm: Sequence[float]

    @property
    def height_mm(self) -> float:
        """Height of the highest."""
        return max(block.height_mm for block in self.blocks)

    def draw(self, page: Figure, left_mm: float, top_mm: float) -> None:
        """Draw each at its distance from the left."""
        for block, offset_mm in zip(self.blocks, self.offsets_mm, strict=True):
            block.draw(page, left_mm + offset_mm, top_mm)


@dataclass(frozen=True)
class Rule:
    """A horizontal line."""

    length_mm: float
    gap_mm: float = 1.0

    @property
    def height_mm(self) -> float:
        """Space around the line."""
        return self.gap_mm

    def draw(self, page: Figure, left_mm: float, top_mm: float) -> None:
        """Draw it in the middle of its space."""
        y = 1 - (top_mm + self.gap_mm / 2) / HEIGHT_MM
        x = [left_mm / WIDTH_MM, (left_mm + self.length_mm) / WIDTH_MM]
        page.add_artist(Line2D(x, [y, y], color=LIGHT, lw=0.5, transform=page.transFigure))


def table_rows(rows: Sequence[Sequence[tuple[str, Cell]]], within_mm: float) -> tuple[Block, list[Block]]:
    """Return the head of a table and its lines.

    Parameters
    ----------
    rows
        At least one line; every cell with the name of its column.
    within_mm
        Width of the table. Columns take what they need, the widest ones are broken into lines when that
        is too much.
    """
    size_pt = 6.8 if len(rows[0]) <= FEW_COLUMNS else 6.2
    head = Font(size_pt, bold=True)
    names = [name for name, _ in rows[0]]
    room_mm = within_mm - LEAST_GAP_MM * max(len(names) - 1, 1)
    cells_mm = [max(_cell_mm(row[column][1], size_pt) for row in rows) for column in range(len(names))]
    natural_mm = [max(width_mm(name, head), cell_mm) for name, cell_mm in zip(names, cells_mm, strict=True)]
    if sum(natural_mm) > room_mm:
        natural_mm = [
            max(_word_mm(name, head), cell_mm) for name, cell_mm in zip(names, cells_mm, strict=True)
        ]
    widths_mm = fitted(natural_mm, room_mm)
    gap_mm = min((within_mm - sum(widths_mm)) / max(len(names) - 1, 1), LARGEST_GAP_MM)
    offsets_mm = list(accumulate((width + gap_mm for width in widths_mm[:-1]), initial=0.0))

    def line(blocks: Iterable[Block]) -> Block:
        return Stack([Beside(list(blocks), offsets_mm), Rule(within_mm, 1.4)])

    cells = [[cell for _, cell in row] for row in rows]
    titles = [Text(wrap(name, head, at_mm), head) for name, at_mm in zip(names, widths_mm, strict=True)]
    return line(titles), [line(map(partial(_cell, size_pt), row, widths_mm)) for row in cells]


def fitted(natural_mm: Sequence[float], within_mm: float) -> list[float]:
    """Return widths that fit: the widest give first, all that are cut are equally wide.

    >>> fitted([10.0, 50.0, 80.0], 90.0)
    [10.0, 40.0, 40.0]
    """
    left_mm, cap_mm = within_mm, float("inf")
    for number, width in enumerate(sorted(natural_mm)):
        cap_mm = left_mm / (len(natural_mm) - number)
        if width > cap_mm:
            return [min(width, cap_mm) for width in natural_mm]
        left_mm -= width
    return list(natural_mm)


def _fonts(cell: Cell, size_pt: float) -> Iterable[tuple[str, Font]]:
    """Yield what stands in a cell, each with its font."""
    yield cell.text, Font(size_pt, cell.kind == "best", COLOURS.get(cell.kind, INK))
    if cell.note:
        yield cell.note, Font(size_pt - 1, colour=RED)
    if cell.aside:
        yield cell.aside, Font(size_pt - 1, colour=GREY)


def _word_mm(name: str, font: Font) -> float:
    """Return the least that the name of a column needs: room for its longest word."""
    return max((width_mm(word, font) for word in name.split()), default=0.0)


def _cell_mm(cell: Cell, size_pt: float) -> float:
    return max(width_mm(text, font) for text, font in _fonts(cell, size_pt))


def _cell(size_pt: float, cell: Cell, at_mm: float) -> Block:
    # A width that was measured must hold its own text again, whatever the rounding.
    return Stack([Text(wrap(text, font, at_mm + 0.01), font) for text, font in _fonts(cell, size_pt)])
