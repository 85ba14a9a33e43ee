"""From a protocol and a rig to what is done when, and what it takes."""

from annealscope.controller.planning.layout import plan, plan_to_json
from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    DriftPlan,
    ExecutableStep,
    HoldEstimate,
    Plan,
    PlannedStep,
    Precision,
    Problem,
    RampStep,
    SafeRule,
    SettleRule,
    WaitStep,
)

__all__ = [
    "AcquireStep",
    "CoolStep",
    "DriftPlan",
    "ExecutableStep",
    "HoldEstimate",
    "Plan",
    "PlannedStep",
    "Precision",
    "Problem",
    "RampStep",
    "SafeRule",
    "SettleRule",
    "WaitStep",
    "plan",
    "plan_to_json",
]
