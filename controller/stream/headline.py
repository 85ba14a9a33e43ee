"""What stands above the results of a hold: the numbers that whoever looks on wants first."""

from annealscope.controller.stream.messages import ResultsHeader

NUMBERS = {
    "kww/corrected": ("tau_s", "sigma_tau_s", "beta", "sigma_beta"),
    "fem/peaks/first": ("V_max", "sigma_V_max", "k_per_nm"),
}
"""Attributes of results, by their paths."""


def headline(results: ResultsHeader) -> dict[str, float]:
    """Return the numbers of results that are there, by their names; empty where there are none of these."""
    return {
        name: float(entry.attrs[name])
        for entry in results.entries
        for name in NUMBERS.get(entry.path, ())
        if isinstance(entry.attrs.get(name), int | float)
    }
