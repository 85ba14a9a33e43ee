"""Synthetic run folders in the layout of a real run, with numbers that are known."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from run_ecm import write_beyond
from run_patterns import FakePatterns

from annealscope.analysis.kww_model import finite_kww, kww
from annealscope.controller.journal import Journal
from annealscope.drivers.clock import VirtualClock

WAIT_S = 2000.0
PAUSE_S = 600.0
NIGHT_S = 43_200.0
DOSE_LIMIT_PER_NM2 = 7.0e9


@dataclass(frozen=True)
class FakeHold:
    """What one synthetic hold shall contain."""

    ordinal: int
    degC: float
    tau_s: float
    beta: float
    frames: int = 1400
    period_s: float = 10.0
    side: int = 96
    lost: tuple[int, ...] = (400, 401, 402)
    speckles: int = 400
    results: bool = True
    simulated: bool = True
    whole: bool = True
    """False: a file of before, with curves, fits and a map alone."""

    flags: int = 0
    region: int = 0
    age_s: float = WAIT_S
    pause_after: int | None = None
    """Frame before which the acquisition is paused for `PAUSE_S`."""

    method = "ecm"
    key = "ecm"

    @property
    def name(self) -> str:
        return f"{self.ordinal:02d}_ecm_{self.degC:.0f}C"

    @property
    def estimate_s(self) -> float:
        return 1.04 * self.tau_s

    @property
    def sigma_s(self) -> float:
        return 2.5 * self.tau_s / np.sqrt(self.speckles * self.frames * self.period_s / self.tau_s)

    def write(self, path: Path, start_s: float) -> None:
        """Write the hold file of an acquisition that began at a time of the run's clock."""
        write_hold(path, self, start_s)


SMALL = FakeHold(2, 100, 485, 0.68, frames=300, period_s=10, side=48, lost=(40, 41, 90))

PAPER_HOLDS = (
    FakeHold(2, 100, 485, 0.68),
    FakeHold(5, 200, 886, 0.83, lost=()),
    FakeHold(8, 275, 1585, 0.74),
)

Holds = tuple[FakeHold | FakePatterns, ...]


def whole_experiment(side: int = 96, pattern_side: int = 512) -> Holds:
    """Return the acquisitions of the whole experiment: patterns at 25 degC, then all methods at each step."""
    found: list[FakeHold | FakePatterns] = [
        FakePatterns(1, 25, region=1, side=pattern_side, age_s=0.0, V_max=0.125),
        FakePatterns(2, 25, "diffraction", region=1, side=pattern_side, age_s=500.0),
    ]
    relaxation = ((100, 485, 0.68), (150, 743, 0.70), (200, 886, 0.83), (250, 1023, 0.84), (275, 1585, 0.74))
    for step, (degC, tau_s, beta) in enumerate(relaxation):
        first, region = 3 * step + 3, 2 * step + 2
        found += [
            FakeHold(
                first, degC, tau_s, beta, frames=7000, period_s=2.0, side=side, region=region,
                lost=(400, 401, 402) if step == 1 else (), pause_after=3000 if step == 3 else None,
            ),
            FakePatterns(first + 1, degC, region=region + 1, side=pattern_side, V_max=0.1375),
            FakePatterns(first + 2, degC, "diffraction", region=region + 1, side=pattern_side, age_s=16700.0),
        ]  # fmt: skip
    return tuple(found)


