"""Relaxation times at several dose rates: the laws, what is left without a beam, and the table of a run."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from record_samples import entry
from scipy.optimize import curve_fit
from test_crosshold import add_hold

from annealscope.analysis.dose import NO_ZERO_DOSE, additive_rates, no_dose_dependence, power_law
from annealscope.analysis.fit_spec import FitFlag
from annealscope.analysis.values import InvalidData
from annealscope.controller.offline.crosshold import cross_hold_results, write_run_file
from annealscope.controller.record.runfolder import RunFolder, create

PHI = np.array([0.5, 1.0, 2.1, 4.4]) * 1e5
TAU_0_S, B_NM2 = 1000.0, 2e-9
ADDITIVE_S = 1.0 / (1.0 / TAU_0_S + B_NM2 * PHI)
POWER_S = 485.0 * (PHI / 4.4e5) ** -0.385


def test_rates_that_add_up_are_found():
    found = additive_rates(PHI, ADDITIVE_S, 0.03 * ADDITIVE_S)
    assert (found.tau_0_s, found.b_nm2, found.rate_0_per_s) == pytest.approx((TAU_0_S, B_NM2, 1e-3))
    assert found.sigma_tau_0_s == pytest.approx(TAU_0_S**2 * found.sigma_rate_0_per_s)
    assert found.lower_bound_s == pytest.approx(1.0 / (1e-3 + 2 * found.sigma_rate_0_per_s))
    assert (found.agreement.dof, found.why) == (2, "")
    assert found.agreement.chi2 == pytest.approx(0.0, abs=1e-12)
    assert found.agreement.bic == pytest.approx(2 * np.log(4))


def test_scipy_finds_the_same_numbers_and_errors():
    tau_s = ADDITIVE_S * [1.05, 0.93, 1.02, 0.99]
    sigma_s = tau_s * [0.03, 0.05, 0.02, 0.04]
    found = additive_rates(PHI, tau_s, sigma_s)
    (a, b), covariance = curve_fit(
        lambda phi, a, b: -np.log(a + b * phi / 1e5),
        PHI,
        np.log(tau_s),
        (1e-3, 1e-4),
        sigma=sigma_s / tau_s,
        absolute_sigma=True,
        ftol=1e-13,
        xtol=1e-13,
    )
    sigma_a, sigma_b = np.sqrt(np.diag(covariance))
    assert (found.rate_0_per_s, found.b_nm2) == pytest.approx((a, b / 1e5), rel=1e-5)
    wider = np.sqrt(found.agreement.chi2 / 2)  # the times differ by more than their errors say
    assert wider > 1
    expected = wider * sigma_a, wider * sigma_b / 1e5
    assert (found.sigma_rate_0_per_s, found.sigma_b_nm2) == pytest.approx(expected, rel=1e-4)


def test_scattering_times_find_the_truth_within_their_errors():
    """400 series with errors of 5 %: means, scatter in units of the claimed errors, chi2 of 2 degrees."""
    random = np.random.Generator(np.random.Philox(5))
    found = [
        additive_rates(PHI, ADDITIVE_S * np.exp(0.05 * draw), 0.05 * ADDITIVE_S)
        for draw in random.standard_normal((400, 4))
    ]
    for name, truth in (("rate_0_per_s", 1.0 / TAU_0_S), ("b_nm2", B_NM2)):
        values, errors = (np.array([getattr(law, n) for law in found]) for n in (name, f"sigma_{name}"))
        assert abs(np.mean(values) - truth) < 4 * np.std(values) / 20 + 0.05**2 * truth
        assert 0.85 < np.std((values - truth) / errors) < 1.15
    assert abs(np.mean([law.agreement.chi2 for law in found]) - 2.0) < 4 * 2.0 / 20


def test_a_power_law_is_found_and_has_no_zero_dose():
    found = power_law(PHI, POWER_S, 0.03 * POWER_S)
    assert found.power == pytest.approx(-0.385)
    assert found.sigma_power == pytest.approx(0.03 / np.sqrt(4 * np.var(np.log(PHI))))
    assert found.tau_ref_s == pytest.approx(485.0 * (found.phi_ref_per_nm2_s / 4.4e5) ** -0.385)
    assert found.why == NO_ZERO_DOSE
    assert not hasattr(found, "tau_0_s")


@pytest.mark.parametrize(("tau_s", "better"), [(ADDITIVE_S, "additive"), (POWER_S, "power")])
def test_the_law_that_holds_agrees_better(tau_s, better):
    points = PHI, tau_s, 0.03 * tau_s
    bic = {
        "additive": additive_rates(*points).agreement.bic,
        "power": power_law(*points).agreement.bic,
        "constant": no_dose_dependence(*points).bic,
    }
    assert min(bic, key=bic.__getitem__) == better
    assert sorted(bic.values())[1] - bic[better] > 6


def test_without_a_dependence_one_time_is_enough():
    ln_shift, error = np.array([0.03, -0.04, 0.02, -0.01]), np.array([0.03, 0.04, 0.02, 0.06])
    tau_s = 700.0 * np.exp(ln_shift)
    points = PHI, tau_s, error * tau_s
    one = no_dose_dependence(*points)
    assert one.chi2 == pytest.approx(
        np.sum(((ln_shift - np.average(ln_shift, weights=error**-2)) / error) ** 2)
    )
    assert (one.dof, one.bic) == (3, one.chi2 + np.log(4))
    assert one.bic < min(additive_rates(*points).agreement.bic, power_law(*points).agreement.bic)


def test_a_rate_that_is_hardly_above_zero_gives_a_bound_only():
    tau_s = 1.0 / (1e-4 + 5e-9 * PHI)
    found = additive_rates(PHI, tau_s, 0.15 * tau_s)
    assert np.isnan([found.tau_0_s, found.sigma_tau_0_s]).all()
    assert found.rate_0_per_s == pytest.approx(1e-4)
    assert found.lower_bound_s == pytest.approx(1.0 / (1e-4 + 2 * found.sigma_rate_0_per_s))
    assert f"longer than {found.lower_bound_s:.4g} s" in found.why


def test_a_scatter_known_from_three_times_is_known_badly():
    """Nothing relaxes without the beam; places differ by four times the error of a record."""
    random = np.random.Generator(np.random.Philox(7))
    tau_s = 1.0 / (B_NM2 * PHI[1:]) * np.exp(0.12 * random.standard_normal((300, 3)))
    found = [additive_rates(PHI[1:], times, 0.03 * times) for times in tau_s]
    assert np.mean([np.isfinite(law.tau_0_s) for law in found]) < 0.09
    one = next(law for law in found if law.agreement.excess > 1)
    assert one.agreement.clear == pytest.approx(13.97, abs=0.01)
    largest_per_s = one.rate_0_per_s + 13.97 * one.sigma_rate_0_per_s
    assert one.lower_bound_s == pytest.approx(1.0 / largest_per_s, rel=1e-3)


def test_a_rate_below_zero_is_no_law():
    phi = np.geomspace(PHI[0], PHI[-1], 8)
    tau_s = 500.0 * (phi / 4.4e5) ** -1.2
    found = additive_rates(phi, tau_s, 0.03 * tau_s)
    assert np.isnan(found.tau_0_s)
    assert found.lower_bound_s == np.inf
    assert "rates do not add up" in found.why


@pytest.mark.parametrize("law", [additive_rates, power_law])
def test_two_dose_rates_are_no_series(law):
    found = law([1e5, 1e5, 2e5, 4e5], [900.0, 880.0, 700.0, np.nan], [30.0] * 4)
    assert found.why == "a law needs at least 3 different dose rates: got 2"
    assert np.isnan(found.agreement.chi2)


@pytest.mark.parametrize(
    ("phi", "tau", "sigma"),
    [(PHI, ADDITIVE_S[:3], ADDITIVE_S), (0 * PHI, PHI, PHI), (PHI, -PHI, PHI), (PHI, PHI, 0 * PHI)],
)
def test_what_is_no_series_is_refused(phi, tau, sigma):
    for law in (additive_rates, power_law, no_dose_dependence):
        with pytest.raises(InvalidData, match="dose series"):
            law(phi, tau, sigma)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create(tmp_path / "run")


def add_movie(run: RunFolder, hold: int, phi: float, tau_s: float, flags: int = 0, **changes: Any) -> None:
    fit = {"tau_s": tau_s, "sigma_tau_s": 0.03 * tau_s, "flags": flags}
    degC, settings = changes.pop("degC", 25.0), {"dose_rate_per_nm2_s": phi}
    entries = [entry("kww/corrected", None, **fit)]
    add_hold(run, hold, f"{hold:02d}_ecm", degC, entries, settings=settings, **changes)


def table(run: RunFolder) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    write_run_file(run)
    with h5py.File(run.run_file, "r") as file:
        group = file["entry/tau_of_dose_rate"]
        return {name: data[()] for name, data in group.items()}, dict(group.attrs)


def test_a_run_tells_the_time_at_zero_dose(run: RunFolder) -> None:
    """Sorted by dose rate; a flagged time takes no part; equal duty cycles need one set of numbers."""
    order = [2, 0, 3, 1]
    for hold, k in enumerate(order, start=1):
        add_movie(run, hold, PHI[k], ADDITIVE_S[k])
    add_movie(run, 5, 3e5, 50.0, flags=int(FitFlag.TOO_SLOW))
    columns, attrs = table(run)
    np.testing.assert_array_equal(columns["dose_rate"], PHI)
    np.testing.assert_array_equal(columns["mean_dose_rate"], PHI / 2)
    np.testing.assert_array_equal(columns["tau_s"], ADDITIVE_S)
    np.testing.assert_array_equal(columns["hold"], [b"02_ecm", b"04_ecm", b"01_ecm", b"03_ecm"])
    assert attrs["tau_0_s"] == pytest.approx(TAU_0_S)
    assert attrs["sigma_tau_0_s"] > 0
    assert attrs["bic_additive"] < attrs["bic_power"] < attrs["bic_constant"]
    assert attrs["why_power"] == NO_ZERO_DOSE
    assert not attrs["duty_differs"]
    assert not any(name.startswith("mean_") for name in attrs)


def test_where_duty_cycles_differ_both_dose_rates_are_tried(run: RunFolder) -> None:
    """The same times follow one power of the rate in exposures and another one of its mean."""
    duty = (PHI / PHI[-1]) ** -0.2 / 2
    for hold, (phi, tau_s, part) in enumerate(zip(PHI, POWER_S, duty, strict=True), start=1):
        add_movie(run, hold, phi, tau_s, exposure_s=part, period_s=1.0)
    columns, attrs = table(run)
    np.testing.assert_allclose(columns["mean_dose_rate"], PHI * duty)
    assert attrs["duty_differs"]
    assert attrs["power"] == pytest.approx(-0.385)
    assert attrs["mean_power"] == pytest.approx(-0.385 / 0.8)
    assert attrs["mean_why_power"] == NO_ZERO_DOSE


def test_what_was_heated_in_between_is_another_series(run: RunFolder) -> None:
    for hold, k in enumerate(range(4), start=1):
        add_movie(run, hold, PHI[k], ADDITIVE_S[k])
    add_movie(run, 5, PHI[0], 300.0, degC=200.0)
    for hold, k in enumerate(range(3), start=6):
        add_movie(run, hold, PHI[k], 2 * ADDITIVE_S[k])
    results = cross_hold_results(run)
    assert results["tau_of_dose_rate_2"].attrs["tau_0_s"] == pytest.approx(2 * TAU_0_S)
    assert not any(path.startswith("tau_of_dose_rate_3") for path in results)


def test_two_dose_rates_of_a_run_are_no_series(run: RunFolder) -> None:
    for hold, k in enumerate((0, 1, 1), start=1):
        add_movie(run, hold, PHI[k], ADDITIVE_S[k])
    assert not any(path.startswith("tau_of_dose_rate") for path in cross_hold_results(run))
