"""The folder that a training writes its checkpoints to: `step_N` after N environment steps, and `best`."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from pathlib import Path

from .checkpoint import JSON, is_checkpoint, read_checkpoint, remove_checkpoint
from .checks import CheckpointError, ConfigError

_LEFTOVER = re.compile(r"\.(step_\d+|best)\.[0-9a-f]{8}(\.old|\.gone)?")
_NAME = re.compile(r"step_(\d+)")


def step_path(folder: str, steps: int) -> Path:
    """Where the checkpoint after so many environment steps goes."""
    return Path(folder) / f"step_{steps}"


def best_path(folder: str) -> Path:
    """Where the checkpoint of the best evaluation goes."""
    return Path(folder) / "best"


def folder_of(path: str | os.PathLike[str]) -> Path | None:
    """The folder of a training that a checkpoint is one of; None if it was saved by itself."""
    path = Path(path).resolve()
    return path.parent if path.name == "best" or _NAME.fullmatch(path.name) else None


def claim(folder: str, steps: int, *, ours: bool) -> None:
    """Remove what a training that goes on after `steps` environment steps once wrote after them: `newest` would take it
    for the present, and `prune` would keep it in place of what is written now.

    Raises:
        ConfigError: there are checkpoints, and they are not `ours`.
    """
    named = [path for path in Path(folder).glob("*") if path.name == "best" or _NAME.fullmatch(path.name)]
    found = {path: _steps(path)[0] for path in named if is_checkpoint(path)}
    if found and not ours:
        raise ConfigError(
            f"checkpoint_dir={folder!r} holds checkpoints, and this training does not go on from any of them: resume "
            "from there, take another folder, or delete them"
        )
    for path, taken in found.items():
        if taken > steps:
            remove_checkpoint(path)


def prune(folder: str, keep: int | None) -> None:
    """Remove the oldest checkpoints of a training, but for the `keep` newest (None: all), and what a killed process
    left of some.
    """
    for path in Path(folder).iterdir():
        match = _LEFTOVER.fullmatch(path.name)
        if match and (is_checkpoint(Path(folder) / match[1]) or _NAME.fullmatch(match[1])):
            shutil.rmtree(path, ignore_errors=True)
    found = {int(match[1]): path for path in Path(folder).iterdir() if (match := _NAME.fullmatch(path.name))}
    for steps in sorted(found)[:-keep] if keep else ():
        if is_checkpoint(found[steps]):
            remove_checkpoint(found[steps])


def newest(path: str | os.PathLike[str]) -> Path:
    """`path` if it is a checkpoint; of a folder of checkpoints that with the most steps that is whole.

    Raises:
        CheckpointError: there is none, or none is whole.
    """
    folder = Path(path)
    if is_checkpoint(folder):
        return folder
    parts = [part for part in folder.glob("*") if is_checkpoint(part) and part.suffix != ".gone"]
    found = sorted(parts, key=_steps)
    damaged = []
    for part in reversed(found):
        try:
            read_checkpoint(part)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        for message in damaged:
            warnings.warn(f"{message}. Going on from {part} instead", RuntimeWarning, stacklevel=3)
        return part
    if not damaged and (seeds := sorted(folder.glob("seed_*"))):
        raise CheckpointError(f"{folder} holds a folder for each of several seeds; name one, such as {seeds[0]}")
    below = sorted(folder.glob("*/*/checkpoint.json"))
    hint = f"; did you mean {below[0].parent.parent}?" if below else ""
    raise CheckpointError(damaged[0] if damaged else f"{folder} is no checkpoint, and holds none{hint}")


def _steps(checkpoint: Path) -> tuple[int, str]:
    """What sorts checkpoints, damaged ones too: environment steps (-1: nobody can tell); of equals `step_N` is last."""
    try:
        steps = int(json.loads((checkpoint / JSON).read_bytes())["state"]["progress"]["steps"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        match = _NAME.fullmatch(checkpoint.name)
        steps = int(match[1]) if match else -1
    return steps, checkpoint.name
