"""Folders of files that appear whole or not at all; what a killed process leaves of one is finished, or undone."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}(?P<kind>|\.old|\.gone)")
_KINDS = ("", ".old", ".gone")  # a new one that is written, an old one that it replaces, one that is removed


def write_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Let `fill` write files into the folder `target`, replacing one that is there; OSError if it cannot be."""
    folder = _hidden(target)
    try:
        folder.mkdir()  # mode by the umask
        fill(folder)
        for path in folder.iterdir():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        _replace(folder, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def try_to_write(target: Path) -> None:
    """OSError if `write_folder` could not even begin."""
    trial = _hidden(target)
    trial.mkdir()
    trial.rmdir()


def remove_folder(path: Path) -> None:
    """Remove a folder, whose name is free at once."""
    gone = _hidden(path, ".gone")
    os.replace(path, gone)
    shutil.rmtree(gone)


def leftovers(folder: Path, ours: Callable[[str], object]) -> dict[Path, Path]:
    """What was being written or removed in `folder`, and may still be, and the folder that it is of, if that has a name
    of `ours`; new ones first.
    """
    found = [(path, match) for path in folder.glob(".*") if (match := _LEFTOVER.fullmatch(path.name))]
    kept = [(path, match) for path, match in found if ours(match["name"])]
    kept.sort(key=lambda pair: (_KINDS.index(pair[1]["kind"]), pair[0].name))
    return {path: path.with_name(match["name"]) for path, match in kept}


def recover(folder: Path, ours: Callable[[str], object], is_whole: Callable[[Path], bool]) -> None:
    """Finish what killed processes had written whole, and undo the rest; no process may be at it."""
    for path, target in leftovers(folder, ours).items():
        if path.suffix == ".old" and not target.exists():
            os.replace(path, target)
        elif path.suffix not in _KINDS and is_whole(path):
            _replace(path, target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _hidden(target: Path, kind: str = "") -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}{kind}")


def _replace(folder: Path, target: Path) -> None:
    """Put `folder` in the place of `target`; an old one is moved aside first, and back if that fails."""
    if not target.exists():
        os.replace(folder, target)
        return
    aside = Path(f"{folder}.old")
    try:
        os.replace(target, aside)
        os.replace(folder, target)
    finally:  # after Ctrl-C, too
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            os.replace(aside, target)
