"""What the specimen remembers: its age, its places, and what of it outlasts a run."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annealscope.drivers.clock import VirtualClock
from annealscope.drivers.interfaces import DeviceError, Optics
from annealscope.simulators import CameraSpec, Heterogeneity, World, WorldSpec
from annealscope.simulators.glass import load_glass
from annealscope.simulators.imaging import ImagingScene
from annealscope.simulators.specimen import HeatRecord, Regions

SMALL = WorldSpec((CameraSpec(shape=(32, 32)),), overshoot_K=0.0)
IMAGING = Optics("tem_dark_field", 300.0)


def world_of(spec: WorldSpec = SMALL, state: str = "as-cast", clock: VirtualClock | None = None) -> World:
    return World(spec, load_glass(state=state), clock or VirtualClock(), 7, state)


def go_to(world: World, degC: float, then_s: float) -> None:
    """Ramp at 10 K/s and let time pass."""
    arrival_s = world.chip.ramp(world.clock.monotonic(), degC + 273.15, 10.0)
    world.clock.sleep_until(arrival_s + then_s)


# --- age


@given(st.lists(st.integers(20, 60), max_size=40), st.integers(0, 40))
def test_age_is_the_time_at_a_temperature_or_above(degC, cut):
    """However the course is split; 2 K below a temperature count as having reached it."""
    whole, split = HeatRecord((30.0, 50.0)), HeatRecord((30.0, 50.0))
    temperatures = np.array(degC, dtype=float)
    before = whole.extend(temperatures)
    np.testing.assert_array_equal(
        np.concatenate([split.extend(temperatures[:cut]), split.extend(temperatures[cut:])]), before
    )
    expected = [sum(value >= limit - 2 for value in degC) for limit in (30, 50)]
    np.testing.assert_array_equal(whole.ages_s, expected)
    np.testing.assert_array_equal(split.ages_s, expected)


def test_ageing_goes_on_after_a_cool_down():
    world = world_of()
    go_to(world, 275, 3000.0)
    before = world.truth_ecm(world.clock.monotonic(), 0.0)["tau_s"]
    go_to(world, 25, 20000.0)
    go_to(world, 275, 0.0)
    assert world.truth_ecm(world.clock.monotonic(), 0.0)["tau_s"] == pytest.approx(before, rel=1e-3)
    go_to(world, 275, 1400.0)
    after = world.truth_ecm(world.clock.monotonic(), 0.0)["tau_s"]
    assert np.log(after / before) == pytest.approx(0.80 * 1400 / 14000, rel=0.01)


def test_time_at_a_higher_temperature_counts_for_the_lower_ones():
    world = world_of()
    go_to(world, 250, 1000.0)
    ages = dict(zip(np.round(np.array(world.glass.temperature_K) - 273.15), world.ages_s(), strict=True))
    assert ages[200] == pytest.approx(1005, abs=2)
    assert ages[250] == pytest.approx(1000, abs=2)
    assert ages[275] == 0


def test_a_glass_ages_no_further_than_its_limit():
    world = world_of()
    go_to(world, 275, 29000.0)
    truth = world.truth_ecm(world.clock.monotonic(), 14000.0)
    assert truth["ln_slope"] == pytest.approx(0.80 * 1000 / 14000, rel=0.01)


@pytest.mark.parametrize(("degC", "slope"), [(100, 0.0), (200, 0.20), (250, 0.35), (275, 0.80)])
def test_the_middle_of_the_published_record_has_the_published_tau(degC, slope):
    """2000 s after the temperature was reached, for 14 000 s; and what really passed agrees with it."""
    world = world_of()
    go_to(world, degC, 2000.0)
    start_s = world.clock.monotonic()
    truth = world.truth_ecm(start_s, 14000.0)
    assert truth["tau_s"] == pytest.approx(float(world.glass.tau_s(degC + 273.15, 4.4e5)), rel=2e-3)
    assert truth["ln_slope"] == pytest.approx(slope, abs=1e-3)
    assert truth["tau_median_s"] == truth["tau_s"]
    assert truth["sigma_ln_tau"] == 0
    world.clock.sleep_until(start_s + 14000.0)
    passed = world._course.material_time(start_s + 14000.0) - world._course.material_time(start_s)
    half = slope / 2
    expected = 14000 / truth["tau_s"] * (np.sinh(half) / half if slope else 1.0)
    assert passed == pytest.approx(expected, rel=1e-3)


def test_an_annealed_glass_does_not_age_and_is_a_little_slower():
    cast, annealed = load_glass(), load_glass(state="annealed")
    temperatures_K = np.array([300.0, 400.0, 500.0])
    np.testing.assert_allclose(
        annealed.tau_s(temperatures_K, 1e5) / cast.tau_s(temperatures_K, 1e5), 905 / 892
    )
    np.testing.assert_array_equal(annealed.beta(temperatures_K), 0.74)
    world = world_of(state="annealed")
    go_to(world, 275, 5000.0)
    assert world.truth_ecm(world.clock.monotonic(), 14000.0)["ln_slope"] == 0


def test_ageing_needs_a_slope_for_each_row():
    glass = load_glass()
    with pytest.raises(ValueError, match="one slope for each of the 6"):
        replace(glass, ageing=replace(glass.ageing, slopes=(0.1, 0.2)))


# --- dose rate


def test_tau_follows_the_dose_rate_of_the_optics():
    world = world_of()
    assert world.truth_ecm(0.0, 14000.0)["tau_s"] == pytest.approx(485)
    world.set_optics(replace(IMAGING, dose_rate_per_nm2_s=1.5e5))
    assert world.truth_ecm(0.0, 14000.0)["tau_s"] == pytest.approx(734)
    world.clock.sleep_until(100.0)
    world.set_optics(IMAGING)
    world.clock.sleep_until(200.0)
    # what is set while a second has begun counts from the next one on
    expected = 1 / 485 + 100 / 734 + 99 / 485
    assert world._course.material_time(200.0) == pytest.approx(expected, rel=1e-6)


def test_it_does_not_matter_who_looked_before_the_optics_were_set():
    looked, blind = world_of(), world_of()
    for world in (looked, blind):
        world.clock.sleep_until(10.0)
        if world is looked:
            world.path_nm(10.0)
        world.set_optics(replace(IMAGING, dose_rate_per_nm2_s=1e5))
        world.clock.sleep_until(20.0)
    assert looked._course.material_time(20.0) == blind._course.material_time(20.0)


def test_the_image_is_as_bright_as_the_dose_rate():
    means = []
    for rate in (4.4e5, 1.1e5):
        world = world_of()
        world.set_optics(replace(IMAGING, dose_rate_per_nm2_s=rate))
        world.blank(False)
        world.clock.sleep_until(1.0)
        means.append(ImagingScene(world).expose(0.0, 1.0)[0].mean() - 100)
    assert means[0] / means[1] == pytest.approx(4, rel=0.1)


def test_the_truth_asks_for_the_middle_of_the_record_to_come():
    """Asked for during a ramp, the truth is that of the temperature that was commanded."""
    world = world_of()
    world.chip.ramp(0.0, 373.15, 1 / 3)
    world.clock.sleep_until(30.0)
    assert world.truth_ecm(2225.0, 14000.0)["tau_s"] == pytest.approx(485)
    assert world.truth_ecm(2225.0, 14000.0)["beta"] == pytest.approx(0.68)


# --- places


def test_every_place_is_visited_once_and_far_from_the_others():
    regions = Regions(50, 100.0, (0.6, 1.0), seed=1)
    found = [regions.fresh(None) for _ in range(50)]
    assert [region.number for region in found] == list(range(1, 51))
    positions = np.array([region.position_nm for region in found])
    apart = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1)) + 1e9 * np.eye(50)
    assert apart.min() >= 2 * 100.0
    thickness = np.array([region.thickness for region in found])
    assert 0.6 <= thickness.min() < thickness.max() <= 1.0
    with pytest.raises(DeviceError, match="no region is left"):
        regions.fresh(None)


def test_a_class_of_thickness_is_found_until_it_is_used_up():
    regions = Regions(200, 100.0, (0.6, 1.0), seed=1)
    found = []
    with pytest.raises(DeviceError, match=r"between 0.7 and 0.75 mean free paths .* change the specimen"):
        found.extend(regions.fresh((0.7, 0.75)).thickness for _ in range(201))
    assert 0.7 <= min(found) <= max(found) <= 0.75
    assert len(found) == pytest.approx(25, abs=4 * np.sqrt(200 / 8 * 7 / 8))
    assert not 0.7 <= regions.fresh(None).thickness <= 0.75


def test_a_place_keeps_its_thickness():
    first, again = (Regions(20, 100.0, (0.6, 1.0), seed=3) for _ in range(2))
    whole = [first.fresh(None) for _ in range(20)]
    thick = again.fresh((0.85, 1.0))
    assert (thick.position_nm, thick.thickness) in [(r.position_nm, r.thickness) for r in whole]


# --- another day


def test_a_continued_world_has_the_same_age_and_forgets_no_place():
    world = world_of()
    go_to(world, 275, 1000.0)
    world.fresh_region((0.8, 1.0))
    used = [world.region_at(0.0), world.fresh_region()]
    go_to(world, 25, 10.0)
    continued = world_of(clock=VirtualClock(start_s=world.clock.monotonic()))
    continued.restore(world.ages_s(), [region.position_nm for region in used], 1)
    now_s = continued.clock.monotonic()
    np.testing.assert_array_equal(continued.ages_s(), world.ages_s())
    assert continued.region_at(now_s) == used[-1]
    fresh = continued.fresh_region()
    assert fresh.number == 4
    assert fresh.position_nm not in [region.position_nm for region in used]
    go_to(continued, 275, 100.0)
    assert continued.ages_s()[-1] == pytest.approx(1100, abs=4)


def test_a_continued_world_shows_another_speckle():
    worlds = world_of(), world_of(), world_of()
    for number, each in enumerate(worlds[1:], start=1):
        each.restore(each.ages_s(), [], number)
    frames = []
    for each in worlds:
        each.blank(False)
        each.clock.sleep_until(1.0)
        frames.append(ImagingScene(each).expose(0.0, 1.0)[0])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(frames[one], frames[other])


@pytest.mark.parametrize(
    ("ages_s", "places_nm", "why"),
    [([0.0], [], "6 times"), ([0.0] * 6, [(0.0, 1e9)], "no place"), ([0.0] * 6, [(-1e5, 0.0)], "no place")],
)
def test_the_memory_of_another_specimen_is_refused(ages_s, places_nm, why):
    world = world_of()
    go_to(world, 275, 10.0)
    before = world.ages_s(), world.region_at(1.0)
    with pytest.raises(ValueError, match=why):
        world.restore(np.array(ages_s), places_nm, 1)
    np.testing.assert_array_equal(world.ages_s(), before[0])
    assert world.region_at(1.0) == before[1]
    assert world.fresh_region().number == 2


@given(st.lists(st.tuples(st.floats(0.1, 50.0), st.integers(20, 60)), min_size=2, max_size=40))
def test_readings_never_make_a_specimen_older_than_it_was(readings):
    """Between two readings it was at least as hot as the colder one, if it was heated or cooled in one go."""
    heat, (spans_s, degC) = HeatRecord((30.0, 50.0)), np.array(readings).T
    t_s = np.cumsum(spans_s)
    dense_s = np.linspace(t_s[0], t_s[-1], 2000)
    truth_s = heat.ageing(np.interp(dense_s, t_s, degC)).mean(axis=0) * (t_s[-1] - t_s[0])
    assert (heat.age_of(t_s, degC) <= truth_s + 2 * (dense_s[1] - dense_s[0]) * len(t_s)).all()


def test_a_map_belongs_to_its_place():
    spec = replace(SMALL, heterogeneity=Heterogeneity(0.5))
    world = world_of(spec)
    truths = [world.truth_ecm(0.0, 100.0)]
    world.clock.sleep_until(1.0)
    world.fresh_region()
    truths.append(world.truth_ecm(1.0, 100.0))
    assert truths[0]["tau_median_s"] != truths[1]["tau_median_s"]
    assert world_of(spec).truth_ecm(0.0, 100.0) == truths[0]


@pytest.mark.parametrize("wrong", [{"sigma_ln_tau": -0.1}, {"length_nm": 0.0}])
def test_impossible_unevenness_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Heterogeneity(**wrong)
