"""ProgressFile: results as rows of a CSV file, or as lines of JSON."""

from __future__ import annotations

import csv
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, TextIO

STEPS = "num_env_steps_sampled_lifetime"

Row = dict[str, float]


def has_logs(folder: Path) -> bool:
    """Whether this is the folder of a run's logs."""
    return (folder / CsvFile.name).is_file()


class ProgressFile(ABC):
    """A row of numbers for each number of environment steps, in order; a killed process leaves whole rows behind.

    Of a file that is there, rows up to `steps`, from where training goes on, are kept: none of a new training.
    """

    name: ClassVar[str]

    def __init__(self, folder: str, steps: int) -> None:
        self.path = Path(folder) / self.name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        old = self._read(self.path) if steps and self.path.exists() else []
        self.rows: list[Row] = [row for row in old if row.get(STEPS, math.inf) <= steps]
        self._rewrite()

    @property
    def steps(self) -> float:
        """Those of the last row; 0 where there is none."""
        return self.rows[-1][STEPS] if self.rows else 0

    def write(self, row: Mapping[str, float]) -> None:
        """Add a row, or to the last one if that is of the same number of steps."""
        if self.rows and self.rows[-1][STEPS] == row[STEPS]:
            self.rows[-1].update(row)
            self._rewrite()
            return
        self.rows.append(dict(row))
        if self._appends(row):
            self._file.write("".join(self._lines([dict(row)])))
            self._file.flush()
        else:
            self._rewrite()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _rewrite(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
        fresh = self.path.with_name(f".{self.name}.new")
        try:
            with open(fresh, "w", newline="") as file:
                file.writelines(self._head())
                file.writelines(self._lines(self.rows))
            os.replace(fresh, self.path)
        finally:
            fresh.unlink(missing_ok=True)
        self._file: TextIO = open(self.path, "a", newline="")  # noqa: SIM115  kept open for rows

    @abstractmethod
    def _read(self, path: Path) -> list[Row]:
        """The whole rows of a file."""

    def _head(self) -> Iterable[str]:
        return ()

    def _appends(self, row: Mapping[str, float]) -> bool:
        """Whether a row can be written behind those that are there."""
        return True

    @abstractmethod
    def _lines(self, rows: Iterable[Row]) -> Iterable[str]: ...


class CsvFile(ProgressFile):
    """progress.csv: a column for each number; a new one makes the file anew."""

    name = "progress.csv"
    columns: tuple[str, ...] = ()

    def _read(self, path: Path) -> list[Row]:
        return read_csv(path)

    def _head(self) -> Iterable[str]:
        self.columns = tuple(dict.fromkeys(name for row in self.rows for name in row))
        return [",".join(self.columns) + "\n"] if self.columns else []

    def _appends(self, row: Mapping[str, float]) -> bool:
        return set(row) <= set(self.columns)

    def _lines(self, rows: Iterable[Row]) -> Iterable[str]:
        return [",".join(_text(row[name]) if name in row else "" for name in self.columns) + "\n" for row in rows]


def read_csv(path: Path) -> list[Row]:
    """The whole rows of a progress.csv."""
    names, *lines = _lines_of(path) or [""]
    rows = []
    for line in lines:
        try:
            cells = zip(*csv.reader([names, line]), strict=True)
            rows.append({name: float(text) for name, text in cells if text != ""})
        except (TypeError, ValueError, csv.Error):  # not ours, or damaged
            continue
    return rows


def _lines_of(path: Path) -> list[str]:
    """The whole lines of a text."""
    return [line for line in path.read_text(errors="replace").splitlines(keepends=True) if line.endswith("\n")]


class JsonLinesFile(ProgressFile):
    """progress.jsonl: an object of numbers per line; null is what is no number."""

    name = "progress.jsonl"

    def _read(self, path: Path) -> list[Row]:
        rows = []
        for line in _lines_of(path):
            try:
                values = json.loads(line)
                if isinstance(values, dict):
                    rows.append({name: math.nan if v is None else float(v) for name, v in values.items()})
            except (TypeError, ValueError, RecursionError, OverflowError):  # not ours, or damaged
                continue
        return rows

    def _lines(self, rows: Iterable[Row]) -> Iterable[str]:
        return [json.dumps({name: _number(value) for name, value in row.items()}) + "\n" for row in rows]


def _number(value: float) -> float | int | None:
    """Whole numbers without a point; None for what is not finite."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _text(value: float) -> str:
    number = _number(value)
    return repr(value if number is None else number)
