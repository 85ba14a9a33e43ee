"""Plans written by hand, from the values alone: what shows a plan is tested without a protocol."""

import dataclasses

from annealscope.controller.planning.values import (
    AcquireStep,
    CoolStep,
    DriftPlan,
    GridPlan,
    HoldEstimate,
    ParkStep,
    Plan,
    PlannedStep,
    Precision,
    PrecisionEnd,
    PrepareStep,
    PromptStep,
    RampStep,
    SafeRule,
    SettleRule,
    Setup,
    UntilPlan,
    WaitStep,
    WatchPlan,
)
from annealscope.drivers.interfaces import Optics

ZERO_K = 273.15
HEATING, COOLING = 20 / 60, 50 / 60

DARK_FIELD = Optics(
    "tem_dark_field", 300.0, magnification=340e3, objective_aperture_um=10.0, ring_per_nm=4.27, normalize=True
)
NANOBEAM = Optics("nanobeam", 300.0, probe_nm=0.91, probe_current_pA=15.0, camera_length_m=1.0)
AREA = Optics("diffraction", 300.0, camera_length_m=1.0)

ECM_SETUP = Setup(
    "ecm", "dark_field", DARK_FIELD, 60.0, ("insert the objective aperture of 10 um",), True, (0.7, 0.9)
)
FEM_SETUP = Setup("fem", "nanobeam_0p91", NANOBEAM, 60.0, (), True, (0.65, 0.75))
SAED_SETUP = Setup("saed", "area_diffraction", AREA, 30.0, (), False, None)

ECM = AcquireStep(
    hold=0, name="", key="ecm", title="ecm", camera="imaging", exposure_s=1.0, period_s=2.0, frames=7000,
    drift=DriftPlan(1.0, 5.0), dose_rate_per_nm2_s=4.4e5, setup=ECM_SETUP, setpoint_K=0.0,
)  # fmt: skip
FEM = AcquireStep(
    hold=0, name="", key="fem", title="fem", camera="diffraction", exposure_s=4.0, period_s=4.0, frames=100,
    drift=None, dose_rate_per_nm2_s=3.7e4, setup=FEM_SETUP, setpoint_K=0.0, method="fem",
    grid=GridPlan((10, 10), 5.0), haadf=True,
)  # fmt: skip
SAED = AcquireStep(
    hold=0, name="", key="saed", title="saed", camera="diffraction", exposure_s=1.0, period_s=1.0, frames=1,
    drift=None, dose_rate_per_nm2_s=100.0, setup=SAED_SETUP, setpoint_K=0.0, method="diffraction",
)  # fmt: skip
DATA_DRIVEN = dataclasses.replace(ECM, until=UntilPlan("any", (PrecisionEnd(0.03, 10.0, 3, 200.0),)))

WAIT_FOR_DRIFT = WaitStep(
    until_age_s=2000.0,
    drift_below_nm_per_s=1 / 60,
    at_most_s=4000.0,
    watch=WatchPlan("imaging", 1.0, 10.0, DARK_FIELD),
)

SETTLE_S = 30.0
PREPARE_S = 180.0


