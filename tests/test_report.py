"""The report of a run: one page, its figures, and what it says when something is missing."""

import csv
import html
import json
import os
import re
import shutil
import zlib
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_samples import ecm_entries, frame, open_hold
from run_folder import PAPER_HOLDS, FakeHold, FakeRun

from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.twotime_map import without_diagonal
from annealscope.controller.record.holdfile import HoldWriter
from annealscope.controller.report.figures_hold import figure_drift, figure_g2, running_median
from annealscope.controller.report.figures_map import (
    blocks,
    figure_tau_map,
    figure_two_time,
    histogram,
)
from annealscope.controller.report.figures_run import figure_tau_of_temperature
from annealscope.controller.report.load import load_run
from annealscope.controller.report.load_hold import load_hold
from annealscope.controller.report.numbers import duration, pm
from annealscope.controller.report.page import headline, write_report
from annealscope.controller.report.plates import Plate
from annealscope.controller.report.style import round_length, shrink
from annealscope.controller.report.summary import (
    REASONS,
    DriftTrace,
    Fit,
    HoldSummary,
    TauMap,
    Truth,
    TwoTimeCorrelation,
)

SMALL = FakeHold(2, 100, 485, 0.68, frames=300, period_s=10, side=48, lost=(40, 41, 90))
PLATES = {"g2", "tau_map", "two_time", "dark_field", "drift"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a finished run with its report."""
    folder = FakeRun(tmp_path_factory.mktemp("runs") / "run", holds=(SMALL,)).write()
    write_report(folder)
    return folder


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures and tables be made but not drawn: that is most of the time of a report."""

    def make(plate: Plate, folder: Path) -> bytes:
        assert plate.draw().axes
        header, rows = plate.table()
        assert all(len(row) == len(header) for row in rows)
        return b""

    monkeypatch.setattr("annealscope.controller.report.page.save_plate", make)


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
    assert len(links) == 3 * (len(PLATES) + 2)
    assert all((finished / "report" / link).is_file() for link in links)


def test_every_figure_has_a_table_with_units(finished: Path) -> None:
    names = {path.stem for path in (finished / "report" / "figures").glob("*.png")}
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
    """Return the exact numbers of the first row of the headline table by column."""
    row = re.search(r"<tbody>\s*<tr>(.*?)</tr>", page, re.S)
    assert row
    found = re.findall(r'<td data-name="([^"]*)"[^>]*><data value="([^"]*)">', row.group(1))
    return {html.unescape(name): float(value) for name, value in found}


def test_numbers_of_the_page_are_those_of_the_files(finished: Path) -> None:
    shown = cells(page_of(finished))
    with h5py.File(finished / "holds" / f"{SMALL.name}.nxs") as file:
        entry = file["entry"]
        assert shown["τ corrected ± σ"] == entry["kww/corrected"].attrs["tau_s"]
        assert shown["β ± σ"] == entry["kww/corrected"].attrs["beta"]
        assert shown["τ per pixel (reads short)"] == entry["kww/pixel"].attrs["tau_s"]
        assert shown["Truth (simulated)"] == entry["sample/truth"].attrs["tau_s"]
        assert shown["Frames"] == len(entry["instrument/detector/seq"]) == SMALL.frames - 3
        residual_nm = np.hypot(*entry["drift/residual_nm"][()].T).max()
    assert shown["Residual drift"] == pytest.approx(residual_nm)
    assert shown["Lost frames"] == 3
    assert shown["Duration"] == pytest.approx(SMALL.frames * SMALL.period_s)
    z = np.log(SMALL.estimate_s / SMALL.tau_s) * SMALL.estimate_s / SMALL.sigma_s
    assert shown["Agrees with truth?"] == pytest.approx(z)
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


def test_the_badge_is_good_only_when_results_are_there(finished: Path, tmp_path: Path) -> None:
    assert '<span class="badge good">Finished as planned.' in page_of(finished)
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    with h5py.File(folder / "holds" / f"{SMALL.name}.nxs", "a") as file:
        del file["entry/kww"]
    assert '<span class="badge">Finished, but results are missing.' in write_report(folder).read_text("utf-8")


def test_losses_say_when_and_how_many(finished: Path) -> None:
    (hold,) = load_run(finished).holds
    assert [(loss.first, loss.frames) for loss in hold.losses] == [(40, 2), (90, 1)]
    assert hold.losses[0].t_s == pytest.approx(39 * SMALL.period_s)
    assert "2 from no. 40" in page_of(finished)


def test_provenance_without_the_machine(finished: Path) -> None:
    page = page_of(finished)
    assert "secret-pc" not in page
    assert "2.1.0" in page
    facts = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)
    assert [value for _, value in facts].count("0.1.0") == 1
    assert [key for key, _ in facts].count("seed") == 1
    assert "speed" not in dict(facts)
    assert re.search(r"protocol sha256</dt><dd>[0-9a-f]{64}<", page)


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    folder = FakeRun(tmp_path / "run", holds=(), protocol=name).write()
    page = write_report(folder).read_text(encoding="utf-8")
    assert "<script" not in page
    assert html.escape(name) in page


