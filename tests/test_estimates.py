import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from annealscope.analysis.diffraction import DiffractionAnalysis, DiffractionSpec
from annealscope.analysis.fem import FemAnalysis
from annealscope.analysis.fem_spec import FemSpec
from annealscope.analysis.values import FrameBlock
from annealscope.controller.planning.estimates import frame_bytes, pattern_memory_bytes, sigma_variance

FIRST_RING_PER_NM, HUNDRED = 4.27, 100


@pytest.mark.parametrize(("probe_nm", "scatter"), [(0.8, 0.022), (0.91, 0.017), (1.3, 0.013)])
def test_the_expected_error_of_the_variance_is_what_simulated_grids_scatter_by(probe_nm, scatter):
    """Scatter of the first peak of V(k) over repeated simulations, of 100 patterns each, known to a third."""
    assert sigma_variance(HUNDRED, probe_nm, FIRST_RING_PER_NM) == pytest.approx(scatter, rel=0.33)


def test_the_expected_error_is_that_of_independent_speckles():
    """An intensity with a variance of 1/7, about V of a glass, is nearly gamma distributed with shape 7."""
    radius_per_nm = 0.61 / 0.91
    speckles = HUNDRED * 11 * FIRST_RING_PER_NM / radius_per_nm
    rng = np.random.Generator(np.random.Philox(7))
    variances = [rng.gamma(7.0, size=round(speckles)).var(ddof=1) for _ in range(400)]
    scatter = np.std(variances) / np.mean(variances)
    # 400 repetitions know the scatter to 4 sigma = 4 / sqrt(800); the law itself is good to 30 %
    assert sigma_variance(HUNDRED, 0.91, FIRST_RING_PER_NM) == pytest.approx(scatter, rel=0.3 + 4 / 800**0.5)


def test_the_error_falls_with_the_root_of_patterns_and_speckles():
    one = sigma_variance(HUNDRED, 0.91, FIRST_RING_PER_NM)
    assert sigma_variance(4 * HUNDRED, 0.91, FIRST_RING_PER_NM) == pytest.approx(one / 2)
    assert sigma_variance(HUNDRED, 4 * 0.91, FIRST_RING_PER_NM) == pytest.approx(one / 2)
    assert sigma_variance(HUNDRED, 0.91, 4 * FIRST_RING_PER_NM) == pytest.approx(one / 2)


def patterns_of_a_glass(n, side, pixel_per_nm):
    """Rings with independent speckle in every pixel, raw counts (10 for an electron, offset 100)."""
    rng = np.random.Generator(np.random.Philox(7))
    y, x = np.indices((side, side)) - (side - 1) / 2
    k = np.hypot(y, x) * pixel_per_nm
    mean_e = 160 * np.exp(-k / 3) + 36 * np.exp(-(((k - 4.2) / 0.64) ** 2)) + 8
    electrons = rng.poisson(rng.gamma(7.0, 1 / 7, (n, side, side)) * mean_e)
    return (100 + 10 * electrons).clip(0, 60000).astype(np.uint16)


def block(frames, first):
    number = first + np.arange(len(frames))
    return FrameBlock(frames, number, np.zeros_like(number), 4.0 * number, np.zeros((len(frames), 2)))


def peak_bytes(analysis, frames):
    """Most memory while patterns come in blocks, beside the patterns themselves."""
    tracemalloc.start()
    try:
        for first in range(0, len(frames), 32):
            analysis.update(block(frames[first : first + 32].copy(), first))
            analysis.live()
        analysis.result()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


SIDE, PIXEL_PER_NM = 160, 0.091
PROGRAM = pattern_memory_bytes((0, 0))


@pytest.mark.parametrize(
    "grid",
    [(10, 10), pytest.param((24, 4), marks=pytest.mark.slow), pytest.param((3, 12), marks=pytest.mark.slow)],
)
def test_a_grid_fits_into_the_memory_that_is_told(grid):
    spec = FemSpec((SIDE, SIDE), PIXEL_PER_NM, 0.91, grid, 5.0, gain_counts_per_e=10.0, offset_counts=100.0)
    frames = patterns_of_a_glass(spec.positions, SIDE, PIXEL_PER_NM)
    of_pixels = pattern_memory_bytes((SIDE, SIDE), grid[0]) - PROGRAM
    assert 0.6 * of_pixels < peak_bytes(FemAnalysis(spec), frames) < 1.05 * of_pixels


def test_patterns_of_an_area_fit_into_the_memory_that_is_told():
    spec = DiffractionSpec((SIDE, SIDE), PIXEL_PER_NM, gain_counts_per_e=10.0, offset_counts=100.0)
    of_pixels = pattern_memory_bytes((SIDE, SIDE)) - PROGRAM
    frames = patterns_of_a_glass(40, SIDE, PIXEL_PER_NM)
    assert 0.3 * of_pixels < peak_bytes(DiffractionAnalysis(spec), frames) < 1.05 * of_pixels


def test_a_pattern_takes_two_bytes_a_pixel_and_its_header():
    assert frame_bytes((512, 512)) * 100 == pytest.approx(52.4e6, rel=1e-3)


def test_a_plan_loads_no_compiler_and_no_plotting():
    code = (
        "import sys\n"
        "import annealscope.controller.planning, annealscope.controller.planning.picture\n"
        "import annealscope.controller.planning.card_text, annealscope.controller.planning.table\n"
        "print([name for name in ('numba', 'matplotlib', 'h5py', 'zmq') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
