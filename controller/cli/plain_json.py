"""JSON for programs: plain data, and null for what JSON does not have."""

import json
import math
import sys
from typing import Any


def print_json(value: Any) -> None:
    """Print plain data."""
    sys.stdout.write(json.dumps(plain_json(value), indent=1, allow_nan=False) + "\n")


def plain_json(value: Any) -> Any:
    """Return plain data with null for every NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
