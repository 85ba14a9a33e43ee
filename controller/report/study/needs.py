"""What a figure needs of a study, and what is said where it is not there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from annealscope.controller.report.study.summary import RoleSummary, StudySummary
from annealscope.controller.report.summary import HoldSummary


@dataclass(frozen=True)
class Need:
    """Something that a figure takes from a run."""

    roles: tuple[str, ...]
    what: str
    method: str = ""
    """Of the acquisitions that should have it; empty: it follows from several, or from the run."""

    of_hold: Callable[[HoldSummary], object] = bool
    of_run: Callable[[RoleSummary], object] | None = None
    """Instead, for what follows from several."""

    rule: str = ""
    """What several must have together, in a sentence: said where acquisitions have it, but not the run."""

    def there(self, role: RoleSummary) -> bool:
        """Say whether a run has it at all."""
        if self.of_run is not None:
            return bool(self.of_run(role))
        return any(self.of_hold(hold) for hold in role.holds(self.method))

    def met(self, study: StudySummary) -> bool:
        """Say whether any run of the study has it."""
        return any(self.there(study.role(name)) for name in self.roles)

    def lacking(self, study: StudySummary) -> Iterable[str]:
        """Yield what is not there, and what to do about it, in sentences."""
        for name in self.roles:
            role = study.role(name)
            if role.run is None:
                yield role.missing
            elif not self.there(role):
                yield f"{name}: {self._why_not(role)}"
            else:
                yield from self._holds_without(role)

    def _why_not(self, role: RoleSummary) -> str:
        if self.rule and any(self.of_hold(hold) for hold in role.holds(self.method)):
            return self.rule
        return f"{role.folder} has no {self.what}. {_remedy(role)}"

    def _holds_without(self, role: RoleSummary) -> Iterable[str]:
        for hold in role.holds(self.method) if self.method else ():
            if not self.of_hold(hold):
                yield f"{role.name}: {hold.name} has no {self.what}. {_remedy(role)}"
        if role.missing:
            yield role.missing


def _remedy(role: RoleSummary) -> str:
    return role.missing or f"`annealscope analyze {role.folder}` computes what its frames hold."
