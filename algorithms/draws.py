"""Random draws that are functions of (seed, purpose, counters): the order in which they are made does not
matter.

No generator has a state here, so workers, evaluation and restarts cannot disturb one another's streams. The
mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
generators", 2014).
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

_WEYL: Final = 0x9E3779B97F4A7C15
_MIX_1: Final = 0xBF58476D1CE4E5B9
_MIX_2: Final = 0x94D049BB133111EB
_MASK: Final = (1 << 64) - 1


def _mix(z: U64) -> U64:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX_1)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX_2)
    mixed: U64 = z ^ (z >> np.uint64(31))
    return mixed


class Draws:
    """The draws of one `seed` for one `purpose`; counters are whole numbers or arrays of them, broadcast
    together.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        words = [seed & _MASK, seed >> 64 & _MASK, zlib.crc32(purpose.encode())]
        self._key = np.zeros(1, np.uint64)
        for word in words:
            self._key = _mix(self._key ^ np.uint64((word * _WEYL + _MIX_1) & _MASK))

    @property
    def key(self) -> int:
        """What kernels (kernels/draws.h) make the same draws of."""
        return int(self._key[0])

    def bits(self, *counters: npt.ArrayLike) -> U64:
        """Random uint64, of the broadcast shape of the counters (at least one axis)."""
        state = self._key
        for counter in counters:
            count = np.atleast_1d(np.asarray(counter, np.uint64))
            state = _mix(state ^ (count * np.uint64(_WEYL) + np.uint64(_MIX_1)))
        return state

    def uniform(self, *counters: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Uniform float64 in [0, 1)."""
        return (self.bits(*counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, *counters: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Standard normal float64, by Box and Muller's method."""
        radius, angle = (self.uniform(*counters, part) for part in (0, 1))
        values: npt.NDArray[np.float64] = np.sqrt(-2 * np.log(1 - radius)) * np.cos(2 * np.pi * angle)
        return values

    def integers(self, high: int, *counters: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Uniform int64 in [0, high); `high` at most 2**53."""
        return (self.uniform(*counters) * high).astype(np.int64)


def env_seeds(seed: int, count: int, *, evaluation: bool, restarts: int = 0) -> list[int]:
    """Seeds in [0, 2**31) for `count` environments: distinct; odd for evaluation, even for training.

    `restarts` tells apart the environments of one training that was interrupted and resumed.
    """
    start = int(Draws(seed, "environments").integers(2**30, int(evaluation), restarts)[0])
    return [2 * ((start + env) % 2**30) + int(evaluation) for env in range(count)]
