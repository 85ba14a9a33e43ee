"""Maps of tau: the same fit as for one curve, for every pixel."""

import numpy as np
import pytest

from annealscope.analysis.kww import UNUSABLE, FitFlag, FitSpec, fit_kww, kww
from annealscope.analysis.maps import fit_maps
from annealscope.analysis.values import InvalidData

LAG_S = 2.0 * np.concatenate([np.arange(16), *(np.arange(8, 16) * 2**level for level in range(1, 7))])


def curves(shape=(6, 8), noise=0.02, seed=21):
    rng = np.random.Generator(np.random.Philox(seed))
    tau_s = np.exp(rng.normal(np.log(150.0), 0.3, shape))
    y = 0.5 * kww(LAG_S[:, None, None], tau_s, 0.8) + rng.normal(0.0, noise, (LAG_S.size, *shape))
    return y, tau_s


@pytest.mark.parametrize(
    "spec", [FitSpec.default(), FitSpec.paper(), FitSpec.with_baseline(), FitSpec(weights="pairs")]
)
def test_every_pixel_gets_the_fit_of_its_curve(spec):
    y, _ = curves()
    pairs = 7000.0 - LAG_S / 2.0
    maps = fit_maps(LAG_S, y, pairs, spec=spec, duration_s=14000.0)
    for row, column in np.ndindex(maps.tau_s.shape):
        fit = fit_kww(LAG_S, y[:, row, column], pairs, spec=spec, duration_s=14000.0)
        assert maps.tau_s[row, column] == pytest.approx(fit.tau_s, rel=1e-5, nan_ok=True)
        assert maps.beta[row, column] == pytest.approx(fit.beta, rel=1e-5, nan_ok=True)
        assert maps.amplitude[row, column] == pytest.approx(fit.amplitude, rel=1e-5, nan_ok=True)
        assert maps.flags[row, column] == fit.flags
    assert maps.tau_s.dtype == maps.beta.dtype == maps.amplitude.dtype == np.float32


def test_every_map_ends_at_its_own_first_crossing():
    y, tau_s = curves(noise=0.0)
    y[-3:] = -1.0
    maps = fit_maps(LAG_S, y, duration_s=14000.0)
    y[-2:] = 50.0
    again = fit_maps(LAG_S, y, duration_s=14000.0)
    np.testing.assert_array_equal(maps.tau_s, again.tau_s)
    assert maps.tau_s.shape == tau_s.shape


def test_bad_pixels_are_nan_and_flagged_and_leave_their_neighbours_alone():
    y, _ = curves()
    clean = fit_maps(LAG_S, y, duration_s=14000.0)
    mask = np.ones(clean.tau_s.shape, dtype=bool)
    mask[0, 0] = False
    y[:, 1, 1] = np.nan
    y[:, 2, 2] = -1.0
    y[:, 3, 3] = 0.3
    maps = fit_maps(LAG_S, y, duration_s=14000.0, mask=mask)
    assert maps.flags[0, 0] == FitFlag.MASKED
    assert maps.flags[1, 1] & FitFlag.NOT_CONVERGED
    assert maps.flags[2, 2] & FitFlag.NOT_CONVERGED
    assert maps.flags[3, 3] & FitFlag.TAU_AT_BOUND
    assert np.all(np.isnan(maps.tau_s[[0, 1, 2], [0, 1, 2]]))
    others = np.ones_like(mask)
    others[range(4), range(4)] = False
    np.testing.assert_array_equal(maps.tau_s[others], clean.tau_s[others])
    assert np.all(maps.flags[range(4), range(4)] & int(UNUSABLE))


def test_more_pixels_than_are_fitted_at_once():
    y, _ = curves((2, 3))
    tiled = np.tile(y, (1, 1, 12_000)).astype(np.float32)
    maps = fit_maps(LAG_S, tiled, duration_s=14000.0, spec=FitSpec(points=12))
    np.testing.assert_array_equal(maps.tau_s, np.tile(maps.tau_s[:, :3], (1, 12_000)))


@pytest.mark.parametrize(
    ("shape", "mask", "message"),
    [
        ((LAG_S.size, 4), None, "use fit_kww for one curve"),
        ((LAG_S.size - 1, 4, 4), None, "one lag time each"),
        ((LAG_S.size, 4, 4), np.ones((4, 5), dtype=bool), "mask must have the shape"),
    ],
)
def test_wrong_shapes_are_refused(shape, mask, message):
    with pytest.raises(InvalidData, match=message):
        fit_maps(LAG_S, np.ones(shape), mask=mask)
