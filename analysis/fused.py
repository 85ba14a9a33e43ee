"""Multiply and add in one instruction, for the kernels.

``a * b + c`` takes a processor two instructions, and rounds twice. It has one that does both, rounds once,
and takes the time of either; but a compiler may use it only where it is told to, because the last digit is
another. Told as a whole (``fastmath``), it chooses where, and the last digit depends on its choice. Here each
place is named: the result is the same wherever it runs.
"""

from typing import Any

from numba import types
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once; all float32 or all float64. For kernels only."""
    if not (isinstance(a, types.Float) and a == b == c):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fma(*values)

    return a(a, b, c), generate
