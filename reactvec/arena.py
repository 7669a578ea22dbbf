"""Where the values of ports live: one block of memory cut into slabs by a Schedule's offsets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reactvec.compiler import ALIGNMENT
from reactvec.schedule import Schedule, Slab


class Arena:
    """The slabs of one execution, as arrays `[slots, rows, *shape]`, and their presence flags `[slots, rows]`.

    Owns the memory; the arrays keep it alive. Object slabs are arrays of their own, outside of the block.
    """

    def __init__(self, schedule: Schedule) -> None:
        block = np.zeros(schedule.arena_bytes + ALIGNMENT, np.uint8)
        start = -block.ctypes.data % ALIGNMENT
        self._memory = block[start : start + schedule.arena_bytes]
        self.values: list[npt.NDArray[Any]] = [self._map(slab) for slab in schedule.slabs]
        self.flags: list[npt.NDArray[np.bool_] | None] = [self._map_flags(slab) for slab in schedule.slabs]
        for index, value in schedule.initial.items():
            self._fill(self.values[index], value)

    def _map(self, slab: Slab) -> npt.NDArray[Any]:
        shape = (slab.slots, slab.rows, *slab.shape)
        if slab.offset < 0:
            return np.full(shape, None, object) if slab.dtype == object else np.zeros(shape, slab.dtype)
        if 0 in shape:
            return np.empty(shape, slab.dtype)
        row = np.ndarray(shape[1:], slab.dtype, self._memory, slab.offset)
        return np.ndarray(shape, slab.dtype, self._memory, slab.offset, (slab.stride, *row.strides))

    def _map_flags(self, slab: Slab) -> npt.NDArray[np.bool_] | None:
        if slab.flags < 0:
            return None
        flags = np.ndarray((slab.slots, slab.rows), np.bool_, self._memory, slab.flags)
        flags[...] = slab.present_before_start
        return flags

    @staticmethod
    def _fill(values: npt.NDArray[Any], value: Any) -> None:
        if values.dtype == object:
            values.fill(value)
        else:
            values[...] = value
