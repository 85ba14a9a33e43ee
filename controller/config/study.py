"""A study: which runs together answer the questions of a paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from annealscope.controller.config.errors import ProtocolError
from annealscope.controller.config.kinds import STUDY, check_kind
from annealscope.controller.config.model import Model, SchemaVersion, validate
from annealscope.controller.config.quantities import DurationS
from annealscope.controller.config.sources import STUDIES, read_source
from annealscope.controller.config.yaml_nodes import parse_yaml

Line = Annotated[str, Field(min_length=1, max_length=500)]
Seed = Annotated[int, Field(ge=0)]


class Role(Model):
    """A run, and how it is rehearsed when it is not there."""

    misplaced: ClassVar[Mapping[str, str]] = {
        "extract": "`extract` is for as_cast_ecm and annealed_ecm, which have one movie each"
    }

    run: Line
    """The run folder, as seen from the study file."""
    protocol: Line | None = None
    """What makes it: a file, as seen from the study file, or the name of a shipped one."""
    rig: Line = "simulated_128"
    """The rig that it is rehearsed on."""
    seed: Seed = 0
    """Seed of the simulated world."""


class MovieRole(Role):
    """A run with one long movie."""

    misplaced: ClassVar[Mapping[str, str]] = {}

    extract_s: DurationS | None = Field(None, alias="extract")
    """Length of its beginning that is analysed as a record of its own."""


class Roles(Model):
    """What each run is there for; those that do not exist are left out."""

    noun: ClassVar[str] = "role"

    as_cast_ecm: MovieRole | None = None
    """The movie at room temperature, as cast."""
    annealed_ecm: MovieRole | None = None
    """The movie at room temperature, annealed."""
    as_cast_fem: Role | None = None
    """The grids with several probe sizes, as cast."""
    annealed_fem: Role | None = None
    """The grids with several probe sizes, annealed."""
    in_situ: Role | None = None
    """Movies, grids and rings at several temperatures."""


class Study(Model):
    """A study file."""

    schema_version: SchemaVersion = 1
    """Version of the language of study files."""
    study: Line
    """What the study is called."""
    roles: Roles
    """The runs."""


@dataclass(frozen=True)
class StudyFile:
    """A study, and where it was read."""

    name: str
    text: str
    folder: Path
    """What its paths are relative to."""
    study: Study

    @property
    def roles(self) -> dict[str, Role]:
        """The roles that the file has, by name, in the order in which they are shown."""
        roles = self.study.roles
        return {name: role for name in Roles.model_fields if (role := getattr(roles, name)) is not None}

    def run_folder(self, role: Role) -> Path:
        """Return where the run of a role is."""
        return self.folder / role.run

    def source(self, name: str) -> str:
        """Return a protocol or a rig as the command line takes it: a path, or the name of a shipped one."""
        return str(self.folder / name) if Path(name).suffix or Path(name).name != name else name


def is_study(name: str) -> bool:
    """Say whether a name is that of a study, and not of a run folder."""
    return not Path(name).is_dir() and (name in STUDIES or Path(name).suffix in (".yaml", ".yml"))


def load_study(name: str) -> StudyFile:
    """Read a study file, or a shipped one by its name.

    Raises
    ------
    ProtocolError
        With all faults at their places.
    """
    source = read_source(name, names=STUDIES)
    document = parse_yaml(source.content, source.file)
    check_kind(document, STUDY)
    study, faults = validate(document, Study)
    if study is None:
        raise ProtocolError(faults)
    folder = Path() if name in STUDIES else Path(name).parent
    return StudyFile(source.file, source.content.decode("utf-8-sig"), folder, study)
