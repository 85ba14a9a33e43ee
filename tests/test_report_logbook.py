"""The logbook of a run: every acquisition and every event, in time order, for programs and for people."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_record import grid, movie, run

from annealscope.controller.report.logbook import HEADER, Logbook, logbook, markdown, table_logbook
from annealscope.controller.report.save import write_csv
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import RunSummary


@pytest.fixture
def book(tmp_path: Path) -> Logbook:
    return logbook(run(tmp_path, movie(), grid(), simulated=True))


def rows_of(book: Logbook, folder: Path) -> list[dict[str, str]]:
    write_csv(folder / "logbook.csv", table_logbook(book))
    with (folder / "logbook.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_lines_are_in_time_order_and_complete(book: Logbook, tmp_path: Path) -> None:
    assert [row["what"] for row in rows_of(book, tmp_path)] == [
        "run started", "ramp to 100 °C", "temperature reached", "wait to age 2000 s",
        "acquisition: ECM · ecm at 100 °C", "frame 6", "acquisition: FEM · 100 °C · 02_fem_100C",
    ]  # fmt: skip


def test_an_acquisition_has_all_its_numbers(book: Logbook, tmp_path: Path) -> None:
    (row,) = (row for row in rows_of(book, tmp_path) if row["what"].startswith("acquisition: ECM"))
    assert {key: value for key, value in row.items() if value} == {
        "UTC": "2026-11-23T02:42:30+00:00", "run time / s": "30", "what": "acquisition: ECM · ecm at 100 °C",
        "acquisition": "01_ecm_100C", "temperature / degC": "99.99", "region": "2", "optics": "dark_field",
        "exposure / s": "1", "period / s": "2.0001", "frames": "99", "frames lost": "1",
        "dose of the region so far / 1/nm^2": "44000000", "thickness / mean free paths": "0.79",
        "tau / s": "527.1", "sigma tau / s": "26", "beta / 1": "0.6651", "sigma beta / 1": "0.0102",
        "estimator": "ratio, length in the model",
    } | {"temperature / degC": row["temperature / degC"]}  # fmt: skip
    assert float(row["temperature / degC"]) == pytest.approx(100.0, abs=0.02)


def test_events_have_the_last_reading_and_their_utc(book: Logbook, tmp_path: Path) -> None:
    (lost,) = (row for row in rows_of(book, tmp_path) if row["what"] == "frame 6")
    assert lost["UTC"] == "2026-11-23T02:42:41+00:00"
    assert lost["temperature / degC"] == "100.1"
    assert (lost["why"], lost["acquisition"]) == ("the camera lost it", "01_ecm_100C")


def test_run_times_count_from_the_start_of_the_run(tmp_path: Path) -> None:
    rows = rows_of(logbook(run(tmp_path, started_s=-10.0)), tmp_path)
    assert (rows[0]["what"], rows[0]["run time / s"]) == ("run started", "10")


def test_the_markdown_is_one_table(book: Logbook) -> None:
    text = markdown(book)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == len(book.lines) + 2
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {len(HEADER) + 1}
    assert text.startswith("# AMZ4 \\| test\n")
    assert "τ = 527 ± 26 s, β = 0.665 ± 0.010 \\[ratio, length in the model\\]" in text
    assert "V₁ = 0.1188 ± 0.0026" in text
    assert "The specimen was simulated." in text
    assert "virtual" not in text
    known = dict(book.run.provenance) | {"clock": "max"}
    assert "are virtual." in markdown(replace(book, run=replace(book.run, provenance=known)))


def test_a_flagged_result_says_so(tmp_path: Path) -> None:
    fit = replace(movie().fits["corrected"], flags=type(movie().fits["corrected"].flags)(32))
    book = logbook(run(tmp_path, movie(fits={"corrected": fit})))
    (row,) = (row for row in rows_of(book, tmp_path) if row["tau / s"])
    assert row["flagged"] == "flagged: too slow (τ > T/3)"
    assert "flagged: too slow" in markdown(book)


def test_a_run_without_a_journal_still_has_a_logbook(tmp_path: Path) -> None:
    bare = RunSummary(
        tmp_path, "test", "unfinished", holds=(HoldSummary(1, "01_ecm_100C", setpoint_K=373.15),)
    )
    book = logbook(bare)
    (row,) = rows_of(book, tmp_path)
    assert (row["UTC"], row["run time / s"], row["temperature / degC"]) == ("", "", "100")
    assert "nan" not in markdown(book)


def test_a_text_of_the_record_stays_in_its_cell(tmp_path: Path) -> None:
    hostile = movie(title="a|b\n<script>`x`")
    text = markdown(logbook(run(tmp_path, hostile)))
    assert "a\\|b \\<script\\>\\`x\\`" in text
