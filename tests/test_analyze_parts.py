"""`annealscope analyze` of a part of a record: frames, pixels, binning; and what a hold refuses."""

import io
import json
from dataclasses import replace
from zlib import crc32

import h5py
import numpy as np
import pytest
from record_samples import frame, open_hold
from small_run import annealscope_here
from speckle_movie import speckle_movie

from annealscope.analysis.ecm_rows import FrameState
from annealscope.analysis.values import InvalidData
from annealscope.controller.cli.analyze import analyze_record
from annealscope.controller.cli.analyze_options import AnalyzeOptions
from annealscope.controller.cli.analyze_progress import FrameProgress
from annealscope.controller.errors import RunError
from annealscope.controller.offline import sources
from annealscope.controller.offline.analyze import compute
from annealscope.controller.offline.selection import Selection, Span
from annealscope.controller.offline.sources import StackScale, hold_source, stack_source
from annealscope.controller.record.recording import HoldRecording

SCALE = StackScale(period_s=2.0, pixel_nm=0.2, aperture_per_nm=0.5, offset_counts=100.0, drift=False)


@pytest.fixture(scope="module")
def movie():
    return speckle_movie(
        220, (48, 64), tau_frames=15, beta=0.8, contrast=0.1, speckle_px=4.0, electrons=30.0, seed=3
    )


def results_of(tmp_path, frames, selection=None, scale=SCALE):
    np.save(tmp_path / "movie.npy", frames)
    with stack_source(str(tmp_path / "movie.npy"), scale, selection or Selection()) as source:
        return compute(source)


def assert_same(one, other):
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


def test_a_part_gives_the_numbers_of_a_file_with_that_part_alone(movie, tmp_path):
    part = Selection(Span(7, 190), y=Span(4, 44), x=Span(10, None))
    assert_same(results_of(tmp_path, movie, part), results_of(tmp_path, movie[7:190, 4:44, 10:]))


def test_excluded_frames_are_lost_slots_that_lags_cross(movie, tmp_path):
    whole = results_of(tmp_path, movie)
    without = results_of(tmp_path, movie, Selection(exclude=(Span(40, 60), Span(100, 101))))
    lag = np.searchsorted(whole["g2/lag"].values, 2 * np.array([1, 5]))
    lost = whole["g2/pairs"].values[lag] - without["g2/pairs"].values[lag]
    assert lost.tolist() == [21 + 2, 25 + 2]
    assert len(without["frame_mean"].values) == 220 - 21
    assert without["g2"].attrs["slots"] == 220
    assert without["kww/corrected"].attrs["tau_s"] == pytest.approx(
        whole["kww/corrected"].attrs["tau_s"], rel=0.1
    )


def test_binning_adds_counts_up_and_follows_with_pixel_and_offset(movie, tmp_path):
    summed = movie[:, :48, :63].reshape(220, 16, 3, 21, 3).sum(axis=(2, 4), dtype=np.int64)
    scale = StackScale(2.0, 0.2 * 3, 0.5, offset_counts=900.0, drift=False)
    found = results_of(tmp_path, movie, Selection(bin=3))
    assert_same(found, results_of(tmp_path, summed, scale=scale))
    assert found["map/x_nm"].values[1] - found["map/x_nm"].values[0] == pytest.approx(0.6)


def test_counts_of_any_precision_are_binned(movie, tmp_path):
    small = movie.astype(np.float16)
    found = results_of(tmp_path, small, Selection(bin=2))
    assert_same(found, results_of(tmp_path, small.astype(np.float32), Selection(bin=2)))


def test_saturated_and_repeated_frames_are_found_before_they_are_binned(movie, tmp_path):
    frames = movie.copy()
    frames[50, :5, ::2] = 65535
    frames[70] = frames[69]
    states = results_of(tmp_path, frames, Selection(bin=2))["frame_state"].values
    assert states[50] == FrameState.SATURATED
    assert states[70] == FrameState.REPEATED
    assert np.count_nonzero(states) == 2


