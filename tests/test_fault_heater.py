"""The check of a heater sees each way to be left hot: logs that are made up, with one thing wrong in each."""

import pytest
from faults.heater import HeaterLimits, Loss, check_heater, froze_after_s

LIMITS = HeaterLimits(500.0, 20.0, lease_s=3.0, grace_s=2.0, cool_to_K=300.0, safe_K_per_s=50.0)
DIED_S = 10.0
READ_EVERY_S = 0.02


def logs(freeze_s=0.03, cools_after_s=2.0, off=True, heats_at_s=None, measured_K=None, claim_s=None):
    """Return (hardware, guard) logs of a heater that ramps until its controller dies at 10 s."""
    frozen_s = DIED_S + freeze_s
    cool_s = frozen_s + cools_after_s
    orders = [(0.0, "ramp"), (frozen_s, "hold"), (cool_s, "ramp"), (cool_s + 2.0, "off")]
    hardware = [{"t_s": t_s, "what": what} for t_s, what in (orders if off else orders[:-1])]
    for step in range(1000):
        t_s = step * READ_EVERY_S
        setpoint_K = 300.0 + 10.0 * min(t_s, frozen_s)
        if t_s > cool_s:
            setpoint_K = max(300.0, setpoint_K - 50.0 * (t_s - cool_s))
        if heats_at_s is not None and t_s > heats_at_s:
            setpoint_K += 5.0
        reading = {"setpoint_K": setpoint_K, "temperature_K": measured_K or setpoint_K}
        hardware.append({"t_s": t_s, "what": "read", **reading})
    guard = [] if claim_s is None else [{"t_s": claim_s, "what": "claim"}]
    return sorted(hardware, key=lambda line: line["t_s"]), guard


def wrong(loss=Loss(DIED_S, hung=False), **changes):  # noqa: B008 - a frozen value
    return [violation.what for violation in check_heater(*logs(**changes), LIMITS, [loss])]


def test_a_heater_that_is_frozen_cooled_and_switched_off_is_all_right():
    assert wrong() == []
    assert froze_after_s(logs()[0], Loss(DIED_S, hung=False)) == pytest.approx(0.03)


def test_a_heater_that_was_off_has_nothing_to_freeze():
    hardware, _ = logs()
    assert froze_after_s(hardware, Loss(19.0, hung=False)) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"freeze_s": 0.13}, "frozen after 0.130 s, 0.100 s allowed"),
        ({"cools_after_s": 9.0}, "not off, and in nobody's hands"),
        ({"off": False}, "the last order is ramp: it was left on"),
        ({"heats_at_s": 11.0}, "somebody heats at 11.02"),
        ({"measured_K": float("nan")}, "nan K"),
        ({"measured_K": 501.0}, "501.0 K"),
    ],
)
def test_what_is_wrong_with_a_heater_is_seen(changes, said):
    assert any(said in what for what in wrong(**changes))


def test_a_hang_is_given_the_lease_and_no_more():
    hung = Loss(DIED_S, hung=True)
    assert wrong(hung, freeze_s=3.05) == []
    assert "frozen after 3.200 s, 3.100 s allowed" in wrong(hung, freeze_s=3.2)


def test_a_machine_that_wakes_everybody_late_is_allowed_for():
    assert wrong(Loss(DIED_S, hung=False, woken_late_s=0.05), freeze_s=0.13) == []


def test_whoever_takes_over_may_heat():
    assert wrong(claim_s=10.5, heats_at_s=11.0, cools_after_s=9.0) == []


def test_a_setpoint_beyond_the_envelope_or_too_fast():
    hot = HeaterLimits(390.0, 20.0, 3.0, 2.0, 300.0, 50.0)
    assert any(" K" in violation.what for violation in check_heater(*logs(), hot, []))
    slow = HeaterLimits(500.0, 5.0, 3.0, 2.0, 300.0, 50.0)
    assert any("rose by" in violation.what for violation in check_heater(*logs(), slow, []))
