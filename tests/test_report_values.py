"""What a report reads from hold files, and what it says of each number."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from record_samples import ecm_entries, frame, open_hold
from run_folder import SMALL, FakeRun

from annealscope.analysis.fit_spec import FitFlag
from annealscope.controller.record.holdfile import HoldWriter
from annealscope.controller.report import cells
from annealscope.controller.report.figures_hold import figure_g2
from annealscope.controller.report.figures_relaxation import figure_relaxation
from annealscope.controller.report.figures_tau_map import figure_tau_map
from annealscope.controller.report.load import load_run
from annealscope.controller.report.load_hold import load_hold
from annealscope.controller.report.summary import REASONS, Correlation, Fit, HoldSummary, Truth
from annealscope.controller.report.verdicts import checks


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a finished run without a report."""
    return FakeRun(tmp_path_factory.mktemp("runs") / "run", holds=(SMALL,)).write()


def test_losses_say_when_and_how_many(finished: Path) -> None:
    (hold,) = load_run(finished).holds
    assert [(loss.first, loss.frames) for loss in hold.losses] == [(40, 2), (90, 1)]
    assert hold.losses[0].t_s == pytest.approx(39 * SMALL.period_s)
    lost = [entry for entry in load_run(finished).ledger if entry.weight == "lost"]
    assert [(entry.what, entry.where) for entry in lost] == [
        ("2 frames from no. 40", SMALL.name), ("frame 90", SMALL.name),
    ]  # fmt: skip


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


def test_every_flag_but_the_hint_has_words() -> None:
    assert set(REASONS) == set(FitFlag) - {FitFlag.RESIDUAL_RUNS}


@pytest.mark.parametrize(
    ("flags", "kind", "note", "verdict"),
    [
        (FitFlag.RESIDUAL_RUNS, "best", "", "pass"),
        (FitFlag.TOO_SLOW | FitFlag.RESIDUAL_RUNS, "", "flagged: too slow (τ > T/3)", "not judged"),
    ],
)
def test_a_flagged_fit_is_not_the_number_to_believe(
    flags: FitFlag, kind: str, note: str, verdict: str
) -> None:
    fit = Fit(tau_s=500, beta=0.7, sigma_tau_s=20, sigma_beta=0.02, flags=flags)
    hold = HoldSummary(
        2, "02_ecm", fits={"corrected": fit}, truth=Truth(485, 0.68), segment_slots=(7000,), period_s=2.0,
        correlation=Correlation(np.ones(1), {}, n_speckles=400),
    )  # fmt: skip
    shown = cells.tau(hold)
    assert (shown.text, shown.kind, shown.note) == ("500 ± 20 s", kind, note)
    assert cells.beta(hold).kind == kind
    assert [check.verdict for check in checks([hold])] == [verdict, verdict]


def test_a_fit_without_a_result_says_why() -> None:
    fit = Fit(tau_s=float("nan"), beta=float("nan"), flags=FitFlag.NOT_CONVERGED)
    shown = cells.tau(HoldSummary(2, "02_ecm", fits={"corrected": fit}))
    assert (shown.text, shown.value) == ("–", None)
    assert shown.note == "flagged: did not converge"


def test_flags_reach_the_page_and_the_figures(tmp_path: Path) -> None:
    hold = replace(SMALL, flags=int(FitFlag.TOO_SLOW))
    folder = FakeRun(tmp_path / "run", holds=(hold,)).write()
    (summary,) = load_run(folder).holds
    assert summary.fits["corrected"].flags == FitFlag.TOO_SLOW
    series = figure_relaxation([summary]).axes[0]
    assert "corrected, flagged" in series.get_legend_handles_labels()[1]
    labels = figure_g2(summary).axes[0].get_legend_handles_labels()[1]
    assert any("too slow" in label for label in labels)


def test_biased_estimators_are_shown_without_an_error(finished: Path) -> None:
    (hold,) = load_run(finished).holds
    assert hold.fits["pixel"].sigma_tau_s > 0
    assert cells.tau_pixel(hold).text == "388 s"
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
    ("title", "setpoint_K", "heading"),
    [
        ("ecm at 100 degC", 373.15, "ecm at 100 °C"),
        ("as cast", 373.15, "100 °C · as cast"),
        ("", 373.65, "100.5 °C · 02_ecm"),
        ("", float("nan"), "02_ecm"),
    ],
)
def test_a_heading_has_the_temperature_once(title: str, setpoint_K: float, heading: str) -> None:
    assert HoldSummary(2, "02_ecm", title=title, setpoint_K=setpoint_K).heading == heading


def test_the_histogram_is_read_against_the_same_estimator_of_the_image(finished: Path) -> None:
    (hold,) = load_run(finished).holds
    labels = figure_tau_map(hold).axes[2].get_legend_handles_labels()[1]
    assert "image, pixel: 388 s" in labels


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
