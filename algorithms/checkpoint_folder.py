"""The folder that a training writes its checkpoints to: `step_N` after N environment steps, and `best`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

from .checkpoint import JSON, Checkpoint, is_checkpoint, is_whole, read_checkpoint, write_checkpoint
from .checks import CheckpointError, ConfigError
from .folder_lock import PATIENCE, FolderLock, lock_folder
from .whole_folder import leftovers, recover, remove_folder

_STEP = re.compile(r"step_(\d+)")


class Found(NamedTuple):
    """A checkpoint that was read, and where."""

    path: Path
    checkpoint: Checkpoint


def step_path(folder: str, steps: int) -> Path:
    """Where the checkpoint after so many environment steps goes."""
    return Path(folder) / f"step_{steps}"


def best_path(folder: str) -> Path:
    """Where the checkpoint of the best evaluation goes."""
    return Path(folder) / "best"


def _is_ours(name: str) -> bool:
    return name == "best" or _STEP.fullmatch(name) is not None


def folder_of(path: str | os.PathLike[str]) -> Path | None:
    """The folder of a training that a checkpoint is one of; None if it was saved by itself."""
    path = Path(path).resolve()
    return path.parent if _is_ours(path.name) else None


def save(path: str | os.PathLike[str], checkpoint: Checkpoint) -> Path:
    """`write_checkpoint`; nobody takes what is being written for what a killed process left. The checkpoint holds
    whether it went to the `checkpoint_dir` of its training.
    """
    home, own = folder_of(path), checkpoint.state["config"]["checkpoint_dir"]
    checkpoint.state["kept_by_training"] = own is not None and home == Path(own).resolve()
    lock = None
    if home is not None:
        with contextlib.suppress(OSError):  # where there is no folder yet; what else is wrong, writing says
            lock = lock_folder(home, PATIENCE)
    try:
        return write_checkpoint(path, checkpoint)
    finally:
        del lock


def claim(folder: str, steps: float, *, ours: bool) -> FolderLock:
    """Remove what a training that goes on after `steps` environment steps once wrote after them: `newest` would take it
    for the present, and `prune` would keep it in place of what is written now. Nobody else may write while the lock is
    held.

    Raises:
        ConfigError: there are checkpoints, and they are not `ours`; or another training has claimed the folder.
        OSError: nothing can be written there.
    """
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    if (lock := lock_folder(home, PATIENCE, shared=ours)) is None:
        raise ConfigError(
            f"checkpoint_dir={folder!r} is written to by another training that runs now; wait for it, stop() it if it "
            "is yours, or take another folder"
        )
    recover(home, _is_ours, is_whole)
    found = {path: _steps(path)[0] for path in home.iterdir() if _is_ours(path.name) and is_checkpoint(path)}
    if found and not ours:
        raise ConfigError(
            f"checkpoint_dir={folder!r} holds checkpoints, and this training does not go on from any of them: resume "
            "from there, take another folder, or delete them"
        )
    for path, taken in found.items():
        if taken > steps:
            remove_folder(path)
    return lock


def prune(folder: str, keep: int | None) -> None:
    """Remove the oldest checkpoints of a training, but for the `keep` newest (None: all)."""
    found = {int(match[1]): path for path in Path(folder).iterdir() if (match := _STEP.fullmatch(path.name))}
    for steps in sorted(found)[:-keep] if keep else ():
        if is_checkpoint(found[steps]):
            remove_folder(found[steps])


def checkpoints_in(folder: Path) -> list[Path]:
    """Those of a folder, whole or not, by their steps, what a killed process left of some included."""
    look_after(folder)
    return sorted((path for path in folder.glob("[!.]*") if is_checkpoint(path)), key=_steps)


def look_after(folder: Path) -> None:
    """Finish, or undo, what a killed process has left, unless somebody is at work there, or nobody may write there."""
    with contextlib.suppress(OSError):
        if leftovers(folder, _is_ours) and (lock := lock_folder(folder, 0, shared=False)) is not None:
            recover(folder, _is_ours, is_whole)
            del lock


def checkpoint_at(path: str | os.PathLike[str]) -> Found:
    """The checkpoint `path`, finished or undone if a killed process left it half written; CheckpointError unless it is
    there and whole.
    """
    if (home := folder_of(path)) is not None:
        look_after(home)
    return Found(Path(path), read_checkpoint(path))


def newest(path: str | os.PathLike[str]) -> Found:
    """The checkpoint `path`; of a folder of checkpoints that with the most steps that is whole.

    Raises:
        CheckpointError: there is none, or none is whole.
    """
    folder = Path(path)
    if (home := folder_of(folder)) is not None:
        look_after(home)
    if is_checkpoint(folder):
        return Found(folder, read_checkpoint(folder))
    damaged = []
    for part in reversed(checkpoints_in(folder)):
        try:
            checkpoint = read_checkpoint(part)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        for message in damaged:
            warnings.warn(f"{message}. Going on from {part} instead", RuntimeWarning, stacklevel=3)
        return Found(part, checkpoint)
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
        match = _STEP.fullmatch(checkpoint.name)
        steps = int(match[1]) if match else -1
    return steps, checkpoint.name
