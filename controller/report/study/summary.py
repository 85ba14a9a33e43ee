"""What the report of a study knows: its runs by their roles, every one of them possibly absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from annealscope.controller.report.paper import Paper, paper_of
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_run import ProbeSeries, RunSummary

STATES = {"as_cast": "as cast", "annealed": "annealed"}
"""The two states of the specimen at room temperature: beginnings of the names of their roles."""

SAYS = {
    "as_cast_ecm": "movie at room temperature, as cast",
    "annealed_ecm": "movie at room temperature, annealed",
    "as_cast_fem": "probe sizes, as cast",
    "annealed_fem": "probe sizes, annealed",
    "in_situ": "in situ",
}
"""What each role is, in words."""


@dataclass(frozen=True)
class RoleSummary:
    """One run of a study."""

    name: str
    folder: Path
    command: str = ""
    """What makes the run; empty when the study file does not say."""

    run: RunSummary | None = None
    extract: HoldSummary | None = None
    """The beginning of its movie as a record of its own."""

    extract_s: float | None = None
    """Length of that beginning, as asked for."""

    missing: str = ""
    """What is not there, and what to do about it, in a sentence; empty when all is."""

    @property
    def words(self) -> str:
        """What the role is."""
        return SAYS.get(self.name, self.name)

    def holds(self, method: str) -> tuple[HoldSummary, ...]:
        """Return the acquisitions of a method that are there, in the order of temperature, then time."""
        holds = self.run.holds if self.run else ()
        chosen = [hold for hold in holds if hold.method == method]
        return tuple(sorted(chosen, key=lambda hold: (hold.setpoint_K, hold.ordinal)))

    @property
    def movie(self) -> HoldSummary | None:
        """Its first movie, the whole of it."""
        return next(iter(self.holds("ecm")), None)

    @property
    def stratton_voyles(self) -> ProbeSeries | None:
        """Its first series of probe sizes."""
        return next(iter(self.run.stratton_voyles), None) if self.run else None

    @property
    def pair_persistence(self) -> ProbeSeries | None:
        """The line through its first series of probe sizes."""
        return next(iter(self.run.pair_persistence), None) if self.run else None


@dataclass(frozen=True)
class StudySummary:
    """A study and its runs."""

    title: str
    text: str
    """The study file."""

    roles: Mapping[str, RoleSummary] = field(default_factory=dict)
    """Those that the study file has, in the order in which they are shown."""

    def role(self, name: str) -> RoleSummary:
        """Return a role, empty when the study does not have it."""
        return self.roles.get(name) or RoleSummary(name, Path(), missing=f"The study has no {name}.")

    @property
    def holds(self) -> tuple[HoldSummary, ...]:
        """Every acquisition of every run."""
        return tuple(hold for role in self.roles.values() if role.run for hold in role.run.holds)

    @cached_property
    def paper(self) -> Paper | None:
        """The published numbers, when every specimen is of their alloy."""
        return paper_of({hold.material for hold in self.holds if hold.material})

    @property
    def simulated(self) -> bool:
        """Whether any specimen was a simulated one, whose truth is known."""
        return any(hold.simulated for hold in self.holds)

    def compared(self) -> tuple[HoldSummary, ...]:
        """Return the movies that belong together: the beginning of the one at room temperature, and in situ.

        Without a beginning of its own the movie at room temperature is there as a whole.
        """
        room = self.role("as_cast_ecm")
        first = room.extract or room.movie
        return (*((first,) if first else ()), *self.role("in_situ").holds("ecm"))