@dataclass
class FakeRun:
    """A run folder in the making."""

    folder: Path
    holds: Holds = PAPER_HOLDS
    protocol: str = "AMZ4 in situ annealing"
    outcome: str | None = "success"
    why: str = "the protocol was carried out to its end"
    exit_code: int = 0
    parks: tuple[int, ...] = ()
    """Acquisitions after which the run is cooled and parked for a night."""

    clock: VirtualClock = field(default_factory=lambda: VirtualClock(1_795_000_000.0))

    def write(self) -> Path:
        """Write everything; without an outcome the journal just ends."""
        (self.folder / "holds").mkdir(parents=True)
        (self.folder / "protocol.yaml").write_text(f"schema_version: 1\nname: {self.protocol}\n")
        (self.folder / "rig.yaml").write_text("schema_version: 1\nname: simulated\n")
        environment = {
            "python": "3.12.1",
            "packages": {"annealscope": "0.1.0", "numpy": "2.1.0"},
            "seed": 7,
            "speed": "virtual",
            "platform": {"system": "Linux", "hostname": "secret-pc"},
        }
        (self.folder / "environment.json").write_text(json.dumps(environment))
        (self.folder / "plan.json").write_text(json.dumps(self._plan()))
        journal = Journal(self.folder / "journal.jsonl", self.clock)
        self._journal(journal)
        journal.close()
        return self.folder

    def _plan(self) -> dict[str, Any]:
        steps = [
            {"step": {"kind": "acquire", "name": hold.name, "method": hold.method}} for hold in self.holds
        ]
        limit = {"max_dose_per_region_per_nm2": DOSE_LIMIT_PER_NM2, "dose_counts": "beam_on"}
        return {"steps": steps} | (limit if any(hold.region for hold in self.holds) else {})

    def _journal(self, journal: Journal) -> None:
        journal.write(
            "run_started", run="20261122T112000Z_amz4", protocol=self.protocol, rig="simulated", seed=7,
            version="0.1.0", clock="virtual",
        )  # fmt: skip
        here_degC = 25.0
        settled_s = self.clock.monotonic()
        for hold in self.holds:
            if hold.degC != here_degC or hold.ordinal - 1 in self.parks:
                self._ramp(journal, here_degC, hold.degC)
                here_degC, settled_s = hold.degC, self.clock.monotonic()
            self._dwell(journal, here_degC, settled_s + hold.age_s - self.clock.monotonic())
            self._acquire(journal, hold, settled_s)
            if hold.ordinal in self.parks:
                self._ramp(journal, here_degC, 25.0)
                here_degC = 25.0
                self._park(journal)
        if self.outcome:
            journal.write("run_ended", outcome=self.outcome, why=self.why, exit_code=self.exit_code)

    def _acquire(self, journal: Journal, hold: FakeHold | FakePatterns, settled_s: float) -> None:
        if hold.region:
            journal.write("region", number=hold.region, position_nm=[0.0, 900.0 * hold.region], thickness=0.7)
        journal.write(
            "hold_opened", hold=hold.ordinal, name=hold.name, title=f"{hold.key} at {hold.degC:g} degC",
            t_settled_s=settled_s, setpoint_K=hold.degC + 273.15, frames_planned=hold.frames,
        )  # fmt: skip
        hold.write(self.folder / "holds" / f"{hold.name}.nxs", self.clock.monotonic())
        before = hold.frames if hold.pause_after is None else hold.pause_after
        self._dwell(journal, hold.degC, before * hold.period_s)
        if hold.pause_after is not None:
            self._pause(journal, hold)
        self._dwell(journal, hold.degC, (hold.frames - before) * hold.period_s)
        journal.write(
            "hold_closed", hold=hold.ordinal, path=f"holds/{hold.name}.nxs",
            frames=hold.frames - len(hold.lost), lost=len(hold.lost),
            analysis="complete" if hold.results else "missing", reason="planned",
        )  # fmt: skip
        if hold.region:
            exposed = 4.4e5 * hold.frames
            journal.write(
                "dose", region=hold.region, hold=hold.ordinal,
                exposed_per_nm2=exposed, beam_on_per_nm2=exposed * hold.period_s,
            )  # fmt: skip

    def _pause(self, journal: Journal, hold: FakeHold | FakePatterns) -> None:
        journal.write("command", command="pause", source="cli")
        journal.write("state", state="paused", why="the operator asked for it")
        self._dwell(journal, hold.degC, PAUSE_S)
        journal.write("command", command="resume", source="cli")
        journal.write("state", state="running", why="the operator asked for it")
        journal.write("segment", hold=hold.ordinal, segment=1, why="paused")

    def _park(self, journal: Journal) -> None:
        journal.write("state", state="parked", why="End of the day.")
        journal.write("parked", next=0, why="End of the day.")
        self.clock.sleep_until(self.clock.monotonic() + NIGHT_S)
        journal.write("run_continued")
        journal.write("state", state="running", why="continued")

    def _ramp(self, journal: Journal, start: float, stop: float) -> None:
        for degC in np.linspace(start, stop, 40):
            self._reading(journal, degC, degC)
            self.clock.sleep_until(self.clock.monotonic() + abs(stop - start) * 3 / 40)

    def _dwell(self, journal: Journal, degC: float, seconds: float) -> None:
        end_s = self.clock.monotonic() + seconds
        while self.clock.monotonic() < end_s:
            self._reading(journal, degC + 0.4 * np.sin(self.clock.monotonic() / 77), degC)
            self.clock.sleep_until(min(end_s, self.clock.monotonic() + 60))

    def _reading(self, journal: Journal, degC: float, setpoint: float) -> None:
        journal.write("reading", temperature_K=float(degC) + 273.15, setpoint_K=float(setpoint) + 273.15)


def write_hold(path: Path, hold: FakeHold, start_s: float = 5000.0) -> None:
    """Write one hold file."""
    rng = np.random.Generator(np.random.Philox(hold.ordinal))
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        table = frame_table(hold, start_s)
        for name, column in table.items():
            entry[f"instrument/detector/{name}"] = column
        entry["instrument/detector/data"] = speckles(rng, 20, hold.side)
        entry["instrument/open_hold"] = json.dumps(open_hold(hold))
        if hold.simulated:
            entry.create_group("sample/truth").attrs.update(tau_s=hold.tau_s, beta=hold.beta)
        if hold.results:
            for path_, values in results(hold, rng).items():
                entry[path_] = values
            entry["g2"].attrs["n_speckles"] = hold.speckles
            write_fits(entry, hold)
        if hold.results and hold.whole:
            write_beyond(entry, hold.estimate_s, hold.beta, hold.period_s, hold.frames)


