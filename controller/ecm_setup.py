"""From what a hold announces to what the analysis needs: the one place where the two meet."""

from typing import Any

import numpy as np
import numpy.typing as npt

from annealscope.analysis.ecm import EcmSpec
from annealscope.analysis.values import FrameBlock
from annealscope.controller.stream.messages import OpenHold


def ecm_spec(opening: OpenHold) -> EcmSpec:
    """Return the analysis that a hold asks for: the same one live, in `analyze` and in tests."""
    camera = opening.camera
    return EcmSpec(
        shape=camera.shape,
        period_s=opening.period_s,
        exposure_s=opening.exposure_s,
        pixel_nm=camera.pixel_nm,
        aperture_per_nm=camera.aperture_per_nm,
        frames_expected=opening.frames_planned,
        offset_counts=camera.offset_counts,
        gain_counts_per_e=camera.gain_counts_per_e,
        drift=opening.drift,
        image_shift_matrix=opening.image_shift_matrix,
    )


def block_of(frames: npt.NDArray[Any], slot: Any, segment: Any, t_start_s: Any, shift_nm: Any) -> FrameBlock:
    """Return recorded frames, shape (n, ny, nx), as the block that the analysis takes."""
    return FrameBlock(
        frames=frames,
        slot=np.asarray(slot, dtype=np.int64),
        segment=np.asarray(segment, dtype=np.int64),
        t_start_s=np.asarray(t_start_s, dtype=np.float64),
        shift_applied_nm=np.asarray(shift_nm, dtype=np.float64).reshape(-1, 2),
    )
