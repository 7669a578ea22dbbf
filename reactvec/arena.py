"""Where the values of ports live: one block of memory cut into slabs by a Schedule's offsets."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reactvec.schedule import ALIGNMENT, Access, Schedule, Slab
from reactvec.topology import Port

Array: TypeAlias = "npt.NDArray[Any]"
Flags: TypeAlias = "npt.NDArray[np.bool_]"


class Arena:
    """The slabs of one execution, as arrays `[slots, rows, *shape]`, and their presence flags `[slots, rows]`.

    The memory is its own, or a zeroed block that processes share (of `schedule.arena_bytes`, on a page boundary), which
    the first of them `fills`; the arrays keep it alive. Object slabs are arrays of their own, outside of the block.
    """

    def __init__(self, schedule: Schedule, memory: memoryview | None = None, fills: bool = True) -> None:
        if memory is None:
            block = np.zeros(schedule.arena_bytes + ALIGNMENT, np.uint8)
            start = -block.ctypes.data % ALIGNMENT
            self._memory = block[start : start + schedule.arena_bytes]
        else:
            self._memory = np.frombuffer(memory, np.uint8, schedule.arena_bytes)
        self._fills = fills
        self._numbers = {slab.name: index for index, slab in enumerate(schedule.slabs)}
        self.values: list[Array] = [self._map(slab) for slab in schedule.slabs]
        self.flags: list[Flags | None] = [self._map_flags(slab) for slab in schedule.slabs]
        for index, value in schedule.initial.items():
            if fills or schedule.slabs[index].offset < 0:
                self._fill(self.values[index], value)

    def at(self, access: Access, tag: int) -> Array:
        """The slab (or its flags) that an access means at a tag, from row 0: `[rows, *shape]`, or `[rows]`."""
        slabs = self.flags[access.slab] if access.flags else self.values[access.slab]
        assert slabs is not None
        slab: Array = slabs[(tag - access.delay) % len(slabs)]
        return slab

    def of(self, port: Port, tag: int) -> Array:
        """What a port holds at a tag, as its reactor sees it: `[rows, *shape]` of a bank, else `[*shape]`."""
        slots = self.values[self._index(port)]
        slot: Array = slots[tag % len(slots)]
        return slot if _is_of_a_bank(port) else slot[0, ...]

    def slots(self, port: Port) -> list[Array]:
        """The same for all slots: that of tag t is at t modulo their number."""
        return [self.of(port, slot) for slot in range(len(self.values[self._index(port)]))]

    def presence(self, port: Port, tag: int) -> Flags:
        """Whether each row of a port has a value at a tag: a copy, `[rows]` of a bank, else 0-d."""
        index = self._index(port)
        flags = self.flags[index]
        rows = np.ones(self.values[index].shape[1], np.bool_) if flags is None else flags[tag % len(flags)].copy()
        return rows if _is_of_a_bank(port) else rows[0, ...]

    def carry(self, index: int, tag: int) -> None:
        """Let a slab hold at a tag what it held at the tag before."""
        for slots in (self.values[index], self.flags[index]):
            if slots is not None:
                slots[tag % len(slots)] = slots[(tag - 1) % len(slots)]

    def _index(self, port: Port) -> int:
        index = self._numbers.get(str(port))
        if index is None:
            raise ValueError(f"{port} has no slab of its own: read an output port, or an external input")
        return index

    def _map(self, slab: Slab) -> Array:
        shape = (slab.slots, slab.rows, *slab.shape)
        if slab.offset < 0:
            return np.full(shape, None, object) if slab.dtype == object else np.zeros(shape, slab.dtype)
        if 0 in shape:
            return np.empty(shape, slab.dtype)
        row = np.ndarray(shape[1:], slab.dtype, self._memory, slab.offset)
        return np.ndarray(shape, slab.dtype, self._memory, slab.offset, (slab.stride, *row.strides))

    def _map_flags(self, slab: Slab) -> Flags | None:
        if slab.flags < 0:
            return None
        flags = np.ndarray((slab.slots, slab.rows), np.bool_, self._memory, slab.flags)
        if self._fills:
            flags[...] = slab.present_before_start
        return flags

    @staticmethod
    def _fill(values: Array, value: Any) -> None:
        if values.dtype == object:
            values.fill(value)
        else:
            values[...] = value


def _is_of_a_bank(port: Port) -> bool:
    return port.reactor is not None and port.reactor.bank is not None
