"""Numbers as files hold them: whatever was written, or nothing."""

import math
from typing import Any


def as_number(value: Any) -> float:
    """A float of whatever a file holds; NaN for what is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
