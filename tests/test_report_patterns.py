"""What a report says of diffraction patterns, of numbers against their truth, and of dose and prompts."""

import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from record_samples import frame, open_hold
from run_folder import FakeRun
from run_patterns import FakePatterns
from speckle_patterns import Glass, Microscope

from annealscope.analysis.fem import FemAnalysis, FemSpec
from annealscope.analysis.rings import Geometry
from annealscope.analysis.values import uniform_block
from annealscope.controller.record.holdfile import HoldWriter
from annealscope.controller.report import cells
from annealscope.controller.report.captions import patterns
from annealscope.controller.report.figures_fem import figure_variance
from annealscope.controller.report.figures_probes import figure_pair_persistence, figure_stratton_voyles
from annealscope.controller.report.figures_relaxation import figure_relaxation
from annealscope.controller.report.figures_rings import figure_profile
from annealscope.controller.report.figures_temperature import figure_variance_of_temperature, points_of
from annealscope.controller.report.ledger import MOST_LOSSES, ledger
from annealscope.controller.report.load import load_run
from annealscope.controller.report.load_dose import load_dose
from annealscope.controller.report.load_hold import load_hold
from annealscope.controller.report.load_journal import interruptions, outcome
from annealscope.controller.report.load_probes import load_probes
from annealscope.controller.report.paper import load_paper, paper_of
from annealscope.controller.report.plates import hold_plates
from annealscope.controller.report.summary import Correlation, Fit, HoldSummary, Loss, Truth
from annealscope.controller.report.summary_patterns import PatternTruth, Peak, Variance
from annealscope.controller.report.verdicts import checks
from annealscope.controller.stream.wire import results_to_entries

SCAN = FakePatterns(1, 25, side=32)
COLD = FakePatterns(2, 25, "diffraction", side=32)
HOT = FakePatterns(3, 275, "diffraction", side=32, age_s=0.0)


def written(tmp_path: Path, *holds: FakePatterns) -> list[HoldSummary]:
    return list(load_run(FakeRun(tmp_path / "run", holds=holds).write()).holds)


def test_peaks_and_variance_are_those_of_the_file(tmp_path: Path) -> None:
    (hold,) = written(tmp_path, SCAN)
    assert hold.variance is not None
    first = hold.variance.peaks["first"]
    assert (first.V_max, first.sigma_V_max) == (SCAN.estimate, SCAN.sigma)
    assert hold.variance.ratio == 0.41
    assert (hold.method, hold.probe_nm, hold.missing) == ("fem", 0.91, ())
    labels = figure_variance(hold).axes[0].get_legend_handles_labels()[1]
    assert [label.split(":")[0].split("\n")[0] for label in labels] == [
        "with the noise", "noise subtracted ± σ", "first peak", "second peak", "truth (simulated)",
    ]  # fmt: skip
    assert cells.peak_height(hold).text == "0.1326 ± 0.0022"


@pytest.mark.parametrize(
    ("flags", "note", "kind"),
    [(0, "", "best"), (16, "", "best"), (2, "flagged: its place is at the edge of the window", "")],
)
def test_a_flagged_peak_is_not_the_number_to_believe(
    tmp_path: Path, flags: int, note: str, kind: str
) -> None:
    (hold,) = written(tmp_path, FakePatterns(1, 25, side=32, flags=flags))
    shown = cells.peak_height(hold)
    assert (shown.note, shown.kind) == (note, kind)
    verdicts = {check.quantity: check.verdict for check in checks([hold])}
    assert verdicts["V_max"] == ("not judged" if note else "pass")


