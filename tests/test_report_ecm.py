"""What a report says of an ECM movie beyond its curves: which number to believe and why, length, age, map."""

import json
import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from run_ecm import BETA_STEPS, MAP_NUMBERS, SHARES
from run_folder import SMALL, FakeRun
from truth import Truth, movie
from truth_runs import analysed

from annealscope.analysis.fit_spec import FitFlag, FitSpec
from annealscope.analysis.precision import record_bias
from annealscope.controller.report import captions_ecm, cells, overview
from annealscope.controller.report.bias import expected
from annealscope.controller.report.digest import digest
from annealscope.controller.report.estimates import estimate_cells, table_estimates
from annealscope.controller.report.figures_age import figure_age, line
from annealscope.controller.report.figures_duration import figure_durations
from annealscope.controller.report.figures_relaxation import figure_relaxation
from annealscope.controller.report.figures_tau_map import figure_tau_map, fractions
from annealscope.controller.report.load import load_run
from annealscope.controller.report.load_map import tau_map
from annealscope.controller.report.load_series import aging, durations
from annealscope.controller.report.plates import hold_plates
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_ecm import MapStatistics


def hold_of(folder: Path, *, whole: bool = True) -> HoldSummary:
    """Write and read the run of one made-up hold."""
    (hold,) = load_run(FakeRun(folder / "run", holds=(replace(SMALL, whole=whole),)).write()).holds
    return hold


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> HoldSummary:
    """Return a hold that has everything."""
    return hold_of(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> HoldSummary:
    """Return a hold of before: curves, fits and a map alone."""
    return hold_of(tmp_path_factory.mktemp("runs"), whole=False)


def test_files_of_before_lack_nothing(before: HoldSummary) -> None:
    assert before.missing == ()
    topics = {plate.name.removeprefix(f"{SMALL.name}_") for plate in hold_plates(before)}
    assert topics == {"g2", "tau_map", "two_time", "dark_field", "drift"}
    assert "age" not in {column.key for column in overview.columns([before])}
    assert "no heterogeneity can be read off" in captions_ecm.tau_map(before)
    assert figure_tau_map(before).axes[0].images
    assert digest_of(before)["duration"] is digest_of(before)["aging"] is None


def test_the_bias_is_computed_where_the_file_does_not_say_it(before: HoldSummary) -> None:
    fit, slots = before.fits["corrected"], sum(before.segment_slots)
    tau_s, beta = record_bias(fit.tau_s, fit.beta, slots, before.period_s, FitSpec(range="first1"))
    assert (before.expected.tau_s, before.expected.beta) == pytest.approx((tau_s, beta))
    assert before.expected.tau_s < 0.8 * fit.tau_s


def test_the_file_says_the_bias_of_the_whole_record(hold: HoldSummary) -> None:
    assert hold.expected.tau_s == hold.durations.expected_tau_s[-1]


def test_no_bias_is_expected_of_a_flagged_or_short_record(before: HoldSummary) -> None:
    corrected, plain = before.fits["corrected"], before.fits["pixel"]
    assert expected(corrected, plain, None, 300, 10.0) is not None
    assert expected(replace(corrected, flags=FitFlag.TOO_SLOW), plain, None, 300, 10.0) is None
    assert expected(corrected, plain, None, 2, 10.0) is None
    assert expected(corrected, None, None, 300, 10.0) is None
    without = replace(before, expected=None)
    assert cells.tau_pixel(without).aside == ""
    assert "Here:" not in captions_ecm.g2(without)


def test_the_first_table_has_both_numbers_and_the_reason(hold: HoldSummary) -> None:
    shown = {column.key: column.cell(hold) for column in overview.columns([hold])}
    assert "±" in shown["tau"].text
    assert shown["tau_pixel"].aside == f"expected {hold.expected.tau_s:.0f} s"
    assert "±" not in shown["tau_pixel"].text
    assert (shown["age"].text, shown["age"].aside) == ("aging", "+0.500 ± 0.090")


def test_the_caption_gives_the_share_of_the_bias(hold: HoldSummary) -> None:
    text = captions_ecm.g2(hold)
    assert "504 ± " in text
    assert "against 388 s" in text
    assert f"into {hold.expected.tau_s:.0f} s" in text
    assert "jackknife" in text


@pytest.mark.parametrize(
    ("apart_s", "bias_s", "words"),
    [
        (100.0, 80.0, "80% of the 100 s"),
        (100.0, 120.0, "all of the 100 s"),
        (-5.0, 20.0, "chance has undone"),
    ],
)
def test_a_difference_is_split_into_bias_and_rest(apart_s: float, bias_s: float, words: str) -> None:
    assert words in captions_ecm.share_of_bias(apart_s, bias_s)


def test_errors_are_named_by_where_they_come_from(hold: HoldSummary) -> None:
    fits = dict(hold.fits) | {"corrected": replace(hold.fits["corrected"], errors="error scale")}
    assert "jackknife" not in captions_ecm.g2(replace(hold, fits=fits))
    assert "too small" in captions_ecm.g2(replace(hold, fits=fits))


def test_estimates_stand_side_by_side(hold: HoldSummary) -> None:
    lines = [dict(line) for line in estimate_cells(hold)]
    assert [line["Estimator"].kind for line in lines] == ["best", "", ""]
    assert [line["Expected"].value for line in lines] == [None, hold.expected.tau_s, hold.expected.tau_s]
    assert ["±" in line["τ"].text for line in lines] == [True, False, False]
    assert lines[0]["τ at β −0.10"].value == pytest.approx(1.03 * hold.fits["corrected"].tau_s)
    header, rows = table_estimates(hold)
    assert header[-4:] == tuple(f"tau at beta {step:+.2f} / s" for step in BETA_STEPS)
    assert {len(row) for row in rows} == {len(header)}


def test_against_temperature_the_bias_is_drawn(hold: HoldSummary) -> None:
    top = figure_relaxation([hold]).axes[0]
    (bar,) = [drawn for drawn in top.lines if drawn.get_label() == "expected of the bias alone"]
    assert list(bar.get_ydata()) == [hold.expected.tau_s]


def test_the_figure_of_lengths_has_the_asymptote_and_the_bias(hold: HoldSummary) -> None:
    top, bottom = figure_durations(hold).axes
    labels = top.get_legend_handles_labels()[1]
    assert f"hyperbolic asymptote\n{hold.durations.tau_asym_s:.0f} ± 15 s" in labels
    levels = {drawn.get_label().split("\n")[0]: drawn.get_ydata() for drawn in top.lines}
    assert set(levels["hyperbolic asymptote"]) == {hold.durations.tau_asym_s}
    np.testing.assert_array_equal(levels["expected of the bias alone"], hold.durations.expected_tau_s)
    assert len(top.containers) == len(bottom.containers) == 3
    assert len(hold.durations.T_s) == len(SHARES)


def test_the_caption_of_lengths_names_the_other_laws(hold: HoldSummary) -> None:
    text = captions_ecm.durations(hold)
    assert "That rise is the estimator's" in text
    assert re.search(r"asymptote of the circles, \d+ ± 15 s .*exponential \d+ s, linear in 1/T \d+ s\)", text)
    none = replace(hold.durations, tau_asym_s=float("nan"), why="too few lengths")
    assert "no asymptote: too few lengths." in captions_ecm.durations(replace(hold, durations=none))


def test_the_line_through_the_ages_has_the_slope(hold: HoldSummary) -> None:
    np.testing.assert_allclose(line(hold.aging), hold.aging.tau_s, rtol=1e-12)
    changed = replace(hold.aging, slope=-1.0)
    assert np.log(line(changed)[-1] / line(changed)[0]) == pytest.approx(-6 / 7)


@pytest.mark.parametrize(
    ("known", "name"), [(True, "Age since the temperature had settled"), (False, "Time")]
)
def test_ages_count_from_where_they_are_known(hold: HoldSummary, known: bool, name: str) -> None:
    hold = hold if known else replace(hold, age_s=float("nan"))
    top, bottom = figure_age(hold).axes
    first_s = hold.aging.t_s[0] + (SMALL.age_s if known else 0.0)
    (drawn,) = top.containers
    assert drawn.lines[0].get_xdata()[0] * 60 == pytest.approx(first_s)
    assert bottom.get_xlabel().startswith(name)
    assert "jump of the image" in top.get_legend_handles_labels()[1]
    assert top.get_title("right") == "aging"


@pytest.mark.parametrize("verdict", ["steady", "aging", "speeding up", "undetermined"])
def test_every_verdict_has_words(hold: HoldSummary, verdict: str) -> None:
    found = replace(hold.aging, verdict=verdict)
    text = captions_ecm.age(replace(hold, aging=found))
    assert f"{verdict.capitalize()}: " in text
    assert ("room for both" in text) == (verdict == "undetermined")
    assert cells.over_the_hold(replace(hold, aging=found)).text == verdict


def test_the_histogram_has_the_null_beside_it(hold: HoldSummary) -> None:
    figure = figure_tau_map(hold)
    labels = figure.axes[2].get_legend_handles_labels()[1]
    assert "uniform glass (null), σ(ln τ) = 0.470" in labels
    shown = fractions(hold.tau_map)
    assert len(shown.edges_s) == len(shown.seen) + 1 == len(shown.null) + 1


def test_maps_are_scaled_to_the_unflagged_pixels(hold: HoldSummary) -> None:
    valid = hold.tau_map.tau_s[np.isfinite(hold.tau_map.tau_s)]
    assert 0 < valid.size < hold.tau_map.tau_s.size
    for axes in figure_tau_map(hold).axes[:2]:
        assert axes.images[0].get_clim() == pytest.approx(tuple(np.percentile(valid, (1, 99))))
    assert np.isnan(hold.tau_map.patches.tau_s.flat[1])
    assert hold.tau_map.patches.side_px == pytest.approx(8)


def test_a_map_wider_than_its_null_is_heterogeneous(hold: HoldSummary) -> None:
    text = captions_ecm.tau_map(hold)
    for words in (
        "0.560 measured",
        "0.470 uniform",
        "σ_het = 0.305 ± 0.020",
        "Slow domains",
        "3, mean",
        "2.34 nm",
    ):
        assert words in text
    assert f"{hold.tau_map.flagged_fraction:.1%}" in text


@pytest.mark.parametrize(("excess", "verdict"), [(0.037, "heterogeneous"), (0.035, "undetermined")])
def test_heterogeneity_is_claimed_beyond_three_errors_only(excess: float, verdict: str) -> None:
    found = MapStatistics(sigma_het=excess**0.5, excess_variance=excess, sigma_excess_variance=0.012)
    assert found.verdict == verdict
    assert found.sigma_sigma_het == pytest.approx(0.006 / excess**0.5)


def test_a_map_no_wider_than_its_null_gives_a_limit(hold: HoldSummary) -> None:
    narrow = replace(hold.tau_map.statistics, sigma_het=0.0, excess_variance=-0.01, slow_domains=0)
    text = captions_ecm.tau_map(replace(hold, tau_map=replace(hold.tau_map, statistics=narrow)))
    assert "no heterogeneity can be claimed" in text
    assert f"σ_het = {narrow.most_het:.2f} would not be seen" in text
    assert narrow.most_het == pytest.approx((2 * 0.0121) ** 0.5)
    assert "mean diameter" not in text
    unsure = replace(narrow, excess_variance=0.1, sigma_excess_variance=float("nan"))
    assert unsure.verdict == "undetermined"
    text = captions_ecm.tau_map(replace(hold, tau_map=replace(hold.tau_map, statistics=unsure)))
    assert "too small to say" in text


def digest_of(hold: HoldSummary) -> dict:
    """Return what programs read of one hold."""
    (found,) = digest(replace(load_run(Path("nowhere")), holds=(hold,)))["holds"]
    return found


def test_verdicts_are_in_the_summary_for_programs(hold: HoldSummary) -> None:
    found = json.loads(json.dumps(digest_of(hold), allow_nan=False))
    assert found["aging"] == {
        "verdict": "aging", "slope": 0.5, "sigma_slope": 0.09, "jumps_s": [pytest.approx(900)],
    }  # fmt: skip
    assert found["duration"]["law"] == "hyp"
    assert found["duration"]["other_laws_s"]["pow"] is None
    assert found["map"]["verdict"] == "heterogeneous"
    assert found["map"]["sigma_het"] == MAP_NUMBERS["sigma_het"]
    assert found["expected_of_the_bias"]["tau_s"] == hold.expected.tau_s
    assert found["relaxation"]["corrected"]["errors"] == "jackknife"


def test_cut_columns_and_empty_attributes_are_unknown(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "cut.nxs", "w") as file:
        file["age/t_age_s"], file["age/tau_s"] = np.arange(7.0), np.arange(3.0)
        file["age"].attrs.update(slope=h5py.Empty("f8"), jumps_s=h5py.Empty("f8"))
        file["duration/T_s"] = np.arange(1.0, 4.0)
        found = aging(file)
        assert np.isnan(found.tau_s).all()
        assert np.isnan(found.slope)
        assert (found.verdict, found.jumps_s.size) == ("", 0)
        assert np.isnan(line(found)).all()
        assert durations(file) is None
        assert tau_map(file, None) is None


def test_what_the_analysis_writes_is_read(tmp_path: Path) -> None:
    truth = Truth(tau_s=60.0, beta=0.8, period_s=4.0, n_frames=320, side_px=40)
    with h5py.File(tmp_path / "hold.nxs", "w") as file:
        for path, result in analysed(truth, movie(truth, 77), map=True).items():
            node = file.require_group(path) if result.values is None else file.create_dataset(
                path, data=result.values
            )  # fmt: skip
            node.attrs.update({key: value for key, value in result.attrs.items() if value != []})
        lengths, ages, mapped = durations(file), aging(file), tau_map(file, None)
    for numbers in (
        lengths.tau_s["pixel"],
        lengths.sigma_tau_s["pixel"],
        lengths.expected_tau_s,
        lengths.T_s,
    ):
        assert np.isfinite(numbers).all()
    assert np.isfinite([lengths.tau_s["corrected"][-1], lengths.tau_s["ttcf"][-1]]).all()
    assert lengths.law == "hyp"
    assert np.isfinite([ages.slope, ages.sigma_slope, *ages.tau_s]).all()
    assert ages.verdict in captions_ecm.VERDICTS
    assert mapped.statistics.verdict in ("heterogeneous", "undetermined")
    assert mapped.fractions.null is not None
    assert mapped.patches.side_px >= 1
    missing = [name for name, value in vars(mapped.statistics).items() if not np.isfinite(value)]
    assert set(missing) <= {"slow_diameter_nm"}