@pytest.mark.parametrize("outcome", [None, "aborted"])
@pytest.mark.usefixtures("undrawn")
def test_a_run_without_results_still_has_a_report(tmp_path: Path, outcome: str | None) -> None:
    hold = replace(SMALL, results=False, simulated=False)
    folder = FakeRun(tmp_path / "run", holds=(hold,), outcome=outcome).write()
    page = write_report(folder).read_text(encoding="utf-8")
    assert ("The journal has no end" in page) == (outcome is None)
    assert "no KWW fits" in page
    assert "annealscope analyze" in page
    assert "closed without results" in page
    assert "Truth" not in page


def test_an_empty_folder_has_a_report_that_says_what_is_missing(tmp_path: Path) -> None:
    page = write_report(tmp_path).read_text(encoding="utf-8")
    for text in ("no readable journal", "protocol.yaml is not in the run folder", "No hold was opened"):
        assert text in page


@pytest.mark.usefixtures("undrawn")
def test_missing_and_unreadable_hold_files_are_named(tmp_path: Path) -> None:
    holds = (SMALL, replace(SMALL, ordinal=5, degC=200))
    folder = FakeRun(tmp_path / "run", holds=holds).write()
    (folder / "holds" / f"{holds[0].name}.nxs").unlink()
    (folder / "holds" / f"{holds[1].name}.nxs").write_bytes(b"not HDF5")
    (folder / "holds" / "02_ecm_100C.000.frames").touch()
    page = write_report(folder).read_text(encoding="utf-8")
    assert f"holds/{holds[0].name}.nxs is not there" in page
    assert f"holds/{holds[1].name}.nxs cannot be read" in page
    assert "annealscope analyze" in page


