"""Cells at work, closed after each test, with no process left behind."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.processes.cells import Cell


@pytest.fixture
def make() -> Iterator[Callable[..., Cell]]:
    made: list[Cell] = []

    def make_one(*arguments: Any, **named: Any) -> Cell:
        made.append(Cell(*arguments, **named))
        return made[-1]

    yield make_one
    for cell in made:
        cell.execution.close(terminate=True)
    assert multiprocessing.active_children() == []
