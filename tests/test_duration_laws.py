"""Extrapolation of relaxation times to an endless record."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit

from annealscope.analysis.duration import LAWS, asymptote
from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.precision import record_bias
from annealscope.analysis.values import InvalidData

T_S = np.array([5.0, 10.0, 15.0, 20.0, 25.0]) * 1e3
EXACT = {
    "hyp": (900.0 * T_S / (T_S + 4000.0), 4000.0),
    "exp": (900.0 - 500.0 * np.exp(-T_S / 6000.0), 6000.0),
    "invT": (900.0 - 1.8e6 / T_S, 2000.0),
    "pow": (900.0 - 400.0 * (T_S / 1e4) ** -0.7, 1e4 * (400.0 / 900.0) ** (1.0 / 0.7)),
}


@pytest.mark.parametrize("law", LAWS)
def test_every_law_finds_its_own_parameters(law):
    tau_s, T0_s = EXACT[law]
    found = asymptote(T_S, tau_s, law)
    assert (found.law, found.why) == (law, "")
    assert found.tau_asym_s == pytest.approx(900.0, rel=1e-6)
    assert found.T0_s == pytest.approx(T0_s, rel=1e-5)
    assert found.rms_s < 1e-5


@pytest.mark.parametrize("law", LAWS)
def test_order_and_units_of_the_durations_do_not_matter(law):
    tau_s = EXACT["hyp"][0] + [3.0, -5.0, 2.0, 4.0, -4.0]
    there, back = asymptote(T_S, tau_s, law), asymptote(T_S[::-1] / 3600, tau_s[::-1], law)
    assert back.tau_asym_s == pytest.approx(there.tau_asym_s, rel=1e-7)
    assert back.T0_s * 3600 == pytest.approx(there.T0_s, rel=1e-5)
    assert back.rms_s == pytest.approx(there.rms_s, rel=1e-7)


@pytest.mark.parametrize(
    ("law", "formula", "start"),
    [
        ("hyp", lambda T, A, T0: A * T / (T + T0), (900, 3000)),
        ("exp", lambda T, A, T0, a: A - a * np.exp(-T / T0), (900, 5000, 500)),
        ("invT", lambda T, A, T0: A - A * T0 / T, (900, 2000)),
        ("pow", lambda T, A, T0, p: A - A * (np.abs(T0) / T) ** p, (900, 1000, 0.7)),
    ],
)
def test_scipy_finds_the_same_minimum(law, formula, start):
    tau_s = EXACT["hyp"][0] + [3.0, -5.0, 2.0, 4.0, -4.0]
    found = asymptote(T_S, tau_s, law)
    parameters, _ = curve_fit(formula, T_S, tau_s, start, ftol=1e-14, xtol=1e-14, maxfev=10_000)
    assert (found.tau_asym_s, found.T0_s) == pytest.approx(parameters[:2], rel=1e-4)
    assert found.rms_s == pytest.approx(np.sqrt(np.mean((formula(T_S, *parameters) - tau_s) ** 2)), rel=1e-8)


@pytest.mark.parametrize(("tau_s", "beta"), [(892.0, 0.70), (500.0, 0.62), (1100.0, 0.84)])
@pytest.mark.parametrize("spec", [FitSpec.default(), FitSpec.paper()])
def test_the_hyperbola_finds_the_truth_behind_biased_times_and_the_exponential_does_not(tau_s, beta, spec):
    """The expected times of a plain fit to a stationary field: the trend is the estimator's alone."""
    spacing_s = 5.0
    seen = [record_bias(tau_s, beta, int(T / spacing_s), spacing_s, spec)[0] for T in T_S]
    assert np.all(np.diff(seen) > 0)
    assert seen[-1] < 0.95 * tau_s
    truth = {law: asymptote(T_S, seen, law).tau_asym_s / tau_s for law in LAWS}
    assert truth["hyp"] == pytest.approx(1.0, abs=0.01)
    assert truth["exp"] < 0.95
    assert truth["exp"] < truth["invT"] < truth["hyp"] < truth["pow"]


def test_a_time_that_falls_has_an_asymptote_too():
    found = asymptote(T_S, 900.0 * T_S / (T_S - 1000.0))
    assert (found.tau_asym_s, found.T0_s) == pytest.approx((900.0, -1000.0), rel=1e-6)


@pytest.mark.parametrize("law", ["hyp", "exp", "pow"])
def test_a_time_in_proportion_to_the_duration_has_none(law):
    found = asymptote(T_S, 0.02 * T_S, law)
    assert np.isnan([found.tau_asym_s, found.T0_s, found.rms_s]).all()
    assert "no approach" in found.why


def test_a_negative_asymptote_is_not_a_time():
    found = asymptote(T_S, 1e7 / T_S - 300.0, "invT")
    assert np.isnan(found.tau_asym_s)
    assert "not a time: got -300 s" in found.why


@pytest.mark.parametrize("law", LAWS)
def test_too_little_is_said(law):
    tau_s = EXACT["hyp"][0]
    few = asymptote(T_S[:3], tau_s[:3], law)
    assert np.isnan(few.tau_asym_s)
    assert few.why == "a law needs at least 4 durations: got 3"
    unknown = asymptote(T_S, np.where(T_S > 1.2e4, tau_s, np.nan), law)
    assert np.isnan(unknown.tau_asym_s)
    assert unknown.why == "2 of 5 relaxation times are unknown"


@pytest.mark.parametrize(
    ("T_s", "tau_s", "law"),
    [(T_S, T_S[:4], "hyp"), (-T_S, T_S, "hyp"), (np.full(5, 1e3), T_S, "hyp"), (T_S, T_S, "linear")],
)
def test_what_is_no_series_is_refused(T_s, tau_s, law):
    with pytest.raises(InvalidData, match=r"law|durations"):
        asymptote(T_s, tau_s, law)


def test_the_page_shows_what_its_example_prints(capsys):
    page = (Path(__file__).parent.parent / "docs/methods/duration.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {})  # noqa: S102
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 + len(LAWS)
    assert set(printed) <= set(page.splitlines())