@pytest.mark.parametrize(
    "part",
    ["g2", "g2/pairs", "kww", "kww/corrected", "ttcf", "ttcf/segment", "map", "map/flags", "map/x_nm",
     "drift/residual_nm", "drift/t", "drift", "instrument/detector/data", "instrument/detector",
     "instrument/open_hold", "sample"],
)  # fmt: skip
@pytest.mark.usefixtures("undrawn")
def test_any_part_of_a_hold_may_be_missing(finished: Path, tmp_path: Path, part: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    with h5py.File(folder / "holds" / f"{SMALL.name}.nxs", "a") as file:
        del file["entry"][part]
    assert write_report(folder).is_file()


def test_holds_that_were_planned_but_not_reached_are_named(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=()).write()
    plan = {"steps": [{"step": {"kind": "ramp"}}, {"step": {"kind": "acquire", "name": "05_ecm_200C"}}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    assert "05_ecm_200C was planned, but not reached." in load_run(folder).missing


def test_a_damaged_journal_is_used_as_far_as_it_goes(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:30]) + b'{"n": 30, torn\n' + b"".join(lines[31:]))
    run = load_run(folder)
    assert run.outcome == "unfinished"
    assert any("damaged after record 30" in text for text in run.missing)
    assert run.trace is not None
    assert len(run.holds) == 1


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda journal: b"", "journal.jsonl is empty"),
        (lambda journal: b"\x00\xff no journal", "damaged after record 0"),
        (lambda journal: journal[:40], "damaged after record 0"),
        (lambda journal: journal[:-1], "damaged after record"),
    ],
)
@pytest.mark.usefixtures("undrawn")
def test_the_page_says_that_the_journal_is_damaged(
    finished: Path, tmp_path: Path, keep: Callable[[bytes], bytes], message: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    journal = folder / "journal.jsonl"
    journal.write_bytes(keep(journal.read_bytes()))
    assert message in write_report(folder).read_text("utf-8")


def test_the_page_of_a_whole_journal_does_not_speak_of_damage(finished: Path) -> None:
    assert not any("journal" in text for text in load_run(finished).missing)


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


def test_events_are_listed_with_their_reasons(tmp_path: Path) -> None:
    run = FakeRun(tmp_path / "run", holds=())
    folder = run.write()
    text = (folder / "journal.jsonl").read_bytes().splitlines(keepends=True)
    record = {"n": len(text), "t_s": 9.0, "kind": "guard", "guard": "temperature", "message": "too hot"}
    record["action"] = "suspend"
    body = json.dumps(record)
    line = f'{body[:-1]}, "crc": "{zlib.crc32(body.encode()):08x}"}}\n'.encode()
    (folder / "journal.jsonl").write_bytes(b"".join([*text, line]))
    (event,) = load_run(folder).events
    assert (event.what, event.why) == ("guard temperature: suspend", "too hot")


def test_segments_and_invalid_frames_are_counted(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=(SMALL,)).write()
    with h5py.File(folder / "holds" / f"{SMALL.name}.nxs", "a") as file:
        table = file["entry/instrument/detector"]
        n = len(table["seq"])
        pause_s = 640.0
        later = np.arange(n) >= 200
        table["segment"][...] = later
        table["slot"][...] = table["slot"][()] - later * table["slot"][200]
        table["frame_time"][...] = table["frame_time"][()] + later * pause_s
        table["valid"][50:54] = False
    (hold,) = load_run(folder).holds
    assert len(hold.segment_slots) == 2
    assert sum(hold.segment_slots) == SMALL.frames
    assert hold.segment_starts == (0, hold.segment_slots[0] + round(pause_s / SMALL.period_s))
    assert hold.period_s == pytest.approx(SMALL.period_s)
    assert (hold.frames, hold.frames_lost, hold.frames_unused) == (n, 3, 4)
    assert hold.losses[-1].why == "beam off"
    assert hold.duration_s == pytest.approx(SMALL.frames * SMALL.period_s)


@pytest.mark.parametrize(
    ("tau_s", "sigma_s", "verdict", "kind"),
    [
        (500, 20, "yes (z = +0.8)", "good"),
        (430, 17, "unclear (z = −3.0)", ""),
        (700, 20, "no (z = +12.8)", "bad"),
        (500, float("nan"), "–", ""),
    ],
)
def test_agreement_with_the_truth(tau_s: float, sigma_s: float, verdict: str, kind: str) -> None:
    fit = Fit(tau_s=tau_s, beta=0.7, sigma_tau_s=sigma_s)
    hold = HoldSummary(2, "02_ecm", fits={"corrected": fit}, truth=Truth(485, 0.68))
    cell = headline(hold)["verdict"]
    assert (cell.text, cell.kind) == (verdict, kind)


def test_every_flag_but_the_hint_has_words() -> None:
    assert set(REASONS) == set(FitFlag) - {FitFlag.RESIDUAL_RUNS}


@pytest.mark.parametrize(
    ("flags", "kind", "note", "verdict"),
    [
        (FitFlag.RESIDUAL_RUNS, "best", "", "yes (z = +0.8)"),
        (FitFlag.TOO_SLOW | FitFlag.RESIDUAL_RUNS, "", "flagged: too slow (τ > T/3)", "–"),
    ],
)
def test_a_flagged_fit_is_not_the_number_to_believe(
    flags: FitFlag, kind: str, note: str, verdict: str
) -> None:
    fit = Fit(tau_s=500, beta=0.7, sigma_tau_s=20, sigma_beta=0.02, flags=flags)
    row = headline(HoldSummary(2, "02_ecm", fits={"corrected": fit}, truth=Truth(485, 0.68)))
    assert (row["tau"].text, row["tau"].kind, row["tau"].note) == ("500 ± 20 s", kind, note)
    assert row["beta"].kind == kind
    assert row["verdict"].text == verdict


def test_a_fit_without_a_result_says_why() -> None:
    fit = Fit(tau_s=float("nan"), beta=float("nan"), flags=FitFlag.NOT_CONVERGED)
    row = headline(HoldSummary(2, "02_ecm", fits={"corrected": fit}))
    assert (row["tau"].text, row["tau"].value) == ("–", None)
    assert row["tau"].note == "flagged: did not converge"


def test_flags_reach_the_page_and_the_figures(tmp_path: Path) -> None:
    hold = replace(SMALL, flags=int(FitFlag.TOO_SLOW))
    folder = FakeRun(tmp_path / "run", holds=(hold,)).write()
    (summary,) = load_run(folder).holds
    assert summary.fits["corrected"].flags == FitFlag.TOO_SLOW
    series = figure_tau_of_temperature([summary]).axes[0]
    assert "corrected, flagged" in series.get_legend_handles_labels()[1]
    labels = figure_g2(summary).axes[0].get_legend_handles_labels()[1]
    assert any("too slow" in label for label in labels)


def test_biased_estimators_are_shown_without_an_error(finished: Path) -> None:
    (hold,) = load_run(finished).holds
    assert hold.fits["pixel"].sigma_tau_s > 0
    assert headline(hold)["tau_pixel"].text == "388 s"
    labels = figure_g2(hold).axes[0].get_legend_handles_labels()[1]
    plain, corrected = (
        next(label for label in labels if f"{fit} fit" in label) for fit in ("plain", "corrected")
    )
    assert "±" not in plain
    assert "±" in corrected


def test_frames_lost_after_the_last_recorded_one_are_counted(finished: Path, tmp_path: Path) -> None:
    (known,) = load_run(finished).holds
    path = finished / "holds" / f"{SMALL.name}.nxs"
    hold = load_hold(path, {}, {"frames": known.frames, "lost": 8})
    assert hold.frames_lost == 8
    assert (hold.losses[-1].first, hold.losses[-1].frames) == (SMALL.frames, 5)
    assert load_hold(path, {}, {}).frames_lost == 3
    assert load_hold(tmp_path / "gone.nxs", {}, {"lost": 8}).frames_lost == 8


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


@pytest.mark.parametrize(
    ("title", "setpoint_K", "heading"),
    [
        ("ecm at 100 degC", 373.15, "ecm at 100 °C"),
        ("as cast", 373.15, "100 °C · as cast"),
        ("", 373.65, "100.5 °C · 02_ecm"),
    ],
)
def test_a_heading_has_the_temperature_once(title: str, setpoint_K: float, heading: str) -> None:
    assert HoldSummary(2, "02_ecm", title=title, setpoint_K=setpoint_K).heading == heading


def test_limits_are_drawn_where_the_measured_displacement_comes_near() -> None:
    t_s = np.arange(400.0)
    drift = DriftTrace(t_s, np.stack([t_s / 200, -t_s / 800], axis=1), None, None, warn_nm=1.0, limit_nm=5.0)
    figure = figure_drift(HoldSummary(2, "02_ecm", drift=drift))
    measured = figure.axes[0]
    levels = {line.get_ydata()[0] for line in measured.lines if line.get_linestyle() == "--"}
    assert levels == {1.0}
    assert measured.get_title("right") == "warn ±1 nm, limit ±5 nm (off scale)"
    assert measured.get_ylim()[1] < 3


def test_a_running_median_ignores_single_outliers() -> None:
    values = np.where(np.arange(1000) % 50 == 7, 100.0, 1.0)
    np.testing.assert_array_equal(running_median(values), 1.0)


def test_segments_of_a_two_time_correlation_are_drawn_apart() -> None:
    segment = np.array([0, 0, 0, 1, 1])
    t_s = np.array([2.0, 8.0, 14.0, 102.0, 108.0])
    value = np.where(segment[:, None] == segment, 1.1, np.nan)
    first, second = blocks(TwoTimeCorrelation(t_s, value, segment))
    assert (first.start_s, first.stop_s) == (-1.0, 17.0)
    assert (second.start_s, second.stop_s) == (99.0, 111.0)
    assert np.isfinite(first.value).all()
    assert second.value.shape == (2, 2)
    (axes,) = figure_two_time(HoldSummary(2, "02_ecm", two_time=TwoTimeCorrelation(t_s, value, segment))).axes
    assert len(axes.images) == 2
    assert axes.get_xlim() == (-1.0, 111.0)


def test_the_histogram_is_read_against_the_same_estimator_of_the_image(finished: Path) -> None:
    (hold,) = load_run(finished).holds
    labels = figure_tau_map(hold).axes[1].get_legend_handles_labels()[1]
    assert "image, pixel: 388 s" in labels


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [
        (512.34, 15.9, "512 ± 16"),
        (1650.2, 70.3, "1650 ± 70"),
        (0.7134, 0.0196, "0.713 ± 0.020"),
        (0.7134, 0.0472, "0.71 ± 0.05"),
        (9.96, 0.36, "10.0 ± 0.4"),
        (12345.0, 3512.0, "12300 ± 3500"),
        (485.0, float("nan"), "485"),
        (1585.0, 0.0, "1585"),
        (float("nan"), 1.0, "–"),
    ],
)
def test_numbers_end_where_their_uncertainty_begins(value: float, sigma: float, text: str) -> None:
    assert pm(value, sigma) == text


