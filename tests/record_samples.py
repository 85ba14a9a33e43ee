"""Holds, headers and frames for the tests of the record."""

from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from annealscope.controller.stream.messages import ArrayPart, CameraInfo, FrameHeader, OpenHold

SHAPE = (24, 20)


def open_hold(
    folder: Path, shape: tuple[int, int] = SHAPE, dtype: str = "uint16", **changes: Any
) -> OpenHold:
    fields = {
        "run": "20261122T112000Z_test",
        "hold": 2,
        "name": "02_ecm_100C",
        "folder": str(folder),
        "title": "ecm at 100 degC",
        "camera": CameraInfo(
            shape=shape,
            dtype=dtype,
            pixel_nm=0.165,
            offset_counts=100.0,
            gain_counts_per_e=20.0,
            aperture_per_nm=1.5,
        ),
        "exposure_s": 1.0,
        "period_s": 2.0,
        "frames_planned": 100,
        "t_settled_s": 12.5,
        "start_utc": "2026-11-22T11:20:00+00:00",
        "setpoint_K": 373.15,
        "image_shift_matrix": ((1.0, 0.0), (0.0, 1.0)),
        "drift": True,
        "settings": {
            "truth": {"tau_s": 100.0, "beta": 0.5},
            "protocol": "name: test\n",
            "sample": {"name": "AMZ4"},
        },
    }
    return OpenHold(**(fields | changes))


@cache
def frame(seq: int, shape: tuple[int, int] = SHAPE, dtype: str = "uint16") -> tuple[FrameHeader, np.ndarray]:
    """A frame that depends on its number only, with every field of the header in use."""
    rng = np.random.Generator(np.random.Philox(key=(7, seq)))
    pixels = rng.poisson(40, shape).astype(dtype)
    header = FrameHeader(
        hold=2,
        seq=seq,
        slot=seq + 3,
        segment=seq // 50,
        t_start_s=0.1 + 2.0 * seq + rng.normal(0, 1e-3),
        exposure_s=1.0,
        lost_before=seq % 3,
        shape=shape,
        dtype=np.dtype(dtype).str,
        crc32=crc32(pixels.tobytes()),
        shift_applied_nm=(rng.normal(), rng.normal()),
        beam_on=seq % 7 != 6,
        scan_yx_nm=(0.5 * seq, -0.25) if seq % 2 else None,
        haadf=float(seq) if seq % 2 else None,
    )
    return header, pixels


def entry(
    path: str, array: np.ndarray | None, units: str = "", **attrs: Any
) -> tuple[ArrayPart, np.ndarray | None]:
    dtype, shape = (None, ()) if array is None else (array.dtype.str, array.shape)
    return ArrayPart(path=path, units=units, attrs=attrs, dtype=dtype, shape=shape), array


def ecm_entries(tau_s: float = 120.0) -> list[tuple[ArrayPart, np.ndarray | None]]:
    """Results as the analysis of a hold sends them, in small."""
    lag_s = np.arange(1.0, 9.0)
    return [
        entry("g2", None, signal="pixel", axes=["lag"]),
        entry("g2/lag", lag_s, "s"),
        entry("g2/pixel", 1 + np.exp(-2 * lag_s / tau_s)),
        entry("kww/pixel", None, tau_s=0.9 * tau_s, beta=0.5, sigma_tau_s=float("nan"), flags=0, model="kww"),
        entry("kww/corrected", None, tau_s=tau_s, beta=0.5, sigma_tau_s=2.0, range=[1.0, 8.0]),
        entry("map/flags", np.zeros((3, 4), np.uint8)),
    ]
