"""What counts as a whole number: whatever Python takes as an index, but no truth value."""

from __future__ import annotations

import operator
from typing import Any


def whole_number(value: Any) -> int | None:
    """The int that a value stands for, or None."""
    if is_truth_value(value):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def is_truth_value(value: object) -> bool:
    """Whether it is a bool, of Python or of an array library."""
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool")
