"""What a hold file says before its first frame: the tree of NeXus groups, with tables that grow."""

import hashlib
import json
from typing import Any

import h5py
import numpy as np

from annealscope.controller.record.columns import COLUMNS, EVENTS, TEXT, Column
from annealscope.controller.record.results import nexus_group
from annealscope.controller.record.tiles import Compression, compresses, create_frames
from annealscope.controller.stream.messages import CameraInfo, OpenHold
from annealscope.controller.units import ZERO_CELSIUS_K

LOG_CHUNK = 1024


def write_tree(entry: h5py.Group, info: OpenHold, compression: Compression) -> h5py.Dataset:
    """Create everything that does not depend on the frames to come; return their dataset."""
    entry["entry_identifier"] = info.name
    entry["experiment_identifier"] = info.run
    entry["start_time"] = info.start_utc
    entry.attrs.update(default="data", analysis="missing", method=info.method)
    instrument = nexus_group(entry, "instrument", "NXinstrument")
    instrument["open_hold"] = info.model_dump_json()
    frames = _write_detector(nexus_group(instrument, "detector", "NXdetector"), info, compression)
    _write_heater(
        nexus_group(instrument, "heater", "NXsensor", setpoint_degC=info.setpoint_K - ZERO_CELSIUS_K)
    )
    _write_beam(instrument, info)
    _write_data(nexus_group(entry, "data", "NXdata"), info, frames)
    _write_sample(nexus_group(entry, "sample", "NXsample"), info.settings)
    if "protocol" in info.settings:
        _write_protocol(nexus_group(entry, "protocol", "NXnote"), info.settings["protocol"])
    return frames


def extend(dataset: h5py.Dataset, values: Any) -> None:
    """Append values to a dataset of `write_tree`."""
    first = len(dataset)
    if len(values):
        dataset.resize(first + len(values), axis=0)
        dataset[first:] = values


def _write_detector(detector: h5py.Group, info: OpenHold, compression: Compression) -> h5py.Dataset:
    camera = info.camera
    dtype = np.dtype(camera.dtype)
    frame_bytes = camera.shape[0] * camera.shape[1] * dtype.itemsize
    deflated = compresses(compression, frame_bytes, info.period_s)
    frames = create_frames(detector, "data", camera.shape, dtype, deflated)
    frames.attrs.update(units="counts", interpretation="image", long_name="raw counts")
    for column in COLUMNS:
        _growing(detector, column)
    for table, columns in EVENTS.items():
        group = nexus_group(detector, table, "NXcollection")
        for column in columns:
            _growing(group, column)
    name, size, units = _pixel(camera)
    for axis in ("y", "x"):
        _quantity(detector, f"{axis}_{name}", size, units)
    _quantity(detector, "offset", camera.offset_counts, "counts")
    _quantity(detector, "gain", camera.gain_counts_per_e, "counts/e")
    _quantity(detector, "read_noise", camera.read_noise_counts, "counts")
    detector["noise_power"] = camera.noise_power
    return frames


def _pixel(camera: CameraInfo) -> tuple[str, float, str]:
    """Return what the size of a pixel is called, the size, and its unit: on the specimen, or in k."""
    if camera.pixel_per_nm is not None:
        return "pixel_k", camera.pixel_per_nm, "1/nm"
    return "pixel_size", np.nan if camera.pixel_nm is None else camera.pixel_nm, "nm"


def _write_heater(heater: h5py.Group) -> None:
    heater["measurement"] = "temperature"
    for name in ("value_log", "setpoint_log"):
        log = nexus_group(heater, name, "NXlog")
        _growing(log, Column("time", "f8", "s", float))
        _growing(log, Column("value", "f8", "degC", float))
    heater.attrs["default"] = "value_log"


def _write_beam(instrument: h5py.Group, info: OpenHold) -> None:
    """Write what was set of the column, the probe and the scan, where there is any."""
    optics, dose_rate = info.settings.get("optics"), info.settings.get("dose_rate_per_nm2_s")
    if optics:
        _collection(instrument, "optics", optics)
    if info.probe_nm is not None or dose_rate is not None:
        beam = nexus_group(instrument, "beam", "NXbeam")
        if info.probe_nm is not None:
            _quantity(beam, "probe_fwhm", info.probe_nm, "nm")
        if dose_rate is not None:
            _quantity(beam, "dose_rate", dose_rate, "1/nm^2/s")
    if info.grid is not None:
        scan = nexus_group(instrument, "scan", "NXcollection")
        scan["points"] = info.grid.points
        _quantity(scan, "pitch", info.grid.pitch_nm, "nm")


def _write_data(data: h5py.Group, info: OpenHold, frames: h5py.Dataset) -> None:
    """Create the default plot; its time axis is nominal, because viewers want a uniform one.

    Positions on the specimen count from the first pixel, those in k from the middle of the pattern.
    """
    data.attrs.update(signal="data", axes=["time", "y", "x"], interpretation="image")
    data.attrs.update(time_indices=0, y_indices=1, x_indices=2)
    data["data"] = frames
    _growing(data, Column("time", "f8", "s", float))
    _, size, units = _pixel(info.camera)
    for name, length in zip(("y", "x"), info.camera.shape, strict=True):
        first = (length - 1) / 2 if info.camera.pixel_per_nm is not None else 0
        _quantity(data, name, (np.arange(length) - first) * size, units)


def _write_sample(sample: h5py.Group, settings: dict[str, Any]) -> None:
    described = settings.get("sample", {})
    described = described if isinstance(described, dict) else {"name": described}
    truth = settings.get("truth")
    sample["name"] = str(described.get("name") or "unnamed")
    sample["is_simulation"] = truth is not None
    sample["description"] = json.dumps(described)
    if truth is not None:
        _collection(sample, "truth", truth)
    if settings.get("region"):
        _collection(sample, "region", settings["region"])


def _write_protocol(note: h5py.Group, text: str) -> None:
    note["type"] = "application/yaml"
    note["data"] = text
    note["sha256"] = hashlib.sha256(text.encode()).hexdigest()


def _collection(parent: h5py.Group, name: str, values: dict[str, Any]) -> None:
    """Write plain values as attributes; HDF5 has none for None, and none for what is nested."""
    group = nexus_group(parent, name, "NXcollection")
    for key, value in values.items():
        if value is not None:
            group.attrs[key] = json.dumps(value) if isinstance(value, dict) else value


def _quantity(group: h5py.Group, name: str, value: Any, units: str) -> None:
    group[name] = value
    group[name].attrs["units"] = units


def _growing(group: h5py.Group, column: Column) -> None:
    tail = () if column.width == 1 else (column.width,)
    dataset = group.create_dataset(
        column.name,
        shape=(0, *tail),
        maxshape=(None, *tail),
        chunks=(LOG_CHUNK, *tail),
        dtype=h5py.string_dtype() if column.dtype == TEXT else column.dtype,
        fletcher32=column.dtype != TEXT,
    )
    if column.units:
        dataset.attrs["units"] = column.units
