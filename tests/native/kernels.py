"""Native reactions for the tests: `kernels.c`, compiled when first asked for, in capsules."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).parent
PORTS = 24
NAME = b"reactvec.kernel.1"


@dataclass
class View:
    """How a reaction sees a port, see `kernels.h`."""

    at: int
    words: int
    pieces: int = 1
    stride: int = 0
    flags: int = -1
    flag_stride: int = 0
    writer: int = 0
    delay: int = 0
    period: int = 1
    offset: int = 0
    unit: int = 1
    initial: int = 0


class _View(ctypes.Structure):
    _fields_ = [(field.name, ctypes.c_int64) for field in fields(View)]


class _Body(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("salt", "inputs", "outputs", "dawdles")),
        ("state", ctypes.c_void_p),
        ("ports", _View * PORTS),
    ]


class _Kernel(ctypes.Structure):
    _fields_ = [("run", ctypes.c_void_p), ("self", ctypes.c_void_p)]


@functools.cache
def library() -> ctypes.CDLL:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder) / "kernels.so"
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run(
        [
            *compiler,
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-shared",
            "-fPIC",
            str(HERE / "kernels.c"),
            "-o",
            str(target),
        ],
        check=True,
    )
    return ctypes.CDLL(str(target))


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def capsule(address: int, name: bytes = NAME) -> Any:
    """A capsule of this name; both are kept for good, as the contract of a kernel allows."""
    _kept.append(name)
    return _new_capsule(address, name, None)


_kept: list[Any] = []


def kernel(
    function: str,
    *,
    salt: int = 0,
    dawdles: int = 0,
    inputs: list[View] | None = None,
    outputs: list[View] | None = None,
    state: npt.NDArray[np.uint64] | None = None,
    keep: list[Any],
) -> Any:
    """The capsule of a function of `kernels.c`; `keep` (of the reactor) holds what it points to."""
    body = _Body(salt=salt, dawdles=dawdles, inputs=len(inputs or []), outputs=len(outputs or []))
    body.state = None if state is None else state.ctypes.data
    for index, view in enumerate([*(inputs or []), *(outputs or [])]):
        body.ports[index] = _View(*(getattr(view, field.name) for field in fields(View)))
    run = ctypes.cast(getattr(library(), function), ctypes.c_void_p).value
    handed_out = _Kernel(run, ctypes.addressof(body))
    keep += [body, state, handed_out]
    return _new_capsule(ctypes.addressof(handed_out), NAME, None)
