"""The results' folder of the benchmark of learning: one JSON file per training, written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.learning_rows import Row
from benchmarks.learning_sides import settings_of


class BrokenResult(RuntimeError):
    """A file that is no result of its row; the message names it and the remedy."""


@dataclass(frozen=True)
class Run:
    """A training to be done: by whom, of which row, with which seed."""

    side: str
    row: Row
    seed: int

    def __str__(self) -> str:
        return f"{self.row.name}, {self.side}, seed {self.seed}"

    def file(self, folder: Path) -> Path:
        """Where its result is kept."""
        return folder / self.row.name / self.side / f"seed-{self.seed}.json"

    @property
    def settings(self) -> dict[str, Any]:
        """What the side is told, as its result holds it."""
        settings: dict[str, Any] = json.loads(json.dumps(settings_of(self.row, self.side)))
        return settings


@dataclass(frozen=True)
class Result:
    """What became of a training."""

    steps: int
    settings: dict[str, Any]
    returns: list[float]
    curve: list[list[Any]]
    seconds: float
    machine: dict[str, str]

    @property
    def score(self) -> float:
        """The mean return of the evaluation's episodes."""
        return sum(self.returns) / len(self.returns)

    @property
    def late_score(self) -> float:
        """The mean of the curve's last two fifths: of returns while exploring, by many weights; NaN without any."""
        late = [value for step, value in self.curve if value is not None and step > 0.6 * self.steps]
        return sum(late) / len(late) if late else math.nan


def write(run: Run, result: Result, folder: Path) -> None:
    """Write one result."""
    write_json(run.file(folder), asdict(result))


def write_json(target: Path, value: Any) -> None:
    """Write a file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(value) + "\n")
    draft.replace(target)


def read(run: Run, folder: Path, episodes: int) -> Result | None:
    """The result of a run, None if there is none yet; BrokenResult if it is not what this version would write."""
    target = run.file(folder)
    if not target.exists():
        return None
    try:
        result = Result(**json.loads(target.read_text()))
        complete = len(result.returns) == episodes and result.seconds > 0
    except (ValueError, TypeError) as error:
        raise BrokenResult(f"{target} is broken ({error}); delete it to train again") from None
    if not complete:
        raise BrokenResult(f"{target} is broken (it has no {episodes} returns); delete it to train again")
    if (result.steps, result.settings) != (run.row.steps, run.settings):
        raise BrokenResult(f"{target} is of other settings than the row's now; delete it to train again")
    return result


def missing(runs: Sequence[Run], folder: Path, episodes: int) -> list[Run]:
    """Those of `runs` that have no result yet."""
    return [run for run in runs if read(run, folder, episodes) is None]