def test_the_gain_makes_electrons_of_counts(movie, tmp_path):
    scale = StackScale(2.0, 0.2, 0.5, offset_counts=100.0, gain_counts_per_e=4.0, drift=False)
    one, four = (results_of(tmp_path, movie, scale=each)["frame_mean"].values for each in (SCALE, scale))
    np.testing.assert_array_equal(four, one / 4)


MISFIT = (
    r"--(frames|exclude|roi, rows) \S+: must be a part of 0:\d+|no frame of 0: is left"
    r"|must leave 16 px .* larger --roi or a smaller --bin"
)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(Span(0, 221)),
        Selection(Span(30, 30)),
        Selection(exclude=(Span(200, 300),)),
        Selection(exclude=(Span(0, 100), Span(100, 220))),
        Selection(y=Span(40, 50)),
        Selection(bin=8),
    ],
)
def test_a_part_that_is_not_there_or_too_small_is_refused(selection, movie, tmp_path):
    with pytest.raises(InvalidData, match=MISFIT):
        results_of(tmp_path, movie, selection)


def test_speckles_are_measured_alike_however_few_frames_are_read_at_once(movie, tmp_path, monkeypatch):
    scale = replace(SCALE, aperture_per_nm=None)
    found = []
    np.save(tmp_path / "movie.npy", movie)
    for block_bytes in (sources.BLOCK_BYTES, movie[0].nbytes, 5 * movie[0].nbytes):
        monkeypatch.setattr(sources, "BLOCK_BYTES", block_bytes)
        with stack_source(str(tmp_path / "movie.npy"), scale, Selection(exclude=(Span(1, 3),))) as source:
            found.append(source.given["input"].attrs["aperture_per_nm"])
    assert found[1:] == found[:1] * 2


def test_speckles_are_measured_on_frames_that_follow_each_other(movie, tmp_path):
    scale = replace(SCALE, aperture_per_nm=None)
    found = []
    np.save(tmp_path / "movie.npy", movie)
    for exclude in ((Span(1, 5),), ()):
        with stack_source(str(tmp_path / "movie.npy"), scale, Selection(exclude=exclude)) as source:
            found.append(source.given["input"].attrs["aperture_per_nm"])
    assert found[0] == pytest.approx(found[1], rel=0.05)
    alone = tuple(Span(n, n + 1) for n in range(1, 220, 2))
    with pytest.raises(InvalidData, match="give --aperture"):
        results_of(tmp_path, movie, Selection(exclude=alone), scale)


@pytest.mark.parametrize(
    "options",
    [{"roi": "0:20"}, {"roi": "a:b,1:2"}, {"frames": "5"}, {"frames": "-1:4"}, {"exclude": ("1:2", "3")}],
)
def test_spans_that_cannot_be_read_are_refused(options):
    with pytest.raises(RunError, match="must be") as refusal:
        AnalyzeOptions(**options).selection()
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("options", [{"offset": float("nan")}, {"gain": 0.0}, {"gain": float("inf")}])
def test_counts_that_mean_nothing_are_refused_by_the_name_of_the_option(options):
    with pytest.raises(RunError, match=f"--{next(iter(options))}: must be") as refusal:
        AnalyzeOptions(**options).scale()
    assert refusal.value.exit_code == 2


