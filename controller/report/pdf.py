"""A report on paper: title page, tables, all figures with their captions, page numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

import matplotlib as mpl
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from annealscope.controller.report.overview import Fact
from annealscope.controller.report.plates import Plate
from annealscope.controller.report.style import DOUBLE_MM, GREY, INK, PNG_DPI, SINGLE_MM, STYLE
from annealscope.controller.report.tables import NamedCells
from annealscope.controller.report.typeset import (
    COLOURS,
    HEIGHT_MM,
    MM_PER_INCH,
    WIDTH_MM,
    Beside,
    Block,
    Font,
    Picture,
    Stack,
    Text,
    table_rows,
    width_mm,
    wrap,
)

LEFT_MM = (WIDTH_MM - DOUBLE_MM) / 2
TOP_MM, BOTTOM_MM = 16.0, HEIGHT_MM - 18.0
"""Where the text begins and ends on a page."""

TILES = 5
"""In a row."""

WHOLE_TABLE = 8
"""Lines up to which a table is not torn apart."""

TITLE, HEADING, SUBHEADING, BODY, SMALL = (
    Font(17, bold=True), Font(12, bold=True), Font(8.5, bold=True), Font(7.5), Font(6.8, colour=GREY),
)  # fmt: skip


class Drawn(Protocol):
    """A plate with its figure, which is drawn already and whose layout is settled."""

    @property
    def plate(self) -> Plate:
        """What it is."""
        ...

    @property
    def figure(self) -> Figure:
        """What it looks like. It is moved onto a page, and of no other use afterwards."""
        ...


@dataclass(frozen=True)
class CellTable:
    """A table."""

    rows: Sequence[NamedCells]
    """All of the same columns; no table is printed when there is none."""

    note: str = ""
    """What a reader must know of it."""


Part = Drawn | CellTable | str


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    parts: Sequence[Part]
    words: str = ""
    """Said of all of it, in small letters below the heading."""


@dataclass(frozen=True)
class Cover:
    """What the first page begins with."""

    title: str
    outcome: str
    tiles: Sequence[Fact] = ()
    facts: Sequence[tuple[str, str]] = ()
    """What it is about, each with its name."""


def write_pdf(path: Path, cover: Cover, sections: Iterable[Section]) -> int:
    """Write a report as PDF: A4, upright, with fonts that can be searched and edited.

    Parameters
    ----------
    path
        The file.
    cover
        What the first page begins with; the first section follows on it.
    sections
        In their order. Narrow figures that follow each other stand in pairs.

    Returns
    -------
    Number of pages.
    """
    with mpl.rc_context(STYLE):
        pages = list(_pages([*_cover(cover), *(block for each in sections for block in _section(each))]))
        metadata = {"Title": cover.title, "Creator": "annealscope", "CreationDate": None}
        with PdfPages(path, metadata=metadata) as file:
            for number, blocks in enumerate(pages, start=1):
                page = _page(blocks, f"{number} / {len(pages)}", cover.title)
                page.savefig(file, format="pdf", dpi=PNG_DPI)
    return len(pages)


@dataclass(frozen=True)
class _Flow:
    """A block in the flow of pages."""

    block: Block
    again: Block | None = None
    """What is repeated above it when it begins a page: the head of a table."""

    keep: bool = False
    """Whether it stays with the one that follows."""


def _pages(flow: Sequence[_Flow]) -> Iterator[list[Block]]:
    """Yield what stands on each page."""
    page: list[Block] = []
    used_mm = 0.0
    for group in _groups(flow):
        height_mm = sum(each.block.height_mm for each in group)
        if page and used_mm + height_mm > BOTTOM_MM - TOP_MM:
            yield page
            again = [group[0].again] if group[0].again else []
            page, used_mm = [*again], sum(block.height_mm for block in again)
        page += [each.block for each in group]
        used_mm += height_mm
    yield page


def _groups(flow: Sequence[_Flow]) -> Iterator[list[_Flow]]:
    """Yield blocks that must stand on one page."""
    group: list[_Flow] = []
    for each in flow:
        group.append(each)
        if not each.keep:
            yield group
            group = []
    if group:
        yield group


def _page(blocks: Sequence[Block], number: str, title: str) -> Figure:
    page = Figure(figsize=(WIDTH_MM / MM_PER_INCH, HEIGHT_MM / MM_PER_INCH), dpi=72)
    Stack(blocks).draw(page, LEFT_MM, TOP_MM)
    foot_mm = HEIGHT_MM - 12.0
    Text([title], SMALL).draw(page, LEFT_MM, foot_mm)
    Text([number], SMALL).draw(page, LEFT_MM + DOUBLE_MM - width_mm(number, SMALL), foot_mm)
    return page


def _cover(cover: Cover) -> Iterator[_Flow]:
    yield _Flow(_text(cover.title, TITLE, gap_mm=1.0))
    if cover.outcome:
        yield _Flow(_text(cover.outcome, Font(9.5), gap_mm=4.0))
    for start in range(0, len(cover.tiles), TILES):
        yield _Flow(_tiles(cover.tiles[start : start + TILES]))
    for name, value in cover.facts:
        yield _Flow(Beside([_text(name, SMALL, 32.0), _text(value, BODY, DOUBLE_MM - 34.0)], (0.0, 34.0)))


def _tiles(tiles: Sequence[Fact]) -> Block:
    wide_mm = DOUBLE_MM / max(len(tiles), 4)
    found = [
        Stack([
            _text(tile.number, Font(15, True, COLOURS.get(tile.kind, INK)), wide_mm - 4),
            _text(tile.text, SMALL, wide_mm - 4, gap_mm=4.0),
        ])
        for tile in tiles
    ]  # fmt: skip
    return Beside(found, [number * wide_mm for number in range(len(found))])


def _section(section: Section) -> Iterator[_Flow]:
    """Yield a heading and what stands below it; nothing when nothing does."""
    content = [flow for part in _grouped(section.parts) for flow in part]
    if not content:
        return
    yield _Flow(Stack([_space(5.0), _text(section.heading, HEADING, gap_mm=1.5)]), keep=True)
    if section.words:
        yield _Flow(_text(section.words, SMALL, gap_mm=2.0), keep=True)
    yield from content


def _grouped(parts: Iterable[Part]) -> Iterator[Iterable[_Flow]]:
    for narrow, group in groupby(parts, key=_is_narrow):
        if narrow:
            yield _pairs([_plate(part) for part in group if not isinstance(part, str | CellTable)])
        else:
            yield from (_wide(part) for part in group)


def _is_narrow(part: Part) -> bool:
    return not isinstance(part, str | CellTable) and Picture(part.figure).width_mm <= SINGLE_MM + 1


def _pairs(plates: Sequence[Block]) -> Iterator[_Flow]:
    for start in range(0, len(plates), 2):
        pair = plates[start : start + 2]
        yield _Flow(Beside(pair, (0.0, DOUBLE_MM - SINGLE_MM)[: len(pair)]))


def _wide(part: Part) -> Iterator[_Flow]:
    if part == "":
        return
    if isinstance(part, str):
        # Line by line, as a text may be longer than a page.
        yield from (_Flow(Text([line], BODY)) for line in wrap(part, BODY, DOUBLE_MM))
        yield _Flow(_space(2.0))
    elif isinstance(part, CellTable):
        yield from _table(part)
    else:
        yield _Flow(_plate(part))


def _table(table: CellTable) -> Iterator[_Flow]:
    if not table.rows:
        return
    head, lines = table_rows(table.rows, DOUBLE_MM)
    yield _Flow(head, keep=True)
    whole = len(lines) <= WHOLE_TABLE
    yield from (_Flow(line, again=head, keep=whole) for line in lines)
    yield _Flow(_text(table.note, SMALL, gap_mm=2.0))


def _plate(drawn: Drawn) -> Block:
    picture = Picture(drawn.figure)
    title = _text(drawn.plate.title, SUBHEADING, picture.width_mm, gap_mm=1.0)
    caption = _text(drawn.plate.caption, Font(6.8), picture.width_mm, gap_mm=6.0)
    return Stack([title, picture, _space(1.5), caption])


def _text(text: str, font: Font, at_mm: float = DOUBLE_MM, gap_mm: float = 0.0) -> Text:
    return Text(wrap(text, font, at_mm), font, gap_mm)


def _space(height_mm: float) -> Text:
    return Text((), BODY, height_mm)
