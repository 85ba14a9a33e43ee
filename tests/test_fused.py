"""Multiply and add in one: rounded once, as exact arithmetic says, in single and double precision."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numba.core.errors import TypingError

from annealscope.analysis.fused import fma

MODERATE = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)


@njit
def fused(a, b, c):
    return fma(a, b, c)


@given(MODERATE, MODERATE, MODERATE)
def test_the_result_is_the_exact_one_rounded_once(a, b, c):
    assert fused(a, b, c) == float(Fraction(a) * Fraction(b) + Fraction(c))


def test_what_two_roundings_would_lose_is_there():
    for real in (np.float32, np.float64):
        near_1 = real(1) + np.finfo(real).eps
        lost = fused(near_1, near_1, -(near_1 * near_1))
        assert isinstance(lost, float)
        assert lost == np.finfo(real).eps ** 2


def test_precisions_are_not_mixed():
    with pytest.raises(TypingError):
        fused(np.float32(1), np.float32(1), 1.0)