def test_the_command_takes_all_options_together_and_writes_what_was_given(movie, tmp_path):
    np.save(tmp_path / "movie.npy", movie)
    scale = "--period", "2 s", "--pixel", "0.2 nm", "--offset", 100, "--gain", 2, "--no-drift"
    part = "--roi", "0:48,:60", "--bin", 2, "--frames", "10:210", "--exclude", "20:30", "--exclude", "99:100"

    done = annealscope_here("analyze", "movie.npy", *scale, *part, "--exact", "--json", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert 10 < row["tau_s"] < 100
    assert "frames" not in done.stderr  # no progress where there is no terminal
    with h5py.File(tmp_path / "movie.results.nxs") as file:
        given = dict(file["entry/input"].attrs)
        assert file["entry/frame_mean"].shape == (189,)
        assert file["entry/g2/lag"][:33].tolist() == [*range(2, 66, 2), 2 * 33]
    assert given["exclude"].tolist() == ["20:30", "99:100"]
    assert (given["frames"], given["roi"], given["bin_px"]) == ("10:210", "0:48,0:60", 2)
    assert (given["offset_counts"], given["gain_counts_per_e"], given["correlator"]) == (400.0, 2.0, "exact")


@pytest.fixture
def hold(tmp_path, movie):
    (tmp_path / "holds").mkdir()
    camera = open_hold(tmp_path).camera.model_copy(update={"shape": (48, 64), "offset_counts": 100.0})
    recording = HoldRecording(open_hold(tmp_path, camera=camera, drift=False, frames_planned=80), "auto")
    for seq in range(80):
        header, _ = frame(seq, (48, 64))
        recording.append(header.model_copy(update={"crc32": crc32(movie[seq].tobytes())}), movie[seq])
    recording.end_frames()
    recording.close("complete")
    return recording.path


def test_a_part_of_a_hold_goes_where_it_is_told_and_nowhere_else(hold, tmp_path):
    before = hold.read_bytes()
    refused = annealscope_here("analyze", hold, "--frames", "0:60", "--bin", 2)
    assert refused.returncode == 2
    assert "--bin, --frames" in refused.stderr or "--frames, --bin" in refused.stderr
    assert "-o" in refused.stderr

    done = annealscope_here("analyze", hold, "--frames", "0:60", "--bin", 2, "-o", tmp_path / "part.nxs")
    assert done.returncode in (0, 7), done.stderr
    assert hold.read_bytes() == before
    with h5py.File(tmp_path / "part.nxs") as file:
        assert file["entry/frame_mean"].shape == (60,)
        assert file["entry/input"].attrs["frames"] == "0:60"


def test_a_whole_hold_and_all_of_its_parts_give_the_same_numbers(hold):
    found = []
    for selection in (Selection(), Selection(frames=Span(0, 80))):
        with hold_source(hold, selection) as source:
            found.append(compute(source))
    assert_same(*found)


@pytest.mark.parametrize("option", ["period", "pixel", "aperture", "offset", "gain", "no_drift"])
def test_what_a_hold_says_itself_is_refused(option, tmp_path):
    with pytest.raises(RunError, match="only for stacks") as refusal:
        next(analyze_record(tmp_path, None, AnalyzeOptions(**{option: 1})))
    assert str(refusal.value).startswith("--" + option.replace("_", "-"))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_that_is_rewritten_and_removed():
    out, clock = Terminal(), iter([0.0, 1.0, 2.0, 3.0])
    with FrameProgress("movie.npy", out, lambda: next(clock)) as progress:
        for done in (0, 32, 64, 96):
            progress(done, 96)
    lines = out.getvalue().split("\r")
    assert lines[3].strip() == "movie.npy: 64 of 96 frames, 32 frames/s, 0:00:01 to go"
    assert lines[4].strip() == "movie.npy: 96 frames done, fitting"
    assert lines[-2].strip() == lines[-1] == ""
    assert "\n" not in out.getvalue()


def test_progress_says_nothing_where_there_is_no_terminal():
    out = io.StringIO()
    with FrameProgress("movie.npy", out) as progress:
        progress(32, 64)
    assert not out.getvalue()


def test_a_beam_that_wavers_by_more_than_three_percent_is_said(tmp_path):
    rng, ripple = np.random.default_rng(5), 1 + 0.06 * np.sin(np.arange(64.0))[:, None, None]
    steady, wavering = (
        rng.poisson(50 * np.ones((64, 24, 24)) * beam).astype(np.uint16) for beam in (1, ripple)
    )
    scale = StackScale(period_s=2.0, pixel_nm=0.2, aperture_per_nm=0.5, drift=False)
    quiet, loud = (results_of(tmp_path, f, scale=scale)["frame_mean"].attrs for f in (steady, wavering))
    assert not quiet["beam_unsteady"]
    assert quiet["beam_spread"] == pytest.approx(1 / (50 * 24 * 24) ** 0.5, rel=0.3)
    assert loud["beam_unsteady"]
    assert loud["beam_spread"] == pytest.approx(0.06 / 2**0.5, rel=0.1)