@pytest.mark.parametrize(
    "part",
    ["fem", "fem/k", "fem/V", "fem/V_corrected", "fem/sigma", "fem/mean", "fem/variance_image",
     "fem/mean_image", "fem/peaks", "fem/peaks/first", "haadf", "haadf/value", "instrument/open_hold",
     "sample/truth"],
)  # fmt: skip
def test_any_part_of_a_scan_may_be_missing(tmp_path: Path, part: str) -> None:
    folder = FakeRun(tmp_path / "run", holds=(SCAN,)).write()
    with h5py.File(folder / "holds" / f"{SCAN.name}.nxs", "a") as file:
        del file["entry"][part]
    run = load_run(folder)
    for plate in hold_plates(run.holds[0]):
        assert plate.draw().axes
        assert plate.table()
    checks(run.holds)


@pytest.mark.parametrize(
    "part", ["diffraction", "diffraction/k", "diffraction/I", "diffraction/sigma", "diffraction/mean_image"]
)
def test_any_part_of_a_ring_profile_may_be_missing(tmp_path: Path, part: str) -> None:
    folder = FakeRun(tmp_path / "run", holds=(COLD, HOT)).write()
    with h5py.File(folder / "holds" / f"{HOT.name}.nxs", "a") as file:
        del file["entry"][part]
    for hold in load_run(folder).holds:
        for plate in hold_plates(hold):
            assert plate.draw().axes
            assert plate.table()


def test_a_scan_without_results_says_so(tmp_path: Path) -> None:
    (hold,) = written(tmp_path, FakePatterns(1, 25, side=32, results=False))
    (text,) = hold.missing
    assert "no variance V(k)" in text
    assert "annealscope analyze" in text
    assert not hold.analysed


@pytest.mark.parametrize(("crystals", "text"), [(True, "crystals"), (False, "amorphous")])
def test_rings_are_compared_with_the_coldest(tmp_path: Path, crystals: bool, text: str) -> None:
    hot = FakePatterns(3, 275, "diffraction", side=32, age_s=0.0, crystals=crystals)
    cold_hold, hot_hold = written(tmp_path, COLD, hot)
    assert cells.crystals(cold_hold).text == "reference"
    assert hot_hold.ring_difference is not None
    assert hot_hold.ring_difference.label == "25 °C"
    assert cells.crystals(hot_hold).text == text
    assert figure_profile(hot_hold).axes[1].get_title("right").endswith("crystals")


def test_the_verdict_on_the_thickness_is_below_the_map(tmp_path: Path) -> None:
    (hold,) = written(tmp_path, FakePatterns(1, 25, side=32, gradient="found"))
    assert "There is a gradient." in patterns(hold)


def relaxed(tau_s: float, beta: float = 0.7) -> HoldSummary:
    return HoldSummary(
        2, "02_ecm", setpoint_K=373.15, fits={"corrected": Fit(tau_s, beta)}, truth=Truth(500.0, 0.7),
        segment_slots=(7000,), period_s=2.0, correlation=Correlation(np.ones(1), {}, n_speckles=400),
    )  # fmt: skip


SCALE = 1 / np.sqrt(400 * 14000 / 500)


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.99, "pass"), (1.01, "fail"), (-0.99, "pass"), (-1.01, "fail")]
)
def test_relaxation_may_be_off_by_four_times_the_error_scale(share: float, verdict: str) -> None:
    tau, _ = checks([relaxed(500.0 * np.exp(share * (4 * 2.5 * SCALE + 0.03)))])
    _, beta = checks([relaxed(500.0, 0.7 + share * (4 * SCALE + 0.02))])
    assert (tau.verdict, beta.verdict) == (verdict, verdict)


@pytest.mark.parametrize(("share", "verdict"), [(0.99, "pass"), (1.01, "fail"), (-1.01, "fail")])
def test_variance_may_be_off_by_three_errors_and_a_hundredth(share: float, verdict: str) -> None:
    scale = 1.6 / np.sqrt(100 * 11 * 4.27 * 0.91 / 0.61)
    V = 0.13 * (1 + share * (3 * scale + 0.01))
    variance = Variance(np.arange(2.0), np.ones(2), peaks={"first": Peak(4.27, V, 0.004, 0.002)})
    hold = HoldSummary(
        1,
        "01_fem",
        method="fem",
        frames=100,
        probe_nm=0.91,
        variance=variance,
        pattern_truth=PatternTruth(0.13, 4.27, 0.4),
    )
    first, place, ratio = checks([hold])
    assert (first.verdict, place.verdict, ratio.verdict) == (verdict, "pass", "not judged")


