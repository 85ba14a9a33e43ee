"""FEM and area diffraction on the patterns of the simulated microscope, against what is planted there."""

import numpy as np
import pytest
from pattern_samples import CAMERA, Specimen, nanobeam, take_patterns

from annealscope.analysis.diffraction import DiffractionAnalysis, DiffractionSpec
from annealscope.analysis.fem import FemAnalysis, FemSpec
from annealscope.analysis.values import uniform_block
from annealscope.drivers.interfaces import Optics
from annealscope.simulators.nanobeam import truth_fem
from annealscope.simulators.patterns import PatternScene, PatternSpec
from annealscope.simulators.sensor import noise_power_factor


def camera_numbers():
    return {
        "shape": CAMERA.shape,
        "pixel_per_nm": CAMERA.pixel_per_nm,
        "gain_counts_per_e": CAMERA.gain_counts_per_e,
        "offset_counts": CAMERA.offset_counts,
    }


def scan(specimen, probe_nm, ellipse=(1.0, 0.0), seed=1):
    scene = PatternScene(specimen, CAMERA, seed, PatternSpec(ellipse=ellipse))
    analysis = FemAnalysis(
        FemSpec(
            **camera_numbers(),
            probe_nm=probe_nm,
            grid=(10, 10),
            pitch_nm=5.0,
            noise_power=noise_power_factor(CAMERA.mtf_half_nyquist),
            read_noise_counts=CAMERA.read_noise_e * CAMERA.gain_counts_per_e,
            ellipse=ellipse,
        )
    )
    analysis.update(uniform_block(take_patterns(scene, 100), 4.0))
    return analysis.result()


@pytest.mark.parametrize("probe_nm", [0.91, 1.5, 3.5])
def test_what_is_planted_is_found(probe_nm):
    specimen = Specimen(optics=nanobeam(probe_nm))
    results, truth = scan(specimen, probe_nm), truth_fem(specimen, probe_nm, 0.0)
    first, peaks = results["fem/peaks/first"].attrs, results["fem/peaks"].attrs
    # A pixel of 0.1 / nm: the camera's point spread takes up to 5 % off the peak.
    off = first["V_max"] - truth["V_max"]
    assert -4 * first["sigma_V_max"] - 0.05 * truth["V_max"] < off < 4 * first["sigma_V_max"]
    assert abs(first["k_per_nm"] - truth["k0_per_nm"]) < 4 * first["sigma_k_per_nm"] + 0.01
    assert abs(peaks["ratio"] - truth["V_ratio"]) < 0.04 + 4 * peaks["sigma_ratio"]


def test_the_shoulder_comes_with_temperature():
    cold, hot = (
        scan(Specimen(temperature_degC=degC), 0.91, seed=seed)["fem/peaks"].attrs
        for seed, degC in enumerate((25.0, 275.0))
    )
    sigma = np.hypot(cold["sigma_shoulder"], hot["sigma_shoulder"])
    assert hot["shoulder_5p3"] - cold["shoulder_5p3"] > 4 * sigma


def test_the_ellipse_of_the_camera_is_understood():
    """Fails when its angle turns the other way, or when the axes are exchanged."""
    attrs = scan(Specimen(), 0.91, ellipse=(1.04, 30.0))["fem"].attrs
    assert np.all(np.abs(attrs["ellipse_left"]) < 4 * np.array(attrs["sigma_ellipse_left"]) + 1e-3)


def test_the_rings_of_an_area():
    scene = PatternScene(Specimen(optics=Optics("diffraction", 300.0, probe_current_pA=0.5)), CAMERA, 1)
    analysis = DiffractionAnalysis(DiffractionSpec(**camera_numbers()))
    analysis.update(uniform_block(take_patterns(scene, 1), 4.0))
    assert analysis.result()["diffraction"].attrs["rings_per_nm"] == pytest.approx([4.2, 7.1], abs=0.15)
