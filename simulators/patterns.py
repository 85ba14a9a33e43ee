"""What falls on a diffraction camera, by the state of the column."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annealscope.drivers.interfaces import Optics
from annealscope.simulators.camera import Counts
from annealscope.simulators.camera_spec import CameraSpec
from annealscope.simulators.diffraction_camera import Screen, load_mean_pattern, sensor_of
from annealscope.simulators.glass import paper_numbers
from annealscope.simulators.haadf import load_annular_detector
from annealscope.simulators.nanobeam import NanobeamPatterns, SpecimenView, electrons_in
from annealscope.simulators.random_streams import microseconds, stream
from annealscope.simulators.saed import AreaPatterns, Crystals
from annealscope.simulators.sensor import FloatImage
from annealscope.simulators.variance_law import Mount, load_variance_law


@dataclass(frozen=True)
class PatternSpec:
    """What of a simulated diffraction experiment is not a matter of its camera."""

    mount: Mount = "chip"
    """What the specimen lies on: the paper found a smaller variance on a heating chip."""
    ellipse: tuple[float, float] = (1.0, 0.0)
    """(long over short axis of a ring, angle in degrees of the long one from +x towards +y)."""
    wedge_per_nm: tuple[float, float] = (0.0, 0.0)
    """Growth of the thickness along (y, x) of a scan, in mean free paths per nm."""
    crystals: Crystals | None = None
    """Seen by area diffraction only."""
    numbers: str | Path = "amz4_paper"
    """File of published numbers: its sections ``fem`` and ``model``."""

    def __post_init__(self) -> None:
        if not 1 <= self.ellipse[0] < 2:
            raise ValueError(f"the ratio of long to short axis must be in [1, 2), got {self.ellipse[0]}")


class PatternScene:
    """A diffraction camera's view of the specimen.

    Mode ``nanobeam``: a pattern of the probe, with the signal of the annular dark-field detector. Mode
    ``diffraction``: a pattern of an area. Any other state of the column, an unknown one, and a blanked beam:
    a dark frame, since no pattern falls on the camera then. Nothing else tells such a frame from a good one;
    that is why `Microscope.optics` is compared with what a protocol asks for before frames are taken.

    Every exposure sees structure of its own, also where two of them look at the same place.

    Parameters
    ----------
    view
        The specimen and the beam.
    camera
        The camera; needs `pixel_per_nm`.
    seed
        Same seed and same times, same frames.
    spec
        The rest of the experiment.

    Raises
    ------
    ValueError
        When the camera has no `pixel_per_nm`, or the file of published numbers says too little.
    """

    def __init__(
        self, view: SpecimenView, camera: CameraSpec, seed: int, spec: PatternSpec | None = None
    ) -> None:
        if camera.pixel_per_nm is None:
            raise ValueError(f"camera {camera.name}: a diffraction camera needs pixel_per_nm, got None")
        self._spec = spec or PatternSpec()
        self._view = view
        self._name = camera.name
        self._seed = seed
        self._screen = Screen(sensor_of(camera), camera.pixel_per_nm, self._spec.ellipse)
        self._nanobeam: NanobeamPatterns | None = None
        try:
            self._load()
        except KeyError as missing:
            raise ValueError(
                f"{self._spec.numbers}: diffraction patterns need the sections fem and model of a file of "
                f"published numbers, {missing} is not there; see protocols/amz4_paper.yaml"
            ) from missing

    def _load(self) -> None:
        """Read what the patterns are made of from the file of published numbers."""
        source = self._spec.numbers
        self._numbers = paper_numbers(source)
        self._mean = load_mean_pattern(source)
        self._law = load_variance_law(self._view.state, self._spec.mount, source)
        self._detector = load_annular_detector(source)
        area: dict[str, float] = self._numbers["model"]["area_diffraction"]
        self._area_current_pA = area["current_pA"]
        self._area = AreaPatterns(self._mean, self._screen, area["speckle_variance"], self._spec.crystals)

    def expose(
        self, t_start_s: float, exposure_s: float, seq: int, scan_yx_nm: tuple[float, float] | None
    ) -> tuple[Counts, float | None]:
        """Return raw counts, and the signal of the annular dark-field detector where there is a probe."""
        optics = self._view.optics_at(t_start_s)
        noise = self._stream("noise", t_start_s)
        if optics is None or optics.mode == "tem_dark_field" or self._view.blanked_at(t_start_s):
            return self._screen.sensor.dark(noise), None
        if optics.mode == "diffraction":
            pattern = self._area_pattern(optics, t_start_s, exposure_s)
            return self._screen.sensor.record(pattern, noise), None
        thickness = self._thickness(t_start_s, scan_yx_nm)
        pattern = self._nanobeam_pattern(optics, t_start_s, exposure_s, thickness)
        haadf = self._detector.signal(thickness, self._stream("haadf", t_start_s))
        return self._screen.sensor.record(pattern, noise), haadf

    def _nanobeam_pattern(
        self, optics: Optics, t_start_s: float, exposure_s: float, thickness: float
    ) -> FloatImage:
        fem = self._numbers["fem"]
        patterns = self._patterns_of(optics.probe_nm or fem["in_situ_probe_fwhm_nm"])
        electrons = electrons_in(optics.probe_current_pA or fem["probe_current_pA"], exposure_s)
        temperature_K = self._view.temperature_K(t_start_s + exposure_s / 2)
        return patterns.expected_e(electrons, temperature_K, thickness, self._stream("structure", t_start_s))

    def _area_pattern(self, optics: Optics, t_start_s: float, exposure_s: float) -> FloatImage:
        electrons = electrons_in(optics.probe_current_pA or self._area_current_pA, exposure_s)
        where = stream(self._seed, "crystals", self._view.region_at(t_start_s).number)
        return self._area.expected_e(electrons, self._stream("structure", t_start_s), where)

    def _patterns_of(self, probe_nm: float) -> NanobeamPatterns:
        """Return the patterns of a probe; those of the last one are kept."""
        if self._nanobeam is None or self._nanobeam.probe_nm != probe_nm:
            self._nanobeam = NanobeamPatterns(self._law, self._mean, self._screen, probe_nm)
        return self._nanobeam

    def _thickness(self, t_s: float, scan_yx_nm: tuple[float, float] | None) -> float:
        """Return the thickness under the probe in mean free paths."""
        middle = self._view.region_at(t_s).thickness or self._law.reference_thickness
        y, x = scan_yx_nm or (0.0, 0.0)
        along_y, along_x = self._spec.wedge_per_nm
        return middle + along_y * y + along_x * x

    def _stream(self, purpose: str, t_s: float) -> np.random.Generator:
        return stream(self._seed, f"{self._name}/{purpose}", microseconds(t_s))
