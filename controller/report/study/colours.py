"""How the curves of many temperatures or probe sizes are told apart."""

import numpy as np
from matplotlib import colormaps

from annealscope.controller.report.style import BLUE, ORANGE

STATE_COLOURS = {"as_cast": BLUE, "annealed": ORANGE}

COLDEST_DEGC, HOTTEST_DEGC = 25.0, 275.0
"""Ends of the scale of temperatures; what lies beyond has the colour of the end."""


def of_temperature(temperature_degC: float) -> str:
    """Return a colour, from dark blue for cold to orange for hot; grey when it is not known."""
    if not np.isfinite(temperature_degC):
        return "#8a9099"
    place = (temperature_degC - COLDEST_DEGC) / (HOTTEST_DEGC - COLDEST_DEGC)
    return _hexadecimal("plasma", 0.82 * min(max(place, 0.0), 1.0))


def of_place(place: int, of: int) -> str:
    """Return a colour for one of so many in order, from dark for the first to light for the last."""
    return _hexadecimal("viridis", 0.88 * place / max(of - 1, 1))


def _hexadecimal(name: str, place: float) -> str:
    red, green, blue, _ = colormaps[name](place, bytes=True)
    return f"#{red:02x}{green:02x}{blue:02x}"