@given(st.floats(1e-3, 1e6), st.floats(1e-6, 1e4))
def test_rounding_never_moves_a_number_by_more_than_its_uncertainty(value: float, sigma: float) -> None:
    shown, error = (float(part) for part in pm(value, sigma).split(" ± "))
    assert abs(shown - value) <= 0.2 * sigma
    assert error == pytest.approx(sigma, rel=0.15)


@given(st.floats(0, 1e6))
def test_durations_read_back(seconds: float) -> None:
    units = {"h": 3600, "min": 60, "s": 1}
    read = sum(
        float(number) * units[unit] for number, unit in re.findall(r"([\d.e-]+) (h|min|s)", duration(seconds))
    )
    assert abs(read - seconds) <= (60 if seconds >= 3600 else 1)


@given(st.floats(1e-3, 1e6))
def test_scale_bars_are_round_and_fit(at_most: float) -> None:
    length = round_length(at_most)
    assert at_most / 2.51 <= length <= at_most * (1 + 1e-9)
    assert f"{length:e}"[0] in "125"


def test_the_diagonal_is_replaced_by_its_neighbours() -> None:
    value = np.fromfunction(lambda i, j: 1.0 / (1 + np.abs(i - j)), (6, 6)) + 9 * np.eye(6)
    shown = without_diagonal(value)
    np.testing.assert_allclose(np.diag(shown), 0.5)
    np.testing.assert_array_equal(shown - np.diag(np.diag(shown)), value - np.diag(np.diag(value)))


