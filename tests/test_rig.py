import math

import pytest
from protocol_texts import RIG, WHOLE_RIG, changed

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.load import load_rig, parse_rig
from annealscope.controller.config.sources import read_source, shipped_names
from annealscope.simulators.camera_spec import CameraSpec
from annealscope.simulators.sensor import noise_power_factor


def said(text):
    with pytest.raises(ProtocolError) as caught:
        parse_rig(text, "r.yaml")
    return [str(fault).split("\n")[0] for fault in caught.value.faults]


def test_a_rig_is_read_into_internal_units():
    rig = parse_rig(RIG)
    camera = rig.cameras["imaging"]
    assert camera.shape == (64, 96)
    assert (camera.pixel_nm, camera.gain_counts_per_e, camera.offset_counts) == (0.2, 10.0, 0.0)
    assert rig.envelope.max_temperature_K == pytest.approx(773.15)
    assert rig.calibration.image_shift_matrix == ((1.0, 0.0), (0.0, 1.0))
    assert rig.image_shift_owner == "annealscope"
    assert rig.simulation is None


@pytest.mark.parametrize("name", ["simulated", "simulated_1024"])
def test_the_shipped_matrix_is_a_rotation_after_a_shear(name):
    (yy, yx), (xy, xx) = load_rig(name).calibration.image_shift_matrix
    cosine, sine = math.cos(math.radians(17)), math.sin(math.radians(17))
    assert (yy, xy) == pytest.approx((cosine, sine), abs=1e-6)
    assert (yx, xx) == pytest.approx((0.02 * cosine - sine, 0.02 * sine + cosine), abs=1e-6)


def test_shipped_rigs_are_valid():
    assert shipped_names("rigs") == ["simulated", "simulated_1024", "simulated_128", "simulated_guarded"]
    for name in shipped_names("rigs"):
        rig = load_rig(name)
        assert rig.name == name
        assert rig.simulation is not None
        assert {camera.kind for camera in rig.cameras.values()} == {"imaging", "diffraction"}


def test_the_small_and_the_large_rig_differ_in_their_camera_only():
    small, large = (load_rig(name).model_dump() for name in ("simulated", "simulated_1024"))
    assert small["cameras"]["imaging"].pop("shape") == (128, 128)
    assert large["cameras"]["imaging"].pop("shape") == (1024, 1024)
    assert small | {"name": ""} == large | {"name": ""}


def test_the_rig_of_the_paper_has_its_faults():
    quick, whole = (load_rig(name).model_dump() for name in ("simulated", "simulated_128"))
    assert whole["simulation"].pop("heterogeneity") == {"sigma": 0.3, "length_nm": 3.0}
    faults = {"jitter_s": 0.005, "drop_rate": 1e-4, "duplicate_rate": 1e-4}
    assert whole["simulation"].pop("camera_faults") == faults
    assert (quick["simulation"].pop("heterogeneity"), quick["simulation"].pop("camera_faults")) == (
        None,
        None,
    )
    assert quick | {"name": ""} == whole | {"name": ""}


def test_the_noise_of_the_shipped_cameras_is_that_of_their_point_spread():
    for camera in load_rig("simulated").cameras.values():
        assert camera.noise_power == pytest.approx(
            noise_power_factor(CameraSpec().mtf_half_nyquist), rel=0.01
        )


def test_a_rig_file_of_old_is_as_it_was():
    rig = parse_rig(RIG)
    camera, microscope = rig.cameras["imaging"], rig.microscope
    assert (camera.kind, camera.binning, camera.noise_power, camera.pixel_per_nm) == ("imaging", 1, 1.0, None)
    assert (microscope.modes, microscope.set_by_operator) == (("tem_dark_field",), ())
    assert (microscope.actuators, microscope.high_tension_kV) == (("image_beam_shift",), None)
    assert rig.calibration.ellipse is None


def test_a_rig_with_diffraction():
    ellipse = "[[1, 0], [0, 1]], ellipse: {ratio: 1.02, angle_deg: 30}"
    rig = parse_rig(changed(WHOLE_RIG, "[[1, 0], [0, 1]]", ellipse))
    camera = rig.cameras["diffraction"]
    assert (camera.kind, camera.pixel_nm, camera.pixel_per_nm) == ("diffraction", None, 0.05)
    assert rig.calibration.ellipse.ratio == 1.02
    assert rig.microscope.high_tension_kV == 300.0