class PlanWriter:
    """Puts steps one after another and keeps time and temperature."""

    def __init__(self):
        self.steps, self.t_s, self.settled_s, self.setpoint_K, self.holds = [], 0.0, 0.0, 25 + ZERO_K, []
        self.region = 0

    def add(self, step, label="", *, lasts_s=None):
        if isinstance(step, AcquireStep):
            step = self._numbered(step)
        if lasts_s is None:
            lasts_s = self._duration_s(step)
        if isinstance(step, RampStep | CoolStep):
            self.setpoint_K = step.target_K
            self.settled_s = self.t_s + lasts_s
        if isinstance(step, ParkStep):
            self.setpoint_K = step.cool_to_K
        index = len(self.steps)
        planned = PlannedStep(
            index, f"steps.{index}", label or step.kind, self.t_s, lasts_s, self.setpoint_K, step
        )
        self.steps.append(planned)
        self.t_s += lasts_s
        return self

    def isothermal(self, degC):
        rising = degC + ZERO_K > self.setpoint_K
        step = RampStep(degC + ZERO_K, HEATING) if rising else CoolStep(degC + ZERO_K, COOLING)
        self.add(step, f"{step.kind} to {degC:g} °C")
        self.add(WAIT_FOR_DRIFT, "wait to age 2000 s, drift below 1 nm/min")
        self.add(PrepareStep(ECM_SETUP), "prepare ecm").add(ECM)
        self.add(WaitStep(until_age_s=16200.0), "wait to age 4.5 h")
        return self.add(PrepareStep(FEM_SETUP), "prepare fem").add(FEM).add(SAED)

    def plan(self, **changes):
        rules = SettleRule(0.5, SETTLE_S, 1800.0), SafeRule(25 + ZERO_K, COOLING, 30.0)
        plan = Plan(
            "AMZ4 in situ annealing", "simulated_128", tuple(self.steps), *rules, 300 + ZERO_K, 7e9,
            holds=tuple(self.holds),
        )  # fmt: skip
        return dataclasses.replace(plan, **changes)

    def _duration_s(self, step):
        match step:
            case RampStep() | CoolStep():
                return abs(step.target_K - self.setpoint_K) / step.rate_K_per_s + SETTLE_S
            case ParkStep():
                return abs(step.cool_to_K - self.setpoint_K) / step.rate_K_per_s
            case WaitStep(until_age_s=float(age_s)):
                return max(0.0, self.settled_s + age_s - self.t_s)
            case WaitStep():
                return step.for_s
            case PrepareStep():
                return PREPARE_S
            case AcquireStep():
                return step.frames * step.period_s
        return 0.0

    def _numbered(self, step):
        hold = len(self.holds) + 1
        degC = self.setpoint_K - ZERO_K
        name = f"{hold:02d}_{step.key}_{degC:.0f}C"
        self.region += step.setup.fresh_region
        self.holds.append(_estimate(step, hold, name, self.region))
        return dataclasses.replace(step, hold=hold, name=name, setpoint_K=self.setpoint_K)


def _estimate(step, hold, name, region):
    duration_s = step.frames * step.period_s
    side = 128 if step.method == "ecm" else 512
    precision = tuple(Precision(duration_s / n, 0.3 / n**0.5, -0.8 / n**0.5) for n in (40, 20, 10, 5))
    return HoldEstimate(
        hold, name, step.frames, duration_s, step.frames * (2 * side**2 + 64), 700_000_000, region,
        step.dose_rate_per_nm2_s * duration_s, duration_s / 2, step.method,
        n_speckles=900.0 if step.method == "ecm" else None,
        precision=precision if step.method == "ecm" else (),
        sigma_variance=0.0191 if step.method == "fem" else None,
    )  # fmt: skip


def in_situ():
    """The experiment of the paper: three sessions, holds at five temperatures."""
    writer = PlanWriter().add(PrepareStep(FEM_SETUP), "prepare fem").add(FEM).add(SAED)
    cool = CoolStep(25 + ZERO_K, COOLING)
    writer.isothermal(100).add(cool, "cool to 25 °C").add(park("End of the first day."))
    writer.isothermal(150).isothermal(200).add(cool, "cool to 25 °C").add(park("End of the second day."))
    return writer.isothermal(250).isothermal(275).add(cool, "cool to 25 °C").plan()


def park(message):
    return ParkStep(message, 25 + ZERO_K, COOLING)


def prompted():
    """One session with everything that asks for the operator."""
    writer = PlanWriter().add(PromptStep("Plasma-clean the holder, then pump."), "prompt")
    writer.add(RampStep(80 + ZERO_K, HEATING)).add(WaitStep(for_s=600.0), "wait 10 min")
    writer.add(dataclasses.replace(DATA_DRIVEN, frames=1800))
    return writer.add(PromptStep("Is the foil still flat?", 1800.0, "cool"), "prompt").add(SAED).plan()