def test_shrinking_keeps_the_mean_and_leaves_out_gaps() -> None:
    values = np.arange(64.0).reshape(8, 8)
    values[0, 0] = np.nan
    small = shrink(values, 4)
    assert small.shape == (4, 4)
    assert small[0, 0] == pytest.approx(np.mean([1, 8, 9]))
    assert small[3, 3] == values[6:, 6:].mean()


def test_histogram_counts_every_valid_pixel_once() -> None:
    tau_s = np.array([[100.0, 200.0, np.nan], [100.0, 3000.0, np.nan]])
    edges, fraction = histogram(TauMap(tau_s, None, 1 / 3))
    assert fraction.sum() == pytest.approx(1)
    assert fraction[np.searchsorted(edges, 100.0 * 1.0001) - 1] == pytest.approx(0.5)
    np.testing.assert_allclose(np.diff(np.log10(edges)), 0.05)


@pytest.mark.slow
def test_a_report_of_the_paper_takes_seconds(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=PAPER_HOLDS).write()
    page = write_report(folder).read_text(encoding="utf-8")
    assert page.count("<section>") == 3


def test_hold_files_of_the_recorder_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "02_ecm_100C.nxs"
    opening = open_hold(tmp_path, settings={"truth": {"tau_s": 100.0, "beta": 0.5}})
    writer = HoldWriter(path, opening)
    headers, frames = zip(*(frame(seq) for seq in range(16)), strict=True)
    list(writer.write_row(headers, np.stack(frames)))
    writer.write_results(ecm_entries(tau_s=120.0))
    writer.finalise("planned")
    hold = load_hold(path, {}, {})
    assert (hold.ordinal, hold.label, hold.frames, hold.frames_planned) == (2, "100 °C", 16, 100)
    assert hold.truth == Truth(100.0, 0.5)
    assert hold.fits["corrected"].tau_s == 120.0
    assert hold.correlation is not None
    assert hold.picture is not None
    assert hold.picture.pixel_nm == opening.camera.pixel_nm
    assert [loss.first for loss in hold.losses] == [6, 13]
    assert {loss.why for loss in hold.losses} == {"beam off"}
