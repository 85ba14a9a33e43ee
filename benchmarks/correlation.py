"""How fast the kernels of electron correlation microscopy are, against what the machine can do.

    python benchmarks/correlation.py            the table, 1024 x 1024, five repeats
    python benchmarks/correlation.py --quick    small sizes: whether it works, not how fast it is
    python benchmarks/correlation.py --disk 7000    also `annealscope analyze` of so many frames from disk

Each repeat times the work and its limit side by side; the ratio is the median over these pairs, because a
machine that is shared changes its speed from minute to minute. Frames are float32, normalised, as the
analysis has them after drift correction; the copied frame is uint16, as the camera gives it. Peers are
measured when they are installed (``pip install -e '.[bench]'``).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field, replace

import numba
import numpy as np
from correlation_disk import analyse_from_disk
from correlation_peers import peers
from scipy.optimize import curve_fit

from annealscope.analysis.fit_spec import FitSpec
from annealscope.analysis.kww import fit_each_finite
from annealscope.analysis.kww_batch import fit_curves, fit_limits
from annealscope.analysis.kww_model import finite_kww, kww
from annealscope.analysis.multitau import MultiTau
from annealscope.analysis.twotime import TwoTime
from annealscope.analysis.twotime_bins import GROUP

LAG_SLOTS = np.unique(np.rint(np.geomspace(1, 1500, 48)))[:40]
EVERY_LAG = FitSpec(resample="none", range="full")
NOISE = 0.03
BLOCK = 32
BLAS_RESTS_S = 0.2
"""So long after a product its threads have stopped looking for the next one, which slows other work down."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    side: int = 1024
    repeats: int = 5
    curves: int = 2**20
    sampled: int = 400
    offline: int = 2048
    strip: int = 128
    """Rows of the frame that the offline TTCF is measured on: 2048 whole frames would take 8.6 GB."""

    kept: int = 512
    live: int = 2048
    gemm: int = 2048
    peer_side: int = 256
    peer_frames: int = 512


QUICK = Sizes(64, 2, 1024, 10, 64, 16, 64, 64, 256, 8, 64)


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def frames_like_speckle(count: int, shape: tuple[int, int]) -> np.ndarray:
    """Return frames of mean 1 with noise: what they show does not matter here."""
    rng = np.random.Generator(np.random.Philox(1))
    noise = rng.standard_normal((min(count, 8), *shape), dtype=np.float32)
    return (1 + np.float32(0.3) * noise)[np.arange(count) % len(noise)]


def row(name: str, aim: str, value: str, limit: str, ratio: str) -> None:
    """Print a row of the table."""
    print(f"{name:44} {value:>22}  {limit:>26}  {ratio:>22}  {aim}", flush=True)


def copy_ms(side: int) -> float:
    """Copy many frames; return the time of one."""
    source = np.ones((BLOCK, side, side), dtype=np.uint16)
    target = np.zeros_like(source)

    def copy_all() -> None:
        for frame in range(BLOCK):
            np.copyto(target[frame], source[frame])

    return 1e3 * mean_seconds(copy_all, 0.2) / BLOCK


def sgemm_gflops(n: int, least_s: float) -> float:
    """Multiply two square matrices; return the rate."""
    a = np.ones((n, n), dtype=np.float32)
    out = np.empty_like(a)
    rate = 2e-9 * n**3 / mean_seconds(lambda: np.matmul(a, a, out=out), min(least_s, 3.0))
    time.sleep(BLAS_RESTS_S)
    return rate


def mean_seconds(work: Callable[[], object], least_s: float) -> float:
    """Repeat for so long, to be disturbed as often as what it is compared with; return the time of one."""
    work()
    times = [seconds(work)]
    while sum(times) < least_s:
        times.append(seconds(work))
    return statistics.mean(times)


def feeder(accumulator: MultiTau | TwoTime, frames: np.ndarray) -> Callable[[], None]:
    """Return a function that adds the next ``len(frames)`` frames."""
    slots = iter(range(0, 10**9, len(frames)))

    def feed() -> None:
        accumulator.update(frames, next(slots) + np.arange(len(frames)), np.zeros(len(frames)))

    return feed


def multi_tau(sizes: Sizes) -> float:
    """Correlate every pixel while the frames arrive, against copying one frame; return its ms a frame."""
    shape = (sizes.side, sizes.side)
    feed = feeder(MultiTau(shape, channels=16, levels=8), frames_like_speckle(BLOCK, shape))
    cycle = 16  # blocks after which the levels have had about their average share of the work
    for _ in range(cycle):
        feed()
    pairs = []
    for _ in range(sizes.repeats):
        each_ms = 1e3 * statistics.mean(seconds(feed) for _ in range(cycle)) / BLOCK
        pairs.append((each_ms, copy_ms(sizes.side)))
    work, limit, ratio = medians(pairs)
    measured, copying = f"{work:.2f} ms/frame", f"copyto {limit:.3f} ms"
    row("multi-tau, 16 channels x 8 levels", "<= 9", measured, copying, f"{ratio:.1f} copies")
    return work * (1024 / sizes.side) ** 2


