"""Slow domains: connected pixels above a threshold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from annealscope.analysis.domains import slow_domains
from annealscope.analysis.fit_spec import FitFlag

PICTURE = """
    ##....#
    ##...#.
    ....###
    #......
"""


def picture(text: str) -> np.ndarray:
    return np.array([[500.0 if pixel == "#" else 100.0 for pixel in row] for row in text.split()])


def no_flags(tau_s: np.ndarray) -> np.ndarray:
    return np.zeros(tau_s.shape, dtype=np.uint16)


def test_neighbours_by_a_side_belong_together():
    tau_s = picture(PICTURE)
    found = slow_domains(tau_s, no_flags(tau_s), 200.0, pixel_nm=0.5, smallest_nm2=0.5)
    np.testing.assert_allclose(found.diameters_nm, [1 / np.sqrt(np.pi / 4)] * 2)
    assert found.area_fraction == pytest.approx(8 / 28)
    assert found.above_fraction == pytest.approx(10 / 28)
    assert found.mean_diameter_nm == pytest.approx(found.diameters_nm[0])


def test_large_domains_weigh_more_in_the_mean():
    tau_s = np.full((10, 20), 100.0)
    tau_s[:4, :4] = tau_s[6, 6] = 500.0
    found = slow_domains(tau_s, no_flags(tau_s), 200.0, pixel_nm=1.0, smallest_nm2=0.0)
    large, small = np.sqrt(4 * np.array([16, 1]) / np.pi)
    np.testing.assert_allclose(found.diameters_nm, [large, small])
    assert found.mean_diameter_nm == pytest.approx((16 * large + small) / 17)


def test_pixels_without_a_fit_are_left_out_but_those_that_are_too_slow_are_slow():
    tau_s = np.full((4, 4), 100.0)
    flags = no_flags(tau_s)
    tau_s[0] = 500.0
    flags[0, :2] = FitFlag.TOO_SLOW | FitFlag.RESIDUAL_RUNS
    flags[0, 2] = FitFlag.LOW_AMPLITUDE
    flags[3], tau_s[3] = FitFlag.NOT_CONVERGED, np.nan
    found = slow_domains(tau_s, flags, 200.0, pixel_nm=1.0, smallest_nm2=2.0)
    np.testing.assert_allclose(found.diameters_nm, [np.sqrt(8 / np.pi)])
    assert found.area_fraction == pytest.approx(2 / 11)
    assert found.above_fraction == pytest.approx(3 / 11)


@pytest.mark.parametrize(("threshold_s", "flag"), [(np.nan, 0), (200.0, FitFlag.NOT_CONVERGED)])
def test_without_a_threshold_or_a_fit_nothing_is_known(threshold_s, flag):
    tau_s = picture(PICTURE)
    found = slow_domains(tau_s, no_flags(tau_s) + np.uint16(flag), threshold_s, 1.0, 1.0)
    assert found.diameters_nm.size == 0
    assert np.isnan([found.area_fraction, found.above_fraction, found.mean_diameter_nm]).all()


def flooded(slow: np.ndarray) -> list[int]:
    """Return the sizes of connected areas, pixel by pixel."""
    left = {tuple(place) for place in np.argwhere(slow)}
    sizes = []
    while left:
        reached, border = 0, [left.pop()]
        while border:
            y, x = border.pop()
            reached += 1
            new = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= new
            border += new
        sizes.append(reached)
    return sorted(sizes, reverse=True)


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(0, 5))
def test_the_same_domains_as_by_flooding(slow, smallest):
    tau_s = np.where(slow, 300.0, 100.0)
    found = slow_domains(tau_s, no_flags(tau_s), 200.0, pixel_nm=1.0, smallest_nm2=smallest)
    kept = [size for size in flooded(slow) if size >= smallest]
    np.testing.assert_allclose(np.pi / 4 * found.diameters_nm**2, kept)
    assert found.area_fraction == pytest.approx(sum(kept) / slow.size)
