"""What kernels draw is what NumPy's Generator draws, also where a draw is refused and made again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reactvec.envs.kernel_bank import draws_below


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
@pytest.mark.parametrize("number", [2, 3, 4, 13, 2**31 + 1, 3_000_000_001, 2**32 - 1])
def test_whole_numbers_below_a_bound(bits: Any, number: int) -> None:
    """Of the large ones up to a half are refused."""
    mine, theirs = bits(5), bits(5)
    expected = [int(np.random.Generator(theirs).integers(0, number)) for _ in range(2000)]
    assert draws_below(mine, number, 2000) == expected
    assert repr(mine.state) == repr(theirs.state)