def compare_peers(sizes: Sizes, own_ms: float) -> None:
    """Run what other programs there are on a small frame, per pixel and frame."""
    frames = frames_like_speckle(sizes.peer_frames, (sizes.peer_side, sizes.peer_side))
    for name, each_s in peers(frames).items():
        measured = "not installed" if each_s is None else f"{1e3 * each_s:.0f} ms/frame"
        row(f"  {name}", "", measured, "", "" if each_s is None else f"{1e3 * each_s / own_ms:.0f} x slower")


def medians(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the medians of the work, of its limit, and of their ratio."""
    works, limits = zip(*pairs, strict=True)
    return statistics.median(works), statistics.median(limits), statistics.median(w / m for w, m in pairs)


def noisy_curves(n: int, model: Callable[..., np.ndarray]) -> np.ndarray:
    """Return curves of many relaxation times, with noise, float32."""
    rng = np.random.Generator(np.random.Philox(2))
    tau = np.exp(rng.normal(np.log(100.0), 0.5, (n, 1)))
    beta = rng.uniform(0.5, 1.2, (n, 1))
    noise = rng.standard_normal((n, LAG_SLOTS.size), dtype=np.float32)
    return model(LAG_SLOTS, tau, beta).astype(np.float32) + np.float32(NOISE) * noise


def log_model(lag: np.ndarray, ln_amplitude: float, ln_tau: float, beta: float) -> np.ndarray:
    """As `curve_fit` wants it, in the parameters that the batch fitter has."""
    return np.exp(ln_amplitude) * kww(lag, np.exp(ln_tau), beta)


def one_by_one(curves: np.ndarray) -> np.ndarray:
    """Fit with scipy; return the costs."""
    costs = []
    for curve in curves:
        best, _ = curve_fit(log_model, LAG_SLOTS, curve, (np.log(curve[:3].mean()), np.log(80.0), 0.8))
        costs.append(np.sum((log_model(LAG_SLOTS, *best) - curve) ** 2))
    return np.array(costs)


def kww_map(sizes: Sizes) -> None:
    """Fit a map, against scipy's fits of a sample of it; then the cost of the sample."""
    curves = noisy_curves(sizes.curves, kww)
    sample, points = curves[: sizes.sampled].astype(np.float64), np.ascontiguousarray(curves.T)
    limits, ones = fit_limits(EVERY_LAG, 1.0, 4000.0), np.ones(LAG_SLOTS.size)

    def fit() -> None:
        fit_curves(LAG_SLOTS, points, ones, spec=EVERY_LAG, limits=limits)

    fit()
    pairs = []
    for _ in range(sizes.repeats):
        rate = len(sample) / seconds(lambda: one_by_one(sample))
        pairs.append((len(curves) / seconds(fit), rate))
    work, limit, ratio = medians(pairs)
    name = f"KWW map of {len(curves)} noisy pixels, 40 lags"
    measured = f"{len(curves) / work:.2f} s, {work:.2e}/s"
    row(name, "<= 0.6 s, >= 500", measured, f"curve_fit {limit:.0f}/s", f"{ratio:.0f} x curve_fit")
    fits = fit_curves(LAG_SLOTS, points[:, : len(sample)], ones, spec=EVERY_LAG, limits=limits)
    fitted = np.array([log_model(LAG_SLOTS, *p) for p in fits.parameters[:, :3]])
    worst = np.max(((fitted - sample) ** 2).sum(axis=1) / one_by_one(sample))
    row(f"  cost of {len(sample)} of them, worst", "<= 1.01", f"{worst:.5f}", "curve_fit", "")


def finite_fit(sizes: Sizes) -> None:
    """Fit a map with the finite-duration model."""
    n = sizes.curves // 4
    record = {"n_slots": 3000, "spacing_s": 1.0, "spec": EVERY_LAG}
    truth = finite_kww(LAG_SLOTS, 100.0, 0.7, spacing_s=1.0, segments=[3000])
    rng = np.random.Generator(np.random.Philox(3))
    curves = np.float32(truth) + np.float32(NOISE) * rng.standard_normal(
        (n, LAG_SLOTS.size), dtype=np.float32
    )
    fit_each_finite(LAG_SLOTS, curves[:2], **record)
    took = statistics.median(
        seconds(lambda: fit_each_finite(LAG_SLOTS, curves, **record)) for _ in range(sizes.repeats)
    )
    row(
        f"finite-duration KWW, {n} pixels",
        "2^20 in <= 10 s",
        f"{took:.2f} s",
        "",
        f"{took / n * 2**20:.1f} s for 2^20",
    )


def first_touch_s(size: int) -> float:
    """Return how long it takes to get and fill this many bytes of new memory.

    Once before the work: a virtual machine gets memory from its host when it is first used, ten times slower
    than when it is used again. Then beside the work: what the operating system takes is part of it.
    """
    return seconds(lambda: np.zeros(size, dtype=np.uint8).fill(1))


def two_time(name: str, aim: str, history: int, pixel_bin: int, sizes: Sizes) -> None:
    """Correlate groups of frames with a history, against multiplying matrices."""
    shape = (sizes.side, sizes.side)
    squares = (sizes.side // pixel_bin) ** 2
    first_touch_s(4 * squares * (history + sizes.repeats * GROUP))
    two = TwoTime(shape, bin_frames=1, max_bins=history + 1024, pixel_bin=pixel_bin)
    feed = feeder(two, frames_like_speckle(GROUP, shape))
    for _ in range(history // GROUP):
        feed()
    samples = []
    for n in range(sizes.repeats):
        took = seconds(feed)
        useful = 2e-9 * squares * GROUP * (history + n * GROUP + (GROUP + 1) / 2)
        samples.append(TwoTimeSample(useful, took, first_touch_s(4 * squares * GROUP), sizes.gemm))
    two_time_rows(name, aim, samples, lambda took: f"{1e3 * took / GROUP:.2f} ms/frame")


@dataclass
class TwoTimeSample:
    """One timing of a two-time correlation, and of its limit."""

    useful_gflop: float
    took_s: float
    new_memory_s: float
    """To touch as much new memory, which is slow in some virtual machines."""

    gemm: InitVar[int]
    sgemm: float = field(init=False)

    def __post_init__(self, gemm: int) -> None:
        self.sgemm = sgemm_gflops(gemm, self.took_s)


def two_time_rows(
    name: str, aim: str, samples: list[TwoTimeSample], measured: Callable[[float], str]
) -> None:
    """Print the rate; then what the first touch of as much memory took, as a hint: it is part of the time."""
    work, limit, ratio = medians([(sample.useful_gflop / sample.took_s, sample.sgemm) for sample in samples])
    took = measured(statistics.median(sample.took_s for sample in samples))
    row(name, aim, took, f"SGEMM {limit:.0f} GFLOP/s", f"{work:.0f} GFLOP/s, {ratio:.0%}")
    touching = measured(statistics.median(sample.new_memory_s for sample in samples))
    row("  first touch of as much new memory", "", touching, "", "")


def two_times(sizes: Sizes) -> None:
    """Run the three rows of the two-time correlation."""
    offline(sizes)
    two_time(f"TTCF, whole frames, {sizes.kept} kept", ">= 60 %", sizes.kept, 1, sizes)
    two_time(f"live TTCF, 4 x 4 binned, {sizes.live} kept", "<= 2.5 ms/frame", sizes.live, 4, sizes)


def offline(sizes: Sizes) -> None:
    """Correlate a whole record, a strip of every frame."""
    strip, samples = (sizes.strip, sizes.side), []
    frames = frames_like_speckle(GROUP, strip)
    pixels = strip[0] * strip[1]
    first_touch_s(4 * pixels * sizes.offline)
    for _ in range(max(sizes.repeats // 2, 1)):
        feed = feeder(TwoTime(strip, bin_frames=1, max_bins=sizes.offline + 2), frames)
        took = sum(seconds(feed) for _ in range(sizes.offline // GROUP))
        useful = 1e-9 * pixels * sizes.offline * (sizes.offline + 1)
        samples.append(TwoTimeSample(useful, took, first_touch_s(4 * pixels * sizes.offline), sizes.gemm))
    whole = sizes.side / sizes.strip
    name = f"TTCF of {sizes.offline} frames, {strip[0]} of {sizes.side} rows"
    two_time_rows(name, ">= 60 %", samples, lambda took: f"{took * whole:.0f} s, all rows")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Speed of the correlation kernels.")
    parser.add_argument("--quick", action="store_true", help="small sizes, as a smoke test")
    parser.add_argument("--repeats", type=int, help="pairs of work and limit (5)")
    parser.add_argument("--disk", type=int, metavar="FRAMES", help="also analyze so many frames from disk")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    if options.repeats:
        sizes = replace(sizes, repeats=options.repeats)
    print(f"{numba.get_num_threads()} threads, {sizes.side} x {sizes.side}, medians of {sizes.repeats} pairs")
    row("work", "aim", "measured", "limit, same run", "ratio")
    compare_peers(sizes, multi_tau(sizes))
    kww_map(sizes)
    finite_fit(sizes)
    two_times(sizes)
    if options.disk:
        rate, peak = analyse_from_disk(options.disk, sizes.side)
        name = f"analyze of {options.disk} frames from disk"
        row(name, "<= 6 GB, >= 100/s", f"{rate:.0f} frames/s", "", f"{peak:.1f} GB peak")


if __name__ == "__main__":
    main()
