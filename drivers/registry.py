"""Which devices a guard can host, by the names that rig files use: ours, and those of other packages.

Another package announces its own in its ``pyproject.toml``::

    [project.entry-points."annealscope.holders"]
    my_chip = "my_lab.holder:open_chip"

The guard's process calls the function, with the ``settings`` of the rig file; nothing is imported here.
"""

from importlib.metadata import entry_points
from typing import Literal

Group = Literal["annealscope.holders", "annealscope.blankers"]

_OURS: dict[Group, dict[str, str]] = {
    "annealscope.holders": {"simulated_chip": "annealscope.simulators.standalone:StandaloneHolder"},
    "annealscope.blankers": {"simulated_blanker": "annealscope.simulators.standalone:StandaloneBlanker"},
}


def factories(group: Group) -> dict[str, str]:
    """Return ``module:function`` of each device of a kind, by name."""
    return {point.name: point.value for point in entry_points(group=group)} | _OURS[group]
