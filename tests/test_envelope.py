"""The envelope lets nothing through that it cannot read, and a heater has to follow."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annealscope.drivers.envelope import Envelope, RiseLimits, RiseWatch
from annealscope.drivers.interfaces import Reading

ENVELOPE = Envelope(573.0, 1.0, 2.0, max_reading_age_s=1.0, resistance_ohm=(50.0, 150.0))
SOUND = {"temperature": Reading(400.0, 10.0), "resistance": Reading(100.0, 10.0)}
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


def test_a_sound_heater_violates_nothing():
    assert ENVELOPE.violations(SOUND, 10.5) == []


@pytest.mark.parametrize(
    ("name", "reading", "word"),
    [
        ("temperature", Reading(math.nan, 10.0), "temperature"),
        ("temperature", Reading(573.1, 10.0), "573"),
        ("temperature", Reading(-1.0, 10.0), "above 0"),
        ("temperature", Reading(math.inf, 10.0), "temperature"),
        ("temperature", Reading(400.0, 9.0), "old"),
        ("temperature", Reading(400.0, math.nan), "old"),
        ("temperature", Reading(400.0, 10.0, "bad"), "bad"),
        ("resistance", Reading(math.nan, 10.0), "resistance"),
        ("resistance", Reading(math.inf, 10.0), "resistance"),
        ("resistance", Reading(49.0, 10.0), "resistance"),
        ("resistance", Reading(100.0, 8.0), "old"),
    ],
)
def test_each_violation_is_named(name, reading, word):
    (violation,) = ENVELOPE.violations({**SOUND, name: reading}, 10.5)
    assert name in violation
    assert word in violation


@pytest.mark.parametrize("name", ["temperature", "resistance"])
def test_a_missing_channel_is_a_violation(name):
    (violation,) = ENVELOPE.violations({k: r for k, r in SOUND.items() if k != name}, 10.5)
    assert f"no reading of the {name}" in violation


@given(NUMBERS, NUMBERS, NUMBERS)
def test_whatever_is_not_clearly_inside_violates(value, t_s, now_s):
    envelope = Envelope(573.0, 1.0, 2.0, max_reading_age_s=1.0)
    clean = envelope.violations({"temperature": Reading(value, t_s)}, now_s) == []
    assert clean == (0 < value <= 573.0 and now_s - t_s <= 1.0)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_whatever_is_not_clearly_inside_is_refused(setpoint_K, target_K, rate):
    accepted = ENVELOPE.refusals(setpoint_K, target_K, rate) == []
    fastest = 2.0 if target_K < setpoint_K else 1.0
    assert accepted == (0 < target_K <= 573.0 and 0 < rate <= fastest)


def test_cooling_may_be_faster_than_heating():
    assert ENVELOPE.refusals(400.0, 300.0, 2.0) == []
    (refusal,) = ENVELOPE.refusals(300.0, 400.0, 2.0)
    assert "heating rate" in refusal


def test_from_a_setpoint_that_is_not_known_every_ramp_counts_as_heating():
    assert ENVELOPE.refusals(math.nan, 300.0, 1.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_temperature_K": math.nan},
        {"max_temperature_K": math.inf},
        {"max_heating_rate_K_per_s": 0.0},
        {"max_reading_age_s": -1.0},
        {"resistance_ohm": (100.0, 50.0)},
        {"resistance_ohm": (math.nan, 50.0)},
    ],
)
def test_an_envelope_that_holds_nothing_is_refused(fields):
    whole = {"max_temperature_K": 573.0, "max_heating_rate_K_per_s": 1.0, "max_cooling_rate_K_per_s": 1.0}
    with pytest.raises(ValueError, match="envelope"):
        Envelope(**{**whole, **fields})


# --- rate of rise

LIMITS = RiseLimits(window_s=10.0, tolerance_K=10.0, least_rise_K=1.0)


def first_fault(course, setpoint, duration_s=60.0, tick_s=0.1):
    """Feed a course of the temperature; return (time, fault) of the first fault, or None."""
    watch = RiseWatch(LIMITS)
    for i in range(round(duration_s / tick_s)):
        t_s = i * tick_s
        fault = watch.feed(t_s, course(t_s), setpoint(t_s))
        if fault:
            return t_s, fault
    return None


def test_a_heater_that_follows_is_left_alone():
    assert first_fault(lambda t: 300 + min(2 * t, 100), lambda t: 300 + min(2 * t, 100)) is None


def test_lag_and_overshoot_are_left_alone():
    def lagging(t_s):
        return 300 + 100 * (1 - math.exp(-t_s / 8)) + 5 * math.sin(t_s)

    assert first_fault(lagging, lambda t: 400.0) is None


def test_a_flash_of_heat_is_left_alone():
    assert first_fault(lambda t: 300 if t < 5 else 700, lambda t: 300 if t < 4.9 else 700) is None


def test_no_rise_although_heated_trips_within_the_window():
    t_s, fault = first_fault(lambda t: 300.0, lambda t: 300 + 2 * t)
    assert "below the setpoint" in fault
    assert 10.0 <= t_s <= 10.0 + 10.0 / 2 + 0.3  # the setpoint is 10 K away after 5 s


def test_rise_without_power_trips_as_soon_as_it_is_clear():
    t_s, fault = first_fault(lambda t: 300 + 20 * t, lambda t: math.nan)
    assert "nobody asked" in fault
    assert t_s == pytest.approx(0.6, abs=0.2)


def test_a_runaway_beyond_the_setpoint_trips():
    t_s, fault = first_fault(lambda t: 400 if t < 20 else 400 + 20 * (t - 20), lambda t: 400.0)
    assert "nobody asked" in fault
    assert t_s == pytest.approx(20.6, abs=0.2)


def test_a_jump_of_the_sensor_trips_at_once():
    t_s, _ = first_fault(lambda t: 400 if t < 20 else 450, lambda t: 400.0)
    assert t_s == pytest.approx(20.0, abs=0.11)


def test_a_heater_that_cools_slowly_after_it_was_switched_off_is_left_alone():
    assert first_fault(lambda t: 300 + 200 * math.exp(-t / 20), lambda t: math.nan) is None


def test_a_watch_that_has_tripped_begins_a_new_window():
    watch = RiseWatch(LIMITS)
    watch.feed(0.0, 300.0, math.nan)
    assert watch.feed(1.0, 320.0, math.nan)
    assert watch.feed(1.1, 320.0, math.nan) is None
