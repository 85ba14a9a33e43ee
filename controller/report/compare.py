"""Compares every ring profile with that of the coldest acquisition, for signs of crystals."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from annealscope.analysis.diffraction import compare_rings
from annealscope.analysis.values import InvalidData
from annealscope.controller.report.summary import HoldSummary
from annealscope.controller.report.summary_patterns import FloatArray, RingDifference, RingProfile

K_DIGITS = 6
"""Decimal places in 1/nm to which annuli of two profiles are the same."""


def with_ring_differences(holds: Sequence[HoldSummary]) -> tuple[HoldSummary, ...]:
    """Return the holds; those with a ring profile know how it differs from the coldest one's."""
    profiles = [hold for hold in holds if hold.rings is not None and np.isfinite(hold.setpoint_K)]
    if not profiles:
        return tuple(holds)
    reference = min(profiles, key=lambda hold: (hold.setpoint_K, hold.ordinal))
    return tuple(hold if hold is reference else _compared(hold, reference) for hold in holds)


def _compared(hold: HoldSummary, reference: HoldSummary) -> HoldSummary:
    if hold.rings is None or reference.rings is None:
        return hold
    try:
        difference = _difference(hold.rings, reference.rings, reference.label)
    except InvalidData as error:
        text = f"The ring profile could not be compared with {reference.name}: {error}."
        return replace(hold, ring_reference=reference.name, missing=(*hold.missing, text))
    return replace(hold, ring_reference=reference.name, ring_difference=difference)


def _difference(rings: RingProfile, reference: RingProfile, label: str) -> RingDifference:
    """Compare two profiles where both have the same annuli; which ones there are depends on the centre."""
    _, here, there = np.intersect1d(
        np.round(rings.k_per_nm, K_DIGITS), np.round(reference.k_per_nm, K_DIGITS), return_indices=True
    )
    found = compare_rings(
        rings.k_per_nm[here],
        reference.intensity[there],
        _sigma(reference)[there],
        rings.intensity[here],
        _sigma(rings)[here],
    )
    difference = np.full(rings.k_per_nm.shape, np.nan)
    difference[here] = found.difference
    return RingDifference(label, reference, difference, found.crystalline, found.why)


def _sigma(profile: RingProfile) -> FloatArray:
    return np.full_like(profile.intensity, np.nan) if profile.sigma is None else profile.sigma
