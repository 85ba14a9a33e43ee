"""Stratton-Voyles plot and pair persistence, on the laws they come from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.analysis.order import pair_persistence, stratton_voyles
from annealscope.analysis.values import InvalidData

PROBES_NM = np.array([0.8, 0.91, 1.05, 1.2, 1.3, 1.5, 1.9, 2.5, 3.5, 5.0])
RELATIVE = np.array([2.2, 1.7, 1.5, 1.4, 1.3, 0.9, 0.8, 0.7, 0.6, 0.6]) / 100
"""Standard errors of 100 patterns."""
AS_CAST, ANNEALED = (5.64, 0.074), (5.45, 0.076)


def V_max(line=AS_CAST, probes_nm=PROBES_NM):
    """The line for large probes, and a decrease for probes below 1.43 nm: the maximum is at 1.298 nm."""
    m, c = line
    Q = 0.61 / np.asarray(probes_nm)
    return Q**2 / (m * Q**2 + c) * np.exp(-((np.maximum(0.0, Q - 0.61 / 1.43) / 0.6) ** 2))


@pytest.mark.parametrize(("line", "length_nm"), [(AS_CAST, 1.3895), (ANNEALED, 1.3478)])
def test_the_published_lines_give_their_lengths(line, length_nm):
    V = V_max(line)
    found = pair_persistence(PROBES_NM, V, V * RELATIVE)
    assert (found.m, found.c_per_nm2) == pytest.approx(line, rel=1e-9)
    assert found.length_nm == pytest.approx(length_nm, abs=5e-5)
    assert found.probes_nm == (1.5, 1.9, 2.5, 3.5, 5.0)
    assert found.interval_nm[0] < length_nm < found.interval_nm[1]
    assert found.why == ""


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(10)), st.floats(3.0, 9.0), st.floats(0.04, 0.2))
def test_the_line_is_the_weighted_one_of_polyfit(order, m, c):
    order = list(order)
    V = V_max((m, c)) * (1 + 0.01 * np.sin(9 * PROBES_NM))
    found = pair_persistence(PROBES_NM[order], V[order], (V * RELATIVE)[order], R_max_nm=1.4)
    on_line = PROBES_NM > 1.4
    x = (0.61 / PROBES_NM[on_line]) ** 2
    y = x / V[on_line]
    slope, intercept = np.polyfit(x, y, 1, w=1 / (y * RELATIVE[on_line]))
    assert (found.m, found.c_per_nm2) == pytest.approx((slope, intercept), rel=1e-6)


def test_points_left_of_the_maximum_are_not_on_the_line():
    """With them the length would be wrong by many standard errors."""
    V = V_max()
    right = pair_persistence(PROBES_NM, V, V * RELATIVE)
    wrong = pair_persistence(PROBES_NM, V, V * RELATIVE, R_max_nm=0.5)
    assert abs(wrong.length_nm - 1.3895) > 4 * right.sigma_length_nm
    assert wrong.chi2_per_dof > 10
    at_the_maximum = pair_persistence(PROBES_NM, V, V * RELATIVE, R_max_nm=1.5)
    assert 1.5 not in at_the_maximum.probes_nm


def scattered(seed, line=AS_CAST, relative=RELATIVE):
    rng = np.random.Generator(np.random.Philox(seed))
    V = V_max(line)
    return V * (1 + relative * rng.normal(size=V.size)), V * relative


def test_errors_are_the_scatter():
    found = [pair_persistence(PROBES_NM, *scattered(seed), R_max_nm=1.43) for seed in range(60)]
    lengths = np.array([one.length_nm for one in found])
    # Errors are scaled up when points scatter by chance, so on average they are a little large.
    assert np.mean([one.sigma_length_nm for one in found]) == pytest.approx(lengths.std(), rel=0.1 + 4 * 0.09)
    assert abs(lengths.mean() - 1.3895) < 4 * lengths.std() / np.sqrt(60)
    inside = [one.interval_nm[0] < 1.3895 < one.interval_nm[1] for one in found]
    assert abs(np.mean(inside) - 0.68) < 4 * np.sqrt(0.68 * 0.32 / 60)


def test_the_covariance_makes_the_error_larger():
    V = V_max()
    found = pair_persistence(PROBES_NM, V, V * RELATIVE)
    assert found.covariance < 0
    without = found.length_nm / 2 * np.hypot(found.sigma_m / found.m, found.sigma_c_per_nm2 / found.c_per_nm2)
    assert found.sigma_length_nm > 1.1 * without


def test_errors_of_the_probe_widen_the_interval():
    V = V_max()
    sharp = pair_persistence(PROBES_NM, V, V * RELATIVE).interval_nm
    vague = pair_persistence(PROBES_NM, V, V * RELATIVE, sigma_probe_nm=0.05 * PROBES_NM).interval_nm
    assert np.diff(vague) > 1.5 * np.diff(sharp)


def test_an_intercept_near_zero_gives_a_lower_bound_only():
    line = (5.64, 0.001)
    V = V_max(line)
    found = pair_persistence(PROBES_NM, V, V * RELATIVE, R_max_nm=1.4)
    assert np.isnan(found.length_nm)
    assert "cannot be told from 0" in found.why
    assert 1.5 < found.lower_bound_nm < np.sqrt(line[0] / line[1]) / (2 * np.pi)


def test_a_falling_line_has_no_length():
    V = 1 / (2 / (0.61 / PROBES_NM) ** 2 - 0.5)
    found = pair_persistence(PROBES_NM, V, V * RELATIVE, R_max_nm=0.5)
    assert np.isnan(found.length_nm)
    assert "slope" in found.why


def test_too_few_points_are_no_line():
    V = V_max()
    found = pair_persistence(PROBES_NM[:8], V[:8], (V * RELATIVE)[:8])
    assert np.isnan(found.length_nm)
    assert "4 probe sizes above R" in found.why
    none = pair_persistence(PROBES_NM[6:], V[6:], (V * RELATIVE)[6:])
    assert "no maximum" in none.why


@pytest.mark.parametrize("line", [AS_CAST, ANNEALED])
def test_the_probe_of_largest_variance_is_found(line):
    found = stratton_voyles(PROBES_NM, V_max(line), V_max(line) * RELATIVE)
    assert abs(found.R_max_nm - 1.298) < 2 * found.sigma_R_max_nm
    assert 0.05 < found.sigma_R_max_nm < 0.2
    np.testing.assert_allclose(found.inverse_square_per_nm2, PROBES_NM**-2.0)
    maxima = [stratton_voyles(PROBES_NM, *scattered(seed, line)).R_max_nm for seed in range(30)]
    assert np.nanmin(maxima) > 1.1
    assert np.nanmax(maxima) < 1.55


def test_a_parabola_in_ln_R_is_found_exactly():
    R = np.geomspace(0.7, 4.0, 9)
    V = 0.2 - 0.05 * np.log(R / 1.6) ** 2
    assert stratton_voyles(R, V, np.full(9, 1e-6)).R_max_nm == pytest.approx(1.6, rel=1e-6)


@pytest.mark.parametrize(
    ("V", "why"),
    [(PROBES_NM, "no maximum"), (-PROBES_NM, "no maximum"), ([1.0, 2.0] + [np.nan] * 8, "at least 3")],
)
def test_without_a_maximum_there_is_a_reason(V, why):
    found = stratton_voyles(PROBES_NM, V, np.full(10, 0.01))
    assert np.isnan(found.R_max_nm)
    assert why in found.why


def test_mixed_series_are_refused():
    with pytest.raises(InvalidData, match="all different"):
        stratton_voyles([1.0, 1.3, 1.3], [0.1, 0.2, 0.25], [0.01] * 3)
    with pytest.raises(InvalidData, match="one error for each probe"):
        pair_persistence([1.0, 1.3], [0.1, 0.2], [0.01])
    with pytest.raises(InvalidData, match="standard errors"):
        pair_persistence(PROBES_NM, V_max(), np.zeros(10))
