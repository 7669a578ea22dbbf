"""What processes send each other beside typed ports, pickled, in memory that grows with it."""

from __future__ import annotations

import os
import pickle
import weakref
from multiprocessing import reduction
from typing import Any

import cloudpickle

CHUNK = 1 << 16


class Mail:
    """One box of bytes per worker, for one direction; whoever holds it can put into any box and take from any.

    All boxes lie in one anonymous file (Linux: memfd), so that they cost one descriptor, however many there are. Its
    chunks go round: the first of each box, the second of each, and so on; what nobody wrote takes no memory. It is read
    and written, not mapped: then nobody must hear of a box that grew, and `close` closes.
    """

    def __init__(self, boxes: int) -> None:
        self._open(os.memfd_create("reactvec-mail"), boxes)

    def _open(self, fd: int, boxes: int) -> None:
        self._fd, self._boxes = fd, boxes
        self._close = weakref.finalize(self, os.close, fd)
        self._close.atexit = False

    def put(self, box: int, content: object) -> int:
        """Pickle something into a box, in the place of what was there; how many bytes that takes."""
        data = dump(content)
        done = os.pwrite(self._fd, data, box * CHUNK) if len(data) <= CHUNK else 0  # as most mail is, and in each step
        if done < len(data):
            self._put_on(box, memoryview(data), done)
        return len(data)

    def take(self, box: int, size: int) -> Any:
        """What was put into a box, of this many bytes; it can be taken again."""
        data = os.pread(self._fd, min(size, CHUNK), box * CHUNK)
        return pickle.loads(data if len(data) == size else self._take_on(box, size, data))

    def close(self) -> None:
        """Nothing can be put or taken after it; closing again does nothing."""
        self._fd = -1
        self._close()

    def _put_on(self, box: int, data: memoryview, done: int) -> None:
        while done < len(data):
            offset, room = self._place(box, done)
            done += os.pwrite(self._fd, data[done : done + room], offset)

    def _take_on(self, box: int, size: int, begun: bytes) -> bytearray:
        data = bytearray(begun)
        while len(data) < size:
            offset, room = self._place(box, len(data))
            piece = os.pread(self._fd, min(room, size - len(data)), offset)
            if not piece:
                raise EOFError(f"box {box} does not hold {size} bytes")
            data += piece
        return data

    def _place(self, box: int, done: int) -> tuple[int, int]:
        """Where a byte of a box lies, and how many lie there in a row."""
        chunk, at = divmod(done, CHUNK)
        return (chunk * self._boxes + box) * CHUNK + at, CHUNK - at

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._fd), self._boxes

    def __setstate__(self, state: Any) -> None:
        duplicate, boxes = state
        self._open(duplicate.detach(), boxes)


def dump(content: object) -> bytes:
    """Pickle; by value what plain pickle cannot find by name (lambdas, classes of `__main__`)."""
    try:
        return pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError):
        data: bytes = cloudpickle.dumps(content)
        return data
