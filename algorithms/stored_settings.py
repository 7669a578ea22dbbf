"""What a checkpoint holds of a config, and the settings for who goes on from it: objects given again, folders where
they are now.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .callbacks import CallbackSettings
from .checkpoint import Checkpoint, read_checkpoint
from .checkpoint_folder import folder_of, newest
from .checks import CheckpointError
from .config import AlgorithmConfig

_FOLDERS = ("checkpoint_dir", "log_dir")
_OBJECTS = ("env", "evaluation_env", "model")  # settings that may be objects, which a checkpoint cannot hold


def held_settings(config: AlgorithmConfig) -> dict[str, Any]:
    """All settings as a checkpoint holds them: None in place of what JSON cannot hold, folders from the root on."""
    kinds: dict[str, type] = {"env": str, "evaluation_env": str, "model": dict}
    kinds |= dict.fromkeys(CallbackSettings.__annotations__, type(None))
    held = {
        name: value if isinstance(value, kinds.get(name, object)) else None for name, value in config.to_dict().items()
    }
    folders = {"checkpoint_dir": config.checkpoint_dir, "log_dir": config.log_dir}
    return held | {name: folder and os.path.abspath(folder) for name, folder in folders.items()}


def held_objects(config: AlgorithmConfig) -> list[str]:
    """The settings that are objects, which `held_settings` has not."""
    held = held_settings(config)
    return [name for name in _OBJECTS if held[name] is None and getattr(config, name) is not None]


def check_algorithm(path: str | os.PathLike[str], checkpoint: Checkpoint, name: str) -> None:
    """CheckpointError unless it is of the algorithm of this name."""
    if (kind := checkpoint.state["algorithm"]) != name:
        raise CheckpointError(f"checkpoint {path} is of {kind}, not of {name}")


def stored_settings(path: str | os.PathLike[str], checkpoint: Checkpoint, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a checkpoint's config; those that it could not hold come from `given`.

    Raises:
        CheckpointError: one of those is not given, or the environment's id would import a module.
    """
    stored = dict(checkpoint.state["config"])
    for name in checkpoint.state["objects"]:
        if name not in given:
            raise CheckpointError(f"{name} was an object, which {path} cannot hold; pass {name}= again")
    for name in ("env", "evaluation_env"):
        if ":" in str(stored[name]) and name not in given:
            raise CheckpointError(f"the id {stored[name]!r} imports a module; to allow it, pass it as {name}=")
    settings = {name: given[name] if value is None and name in given else value for name, value in stored.items()}
    return {**settings, **_folders(path, settings, given)}


def _folders(path: str | os.PathLike[str], settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The folders of a training whose checkpoint lies at `path`: it may have been moved, or copied, and its logs too,
    if they are where they were, seen from its checkpoints. To the logs of who goes on elsewhere nothing is added.
    """
    folder, was, logs = folder_of(path), settings["checkpoint_dir"], settings["log_dir"]
    if folder is None:
        return {}
    if was is None or logs is None or "log_dir" in given or Path(was).resolve() == folder:
        return {"checkpoint_dir": str(folder)}
    beside = Path(os.path.normpath(folder / os.path.relpath(logs, was)))
    if beside.is_dir():
        logs = str(beside)
    elif Path(was).is_dir():
        warnings.warn(
            f"{folder} is a copy of {was}, whose logs are in {logs}; give log_dir= for logs of its own",
            RuntimeWarning,
            stacklevel=4,
        )
        logs = None
    return {"checkpoint_dir": str(folder), "log_dir": logs}


def settings_of_seeds(run: str | os.PathLike[str], name: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings that the trainings of several seeds in `run`, of the algorithm `name`, have in common, by the
    checkpoint of one; None if there is none.
    """
    found = sorted(Path(run).glob("seed_*/*/checkpoint.json"))
    if not found:
        return None
    own = found[0].parent.parent
    path = newest(own)
    checkpoint = read_checkpoint(path)
    check_algorithm(path, checkpoint, name)
    settings = stored_settings(path, checkpoint, given)
    folders = {key: Path(settings[key]) for key in _FOLDERS if settings[key] is not None}
    above = {key: str(folder.parent) for key, folder in folders.items() if folder.name == own.name}
    return {**settings, **above}
