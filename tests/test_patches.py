"""Curves of squares of speckles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.analysis.averages import g2_averages
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.patches import patch_g2, patch_side_px


def sums_of(shape, seed=1):
    rng = np.random.Generator(np.random.Philox(seed))
    correlator = MultiTau(shape, levels=2)
    correlator.update(0.5 + rng.random((40, *shape)), np.arange(40), np.zeros(40))
    return correlator.sums()


@settings(max_examples=20, deadline=None)
@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), st.integers(1, 5), st.integers(0, 99))
def test_a_patch_has_the_ratio_curve_of_its_pixels(shape, side_px, seed):
    sums = sums_of(shape, seed)
    g2 = patch_g2(sums, side_px)
    assert g2.shape == (sums.pairs.size, shape[0] // side_px, shape[1] // side_px)
    for row, column in np.ndindex(g2.shape[1:]):
        mask = np.zeros(shape, dtype=bool)
        mask[row * side_px : (row + 1) * side_px, column * side_px : (column + 1) * side_px] = True
        np.testing.assert_allclose(g2[:, row, column], g2_averages(sums, mask)["ratio"], rtol=1e-6)


def test_a_patch_without_intensity_has_no_curve():
    sums = sums_of((4, 8))
    for part in (sums.product, sums.left, sums.right):
        part[:, :, :4] = 0
    g2 = patch_g2(sums, 4)
    assert np.isnan(g2[:, 0, 0]).all()
    assert np.isfinite(g2[:, 0, 1]).all()


def test_pixels_without_light_are_no_part_of_a_patch():
    sums = sums_of((4, 8))
    sums.product[:, 0, 4:] = 0.2 * sums.pairs[:, None]  # noise, about which nothing relaxes
    for part in (sums.left, sums.right):
        part[:, 0, 4:] = 0.05 * sums.pairs[:, None]
    lit = np.zeros((4, 8), dtype=bool)
    lit[1:, 4:] = True
    np.testing.assert_allclose(patch_g2(sums, 4)[:, 0, 1], g2_averages(sums, lit)["ratio"], rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "speckle_px", "side_px"), [((96, 96), 4.0, 16), ((30, 12), 4.0, 12), ((96, 96), 0.1, 1)]
)
def test_a_patch_is_four_speckles_wide_or_as_wide_as_the_frame(shape, speckle_px, side_px):
    assert patch_side_px(shape, 0.514 / speckle_px) == side_px
