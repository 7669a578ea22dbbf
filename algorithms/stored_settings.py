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
from .checkpoint_folder import Found, checkpoints_in, folder_of, newest
from .checks import CheckpointError
from .config import AlgorithmConfig
from .progress_file import has_logs

_FOLDERS = ("checkpoint_dir", "log_dir")
_OBJECTS = ("env", "evaluation_env", "model")  # settings that may be objects, which a checkpoint cannot hold

# Settings that may change when a training is resumed, and the program goes on where it stood all the same.
_FREE = (
    *("env", "evaluation_env", "placement", "num_workers", "native", "learner_threads"),
    *("total_timesteps", "min_sample_timesteps_per_iteration", "lr", "gamma", "grad_clip", "learner_backend"),
    *("clip_param", "entropy_coeff", "lambda_", "target_kl", "vf_clip_param", "vf_loss_coeff"),
    *("minibatch_size", "num_epochs", "normalize_advantages", "double_q", "epsilon", "tau", "adam_epsilon"),
    *("actor_lr", "critic_lr", "alpha_lr", "target_entropy", "initial_alpha"),
)
_FREE_GROUPS = ("evaluation", "checkpointing", "callbacks", "debugging")


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


def shaping_differences(config: AlgorithmConfig, held: Mapping[str, Any]) -> list[str]:
    """The settings that are others than those that a checkpoint holds, and shape the program."""
    free = {*_FREE, *(name for group in _FREE_GROUPS for name in config._groups[group].__annotations__)} - {"seed"}
    kept = {name: value for name, value in held.items() if (name, value) != ("model", None)}
    stored = type(config).from_dict(kept).to_dict()
    return [
        name
        for name, value in config.to_dict().items()
        if name not in free and value != stored[name] and not (name == "model" and callable(value))
    ]


def check_algorithm(found: Found, name: str) -> None:
    """CheckpointError unless it is of the algorithm of this name."""
    if (kind := found.checkpoint.state["algorithm"]) != name:
        raise CheckpointError(f"checkpoint {found.path} is of {kind}, not of {name}")


def stored_settings(found: Found, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a checkpoint's config; the objects that it could not hold come from `given`.

    Raises:
        CheckpointError: one of those is not given, or the environment's id would import a module.
    """
    path, state = found.path, found.checkpoint.state
    settings = dict(state["config"])
    for name in state["objects"]:
        if name not in given:
            raise CheckpointError(f"{name} was an object, which {path} cannot hold; pass {name}= again")
        settings[name] = given[name]
    for name in ("env", "evaluation_env"):
        if name not in given and isinstance(settings[name], str) and ":" in settings[name]:
            raise CheckpointError(f"the id {settings[name]!r} imports a module; to allow it, pass it as {name}=")
    folder = folder_of(path)
    if folder is None or not state["kept_by_training"]:
        return settings
    logs = given["log_dir"] if "log_dir" in given else _logs(folder, settings["checkpoint_dir"], settings["log_dir"])
    return {**settings, "checkpoint_dir": str(folder), "log_dir": logs}


def _logs(folder: Path, was: str, logs: str | None) -> str | None:
    """Where the logs of a training are whose checkpoints are in `folder`: it may have been moved, or copied, and its
    logs too, if there are some where they were, seen from its checkpoints. To those of the first one a copy adds
    nothing.
    """
    if logs is None or Path(was).resolve() == folder:
        return logs
    beside, copied = folder / os.path.relpath(logs, was), Path(was).is_dir()
    if has_logs(beside) and not (copied and beside.resolve() == Path(logs).resolve()):
        return os.path.normpath(beside)
    if not copied:
        return logs
    warnings.warn(
        f"{folder} is a copy of {was}, whose logs are in {logs}; give log_dir= for logs of its own",
        RuntimeWarning,
        stacklevel=4,
    )
    return None


def settings_of_seeds(run: str | os.PathLike[str], name: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings that the trainings of several seeds in `run`, of the algorithm `name`, have in common, by the
    checkpoint of one; None if there is none.

    Raises:
        CheckpointError: there are some, of which none is whole, or they are of another algorithm.
    """
    damage = None
    for own in sorted(Path(run).glob("seed_*")):
        if not checkpoints_in(own):
            continue
        try:
            found = newest(own)
        except CheckpointError as error:
            damage = error
            continue
        check_algorithm(found, name)
        settings = stored_settings(found, given)
        folders = {key: Path(settings[key]) for key in _FOLDERS if settings[key] is not None}
        return {**settings, **{key: str(path.parent) for key, path in folders.items() if path.name == own.name}}
    if damage is not None:
        raise damage
    return None
