"""Every number of the camera's counter is either recorded or lost: which are neither, which are both."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Span(NamedTuple):
    """Consecutive frames."""

    first: int
    end: int
    """One past the last."""

    def __str__(self) -> str:
        return f"frame {self.first}" if self.end - self.first == 1 else f"frames {self.first}-{self.end - 1}"


class Account(NamedTuple):
    """What is wrong with the numbers of a hold."""

    missing: list[Span]
    """Neither recorded nor lost."""
    twice: list[Span]
    """Recorded or lost more than once."""


def spans_of(numbers: npt.ArrayLike) -> list[Span]:
    """Return numbers as runs of consecutive ones; one that does not follow the one before begins a run."""
    seq = np.asarray(numbers, dtype=np.int64)
    edges = [0, *(np.flatnonzero(np.diff(seq) != 1) + 1), len(seq)] if len(seq) else []
    return [Span(int(seq[first]), int(seq[end - 1]) + 1) for first, end in pairwise(edges)]


def account(spans: Iterable[Span]) -> Account:
    """Hold the recorded and the lost frames against the numbers from 0 to the last of them."""
    missing, twice, end = [], [], 0
    for span in sorted(spans):
        if span.first > end:
            missing.append(Span(end, span.first))
        elif span.first < end:
            twice.append(Span(span.first, min(span.end, end)))
        end = max(end, span.end)
    return Account(missing, twice)
