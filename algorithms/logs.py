"""Logs: where the results of a training are written, and how often."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from typing_extensions import Self

from .checks import ConfigError
from .config import AlgorithmConfig
from .event_log import EventLog, WandbLog
from .folder_lock import PATIENCE, FolderLock, lock_folder
from .progress_file import STEPS, CsvFile, JsonLinesFile
from .stored_settings import held_settings

_LINES = 200  # of a run, about, where nobody says how many


class Log(Protocol):
    """Takes rows of numbers by their paths, such as `env_runners/episode_return_mean`."""

    def write(self, row: Mapping[str, float]) -> None:
        """Log a row."""

    def close(self) -> None:
        """Write what is left."""


class Logs:
    """All logs that a config asks for, of a training that goes on from `steps`."""

    def __init__(self, config: AlgorithmConfig, steps: int) -> None:
        self.interval = config.log_interval or max(config.total_timesteps // _LINES, 1)
        self._logged, self._row = steps, dict[str, float]()
        self._logs: list[Log] = []
        self._lock: FolderLock | None = None
        try:
            if config.log_dir is not None:
                self._open(config.log_dir, steps, shared=_is_same(config.log_dir, config.checkpoint_dir))
            if config.wandb_project is not None:
                self._logs.append(WandbLog(config.wandb_project, held_settings(config), config.log_dir, steps))
        except BaseException:
            self.close()
            raise

    def _open(self, folder: str, steps: int, *, shared: bool) -> None:
        """Begin the files in a folder; `shared` with who has the lock of this training's checkpoints."""
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(Path(folder), PATIENCE, shared=shared)
            if self._lock is None:
                raise ConfigError(
                    f"log_dir={folder!r} is written to by another training that runs now; wait for it, or take another "
                    "folder"
                )
            table = CsvFile(folder, steps)
            self._logs.append(table)
            self._logs.append(JsonLinesFile(folder, steps))
            self._logs.append(EventLog(folder, steps))
        except OSError as error:
            raise ConfigError(f"log_dir={folder!r} cannot be written: {error.strerror or error}") from error
        self._logged, self._row = int(table.steps), dict(table.rows[-1] if table.rows else {})

    def write(self, result: Mapping[str, Any]) -> None:
        """Log a result if the last that was logged is `interval` environment steps ago, or if it was evaluated."""
        due = result[STEPS] - self._logged >= self.interval
        if self._logs and (due or "evaluation" in result):
            row, known = dict(scalars(result)), self._row if result[STEPS] == self._logged else {}
            self._logged, self._row = result[STEPS], row
            news = {name: value for name, value in row.items() if name == STEPS or known.get(name) != value}
            self._each(lambda log: log.write(news))

    def close(self) -> None:
        """Close all."""
        self._each(lambda log: log.close())
        self._lock = None

    def _each(self, act: Callable[[Log], None]) -> None:
        """Do something with each log. One that can no longer be written, such as on a full disk, ends with a warning,
        for which nobody should lose what is being learned.
        """
        for log in list(self._logs):
            try:
                act(log)
            except OSError as error:
                self._logs.remove(log)
                with contextlib.suppress(OSError):
                    log.close()
                warnings.warn(f"{type(log).__name__} ended: {error}", RuntimeWarning, stacklevel=3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_same(folder: str, other: str | None) -> bool:
    return other is not None and Path(folder).resolve() == Path(other).resolve()


def scalars(result: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in nested dicts, with their keys joined by slashes."""
    for key, value in result.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{path}{key}/")
        elif isinstance(value, int | float):
            yield f"{path}{key}", float(value)