FAULTS = [
    # old, new, what is said
    ("[64, 96]", "[64]", "r.yaml:5:32: cameras.imaging.shape: entry 2 is missing"),
    ("[64, 96]", "[64, 96.5]", "r.yaml:5:44: cameras.imaging.shape.1: has to be a whole number, got 96.5"),
    ("[64, 96]", "[64, 8]", "r.yaml:5:44: cameras.imaging.shape.1: has to be at least 32, got 8"),
    (
        "0.2 nm",
        "0.2 Hz",
        'r.yaml:5:56: cameras.imaging.pixel: unknown unit "Hz": a length is given in nm, pm, um or Å',
    ),
    (
        "aperture: 0.726 1/nm",
        "aperture: 10 um",
        (
            'r.yaml:3:43: microscope.aperture: "10 um" is a length, not a spatial frequency; '
            'write it like "0.726 1/nm"'
        ),
    ),
    (
        "[[1, 0], [0, 1]]",
        "[[1, 2], [2, 4]]",
        (
            "r.yaml:8:15: calibration.image_shift_matrix: cannot be inverted: the image moves "
            "along one line only"
        ),
    ),
    (
        "[[1, 0], [0, 1]]",
        "[[1, 0], [0, x]]",
        ('r.yaml:8:48: calibration.image_shift_matrix.1.1: has to be a number, got "x"'),
    ),
    (
        "name: bench",
        "name: bench\nimage_shift_owner: drifter",
        ('r.yaml:2:20: image_shift_owner: has to be "annealscope" or "microscope", got "drifter"'),
    ),
    (
        ", pixel: 0.2 nm",
        "",
        "r.yaml:5:3: cameras.imaging: `pixel` is missing: the size of a pixel of an imaging camera",
    ),
    (
        "pixel: 0.2 nm",
        "pixel: 0.2 nm, k_pixel: 0.1 1/nm",
        "r.yaml:5:73: cameras.imaging.k_pixel: is not for an imaging camera, which has `pixel`",
    ),
    (
        "pixel: 0.2 nm",
        "kind: diffraction, k_pixel: 0.1 1/nm, noise_power: 2",
        "r.yaml:5:100: cameras.imaging.noise_power: has to be at most 1, got 2",
    ),
    (
        "aperture: 0.726 1/nm",
        "aperture: 0.726 1/nm, actuators: [stage]",
        'r.yaml:3:67: microscope.actuators.0: has to be "image_beam_shift", got "stage"',
    ),
    (
        "aperture: 0.726 1/nm",
        "aperture: 0.726 1/nm, modes: [stem]",
        'r.yaml:3:63: microscope.modes.0: has to be "tem_dark_field", "nanobeam" or "diffraction", got '
        '"stem"',
    ),
    (
        "[[1, 0], [0, 1]]",
        "[[1, 0], [0, 1]], ellipse: {ratio: 0.9, angle_deg: 0}",
        "r.yaml:8:70: calibration.ellipse.ratio: has to be at least 1, got 0.9",
    ),
    (
        "{driver: simulated}",
        "{driver: simulated, port: 5}",
        ("r.yaml:2:29: holder.port: unknown key `port`, known here: driver, settings, name, set_by"),
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_what_is_wrong_is_said_at_its_place(old, new, message):
    assert said(changed(RIG, old, new)) == [message]


def test_a_rig_without_cameras():
    text = RIG[: RIG.index("cameras:")] + "cameras: {}\n" + RIG[RIG.index("envelope:") :]
    assert said(text) == ["r.yaml:4:1: cameras: has to be at least 1 long, got an empty block"]


def test_a_simulated_chip_overshoots_little():
    text = read_source("simulated", "rigs").content.decode()
    (message,) = said(changed(text, "overshoot: 0.8 K", "overshoot: 5 K"))
    assert message.endswith("simulation.overshoot: has to be at most 1 K")


def test_shares_of_a_simulated_camera_are_below_a_half():
    text = read_source("simulated_128", "rigs").content.decode()
    (message,) = said(changed(text, "drops: 1e-4", "drops: 0.6"))
    assert message.endswith("simulation.camera_faults.drops: has to be less than 0.5, got 0.6")
