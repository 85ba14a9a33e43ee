"""The report on paper: pages, their order, tables that fit, figures that are drawn once."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from annealscope.controller.report.cells import Cell
from annealscope.controller.report.overview import Fact
from annealscope.controller.report.pdf import BOTTOM_MM, TOP_MM, CellTable, Cover, Section, write_pdf
from annealscope.controller.report.plates import Plate
from annealscope.controller.report.save import save_plate
from annealscope.controller.report.style import DOUBLE_MM, SINGLE_MM, new_figure
from annealscope.controller.report.typeset import Font, fitted, table_rows, width_mm, wrap

FONT = Font(7.5)
COVER = Cover(
    "AMZ4 τ(T)", "Finished as planned.", [Fact("3 of 3", "recorded", "good")], [("rig", "simulated")]
)


@dataclass(frozen=True)
class Drawn:
    """A plate whose figure is as large as is asked for."""

    plate: Plate
    figure: Figure


def draw(width_mm_: float, height_mm: float) -> Figure:
    figure = new_figure(width_mm_, height_mm)
    figure.subplots().plot([0, 1], label="found")
    return figure


def drawn(width_mm_: float = SINGLE_MM, height_mm: float = 90.0) -> Drawn:
    figure = draw(width_mm_, height_mm)
    FigureCanvasAgg(figure).draw()
    figure.set_layout_engine("none")
    plate = Plate("g2", "Correlation", "What is seen. " * 20, lambda: figure, lambda: ((), ()))
    return Drawn(plate, figure)


def pages_of(path: Path) -> int:
    return len(re.findall(rb"/Type /Page\b", path.read_bytes()))


def test_a_report_has_a_title_fonts_and_upright_pages(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    table = CellTable(
        [[("Hold", Cell("100 °C")), ("τ", Cell("527 ± 26 s", 527.0, "best", "flagged: too slow"))]]
    )
    count = write_pdf(path, COVER, [Section("Results", [table, "In words.", drawn()], "small")])
    content = path.read_bytes()
    assert count == pages_of(path) == 1
    assert b"/Title" in content
    assert b"/FontFile2" in content  # TrueType: letters stay letters
    assert b"/Type3" not in content
    ((width, height),) = re.findall(rb"/MediaBox \[ *0 0 ([\d.]+) ([\d.]+) *\]", content)
    assert (float(width), float(height)) == pytest.approx((595.28, 841.89), abs=0.01)


def test_the_same_report_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pdf(tmp_path / name, COVER, [Section("Results", [drawn()])])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("width", "pages"), [(SINGLE_MM, 2), (DOUBLE_MM, 4)])
def test_narrow_figures_stand_in_pairs(tmp_path: Path, width: float, pages: int) -> None:
    parts = [drawn(width, 150.0) for _ in range(4)]
    assert write_pdf(tmp_path / "report.pdf", Cover("t", ""), [Section("All", parts)]) == pages
    left = {round(part.figure.bbox_inches.x0 * 25.4, 1) for part in parts}
    assert left == ({13.5, 107.5} if width == SINGLE_MM else {13.5})
    for part in parts:
        box = part.figure.bbox_inches
        assert box.width * 25.4 == pytest.approx(width)
        assert 297 - BOTTOM_MM < box.y0 * 25.4 < box.y1 * 25.4 < 297 - TOP_MM
        assert box.y1 * 25.4 > 297 - TOP_MM - 30  # each is the first of its page


def test_a_long_table_repeats_its_head(tmp_path: Path) -> None:
    def table(rows: int) -> CellTable:
        names = "a name " * 16, "What"
        return CellTable([[(names[0], Cell(str(row))), (names[1], Cell("a frame"))] for row in range(rows)])

    head, (line,) = table_rows(table(1).rows, DOUBLE_MM)
    other_mm = 25.0
    # So many lines fill three pages when the head stands on the first one only.
    rows = int((3 * (BOTTOM_MM - TOP_MM) - other_mm - head.height_mm) / line.height_mm)
    assert head.height_mm > 100
    assert write_pdf(tmp_path / "report.pdf", Cover("t", ""), [Section("All", [table(rows)])]) == 5


def test_lines_fit_and_keep_every_word() -> None:
    text = "Relaxation times of single pixels, averaged over records of finite length. " * 5
    lines = wrap(text, FONT, 89.0)
    assert " ".join(lines).split() == text.split()
    assert max(width_mm(line, FONT) for line in lines) <= 89.0
    assert len(lines) < 1.2 * width_mm(text.strip(), FONT) / 89.0 + 1


@pytest.mark.parametrize("text", ["$no mathematics$", "x" * 400, ""])
def test_any_text_is_taken_as_it_is(tmp_path: Path, text: str) -> None:
    cells = [[("Name", Cell(text)), ("$\\frac$", Cell("1"))]]
    assert (
        write_pdf(tmp_path / "report.pdf", Cover(text, text), [Section(text, [text, CellTable(cells)])]) == 1
    )


def test_a_heading_without_anything_below_it_is_not_printed(tmp_path: Path) -> None:
    empty = [Section(f"Nothing {number}", [CellTable([]), ""]) for number in range(60)]
    assert write_pdf(tmp_path / "report.pdf", COVER, empty) == 1


def test_widest_columns_give_first() -> None:
    assert fitted([10.0, 50.0, 80.0], 90.0) == [10.0, 40.0, 40.0]
    assert fitted([10.0, 20.0], 90.0) == [10.0, 20.0]


def test_a_plate_is_drawn_once_for_all_its_files(tmp_path: Path) -> None:
    calls = []

    def once() -> Figure:
        calls.append(1)
        return draw(SINGLE_MM, 60.0)

    saved = save_plate(Plate("g2", "t", "c", once, lambda: (("x / s",), [(1.0,)])), tmp_path)
    write_pdf(tmp_path / "report.pdf", COVER, [Section("All", [saved])])
    assert len(calls) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g2.csv", "g2.pdf", "g2.png", "report.pdf"]