def test_a_result_that_is_missing_is_not_judged() -> None:
    hold = HoldSummary(1, "01_fem", method="fem", pattern_truth=PatternTruth(0.13))
    assert [check.verdict for check in checks([hold])] == ["not judged"]


def test_published_numbers_are_those_of_the_file_and_only_for_its_alloy() -> None:
    path = Path(__file__).parents[1] / "protocols" / "amz4_paper.yaml"
    numbers = yaml.safe_load(path.read_text(encoding="utf-8"))
    paper = load_paper()
    assert [row.tau_s for row in paper.relaxation] == [row["tau_s"] for row in numbers["ecm"]["relaxation"]]
    assert paper.variance_step == numbers["fem"]["change_25_to_150degC"]
    assert paper_of({"AMZ4"}) == paper
    assert paper_of({"Vitreloy 1"}) is None
    assert paper_of(set()) is None


def test_published_numbers_are_drawn_beside_the_measured_ones(tmp_path: Path) -> None:
    scans = points_of(written(tmp_path, SCAN, FakePatterns(2, 150, side=32)))
    for figure, plain in (
        (figure_relaxation([relaxed(500)], load_paper()), figure_relaxation([relaxed(500)])),
        (figure_variance_of_temperature(scans, load_paper()), figure_variance_of_temperature(scans)),
    ):
        labels = figure.axes[0].get_legend_handles_labels()[1]
        assert any("published" in label for label in labels)
        assert not any("published" in label for label in plain.axes[0].get_legend_handles_labels()[1])


def test_many_losses_with_one_reason_are_told_in_one_line() -> None:
    losses = tuple(Loss(float(i), 10 * i, 2, "camera", False) for i in range(MOST_LOSSES + 1))
    hold = HoldSummary(2, "02_ecm", opened_s=100.0, losses=losses)
    (entry,) = ledger([], [hold], [])
    assert entry.what == f"{2 * len(losses)} frames in {len(losses)} places, first no. 0"
    assert (entry.t_s, entry.where) == (100.0, "02_ecm")


def records(*told: tuple[float, str, dict[str, object]]) -> list[dict[str, object]]:
    return [{"t_s": t_s, "kind": kind, **fields} for t_s, kind, fields in told]


def test_prompts_suspensions_and_parks_are_stretches_of_time() -> None:
    told = records(
        (1.0, "state", {"state": "running"}),
        (5.0, "prompt", {"message": "Insert the aperture."}),
        (9.0, "answered", {"by": "operator"}),
        (20.0, "state", {"state": "suspended", "why": "drift"}),
        (26.0, "state", {"state": "running"}),
        (40.0, "state", {"state": "parked", "why": "night"}),
        (41.0, "run_ended", {"outcome": "parked"}),
        (90.0, "run_continued", {}),
        (91.0, "state", {"state": "running"}),
    )
    found = sorted((s.start_s, s.end_s, s.state, s.why) for s in interruptions(told))
    assert found == [
        (5.0, 9.0, "prompt", "Insert the aperture."),
        (20.0, 26.0, "suspended", "drift"),
        (40.0, 90.0, "parked", "night"),
    ]
    assert outcome(told)[0] == "unfinished"
    assert outcome(told[:-2])[0] == "parked"
    assert [entry.what for entry in ledger(told, [], []) if "answered" in entry.what] == [
        "answered by operator"
    ]


