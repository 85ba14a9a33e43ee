"""How a hold is announced: what the plan, the rig and the specimen say about it, in one message."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annealscope.controller.config.protocol import Protocol
from annealscope.controller.config.rig import RigConfig
from annealscope.controller.planning import AcquireStep
from annealscope.controller.stream.messages import CameraInfo, Grid, OpenHold
from annealscope.drivers.clock import Clock
from annealscope.drivers.interfaces import Optics, Region

Truth = Callable[[AcquireStep, float], dict[str, float] | None]


@dataclass(frozen=True)
class Announcer:
    """Makes the `OpenHold` of each acquisition of a run."""

    run: str
    folder: Path
    protocol: Protocol
    protocol_text: str
    rig: RigConfig
    clock: Clock
    region: Callable[[], Region]
    """Where the beam is."""
    truth: Truth
    seed: int

    def __call__(self, step: AcquireStep, t_settled_s: float, now_s: float) -> OpenHold:
        """Announce an acquisition whose first exposure begins now."""
        wall_s = self.clock.wall() + now_s - self.clock.monotonic()
        optics = step.setup.optics
        return OpenHold(
            run=self.run,
            hold=step.hold,
            name=step.name,
            folder=str(self.folder.resolve()),
            title=step.title,
            method=step.method,
            camera=self._camera(step.camera),
            grid=Grid(points=step.grid.points, pitch_nm=step.grid.pitch_nm) if step.grid else None,
            probe_nm=optics.probe_nm if optics else None,
            exposure_s=step.exposure_s,
            period_s=step.period_s,
            frames_planned=step.frames,
            t_settled_s=t_settled_s,
            start_utc=datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds"),
            setpoint_K=step.setpoint_K,
            image_shift_matrix=self.rig.calibration.image_shift_matrix,
            drift=step.drift is not None,
            settings=self._settings(step, now_s),
        )

    def _camera(self, name: str) -> CameraInfo:
        camera, ellipse = self.rig.cameras[name], self.rig.calibration.ellipse
        return CameraInfo(
            shape=camera.shape,
            dtype="uint16",
            pixel_nm=camera.pixel_nm,
            pixel_per_nm=camera.pixel_per_nm,
            offset_counts=camera.offset_counts,
            gain_counts_per_e=camera.gain_counts_per_e,
            noise_power=camera.noise_power,
            read_noise_counts=camera.read_noise_e * camera.gain_counts_per_e,
            aperture_per_nm=self.rig.microscope.aperture_per_nm if camera.kind == "imaging" else None,
            ellipse=(ellipse.ratio, ellipse.angle_deg) if ellipse else (1.0, 0.0),
        )

    def _settings(self, step: AcquireStep, now_s: float) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "acquisition": step.key,
            "rig": self.rig.name,
            "sample": self._sample(),
            "protocol": self.protocol_text,
            "dose_rate_per_nm2_s": step.dose_rate_per_nm2_s,
            "beam_in_pause": step.beam_in_pause,
            "region": asdict(self.region()),
        }
        if step.setup.optics is not None:
            settings["optics"] = _known(step.setup.optics) | {"name": step.setup.optics_name}
        if step.drift is not None:
            settings["drift"] = {"warn_nm": step.drift.warn_nm, "limit_nm": step.drift.limit_nm}
        truth = self.truth(step, now_s)
        if truth is not None:
            settings |= {"truth": truth, "seed": self.seed}
        return settings

    def _sample(self) -> dict[str, Any]:
        specimen = self.protocol.specimen.model_dump(exclude_none=True)
        return {"name": specimen.pop("material"), **specimen}


def _known(optics: Optics) -> dict[str, Any]:
    return {name: value for name, value in asdict(optics).items() if value is not None}
