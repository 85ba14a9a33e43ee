"""The report of a run: one page, its figures, and its files."""

import csv
import html
import os
import re
import shutil
import zlib
from base64 import b64decode
from pathlib import Path

import h5py
import numpy as np
import pytest
from run_folder import PAPER_HOLDS, SMALL, FakeRun

from annealscope.controller.report.page import write_report
from annealscope.controller.report.provenance import sha256_of

PLATES = {"g2", "durations", "tau_map", "age", "two_time", "dark_field", "drift"}
OTHERS = {"report.pdf", "methods.txt", "logbook.csv", "logbook.md"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a finished run with its report."""
    folder = FakeRun(tmp_path_factory.mktemp("runs") / "run", holds=(SMALL,)).write()
    write_report(folder)
    return folder


def page_of(folder: Path) -> str:
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


def test_the_page_is_one_offline_file_without_scripts(finished: Path) -> None:
    page = page_of(finished)
    sources = re.findall(r'<img[^>]*src="([^"]*)"', page)
    assert len(sources) == len(PLATES) + 2
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:image/png;base64"
        assert b64decode(data, validate=True).startswith(b"\x89PNG")
    assert not re.search(r"https?://|<script|<link|<iframe|@import|url\(", page)
    assert "default-src 'none'" in page


def test_links_lead_to_files_of_the_report(finished: Path) -> None:
    links = re.findall(r'href="([^"]*)"', page_of(finished))
    figures = [link for link in links if not link.startswith("#")]
    assert len(figures) == 3 * (len(PLATES) + 2) + 2 + len(OTHERS)
    assert set(figures) >= OTHERS
    assert all((finished / "report" / link).is_file() for link in figures)
    places = set(re.findall(r'id="([^"]*)"', page_of(finished)))
    assert {link[1:] for link in links if link.startswith("#")} <= places


def test_every_figure_has_a_table_with_units(finished: Path) -> None:
    figures = finished / "report" / "figures"
    names = {path.stem for path in figures.glob("*.png")}
    assert names == {"temperature", "tau_of_temperature"} | {f"{SMALL.name}_{plate}" for plate in PLATES}
    for name in names:
        with (finished / "report" / "figures" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert rows, name
        assert all(len(row) == len(header) for row in rows), name
        for column in header:
            assert column == "hold" or re.search(r" / (s|nm|1|degC|counts)\b", column), (name, column)


def test_fonts_of_pdf_figures_are_embedded_as_type_42(finished: Path) -> None:
    for path in (finished / "report" / "figures").glob("*.pdf"):
        pdf = path.read_bytes()
        streams = b"".join(
            zlib.decompress(body) if b"FlateDecode" in head else b""
            for head, body in re.findall(rb"<<([^<>]*)>>\s*stream\r?\n(.*?)\r?\nendstream", pdf, re.S)
        )
        assert b"/CIDFontType2" in pdf + streams, path.name
        assert b"/FontFile2" in pdf + streams, path.name
        assert b"/Type3" not in pdf + streams, path.name


def cells(page: str) -> dict[str, float]:
    """Return the exact numbers of the first row of the first table by column."""
    row = re.search(r"<tbody>\s*<tr>(.*?)</tr>", page, re.S)
    assert row
    found = re.findall(r'<td data-name="([^"]*)"[^>]*>(?:<a[^>]*>)?<data value="([^"]*)">', row.group(1))
    return {html.unescape(name): float(value) for name, value in found}


def test_numbers_of_the_page_are_those_of_the_files(finished: Path) -> None:
    shown = cells(page_of(finished))
    with h5py.File(finished / "holds" / f"{SMALL.name}.nxs") as file:
        entry = file["entry"]
        assert shown["τ corrected ± σ"] == entry["kww/corrected"].attrs["tau_s"]
        assert shown["β ± σ"] == entry["kww/corrected"].attrs["beta"]
        assert shown["τ per pixel (reads short)"] == entry["kww/pixel"].attrs["tau_s"]
        residual_nm = np.hypot(*entry["drift/residual_nm"][()].T).max()
    assert shown["Residual drift"] == pytest.approx(residual_nm)
    assert shown["Lost frames"] == 3
    assert shown["T/τ"] == pytest.approx(SMALL.frames * SMALL.period_s / SMALL.estimate_s)
    assert f"{SMALL.estimate_s:.0f} ± " in page_of(finished)


def test_g2_table_is_what_the_hold_file_says(finished: Path) -> None:
    table = np.genfromtxt(
        finished / "report" / "figures" / f"{SMALL.name}_g2.csv", delimiter=",", names=True, deletechars=""
    )
    with h5py.File(finished / "holds" / f"{SMALL.name}.nxs") as file:
        np.testing.assert_allclose(table["lag_/_s"], file["entry/g2/lag"][()])
        np.testing.assert_allclose(table["g2_-_1_ratio_/_1"], file["entry/g2/ratio"][()] - 1, atol=1e-9)


def test_the_finite_model_is_drawn_for_the_corrected_fit(finished: Path) -> None:
    table = np.genfromtxt(
        finished / "report" / "figures" / f"{SMALL.name}_g2.csv", delimiter=",", names=True, deletechars=""
    )
    assert table["fit_corrected_/_1"].min() < 0 < table["fit_pixel_/_1"].min()


def test_provenance_without_the_machine(finished: Path) -> None:
    page = page_of(finished)
    assert "secret-pc" not in page
    assert "2.1.0" in page
    facts = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)
    assert [value for _, value in facts].count("0.1.0") == 1
    assert [key for key, _ in facts].count("seed") == 1
    assert re.search(r"rig sha256</dt><dd>[0-9a-f]{64}<", page)
    assert f"{SMALL.name}.nxs</dt><dd><code>{sha256_of(finished / 'holds' / f'{SMALL.name}.nxs')}" in page
    assert "speed" not in dict(facts)
    assert re.search(r"protocol sha256</dt><dd>[0-9a-f]{64}<", page)


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    folder = FakeRun(tmp_path / "run", holds=(), protocol=name).write()
    page = write_report(folder).read_text(encoding="utf-8")
    assert "<script" not in page
    assert html.escape(name) in page


def test_a_report_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=()).write()
    write_report(folder)
    stale = folder / "report" / "figures" / "old.png"
    stale.write_bytes(b"")
    before = sorted(os.listdir(folder))
    write_report(folder)
    assert not stale.exists()
    assert sorted(os.listdir(folder)) == before


def test_a_failed_report_leaves_the_one_before(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    before = page_of(folder)

    def full_disk(*_: object) -> bytes:
        raise OSError("no space left on device")

    monkeypatch.setattr("annealscope.controller.report.page.save_plate", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_report(folder)
    assert page_of(folder) == before
    assert not list(folder.glob(".report-*"))


def test_a_report_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not a folder; check the path"):
        write_report(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("exit_code", "badge", "sentence"),
    [(0, "Finished as planned.", None), (9, "not complete", "Lost: 3 frames of holds/02_ecm.nxs.")],
)
def test_the_reason_of_an_end_is_a_sentence_that_adds_to_the_badge(
    tmp_path: Path, exit_code: int, badge: str, sentence: str | None
) -> None:
    why = "lost: 3 frames of holds/02_ecm.nxs" if exit_code else "the protocol was carried out to its end"
    page = write_report(FakeRun(tmp_path / "run", holds=(), why=why, exit_code=exit_code).write()).read_text(
        "utf-8"
    )
    assert badge in page
    assert (f"<p>{sentence}</p>" in page) == bool(sentence)
    assert "carried out" not in page


@pytest.mark.slow
def test_a_report_of_the_paper_takes_seconds(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=PAPER_HOLDS).write()
    page = write_report(folder).read_text(encoding="utf-8")
    assert page.count('<details class="stay"') == 3
