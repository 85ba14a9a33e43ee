"""What every experiment of the fault suite ends with: whether it held, and if not, why."""

from dataclasses import dataclass, field

from faults.checker import Violation


@dataclass(kw_only=True)
class Verdict:
    """Whether a run held."""

    violations: list[Violation] = field(default_factory=list)
    trouble: str = ""
    """Why the run did not do what had to come of it."""

    @property
    def passed(self) -> bool:
        return not self.violations and not self.trouble

    def why(self) -> dict[str, list[str]]:
        """Return what is printed of a run that did not hold; nothing for one that did."""
        said = [str(violation) for violation in self.violations] + [self.trouble] * bool(self.trouble)
        return {"why": said} if said else {}
