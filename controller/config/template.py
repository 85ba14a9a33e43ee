"""The protocol that a new experiment starts from."""

from importlib.resources import files

from annealscope.controller.config.sources import SHIPPED


def template() -> str:
    """Return a commented protocol that is valid and can be run on the simulated rig."""
    return files(SHIPPED).joinpath("template.yaml").read_text(encoding="utf-8")
