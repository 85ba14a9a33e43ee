"""From what a hold announces to what its analysis needs: the one place where the two meet."""

from typing import TypeVar

from annealscope.analysis.diffraction import DiffractionAnalysis, DiffractionSpec
from annealscope.analysis.drift_watch import DriftWatch
from annealscope.analysis.ecm import EcmAnalysis, EcmSpec
from annealscope.analysis.fem import FemAnalysis
from annealscope.analysis.fem_spec import FemSpec
from annealscope.analysis.values import FrameBlock, InvalidData
from annealscope.controller.record.block import Block
from annealscope.controller.stream.messages import OpenHold
from annealscope.controller.threads import use_threads_for

Value = TypeVar("Value")

Analysis = EcmAnalysis | FemAnalysis | DiffractionAnalysis


def analysis_of(opening: OpenHold) -> Analysis:
    """Return the analysis that a hold asks for: the same one live, in `analyze` and in tests.

    Raises
    ------
    InvalidData
        The announcement lacks something that the analysis needs, or makes no sense.
    """
    use_threads_for(opening.camera.shape)
    if opening.method == "fem":
        return FemAnalysis(fem_spec(opening))
    if opening.method == "diffraction":
        return DiffractionAnalysis(diffraction_spec(opening))
    return EcmAnalysis(ecm_spec(opening))


def watch_of(opening: OpenHold) -> DriftWatch:
    """Return what measures the drift of a watch. Raises InvalidData like `analysis_of`."""
    use_threads_for(opening.camera.shape)
    camera = opening.camera
    return DriftWatch(
        camera.shape,
        pixel_nm=_needed(opening, "camera.pixel_nm", camera.pixel_nm),
        aperture_per_nm=_needed(opening, "camera.aperture_per_nm", camera.aperture_per_nm),
    )


def ecm_spec(opening: OpenHold) -> EcmSpec:
    """Return the specification of a movie. Raises InvalidData like `analysis_of`."""
    camera = opening.camera
    return EcmSpec(
        shape=camera.shape,
        period_s=opening.period_s,
        exposure_s=opening.exposure_s,
        pixel_nm=_needed(opening, "camera.pixel_nm", camera.pixel_nm),
        aperture_per_nm=_needed(opening, "camera.aperture_per_nm", camera.aperture_per_nm),
        frames_expected=opening.frames_planned,
        offset_counts=camera.offset_counts,
        gain_counts_per_e=camera.gain_counts_per_e,
        drift=opening.drift,
        image_shift_matrix=opening.image_shift_matrix,
    )


def fem_spec(opening: OpenHold) -> FemSpec:
    """Return the specification of a scan. Raises InvalidData like `analysis_of`."""
    camera = opening.camera
    grid = _needed(opening, "grid", opening.grid)
    return FemSpec(
        shape=camera.shape,
        pixel_per_nm=_needed(opening, "camera.pixel_per_nm", camera.pixel_per_nm),
        probe_nm=_needed(opening, "probe_nm", opening.probe_nm),
        grid=grid.points,
        pitch_nm=grid.pitch_nm,
        gain_counts_per_e=camera.gain_counts_per_e,
        offset_counts=camera.offset_counts,
        noise_power=camera.noise_power,
        read_noise_counts=camera.read_noise_counts,
        ellipse=camera.ellipse,
        patterns_expected=opening.frames_planned,
    )


def diffraction_spec(opening: OpenHold) -> DiffractionSpec:
    """Return the specification of patterns of an area. Raises InvalidData like `analysis_of`."""
    camera = opening.camera
    return DiffractionSpec(
        shape=camera.shape,
        pixel_per_nm=_needed(opening, "camera.pixel_per_nm", camera.pixel_per_nm),
        gain_counts_per_e=camera.gain_counts_per_e,
        offset_counts=camera.offset_counts,
        ellipse=camera.ellipse,
    )


def block_of(block: Block) -> FrameBlock:
    """Return recorded frames as the block that the analysis takes."""
    return FrameBlock(
        frames=block.frames,
        slot=block.slot,
        segment=block.segment,
        t_start_s=block.t_start_s,
        shift_applied_nm=block.shift_applied_nm,
        beam_on=block.beam_on,
        scan_yx_nm=block.scan_yx_nm,
        haadf=block.haadf,
    )


def _needed(opening: OpenHold, name: str, value: Value | None) -> Value:
    if value is None:
        raise InvalidData(
            f"hold {opening.name}: {opening.method} needs {name}, which was not announced; "
            "check the camera and the optics of the acquisition"
        )
    return value
