"""Values as JSON knows them: for the command line, the live page and the reports."""

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return plain data: numbers of numpy as numbers, tuples as lists, NaN and infinities as None."""
    if hasattr(value, "tolist"):  # of numpy, which the command line does without
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
