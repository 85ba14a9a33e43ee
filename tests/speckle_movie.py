"""The tests' own speckle movies: exact statistics, plain numpy, nothing shared with the code under test.

A circular complex Gaussian field E is drawn mode by mode inside a round pupil |q| <= q_a. Each mode is a time
series with the correlation g1(t) = exp[-(|t| / tau)^beta], so that by the Gaussian moment theorem the
intensity I = (1 - kappa) + kappa |E|^2 has g2(t) - 1 = kappa^2 exp[-2 (t / tau)^beta].
"""

import numpy as np

FWHM_TIMES_RADIUS = 0.514
"""Speckle FWHM times pupil radius: the half-width of [2 J1(x) / x]^2 with x = 2 pi q_a r."""


def speckle_movie(
    n_frames: int,
    shape: tuple[int, int],
    *,
    tau_frames: float,
    beta: float,
    contrast: float = 0.1,
    speckle_px: float = 4.0,
    electrons: float | None = None,
    seed: int,
    path_px: np.ndarray | None = None,
    gain: float = 10.0,
    offset: float = 100.0,
) -> np.ndarray:
    """Make a movie of boiling speckle.

    Parameters
    ----------
    n_frames, shape
        Number of frames and their (ny, nx).
    tau_frames, beta
        Relaxation time in frames and stretching exponent (0 < beta <= 2) of g1.
    contrast
        g2 - 1 at lag 0+, kappa^2.
    speckle_px
        FWHM of the speckle autocorrelation in pixels.
    electrons
        Mean electrons per pixel: photon counting, returns raw uint16. None: float32 intensities of mean 1.
    seed
        Same seed, same movie.
    path_px
        Position (y, x) of the pattern in each frame in pixels, shape (n, 2); a positive value moves it to
        larger index. Frames are cut out of a larger pattern: nothing wraps around.
    gain, offset
        Counts per electron and counts of the dark frame, when counting.

    Returns
    -------
    ndarray
        Shape (n_frames, ny, nx); float32, or uint16 when counting.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    path = np.zeros((n_frames, 2)) if path_px is None else np.asarray(path_px, dtype=np.float64)
    margin = 1 + int(np.ceil(np.abs(path).max())) if path.any() else 0
    grid = tuple(_comfortable(n + 2 * margin + int(np.ceil(4 * speckle_px))) for n in shape)
    qy, qx = _pupil(grid, speckle_px)
    series = _stretched_series(rng, n_frames, len(qy), tau_frames, beta)
    kappa = np.sqrt(contrast)
    movie = np.empty((n_frames, *shape), dtype=np.float32)
    scale = grid[0] * grid[1] / np.sqrt(len(qy))  # ifft2 divides by the area; |E|^2 has mean 1
    spectrum = np.zeros(grid, dtype=np.complex128)
    iy, ix = np.rint(qy * grid[0]).astype(int), np.rint(qx * grid[1]).astype(int)
    for frame, (dy, dx) in zip(range(n_frames), path, strict=True):
        spectrum[iy, ix] = series[frame] * np.exp(-2j * np.pi * (qy * dy + qx * dx))
        field = np.fft.ifft2(spectrum)[margin : margin + shape[0], margin : margin + shape[1]]
        movie[frame] = 1 - kappa + kappa * np.abs(field * scale) ** 2
    if electrons is None:
        return movie
    counts = rng.poisson(electrons * movie) * gain + offset
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def speckle_count(shape: tuple[int, int], speckle_px: float) -> float:
    """Number of independent speckles N_sp in a frame: area times the area pi q_a^2 of the pupil."""
    return shape[0] * shape[1] * np.pi * (FWHM_TIMES_RADIUS / speckle_px) ** 2


def _comfortable(n: int) -> int:
    """Next size with a quick FFT: a multiple of 16."""
    return -(-n // 16) * 16


def _pupil(grid: tuple[int, int], speckle_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (per pixel) of the grid's modes that the round pupil lets through."""
    qy, qx = np.meshgrid(np.fft.fftfreq(grid[0]), np.fft.fftfreq(grid[1]), indexing="ij")
    inside = np.hypot(qy, qx) <= FWHM_TIMES_RADIUS / speckle_px
    return qy[inside], qx[inside]


def _stretched_series(rng, n_frames, n_modes, tau_frames, beta) -> np.ndarray:
    """Complex Gaussian series (n_frames, n_modes) of unit variance with g1 = exp[-(t / tau)^beta].

    Circulant embedding: the transform of g1, laid on a circle of at least twice the length, is the power
    spectrum of the series. What is negative in it, because g1 has not decayed on the circle, is clipped.
    """
    length = 2 ** int(np.ceil(np.log2(max(2 * n_frames, min(8 * tau_frames, 16 * n_frames)))))
    lag = np.minimum(np.arange(length), length - np.arange(length))
    power = np.clip(np.fft.fft(np.exp(-((lag / tau_frames) ** beta))).real, 0, None)
    series = np.empty((n_frames, n_modes), dtype=np.complex64)
    for mode in range(n_modes):
        noise = (rng.standard_normal(length) + 1j * rng.standard_normal(length)) * np.sqrt(power / 2)
        series[:, mode] = np.fft.fft(noise)[:n_frames] / np.sqrt(length)
    return series
