"""The settings of a command: from flags, a JSON file, a preset and a checkpoint, each going before the next."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from reactvec.algorithms.checks import ConfigError, MissingExtra
from reactvec.algorithms.names_elsewhere import NAMES_ELSEWHERE

if TYPE_CHECKING:
    from reactvec.algorithms import AlgorithmConfig


def parse(command: type[Any], verb: str, algorithm: str, flags: Sequence[str]) -> Any:
    """The options of a command, its settings in `.config` as the config of the algorithm.

    `command` is a dataclass of the command's own flags, whose field `config` is for the settings, with a docstring.

    Raises:
        ConfigError: settings that do not exist, or make no sense.
        CheckpointError: what `--resume` names is no checkpoint of this algorithm.
        SystemExit: what tyro finds wrong with the flags, or `--help`.
    """
    try:
        import tyro
    except ModuleNotFoundError:
        raise MissingExtra("the command line needs tyro: pip install 'reactvec[train]'") from None
    from reactvec.algorithms import DQNConfig, PPOConfig, SACConfig

    kind: type[AlgorithmConfig] = {"ppo": PPOConfig, "dqn": DQNConfig, "sac": SACConfig}[algorithm]
    for flag in flags:
        setting = flag.partition("=")[0].removeprefix("--").replace("-", "_")
        known = {field.name for field in dataclasses.fields(kind)}
        if flag.startswith("--") and setting not in known and setting in NAMES_ELSEWHERE:
            here = next((name for name in NAMES_ELSEWHERE[setting] if name in known), "help").replace("_", "-")
            raise ConfigError(f"there is no --{setting.replace('_', '-')}; did you mean --{here}?")
    words, default = _defaults(list(flags), kind)
    if "resume" in command.__annotations__ and (resume := _word_after("--resume", words)) is not None:
        default = {**_settings_of(Path(resume), algorithm, words), **default}
    settings = _flags_type(tyro, kind)
    command.__annotations__["config"] = Annotated[settings, tyro.conf.arg(name="")]
    values = vars(kind.from_dict(default))
    defaults = {name: values[name] for name in settings.__annotations__}
    defaults["env_config"] = json.dumps(defaults["env_config"])
    options = tyro.cli(command, prog=f"reactvec {verb} {algorithm}", args=words, default=command(settings(**defaults)))
    given = vars(options.config)
    given["env_config"] = json_object("--env-config", given["env_config"])
    options.config = kind(**given)
    return options


def _defaults(words: list[str], kind: type[AlgorithmConfig]) -> tuple[list[str], dict[str, Any]]:
    """Take `--config FILE` and `--preset NAME` out of the flags; what the file says goes before the preset."""
    words, file = _taken("--config", "a JSON file", words)
    words, name = _taken("--preset", "a name, such as zoo", words)
    settings = {} if file is None else _config_file(Path(file))
    if name is None:
        return words, settings
    if _word_after("--resume", words) is not None:
        raise ConfigError("--preset is given beside --resume: a checkpoint has all settings")
    from reactvec.algorithms.presets import preset

    return words, {**preset(name, kind.algorithm, _word_after("--env", words) or settings.get("env")), **settings}


def _taken(flag: str, what: str, words: list[str]) -> tuple[list[str], str | None]:
    """The flags without this one, and its word."""
    for at, word in enumerate(words):
        if word.partition("=")[0] == flag:
            if word == flag and at + 1 == len(words):
                raise ConfigError(f"{flag} needs {what}")
            rest = at + 1 if "=" in word else at + 2
            return words[:at] + words[rest:], _word_after(flag, words)
    return words, None


def _config_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: {error}") from None
    return json_object(f"--config {path}", text)


def _word_after(flag: str, words: Sequence[str]) -> str | None:
    for at, word in enumerate(words):
        if word == flag and at + 1 < len(words):
            return words[at + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def _settings_of(run: Path, algorithm: str, words: Sequence[str]) -> dict[str, Any]:
    """The settings of a checkpoint, or those that several seeds share; those of its objects come from flags."""
    from reactvec.algorithms.checkpoint_folder import newest
    from reactvec.algorithms.stored_settings import check_algorithm, settings_of_seeds, stored_settings

    flags = {name: _word_after(f"--{name.replace('_', '-')}", words) for name in ("env", "evaluation_env", "log_dir")}
    given = {name: word for name, word in flags.items() if word is not None}
    if (settings := settings_of_seeds(run, algorithm.upper(), given)) is not None:
        return settings
    found = newest(run)
    check_algorithm(found, algorithm.upper())
    return stored_settings(found, given)


def json_object(flag: str, text: str) -> dict[str, Any]:
    """The JSON object that a flag holds, or ConfigError."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{flag}: {error}") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{flag} holds no JSON object")
    return value


def _flags_type(tyro: Any, kind: type[AlgorithmConfig]) -> type[Any]:
    """The fields of a config, documented, with types that a shell can give."""
    from reactvec.algorithms import ModelConfig

    kinds = {"env": str | None, "evaluation_env": str | None, "env_config": str, "model": ModelConfig}
    names = {name: value for base in kind.__mro__ for name, value in vars(sys.modules[base.__module__]).items()}
    docs = kind.docs()
    fields = [
        (
            setting.name,
            Annotated[
                kinds.get(setting.name) or eval(str(setting.type), names),
                tyro.conf.arg(help=docs[setting.name]),
            ],
        )
        for setting in dataclasses.fields(kind)
        if setting.name not in kind._groups["callbacks"].__annotations__  # no shell can give a function
    ]
    return dataclasses.make_dataclass("Settings", fields, kw_only=True)
