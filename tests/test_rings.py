"""Geometry of diffraction rings: annuli, beam stop, centre."""

import numpy as np
import pytest
from speckle_patterns import Glass, Microscope, bar

from annealscope.analysis.ring_fit import RingGauge, find_rings
from annealscope.analysis.rings import Annuli, Geometry, usable_pixels
from annealscope.analysis.values import InvalidData

SHAPE = (128, 128)
CENTRE = (70.3, 58.6)
GEOMETRY = Geometry(CENTRE, 0.11)


def mean_signal(microscope, n, seed=1):
    return microscope.patterns(Glass(), n, seed).mean(axis=0) - microscope.offset


@pytest.mark.parametrize("width_px", [1.0, 2.5])
def test_annuli_are_rounded_radii(width_px):
    geometry = Geometry((10.2, 14.7), 0.1, (1.1, 25.0))
    rng = np.random.Generator(np.random.Philox(1))
    image, valid = rng.normal(size=(24, 31)), rng.random((24, 31)) > 0.1
    annuli = Annuli(geometry, valid, width_px)
    radius = geometry.radius_px(valid.shape)
    means = annuli.mean(image)
    for j in range(annuli.size):
        ring = valid & (np.abs(radius / width_px - j) <= 0.5)
        assert annuli.n_px[j] == ring.sum()
        if ring.any():
            assert means[j] == pytest.approx(image[ring].mean())
    assert annuli.k[3] == pytest.approx(3 * width_px * 0.1)


def test_annuli_that_leave_the_frame_by_more_than_half_are_dropped():
    annuli = Annuli(Geometry((31.5, 31.5), 0.1), np.ones((64, 64), dtype=bool))
    radii = np.flatnonzero(annuli.kept)
    # Of a circle of radius r in a square of half-width a, 1 - (4 / pi) arccos(a / r) lies inside.
    assert radii.max() == pytest.approx(32 / np.cos(np.pi / 8), abs=1.0)
    assert annuli.kept[1 : radii.max()].all()


def test_an_ellipse_is_made_round():
    geometry = Geometry((40.0, 40.0), 0.1, (1.2, 30.0))
    radius = geometry.radius_px((81, 81))
    angle = np.deg2rad(30.0)
    step = np.round(20 * np.array([np.sin(angle), np.cos(angle)])).astype(int)
    along, across = radius[40 + step[0], 40 + step[1]], radius[40 + step[1], 40 - step[0]]
    assert along == pytest.approx(np.hypot(*step) / np.sqrt(1.2), rel=0.01)
    assert across == pytest.approx(np.hypot(*step) * np.sqrt(1.2), rel=0.01)


def test_sectors_share_a_ring():
    geometry, valid = Geometry((32.0, 32.0), 0.1), np.ones((65, 65), dtype=bool)
    image = np.cos(geometry.angle(valid.shape))
    means = Annuli(geometry, valid).sector_means(image, geometry.angle(valid.shape), 4)
    assert means.shape[0] == 4
    np.testing.assert_allclose(means[:, 20], [2 / np.pi, -2 / np.pi, -2 / np.pi, 2 / np.pi], atol=0.05)


@pytest.mark.parametrize("n", [1, 30])
def test_beam_stop_and_dead_pixels_are_found(n):
    shadow = bar(SHAPE, CENTRE)
    signal = mean_signal(Microscope(GEOMETRY, shadow=shadow), n)
    signal[20, 30] = 0.0
    usable = usable_pixels(signal, GEOMETRY)
    assert not np.any(usable & shadow)
    if n > 1:
        assert not usable[20, 30]
    # Shadow, what it is grown by, and little else.
    assert np.count_nonzero(~usable) < np.count_nonzero(shadow) + 700


def test_a_pattern_without_a_beam_stop_loses_nothing():
    assert usable_pixels(mean_signal(Microscope(GEOMETRY), 30), GEOMETRY).all()


@pytest.mark.parametrize("start", [(63.5, 63.5), (50.0, 75.0)])
@pytest.mark.parametrize("stopped", [False, True])
@pytest.mark.parametrize("n", [1, 30])
def test_the_centre_is_found_within_its_error(start, stopped, n):
    microscope = Microscope(GEOMETRY, shadow=bar(SHAPE, CENTRE) if stopped else None)
    found = find_rings(mean_signal(microscope, n), Geometry(start, 0.11))
    error = np.subtract(found.geometry.centre_px, CENTRE)
    assert np.all(np.abs(error) < 4 * np.array(found.fit.sigma_px))
    assert max(found.fit.sigma_px) < 0.5 / np.sqrt(n)


def test_errors_of_centres_are_their_scatter():
    microscope = Microscope(GEOMETRY)
    patterns = microscope.patterns(Glass(), 101, seed=7) - microscope.offset
    gauge = RingGauge(patterns[0], GEOMETRY, np.ones(SHAPE, dtype=bool))
    fits = [gauge.measure(pattern) for pattern in patterns[1:]]
    seen = np.std([fit.shift_px for fit in fits], axis=0)
    claimed = np.sqrt(np.mean(np.square([fit.sigma_px for fit in fits]), axis=0))
    # 100 values know their scatter to 7 %; the cells are few, and speckle reaches across their borders.
    assert np.all(np.abs(np.log(seen / claimed)) < 0.3 + 4 * 0.07)


def test_a_direct_beam_fixes_the_centre_of_a_single_pattern():
    microscope = Microscope(GEOMETRY)
    pattern = mean_signal(microscope, 1)
    pattern += 2e4 / (1 + np.exp(0.7 * (GEOMETRY.radius_px(SHAPE) - 8.0)))
    found = find_rings(pattern, Geometry((66.0, 62.0), 0.11))
    assert np.abs(np.subtract(found.geometry.centre_px, CENTRE)).max() < 0.05


def test_what_is_left_of_an_ellipse_is_measured():
    truth = Geometry(CENTRE, 0.11, (1.03, 30.0))
    found = find_rings(mean_signal(Microscope(truth), 30), Geometry((63.5, 63.5), 0.11))
    expected = 0.015 * np.cos(np.deg2rad(60)), 0.015 * np.sin(np.deg2rad(60))
    error = np.subtract(found.fit.ellipse, expected)
    assert np.all(np.abs(error) < 4 * np.array(found.fit.sigma_ellipse) + 1e-3)


@pytest.mark.parametrize("level", [0.0, -3.0])
def test_a_pattern_without_rings_is_refused(level):
    with pytest.raises(InvalidData, match="no rings can be found"):
        find_rings(np.full(SHAPE, level), GEOMETRY)


def test_a_centre_outside_the_frame_is_refused():
    outside = Geometry((64.0, -40.0), 0.11)
    signal = Glass.mean_e(outside.radius_px(SHAPE) * 0.11)
    with pytest.raises(InvalidData, match="give the centre"):
        find_rings(signal, Geometry((63.5, 63.5), 0.11))
