"""What a report makes of several acquisitions: telling them apart, and drawing them against what changes."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from run_folder import SMALL, FakeRun
from run_patterns import FakePatterns

from annealscope.analysis.fit_spec import FitFlag
from annealscope.controller.report.across import AGE, DOSE_RATE, TEMPERATURE, across
from annealscope.controller.report.apart import told_apart
from annealscope.controller.report.figures_probes import on_the_line
from annealscope.controller.report.figures_relaxation import (
    dose_power,
    dose_rates,
    figure_relaxation,
    table_relaxation,
)
from annealscope.controller.report.figures_temperature import (
    figure_variance_of_temperature,
    points_of,
    table_variance_of_temperature,
)
from annealscope.controller.report.load import load_run
from annealscope.controller.report.load_probes import load_scaled
from annealscope.controller.report.numbers import beside, percent
from annealscope.controller.report.overview import columns, rows, stays
from annealscope.controller.report.page import results_title
from annealscope.controller.report.paper import load_paper
from annealscope.controller.report.plates import run_plates
from annealscope.controller.report.summary import Fit, HoldSummary, Truth
from annealscope.controller.report.summary_patterns import PatternTruth, Peak, Variance
from annealscope.controller.report.summary_run import ProbeSeries, RunSummary, ScaledVariance


def hold(ordinal: int, degC: float, method: str = "ecm", **fields: object) -> HoldSummary:
    name = f"{ordinal:02d}_{method}"
    return HoldSummary(ordinal, name, method=method, setpoint_K=degC + 273.15, **fields)  # type: ignore[arg-type]


def labels(*holds: HoldSummary) -> list[str]:
    return [hold.label for hold in told_apart(holds)]


def test_methods_at_one_temperature_need_no_more_than_it() -> None:
    visit = (hold(1, 25), hold(2, 25, "fem", probe_nm=0.9), hold(3, 25, "diffraction"), hold(4, 100))
    assert labels(*visit) == ["25 °C", "25 °C", "25 °C", "100 °C"]
    assert len(rows(told_apart(visit), columns(visit))) == 2


def test_probe_sizes_and_dose_rates_tell_apart() -> None:
    scans = [hold(n, 25, "fem", probe_nm=0.5 * n, age_s=100.0 * n) for n in (1, 2, 3)]
    assert labels(*scans) == ["25 °C · probe 0.5 nm", "25 °C · probe 1 nm", "25 °C · probe 1.5 nm"]
    movies = [hold(n, 25, dose_rate_per_nm2_s=1e5 * n, acquisition=f"ecm_{n}") for n in (1, 2)]
    assert labels(*movies) == ["25 °C · 1.0 × 10⁵ e/nm²/s", "25 °C · 2.0 × 10⁵ e/nm²/s"]


def test_a_temperature_that_is_visited_again_says_after_what() -> None:
    run = (hold(1, 25), hold(2, 25, "fem"), hold(3, 275), hold(4, 25), hold(5, 25, "fem"))
    assert labels(*run) == ["25 °C", "25 °C", "275 °C", "25 °C · after 275 °C", "25 °C · after 275 °C"]
    assert [len(stay.holds) for stay in stays(told_apart(run))] == [2, 1, 2]


def test_as_many_words_as_it_takes() -> None:
    run = [hold(n, 25, "fem", probe_nm=size) for n, size in ((1, 1.0), (2, 2.0), (4, 1.0), (5, 2.0))]
    assert labels(run[0], run[1], hold(3, 100), run[2], run[3]) == [
        "25 °C · probe 1 nm", "25 °C · probe 2 nm", "100 °C",
        "25 °C · after 100 °C, probe 1 nm", "25 °C · after 100 °C, probe 2 nm",
    ]  # fmt: skip


def test_acquisitions_in_which_nothing_differs_have_their_age_or_number() -> None:
    aged = [hold(n, 275, age_s=3600.0 * n) for n in (1, 2)]
    assert labels(*aged) == ["275 °C · at age 1 h", "275 °C · at age 2 h"]
    assert labels(hold(1, 25), hold(2, 25)) == ["25 °C · no. 1", "25 °C · no. 2"]


def test_headings_say_what_tells_apart() -> None:
    first, _ = told_apart([hold(1, 25, title="fem at 25 degC", probe_nm=1.0), hold(2, 25, probe_nm=2.0)])
    assert first.heading == "fem at 25 °C · probe 1 nm"


def movie(ordinal: int, degC: float = 25.0, rate: float = 1e5, age_s: float = 100.0) -> HoldSummary:
    tau_s = 500 * (rate / 1e5) ** -0.4
    fits = {"corrected": Fit(tau_s, 0.7, sigma_tau_s=0.03 * tau_s, sigma_beta=0.01), "pixel": Fit(400, 0.8)}
    return hold(
        ordinal, degC, fits=fits, truth=Truth(tau_s, 0.7), dose_rate_per_nm2_s=rate, age_s=age_s * ordinal
    )


@pytest.mark.parametrize(
    ("holds", "what", "title"),
    [
        ([movie(1), movie(2, degC=100, rate=2e5)], TEMPERATURE, "Against temperature"),
        ([movie(1), movie(2, rate=2e5)], DOSE_RATE, "Across the holds"),
        ([movie(1), movie(2)], AGE, "Across the holds"),
        ([movie(1)], TEMPERATURE, "The result"),
    ],
)
def test_results_are_drawn_against_what_changes(holds: list[HoldSummary], what: object, title: str) -> None:
    assert across(holds) is what
    assert results_title(holds) == title
    (plate,) = run_plates(RunSummary(Path(), "", "success", holds=tuple(holds)))
    assert plate.name == f"tau_of_{across(holds).key}"
    assert plate.draw().axes[1].get_xlabel() == across(holds).label


def test_the_power_of_the_dose_rate_is_that_of_the_times() -> None:
    found = dose_power([movie(n, rate=rate) for n, rate in enumerate((0.5e5, 1e5, 2e5, 4e5), start=1)])
    assert found is not None
    rate, tau_s, words = found
    np.testing.assert_allclose(rate, [0.5, 4])
    np.testing.assert_allclose(tau_s, [500 * 2**0.4, 500 * 4**-0.4])
    # Equal relative errors of 3 %, ln(rate) spread over -1.5, -0.5, 0.5, 1.5 times ln 2.
    assert words.endswith(f"p = −0.400 ± {0.03 / np.sqrt(5 * np.log(2) ** 2):.3f}")
    assert dose_power([movie(1), movie(2, rate=2e5)]) is None


def test_the_time_at_zero_dose_is_that_of_rates_that_add_up() -> None:
    """1/tau = 1/1000 + 5e-4 per 1e5 electrons/nm^2/s, and a power law that leaves no rate at zero dose."""
    added = [
        hold(n, 25, fits={"corrected": Fit(tau_s, 0.7, sigma_tau_s=0.01 * tau_s)}, dose_rate_per_nm2_s=rate)
        for n, rate in enumerate((0.5e5, 1e5, 2e5, 4e5), start=1)
        for tau_s in (1 / (1e-3 + 5e-9 * rate),)
    ]
    found = dose_rates(added)
    assert found is not None
    rate, tau_s, words = found
    np.testing.assert_allclose(tau_s, 1 / (1e-3 + 5e-4 * rate))
    assert "τ₀ = 1000 ±" in words
    assert "τ₀ = " in str(figure_relaxation(added).axes[0].get_legend_handles_labels()[1])
    assert dose_rates([movie(1), movie(2, rate=2e5)]) is None


def test_only_published_results_at_the_temperature_stand_in_a_dose_series() -> None:
    axes = figure_relaxation([movie(1), movie(2, rate=3e5)], load_paper()).axes[0]
    (published,) = (line for line in axes.lines if str(line.get_label()).startswith("published"))
    np.testing.assert_allclose(published.get_xydata(), [[1.5, 734]])


@pytest.mark.parametrize(
    ("flags", "against", "hint"),
    [(FitFlag.RESIDUAL_RUNS, 0, 1), (FitFlag.TOO_SLOW, int(FitFlag.TOO_SLOW), 0)],
)
def test_a_hint_is_not_a_flag_against_a_fit(flags: FitFlag, against: int, hint: int) -> None:
    header, (row,) = table_relaxation([hold(1, 25, fits={"corrected": Fit(500, 0.7, flags=flags)})])
    shown = dict(zip(header, row, strict=True))
    assert (shown["flags against corrected / 1"], shown["hint of residuals in runs / 1"]) == (against, hint)


def scan(ordinal: int, degC: float, probe_nm: float = 0.9) -> HoldSummary:
    variance = Variance(np.arange(2.0), np.ones(2), peaks={"first": Peak(4.27, 0.14, 0.004, 0.002)})
    truth = PatternTruth(0.15, 4.27, 0.4, thickness=0.6)
    return hold(ordinal, degC, "fem", probe_nm=probe_nm, variance=variance, pattern_truth=truth)


def test_variance_is_drawn_for_one_probe_size_and_several_temperatures() -> None:
    assert points_of([scan(n, 25, 0.5 * n) for n in range(1, 5)]) == []
    assert points_of([scan(1, 25), scan(2, 25)]) == []
    points = points_of([scan(1, 25, 2.0), scan(2, 25), scan(3, 100)])
    assert [point.hold.ordinal for point in points] == [2, 3]


def test_variance_and_its_truth_are_brought_to_one_thickness() -> None:
    scaled = ScaledVariance(0.75, {"01_fem": (0.112, 0.003), "02_fem": (0.113, 0.004)})
    points = points_of([scan(1, 25), scan(2, 100)], scaled)
    assert [(point.V, point.sigma_V) for point in points] == [(0.112, 0.003), (0.113, 0.004)]
    np.testing.assert_allclose([point.V_truth for point in points], 0.15 * 0.6 / 0.75)
    header, table = table_variance_of_temperature(points, scaled)
    first = dict(zip(header, next(iter(table)), strict=True))
    assert (first["V first peak / 1"], first["V at one thickness / 1"], first["V truth / 1"]) == (
        0.14, 0.112, 0.15,
    )  # fmt: skip
    shown = [
        line.get_ydata()[0]
        for line in figure_variance_of_temperature(points, scaled=True).axes[0].lines
        if line.get_label() == "as measured"
    ]
    assert shown == [0.14]


def test_heights_at_one_thickness_are_read_where_one_is_known(tmp_path: Path) -> None:
    path = tmp_path / "run.nxs"
    assert load_scaled(path) is None
    with h5py.File(path, "w") as file:
        table = file.create_group("entry/V_of_T")
        table["hold"] = np.array([b"01_fem", b"02_fem"])
        table["V_scaled"], table["V_scaled_errors"] = [0.12, 0.13], [0.002, 0.003]
        table["scaled_to_thickness"] = 0.68
    assert load_scaled(path) == ScaledVariance(0.68, {"01_fem": (0.12, 0.002), "02_fem": (0.13, 0.003)})
    with h5py.File(path, "a") as file:
        file["entry/V_of_T/scaled_to_thickness"][...] = np.nan
    assert load_scaled(path) is None


def test_points_of_the_pair_persistence_line_are_those_it_was_fitted_to() -> None:
    probes_nm = np.array([0.8, 1.3, 2.5])
    series = ProbeSeries((0.61 / probes_nm) ** 2, np.ones(3), None, {"probes_nm": np.array([1.3, 2.5])})
    assert on_the_line(series).tolist() == [False, True, True]
    assert on_the_line(replace(series, numbers={})).all()


def test_what_tells_apart_is_read_from_the_files(tmp_path: Path) -> None:
    scans = (SMALL, replace(SMALL, ordinal=3, age_s=6000.0), FakePatterns(4, 100, side=32))
    run = load_run(FakeRun(tmp_path / "run", holds=scans).write())
    assert [hold.label for hold in run.holds] == [
        "100 °C · at age 33 min 20 s", "100 °C · at age 1 h 40 min", "100 °C · at age 1 h 40 min",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "sigma", "text"),
    [(0.4, 0.0121, "0.400"), (1730.2, 72, "1730"), (0.1234, float("nan"), "0.123")],
)
def test_a_truth_has_the_digits_of_what_was_found(value: float, sigma: float, text: str) -> None:
    assert beside(value, sigma) == text


@pytest.mark.parametrize(("share", "text"), [(0.882, "88%"), (0.0021, "0.2%"), (0.0, "0%"), (1.2, "120%")])
def test_small_shares_keep_a_digit(share: float, text: str) -> None:
    assert percent(share) == text
