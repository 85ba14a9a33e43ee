"""JSON for programs: plain data, and null for what JSON does not have."""

import json
import sys
from typing import Any

from annealscope.controller.plain import plain


def print_json(value: Any) -> None:
    """Print plain data."""
    sys.stdout.write(json.dumps(plain(value), indent=1, allow_nan=False) + "\n")
