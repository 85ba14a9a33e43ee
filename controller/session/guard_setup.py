"""What a guard is told about its holder, by the rig file and the protocol; and where its epoch file is."""

import os
from pathlib import Path

from annealscope.controller.config.protocol import Safe
from annealscope.controller.config.rig import Envelope as RigEnvelope
from annealscope.controller.config.rig import Hosted, RigConfig
from annealscope.controller.errors import ExitCode, RunError
from annealscope.drivers.envelope import Envelope, RiseLimits
from annealscope.drivers.guard_messages import DriverSpec, GuardSettings
from annealscope.drivers.lease import LadderRules
from annealscope.drivers.registry import Group, factories

LEASE_S = 3.0
"""Three turns of an engine that turns once a second while a temperature holds."""
STATE_VARIABLE = "ANNEALSCOPE_STATE"


def guard_settings(rig: RigConfig, safe: Safe, run_folder: Path) -> GuardSettings:
    """Return what a guard is told: the rig's holder and limits, the protocol's way down.

    Raises RunError when there is no such driver, or the two files contradict each other.
    """
    run_folder = run_folder.absolute()
    name = rig.holder.name or rig.holder.driver
    blanker = None if rig.blanker is None else _spec("annealscope.blankers", rig.blanker, rig)
    try:
        return GuardSettings(
            holder=_spec("annealscope.holders", rig.holder, rig),
            blanker=blanker,
            envelope=_envelope(rig.envelope),
            ladder=LadderRules(LEASE_S, safe.grace_s, safe.cool_to_K, safe.rate_K_per_s),
            epoch_path=str(state_folder() / "holders" / f"{name}.json"),
            log_path=str(run_folder / "logs" / "guard.jsonl"),
            token="",
            run=str(run_folder),
        )
    except ValueError as error:
        raise RunError(str(error), ExitCode.INVALID_INPUT) from None


def _spec(group: Group, device: Hosted, rig: RigConfig) -> DriverSpec:
    known = factories(group)
    if device.driver not in known:
        message = f"rig {rig.name}: there is no driver {device.driver!r}; known: {', '.join(known)}"
        raise RunError(message, ExitCode.DEVICE)
    return DriverSpec(known[device.driver], device.settings)


def _envelope(rig: RigEnvelope) -> Envelope:
    rise = rig.rise
    return Envelope(
        rig.max_temperature_K,
        rig.max_heating_rate_K_per_s,
        rig.max_cooling_rate_K_per_s,
        max_reading_age_s=rig.max_reading_age_s,
        resistance_ohm=rig.resistance_ohm,
        rise=RiseLimits(rise.window_s, rise.tolerance_K, rise.least_rise_K) if rise else RiseLimits(),
    )


def state_folder() -> Path:
    """Return where this user's programs keep what outlasts a run; ``ANNEALSCOPE_STATE`` overrides it."""
    if given := os.environ.get(STATE_VARIABLE):
        return Path(given).absolute()
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "annealscope"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "annealscope"