def frame_table(hold: FakeHold, start_s: float) -> dict[str, Any]:
    """Return the columns of the frame table; slots restart after a pause."""
    seq = np.delete(np.arange(hold.frames), hold.lost)
    later = seq >= (hold.frames if hold.pause_after is None else hold.pause_after)
    return {
        "seq": seq,
        "slot": seq - later * (hold.pause_after or 0),
        "segment": later.astype(np.int64),
        "frame_time": start_s + seq * hold.period_s + later * PAUSE_S,
        "valid": np.ones(len(seq), dtype=bool),
    }


def open_hold(hold: FakeHold) -> dict[str, Any]:
    """Return what the controller said when it opened the hold."""
    return {
        "kind": "open_hold", "title": f"ecm at {hold.degC:g} degC", "camera": {"pixel_nm": 0.165},
        "period_s": hold.period_s, "frames_planned": hold.frames, "setpoint_K": hold.degC + 273.15,
        "settings": {
            "drift": {"warn_nm": 1.0, "limit_nm": 5.0},
            "sample": {"name": "AMZ4", "state": "as-cast"},
        },
    }  # fmt: skip


def write_fits(entry: Any, hold: FakeHold) -> None:
    """Store the fits as groups of attributes."""
    common = {"amplitude": 0.1, "baseline": 0.0, "sigma_tau_s": hold.sigma_s, "sigma_beta": 0.02, "flags": 0}
    corrected = {"tau_s": hold.estimate_s, "beta": hold.beta, "model": "finite", "range": "half"}
    corrected["flags"] = hold.flags
    plain = {"tau_s": 0.8 * hold.tau_s, "beta": hold.beta + 0.07, "model": "kww", "range": "first1"}
    for name, fit in {"corrected": corrected, "pixel": plain, "ratio": plain}.items():
        entry.create_group(f"kww/{name}").attrs.update(common | fit)


def results(hold: FakeHold, rng: np.random.Generator) -> dict[str, Any]:
    """Return the arrays of results: right in shape, made of formulas."""
    lags = np.unique(np.concatenate([np.arange(1, 16), *(np.arange(8, 16) * 2**k for k in range(1, 7))]))
    lags = lags[lags < hold.frames]
    y = finite_kww(lags, hold.tau_s, hold.beta, spacing_s=hold.period_s, segments=[hold.frames])
    noise = 0.01 * np.cumsum(rng.normal(size=len(lags))) / np.sqrt(len(lags))
    g2 = 1 + 0.1 * (y + noise)
    ages = np.arange(200) * hold.period_s * hold.frames / 200
    decay = 1 + 0.1 * kww(np.abs(ages[:, None] - ages), hold.tau_s, hold.beta)
    t = np.linspace(0, 1, hold.frames - len(hold.lost))[:, None]
    path = np.hstack([20 * (1 - np.exp(-4 * t)), -12 * t])
    jitter = 0.15 * rng.normal(size=path.shape)
    ln_tau = np.log(0.7 * hold.tau_s) + 0.5 * smooth(rng, hold.side)
    return {
        "g2/lag": lags * hold.period_s,
        "g2/pairs": hold.frames - lags,
        "g2/ratio": g2,
        "g2/pixel": g2 - 0.004 * y,
        "g2/roi": g2,
        "g2/ttcf": g2,
        "ttcf/value": decay + 0.004 * rng.normal(size=decay.shape) + np.eye(200),
        "ttcf/t": ages,
        "ttcf/segment": np.zeros(200, dtype=np.int64),
        "drift/t": np.delete(np.arange(hold.frames), hold.lost) * hold.period_s,
        "drift/measured_nm": jitter,
        "drift/applied_nm": jitter - path,
        "drift/residual_nm": 0.04 * rng.normal(size=path.shape),
        "drift/quality": np.ones(len(path)),
        "map/tau_s": np.exp(ln_tau),
        "map/x_nm": 0.33 * np.arange(hold.side),
        "map/beta": np.full_like(ln_tau, 0.8),
        "map/flags": (rng.random(ln_tau.shape) < 0.06).astype(np.int64),
    }


def smooth(rng: np.random.Generator, side: int) -> np.ndarray:
    """Return a Gaussian random field of unit variance with a grain of a few pixels."""
    q = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    field_ = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * np.exp(-((q * 9) ** 2))).real
    return field_ / field_.std()


def speckles(rng: np.random.Generator, frames: int, side: int) -> np.ndarray:
    """Return frames of one still speckle pattern with shot noise."""
    intensity = smooth(rng, side) ** 2 + smooth(rng, side) ** 2
    return rng.poisson(30 + 10 * intensity, size=(frames, side, side)).astype(np.uint16)