def test_reasons_of_the_journal_are_told_with_the_lost_frames(tmp_path: Path) -> None:
    folder = FakeRun(tmp_path / "run", holds=(FakePatterns(1, 25, side=32, lost=(7,)),)).write()
    text = (folder / "journal.jsonl").read_bytes()
    body = (
        f'{{"n": {text.count(10)}, "t_s": 9.0, "kind": "lost", "hold": 1, "first_seq": 7, "why": "dropped"}}'
    )
    line = f'{body[:-1]}, "crc": "{zlib.crc32(body.encode()):08x}"}}\n'
    (folder / "journal.jsonl").write_bytes(text + line.encode())
    (entry,) = (entry for entry in load_run(folder).ledger if entry.weight == "lost")
    assert (entry.what, entry.why) == ("frame 7", "dropped")


def test_doses_without_a_region_count_where_the_beam_is(tmp_path: Path) -> None:
    told = records(
        (1.0, "region", {"number": 4, "position_nm": [1.0, 2.0], "thickness": None}),
        (2.0, "hold_opened", {"hold": 1, "name": "01_ecm"}),
        (3.0, "dose", {"region": None, "hold": 1, "exposed_per_nm2": 1e9, "beam_on_per_nm2": 2e9}),
    )
    (region,) = load_dose(tmp_path, told, {}).regions
    assert (region.number, region.holds, region.beam_on_per_nm2) == (4, ("01_ecm",), 2e9)
    assert np.isnan(load_dose(tmp_path, told, {}).share(region))


def test_series_of_probe_sizes_are_read_and_drawn(tmp_path: Path) -> None:
    path = tmp_path / "run.nxs"
    with h5py.File(path, "w") as file:
        fem = file.create_group("entry/fem")
        plot, line = fem.create_group("stratton_voyles"), fem.create_group("pair_persistence")
        plot["inverse_square"], plot["V"], plot["V_errors"] = np.arange(1.0, 6), np.ones(5), np.full(5, 0.1)
        plot.attrs.update(signal="V", axes=["inverse_square"], R_max_nm=1.3, sigma_R_max_nm=0.2)
        line["Q2"], line["Q2_over_V"] = np.arange(1.0, 6), np.arange(1.0, 6)
        line.attrs.update(
            signal="Q2_over_V", axes=["Q2"], slope=5.64, intercept_per_nm2=0.074, length_nm=1.39
        )
    (plots, lines) = load_probes(path)
    labels = figure_stratton_voyles(plots[0], load_paper()).axes[0].get_legend_handles_labels()[1]
    assert labels[0] == "largest at R = 1.30 ± 0.20 nm"
    labels = figure_pair_persistence(lines[0], load_paper()).axes[0].get_legend_handles_labels()[1]
    assert labels[0] == "Λ = 1.39 nm"
    assert load_probes(tmp_path / "none.nxs") == ((), ())


def test_results_of_the_analysis_are_understood(tmp_path: Path) -> None:
    microscope = Microscope(Geometry((70.3, 58.6), 0.13))
    spec = FemSpec((128, 128), 0.13, 0.91, (5, 5), 5.0, microscope.gain, microscope.offset)
    analysis = FemAnalysis(spec)
    haadf = 5000 + np.arange(25.0) % 7
    analysis.update(replace(uniform_block(microscope.patterns(Glass(), 25, seed=3), 4.0), haadf=haadf))
    path = tmp_path / "01_fem_25C.nxs"
    opening = open_hold(tmp_path, name="01_fem_25C", method="fem", probe_nm=0.91, settings={})
    writer = HoldWriter(path, opening)
    headers, frames = zip(*(frame(seq) for seq in range(16)), strict=True)
    list(writer.write_row(headers, np.stack(frames)))
    writer.write_results(results_to_entries(analysis.result()))
    writer.finalise("planned")
    hold = load_hold(path, {}, {})
    assert hold.variance is not None
    assert hold.variance.peaks["first"].k_per_nm == pytest.approx(4.27, abs=0.1)
    assert hold.variance.peaks["first"].sigma_V_max > 0
    assert (hold.missing, hold.analysed) == ((), True)
    assert hold.haadf is not None
    assert hold.haadf.gradient
    assert {plate.name for plate in hold_plates(hold)} == {"01_fem_25C_variance", "01_fem_25C_patterns"}
