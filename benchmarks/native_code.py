"""The C beside the benchmarks: compiled when needed, in a temporary directory, and called through ctypes."""

from __future__ import annotations

import atexit
import ctypes
import functools
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

SOURCES = Path(__file__).parent / "native"
FLAGS = ("-O3", "-ffp-contract=off", "-std=c11", "-shared", "-fPIC", "-pthread")
KERNEL_NAME = b"reactvec.kernel.1"  # held here: a capsule keeps a pointer to it


@functools.cache
def _directory() -> Path:
    directory = tempfile.mkdtemp(prefix="reactvec-bench-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


@functools.cache
def library_path(name: str) -> Path:
    """Compile `native/<name>.c` into a shared library."""
    target = _directory() / f"{name}.so"
    subprocess.run(["cc", *FLAGS, str(SOURCES / f"{name}.c"), "-o", str(target), "-lm"], check=True)
    return target


@functools.cache
def _library(name: str) -> ctypes.CDLL:
    return ctypes.CDLL(str(library_path(name)))


_places = itertools.count(0, 97)


def pingpong(cores: tuple[int, int], rounds: int) -> int:
    """Nanoseconds that `rounds` round trips between two pinned threads take; each call uses other lines."""
    function = _library("pingpong").pingpong
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_uint64]
    function.restype = ctypes.c_int64
    nanoseconds = int(function(*cores, rounds, next(_places)))
    if nanoseconds < 0:
        raise OSError("cannot start the two threads of the ping-pong")
    return nanoseconds


def plain_loop(name: str, actions: npt.NDArray[Any], cores: Sequence[int], table: Any = None) -> int:
    """Steps done (reset rows not counted) by the plain C loop `native/<name>_loop.c`, one thread per core.

    `actions` [T, N] or [T, N, 1] are C-contiguous and of the type of that loop; `table` is a ctypes structure where it
    wants one.
    """
    function = _library(f"{name}_loop").plain_loop
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    function.argtypes = [number, number, pointer, pointer, number, pointer]
    function.restype = number
    steps, envs = actions.shape[:2]
    place = None if table is None else ctypes.addressof(table)
    done = int(function(envs, steps, actions.ctypes.data, place, len(cores), (ctypes.c_int * len(cores))(*cores)))
    if done < 0:
        raise OSError(f"cannot run the C loop on {len(cores)} cores")
    return done


class _Kernel(ctypes.Structure):
    """`Kernel` of reactvec/_kernel.pxd."""

    _fields_ = (("run", ctypes.c_void_p), ("self", ctypes.c_void_p))


@functools.cache
def _kernel(library: str, function: str, state: int | None) -> _Kernel:
    return _Kernel(ctypes.cast(getattr(_library(library), function), ctypes.c_void_p), state)


def capsule(library: str, function: str, state: int | None = None) -> object:
    """A kernel in a C library as the capsule that a native reaction returns; `state` is the address of its `self`."""
    new = ctypes.pythonapi.PyCapsule_New
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    new.restype = ctypes.py_object
    made: object = new(ctypes.addressof(_kernel(library, function, state)), KERNEL_NAME, None)
    return made


def noop_capsule() -> object:
    """A kernel that does nothing."""
    return capsule("noop", "run")
