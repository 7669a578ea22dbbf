"""Checkpoints: a folder of weights (safetensors), arrays (npz) and all else (JSON). Loading runs no code.

checkpoint.json names the format and holds a SHA-256 of each part, itself included, so that a file that was
cut short or mixed with another is found; it does not protect against somebody who forges the sums too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save

from .checks import CheckpointError
from .whole_folder import try_to_write, write_folder

FORMAT: Final = 5
JSON: Final = "checkpoint.json"
_WEIGHTS, _ARRAYS = "weights.safetensors", "arrays.npz"

Arrays = Mapping[str, npt.NDArray[Any]]


class Checkpoint(NamedTuple):
    """What an algorithm saves: `state` is plain JSON."""

    weights: Arrays
    arrays: Arrays
    state: dict[str, Any]


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> Path:
    """Write a checkpoint as the folder `path`, replacing one that is there; it appears whole or not at all.

    A link is followed. A process that is killed just while the old one is exchanged for the new leaves both
    beside `path`, whole, as `.NAME.HEX.old` and `.NAME.HEX`.

    Raises:
        CheckpointError: `path` is something else, or it cannot be written (a full disk); what was there is untouched.
    """
    try:
        target = check_target(path)
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be written: {error}") from error
    for name, array in checkpoint.arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"array {name!r} holds Python objects, which a checkpoint cannot")
    try:
        write_folder(target, partial(_fill, checkpoint))
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {target} cannot be written ({error.strerror or error}); those written before are as they were"
        ) from error
    return target


def _fill(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the parts."""
    weights = {name: np.asarray(array, order="C") for name, array in checkpoint.weights.items()}
    (folder / _WEIGHTS).write_bytes(save(weights))
    arrays: dict[str, Any] = dict(checkpoint.arrays)
    np.savez(folder / _ARRAYS, **arrays)
    sums = {name: _sum_of_file(folder / name) for name in (_WEIGHTS, _ARRAYS)}
    content = {"format": FORMAT, "state": checkpoint.state, "sha256": sums}
    (folder / JSON).write_text(json.dumps({**content, "sum": _sum(content)}, indent=1))


def check_target(path: str | os.PathLike[str]) -> Path:
    """Where `write_checkpoint(path)` writes to, its parents made; CheckpointError or OSError where it cannot."""
    target = Path(path).resolve()
    if target.exists() and not is_checkpoint(target) and (target.is_file() or any(target.iterdir())):
        raise CheckpointError(f"{target} exists and is no checkpoint; choose another path")
    target.parent.mkdir(parents=True, exist_ok=True)
    try_to_write(target)
    return target


def is_checkpoint(path: Path) -> bool:
    """Whether this folder holds a checkpoint, whole or not."""
    return (path / JSON).is_file()


def is_whole(path: Path) -> bool:
    """Whether it holds one that can be read."""
    try:
        read_checkpoint(path)
    except CheckpointError:
        return False
    return True


def _sum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read what `write_checkpoint` wrote.

    Raises:
        CheckpointError: for whatever is wrong with it; the message says what.
    """
    folder = Path(path)
    if not is_checkpoint(folder):
        raise CheckpointError(f"{folder} is no checkpoint: it has no {JSON}")
    try:
        content = json.loads((folder / JSON).read_bytes())
        version = content["format"]
        if version == FORMAT:
            return _parse(folder, content)
    except Exception as error:  # safetensors, npz and JSON have errors of their own
        reason = str(error) if isinstance(error, CheckpointError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(f"checkpoint {folder} is damaged ({reason}); restore it from a copy") from None
    raise CheckpointError(
        f"checkpoint {folder} has format {version!r}, this version of reactvec reads {FORMAT}; "
        "load it with the version that wrote it"
    )


def _parse(folder: Path, content: dict[str, Any]) -> Checkpoint:
    total = content.pop("sum")
    if total != _sum(content):
        raise CheckpointError(f"{JSON} was changed")
    for name in (_WEIGHTS, _ARRAYS):
        if _sum_of_file(folder / name) != content["sha256"][name]:
            raise CheckpointError(f"{name} was changed or cut short")
    with np.load(folder / _ARRAYS, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Checkpoint(load_file(folder / _WEIGHTS), arrays, content["state"])


def _sum_of_file(path: Path) -> str:
    """Of its bytes, which need not fit into memory beside the arrays that they hold."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """CheckpointError for whatever goes wrong where the parts of a checkpoint are looked into: whole, yet not as they
    are written.
    """
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"this checkpoint is not as this version writes it ({type(error).__name__}: {error})"
        ) from error


def under(name: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """Arrays by names that begin with `name` and a slash."""
    return {f"{name}/{part}": array for part, array in arrays.items()}


def section(arrays: Arrays, name: str) -> dict[str, npt.NDArray[Any]]:
    """The inverse of `under`: those of `arrays` whose names begin so."""
    return {part[len(name) + 1 :]: array for part, array in arrays.items() if part.startswith(f"{name}/")}


def differing(arrays: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """The names that only one of them has, or whose shapes differ."""
    return [
        name
        for name in sorted({*arrays, *own})
        if name not in arrays or name not in own or tuple(arrays[name].shape) != tuple(own[name].shape)
    ]
