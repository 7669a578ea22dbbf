from typing import Any

import numpy as np
import numpy.typing as npt

Part = tuple[npt.DTypeLike, int, int, int, int, float]
"""A type, the byte of a row where values of it begin, how many there are, and what they are: numbers (0, 0, divisor),
or each one of so many categories (categories, start, 1)."""

Mask = tuple[npt.DTypeLike, int, int]
"""A type, the byte of a row where the mask begins, and of how many values it is."""

def reads(dtype: np.dtype[Any]) -> bool:
    """Whether observations may hold values of this type."""
