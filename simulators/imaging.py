"""What an imaging camera sees of the world: speckle that drifts, blurs and fluctuates."""

import math

import numpy as np
import numpy.typing as npt

from annealscope.analysis.speckle import intensity
from annealscope.simulators.random_streams import microseconds, stream
from annealscope.simulators.sensor import Sensor
from annealscope.simulators.world import World

FloatArray = npt.NDArray[np.float64]

BLUR_FROM_NM = 0.1
"""Motion during an exposure beyond which it is rendered at several positions."""

MOST_POSITIONS = 16


class ImagingScene:
    """The imaging camera's view of a world. Noise is a function of the seed and of time."""

    def __init__(self, world: World) -> None:
        camera = world.spec.imaging
        self._world = world
        self._sensor = Sensor(
            camera.shape,
            camera.gain_counts_per_e,
            camera.offset_counts,
            camera.read_noise_e,
            camera.mtf_half_nyquist,
        )

    def expose(
        self,
        t_start_s: float,
        exposure_s: float,
        seq: int = 0,
        scan_yx_nm: tuple[float, float] | None = None,
    ) -> tuple[npt.NDArray[np.uint16], None]:
        """Return the frame of an exposure that is over, as raw counts; an image does not depend on a scan.

        A column that is set to something else than dark field makes no image: the frame is dark.
        """
        world = self._world
        rng = stream(world.seed, "camera/noise", microseconds(t_start_s))
        optics = world.optics_at(t_start_s)
        if world.blanked_at(t_start_s) or (optics is not None and optics.mode != "tem_dark_field"):
            return self._sensor.dark(rng), None
        image = self._blurred_intensity(t_start_s, exposure_s)
        image *= np.float32(world.spec.electrons_per_px(exposure_s, world.dose_rate_at(t_start_s)))
        return self._sensor.record(image, rng), None

    def _blurred_intensity(self, t_start_s: float, exposure_s: float) -> npt.NDArray[np.float32]:
        field, modes = self._world.field_at(t_start_s + exposure_s / 2, self._world.region_at(t_start_s))
        positions_px = self._positions_px(t_start_s, exposure_s)
        image = np.zeros(self._sensor.wide_shape, dtype=np.float32)
        for y, x in positions_px.tolist():
            image += intensity(field.render(modes, (y, x), image.shape), self._world.spec.contrast)
        return image / np.float32(len(positions_px))

    def _positions_px(self, t_start_s: float, exposure_s: float) -> FloatArray:
        """Return the displacements to average over, shape (n, 2): one, or several when the image moves."""
        world = self._world
        travel_nm = float(np.hypot(*(world.path_nm(t_start_s + exposure_s) - world.path_nm(t_start_s))))
        n = (
            1
            if travel_nm <= BLUR_FROM_NM
            else min(max(4, math.ceil(travel_nm / BLUR_FROM_NM)), MOST_POSITIONS)
        )
        times_s = t_start_s + (np.arange(n) + 0.5) / n * exposure_s
        return np.array([world.displacement_nm(t, t_start_s) for t in times_s.tolist()]) / world.spec.pixel_nm
