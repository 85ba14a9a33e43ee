"""Results in HDF5 files: they come back as they were, and viewers find the one to plot."""

import json
import math
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_samples import ecm_entries, entry, frame, open_hold

from annealscope.controller.record.framelog import RecordError
from annealscope.controller.record.holdreader import HoldReader
from annealscope.controller.record.recording import HoldRecording
from annealscope.controller.record.results import (
    add_results,
    read_results,
    results_in,
    write_results,
    write_results_file,
)
from annealscope.controller.stream.messages import ArrayPart


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A closed hold of three frames, with results."""
    (tmp_path / "holds").mkdir()
    recording = HoldRecording(open_hold(tmp_path), "auto")
    for seq in range(3):
        recording.append(*frame(seq))
    recording.end_frames()
    recording.write_results(ecm_entries())
    recording.close("complete")
    return recording.path


def as_comparable(entries: list) -> dict:
    def plain(part: ArrayPart, array: np.ndarray | None) -> tuple:
        attrs = json.dumps(dict(part.attrs), sort_keys=True)
        return part.units, part.dtype, part.shape, attrs, None if array is None else array.tobytes()

    return {part.path: plain(part, array) for part, array in entries}


def test_results_come_back_and_plot(closed: Path) -> None:
    assert as_comparable(read_results(closed)) == as_comparable(ecm_entries())
    with h5py.File(closed, "r") as file:
        assert file["entry/g2"].attrs["NX_class"] == "NXdata"
        assert file["entry/g2/lag"].attrs["units"] == "s"
        assert math.isnan(file["entry/kww/pixel"].attrs["sigma_tau_s"])


names = st.text("abcdefg_0", min_size=1, max_size=6)
numbers = st.floats(width=64) | st.integers(-(2**31), 2**31) | st.booleans() | st.text("abcτ ", max_size=5)
attributes = st.dictionaries(
    names.map("a{}".format),
    st.none()
    | numbers
    | st.lists(st.floats(), max_size=3)
    | st.lists(st.text("xyz", min_size=1), max_size=3),
    max_size=4,
)
arrays = st.sampled_from(["f8", "f4", "u1", "i8", "?"]).flatmap(
    lambda dtype: st.lists(st.integers(0, 3), max_size=2).map(lambda shape: np.ones(shape, dtype))
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.tuples(names, names), st.tuples(attributes, st.sampled_from(["", "s", "nm"]), arrays), max_size=5
    ),
    attributes.filter(bool),
)
def test_any_results_round_trip(datasets: dict, group: dict) -> None:
    """Strings, numbers, NaN, None, lists and arrays of any shape come back as they were."""
    entries = [
        entry("/".join(path), array, units, **attrs) for path, (attrs, units, array) in datasets.items()
    ]
    entries.append(entry("kww/pixel", None, **group))
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        write_results(file.create_group("entry"), [entry("old/result", np.ones(2))])
        write_results(file["entry"], entries)
        assert "old" not in file["entry"]
        assert as_comparable(results_in(file["entry"])) == as_comparable(entries)


def test_results_that_hdf5_cannot_hold_leave_the_file_as_it_was(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        whole = file.create_group("entry")
        with pytest.raises(TypeError):
            write_results(whole, [entry("g2/lag", np.ones(2)), entry("g2/bad", np.array(["τ"]))])
        assert list(whole) == []


def test_results_never_replace_the_record(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data/data"] = np.ones(3)
        with pytest.raises(RecordError, match="results cannot be called data"):
            write_results(file["entry"], [entry("data/data", np.zeros(3))])
        assert file["entry/data/data"][0] == 1


def test_file_of_results_has_a_default_plot(tmp_path: Path) -> None:
    write_results_file(tmp_path / "results.nxs", ecm_entries(), "g2 of a movie")
    assert as_comparable(read_results(tmp_path / "results.nxs")) == as_comparable(ecm_entries())
    with h5py.File(tmp_path / "results.nxs", "r") as file:
        assert file["entry"].attrs["default"] == "g2"


@pytest.mark.parametrize("results", [["fem", "g2"], ["diffraction"], ["g2"], []])
def test_a_hold_shows_the_curve_that_patterns_are_for_or_its_movie(closed: Path, results: list[str]) -> None:
    """New results take the place of old ones, and of their plot."""
    add_results(closed, [entry("fem", None, signal="V", axes=["k"]), entry("fem/V", np.ones(3))])
    pairs = [(entry(name, None, signal="y"), entry(f"{name}/y", np.ones(3))) for name in results]
    add_results(closed, [one for pair in pairs for one in pair])
    with h5py.File(closed, "r") as file:
        plotted = next((name for name in ("fem", "diffraction") if name in results), "data")
        assert file["entry"].attrs["default"] == plotted
        assert file["entry"][plotted].attrs["NX_class"] == "NXdata"


def test_unreadable_files_are_clear_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.nxs"
    path.write_bytes(b"no HDF5")
    with pytest.raises(RecordError, match=r"cannot read results from .*a\.nxs"):
        read_results(path)
    with pytest.raises(RecordError, match=r"a\.nxs cannot be read as a hold file"):
        HoldReader(path)
