import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annealscope.analysis.binning import bin_frame
from annealscope.analysis.shift import (
    REACH_PX,
    lagrange_weights,
    normalise_block,
    sample_block,
    sample_shifted,
)
from annealscope.analysis.values import InvalidData

fractions = st.floats(-8, 8, allow_nan=False)


def noise(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    return np.random.Generator(np.random.Philox(seed)).integers(0, 65536, shape).astype(np.uint16)


def speckle(n: int, fwhm_px: float, seed: int = 2) -> np.ndarray:
    """A periodic pattern whose frequencies end where those of speckle of this width do."""
    rng = np.random.Generator(np.random.Philox(seed))
    q = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    field = np.fft.ifft2(np.where(q <= 0.514 / fwhm_px, rng.normal(size=(2, n, n)).T @ [1, 1j], 0))
    return (np.abs(field) ** 2 / np.mean(np.abs(field) ** 2)).astype(np.float32)


def fourier_shifted(frame: np.ndarray, d_px: tuple[float, float]) -> np.ndarray:
    """frame(r + d), periodic."""
    fy, fx = np.fft.fftfreq(frame.shape[0])[:, None], np.fft.fftfreq(frame.shape[1])
    ramp = np.exp(2j * np.pi * (fy * d_px[0] + fx * d_px[1]))
    return np.fft.ifft2(np.fft.fft2(frame) * ramp).real


def slowly_sampled(frame: np.ndarray, d_px: tuple[float, float], margin: int) -> np.ndarray:
    """The definition: polynomial interpolation through six neighbours, edges repeated."""
    out = frame.astype(np.float64)
    for axis, d in enumerate(d_px):
        whole = int(np.floor(d))
        nodes = np.arange(-2, 4)
        values = []
        for position in range(out.shape[axis]):
            index = np.clip(position + whole + nodes, 0, out.shape[axis] - 1)
            weights = [np.prod([(d - whole - b) / (a - b) for b in nodes if b != a]) for a in nodes]
            values.append(np.tensordot(weights, np.take(out, index, axis), (0, axis)))
        out = np.stack(values, axis)
    return out[margin : frame.shape[0] - margin, margin : frame.shape[1] - margin]


@settings(max_examples=40, deadline=None)
@given(dy=fractions, dx=fractions, margin=st.integers(0, 6), as_float=st.booleans())
def test_equals_the_slow_definition_everywhere(dy: float, dx: float, margin: int, as_float: bool) -> None:
    frame = noise((21, 18))
    out = np.empty((21 - 2 * margin, 18 - 2 * margin), dtype=np.float32)
    sample_shifted(frame.astype(np.float32) if as_float else frame, (dy, dx), out)
    np.testing.assert_allclose(out, slowly_sampled(frame, (dy, dx), margin), rtol=2e-5, atol=0.1)


@given(dy=st.integers(-30, 30), dx=st.integers(-30, 30))
def test_whole_pixels_are_copied_exactly_and_nothing_wraps(dy: int, dx: int) -> None:
    frame = noise((24, 20))
    out = np.empty((24, 20), dtype=np.float32)
    sample_shifted(frame, (float(dy), float(dx)), out)
    rows = np.clip(np.arange(24) + dy, 0, 23)
    columns = np.clip(np.arange(20) + dx, 0, 19)
    np.testing.assert_array_equal(out, frame[np.ix_(rows, columns)])


@pytest.mark.parametrize(("fwhm_px", "limit"), [(6, 0.001), (4, 0.01), (3, 0.04)])
def test_band_limited_speckle_is_interpolated_as_a_fourier_shift_would(fwhm_px: float, limit: float) -> None:
    frame, d_px = speckle(64, fwhm_px), (0.5, -1.5)
    margin = 6
    out = np.empty((52, 52), dtype=np.float32)
    sample_shifted(frame, d_px, out)
    exact = fourier_shifted(frame, d_px)[margin:-margin, margin:-margin]
    assert np.std(out - exact) < limit * np.std(exact)


def test_a_feature_moved_to_larger_index_is_moved_back() -> None:
    frame = np.zeros((32, 32), dtype=np.float32)
    frame[16 + 2, 16 - 3] = 1
    out = np.empty((32, 32), dtype=np.float32)
    sample_shifted(frame, (2.0, -3.0), out)
    assert np.unravel_index(np.argmax(out), out.shape) == (16, 16)


def test_a_block_is_its_frames_one_by_one() -> None:
    frames = noise((9, 40, 36))
    d_px = np.random.Generator(np.random.Philox(3)).uniform(-3, 3, (9, 2))
    block = np.empty((9, 28, 24), dtype=np.float32)
    sample_block(frames, d_px, block)
    for frame, d, expected in zip(frames, d_px, block, strict=True):
        single = np.empty((28, 24), dtype=np.float32)
        sample_shifted(frame, (d[0], d[1]), single)
        np.testing.assert_array_equal(single, expected)


def test_a_crop_by_the_reach_sees_no_edge() -> None:
    frame, other = noise((40, 40)), noise((40, 40), seed=9)
    other[4:-4, 4:-4] = frame[4:-4, 4:-4]
    margin = 4 + 2 + REACH_PX
    results = np.empty((2, 40 - 2 * margin, 40 - 2 * margin), dtype=np.float32)
    for result, image in zip(results, (frame, other), strict=True):
        sample_shifted(image, (1.99, -1.99), result)
    np.testing.assert_array_equal(results[0], results[1])


@given(st.floats(0, 1))
def test_weights_keep_a_constant(fraction: float) -> None:
    assert lagrange_weights(np.array(fraction)).sum() == pytest.approx(1, abs=1e-6)


def test_normalised_frames_have_mean_one() -> None:
    frames = noise((3, 30, 30)).astype(np.float32)
    expected = frames.mean(axis=(1, 2), dtype=np.float64) - 100
    np.testing.assert_allclose(normalise_block(frames, 100.0), expected, rtol=1e-5)
    np.testing.assert_allclose(frames.mean(axis=(1, 2), dtype=np.float64), 1, atol=1e-5)


def test_a_dark_frame_is_left_undivided() -> None:
    frames = np.full((1, 16, 16), 100, dtype=np.float32)
    assert normalise_block(frames, 100.0) == [0.0]
    assert np.all(frames == 0)


@pytest.mark.parametrize("shape", [(1, 41, 40), (1, 33, 34), (2, 40, 40)])
def test_output_that_is_no_centred_crop_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidData, match="centred crop"):
        sample_block(noise((1, 40, 40)), np.zeros((1, 2)), np.empty(shape, dtype=np.float32))


def test_a_displacement_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InvalidData, match="mask the frame"):
        sample_shifted(noise((20, 20)), (np.nan, 0.0), np.empty((20, 20), dtype=np.float32))


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_binning_averages_squares(factor: int) -> None:
    frames = noise((2, 25, 19))
    ny, nx = 25 // factor, 19 // factor
    expected = frames[:, : ny * factor, : nx * factor].reshape(2, ny, factor, nx, factor).mean(axis=(2, 4))
    np.testing.assert_allclose(bin_frame(frames[1], factor), expected[1], rtol=1e-6)
