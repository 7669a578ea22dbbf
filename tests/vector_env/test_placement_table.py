"""Each cell of the placement table in docs/placements.md, proved."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from gymnasium.error import ResetNeeded

from reactvec import ReactorVectorEnv
from reactvec.recovery import EnvironmentsLostError
from tests.faulty_envs import NAP_S, FaultyEnv, OddError
from tests.vector_env.conftest import Make
from tests.vector_env.may_end_the_program import COLUMNS, SURVIVED
from tests.vector_env.worker_places import orders

ROOT = Path(__file__).parents[2]
ENDS = {"segmentation fault": ("segfault", -11), "os._exit": ("exit", 7), "SIGKILL of its process": ("kill", -9)}
RESTART = 'on_worker_failure="restart"'


class Cell:
    """A cell: what happens in its row, to environment `env` of a placement."""

    def __init__(self, make: Make, row: str, column: str, outcomes: Callable[[], Any]) -> None:
        self.row, self.column, self.outcomes = row, column, outcomes
        self.place, self.env = COLUMNS[column]
        self.make = partial(make, **self.place)
        self.method = row.rpartition(" ")[2].strip("_")

    def outcome(self, name: str) -> Any:
        """What became of a program of its own, see `may_end_the_program`."""
        return self.outcomes()[name][self.column]

    def orders(self, fault: str) -> Any:
        return orders(**{f"e{self.env}": fault})

    def started(self, **named: Any) -> ReactorVectorEnv:
        vector = self.make(**named)
        vector.reset(seed=0)
        return vector

    def with_fault(self, **faults: str) -> list[Any]:
        return [partial(FaultyEnv, **faults) if i == self.env else FaultyEnv for i in range(4)]

    def works(self, vector: ReactorVectorEnv) -> None:
        """A reset, and steps after it, are those of an undisturbed one."""
        twin = self.started()
        vector.reset(seed=0)
        for _ in range(2):
            assert vector.step(orders())[0].tobytes() == twin.step(orders())[0].tobytes()


def copies(cell: Cell) -> None:
    vector, given = cell.started(), {"list": [1]}
    vector.set_attr("mark", given)
    given["list"].append(2)
    got = vector.get_attr("mark")[cell.env]
    assert got == {"list": [1]}
    got["list"].append(3)
    called = vector.call("obey", "")
    assert called == ("",) * 4
    assert vector.get_attr("mark") == ({"list": [1]},) * 4


def the_program(cell: Cell) -> None:
    vector, ours = cell.started(), FaultyEnv()
    expected, after = ours.draw(7), ours.draw()
    ours.draw(7)
    assert vector.call("draw", indices=cell.env) == (after,)
    vector.call("draw", 7, indices=cell.env)
    assert ours.draw() == after != expected


def its_worker(cell: Cell) -> None:
    vector, ours = cell.started(), FaultyEnv()
    ours.draw(11)
    expected = ours.draw()
    ours.draw(11)
    vector.call("draw", 7, indices=cell.env)
    (second,) = vector.call("draw", indices=2)  # a neighbour in the same worker
    assert ours.draw() == expected
    ours.draw(7)
    assert ours.draw() == second


def raised(cell: Cell) -> None:
    faults = {cell.method: "raise"} if cell.method in ("init", "close") else {}
    with pytest.raises(OddError, match=f"{cell.method}: asked to") as error:
        provoke(cell, cell.make(cell.with_fault(**faults)))
    assert "misbehave" in [entry.name for entry in error.traceback]
    notes = getattr(error.value, "__notes__", [f"sub-environment {cell.env}"])
    assert any(f"sub-environment {cell.env}" in note for note in notes)


def provoke(cell: Cell, vector: ReactorVectorEnv) -> None:
    if cell.method == "reset":
        vector.reset(options=[{"fault": "raise"} if i == cell.env else None for i in range(4)])
    vector.reset(seed=0)
    if cell.method == "step":
        vector.step(cell.orders("raise"))
    if cell.method == "render":
        vector.set_attr("faults", {"render": "raise"}, indices=cell.env)
        vector.render()
    vector.close()


def ends_the_program(cell: Cell) -> None:
    name, code = ENDS.get(cell.row, ("restart", 7))
    assert cell.outcome(name) == code


def named(cell: Cell) -> None:
    fault, code = ENDS[cell.row]
    assert cell.outcome(fault) == SURVIVED
    end = f"exited with code {code}" if code > 0 else f"was killed by {signal.Signals(-code).name}"
    vector, begun = cell.started(), time.monotonic()
    with pytest.raises(EnvironmentsLostError, match=f"{end} while it stepped environment {cell.env}") as error:
        vector.step(cell.orders(fault))
    assert time.monotonic() - begun < 2
    assert error.value.environments == [2, 3]


def waits(cell: Cell) -> None:
    vector, begun = cell.started(), time.monotonic()
    if cell.row == "hang":
        assert vector.step(cell.orders("nap"))[1].tolist() == [1.0] * 4
    else:
        interrupt(cell, vector)
    assert time.monotonic() - begun > NAP_S


def interrupt(cell: Cell, vector: ReactorVectorEnv) -> list[str]:
    """Ctrl-C in a step; the functions in the traceback."""
    main = threading.main_thread().ident
    assert main is not None
    threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt) as error:
        vector.step(cell.orders("nap"))
    with pytest.raises(ResetNeeded):
        vector.step(orders())
    cell.works(vector)
    return [entry.name for entry in error.traceback]


def interrupts_it(cell: Cell) -> None:
    begun = time.monotonic()
    assert "misbehave" in interrupt(cell, cell.started())
    assert time.monotonic() - begun < NAP_S


def leaves_it(cell: Cell) -> None:
    vector = cell.started()
    assert "misbehave" not in interrupt(cell, vector)
    vector.step_async(cell.orders("nap"))
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        vector.step_wait()
    assert time.monotonic() - begun < NAP_S
    assert vector.step_wait()[1].tolist() == [3.0] * 4


def refused(cell: Cell) -> None:
    if cell.row == RESTART:
        with pytest.raises(ValueError, match="use isolated=True"):
            cell.make(on_worker_failure="restart")
        return
    vector = cell.started()
    vector.step_async(orders())
    with pytest.raises(ValueError, match="use isolated=True"):
        vector.step_wait(timeout=1)
    assert vector.step_wait()[1].tolist() == [1.0] * 4


def kept(cell: Cell) -> None:
    vector, twin = cell.started(), cell.started()
    vector.step_async(cell.orders("nap"))
    with pytest.raises(multiprocessing.TimeoutError, match="stays pending"):
        vector.step_wait(timeout=0.05)
    for _ in range(3):
        late = vector.step_wait() if vector._pending.value == "step" else vector.step(orders())
        assert late[0].tobytes() == twin.step(orders())[0].tobytes()


def comes_back(cell: Cell) -> None:
    assert cell.outcome("restart") == SURVIVED
    vector = cell.started(on_worker_failure="restart")
    _, _, _, truncated, infos = vector.step(cell.orders("exit"))
    assert truncated[cell.env]
    assert infos["worker_restarted"][cell.env]
    vector.step(orders())
    assert vector.step(orders())[1][cell.env] == 1.0


def closed(cell: Cell) -> None:
    assert cell.outcome("fork") == "closed"


# By the row, which words it may hold, and what proves them.
FATE = {"ends the program": ends_the_program, "named": named}
PROOFS: dict[str, dict[str, Callable[[Cell], None]]] = {
    "values of get_attr, call, set_attr": {"copies": copies},
    "np.random and random are those of": {"the program": the_program, "its worker": its_worker},
    **{f"exception in {method}": {"raised": raised} for method in ("__init__", "reset", "step", "render", "close")},
    **dict.fromkeys(ENDS, FATE),
    "hang": {"waits": waits},
    "Ctrl-C in step": {"waits": waits, "interrupts it": interrupts_it, "leaves it": leaves_it},
    "timeout=": {"refused": refused, "kept": kept},
    RESTART: {"refused": refused, "ends the program": ends_the_program, "comes back": comes_back},
    "fork of this process": {"closed": closed},
}


def table() -> list[list[str]]:
    """The rows of the table that begins with "what", its headings first."""
    text = (ROOT / "docs" / "placements.md").read_text()
    lines = re.search(r"^\| what \|.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    assert lines is not None
    rows = [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return [rows[0], *rows[2:]]


CELLS = [
    pytest.param(row[0], column, word, id=f"{row[0]}-{column}")
    for headings, *rows in [table()]
    for row in rows
    for column, word in zip(headings[1:], row[1:], strict=True)
]


@pytest.fixture(scope="session")
def outcomes() -> Callable[[], Any]:
    found: dict[str, Any] = {}

    def find() -> Any:
        if not found:
            command = [sys.executable, "-m", "tests.vector_env.may_end_the_program"]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
            found.update(json.loads(done.stdout))
        return found

    return find


def test_the_table_has_all_rows_and_columns() -> None:
    headings, *rows = table()
    assert headings[1:] == list(COLUMNS)
    assert [row[0] for row in rows] == list(PROOFS)


@pytest.mark.parametrize(("row", "column", "word"), CELLS)
def test_a_cell_says_what_happens(make: Make, outcomes: Callable[[], Any], row: str, column: str, word: str) -> None:
    PROOFS[row][word](Cell(make, row, column, outcomes))


def test_each_word_is_explained() -> None:
    text = (ROOT / "docs" / "placements.md").read_text()
    for word in {word for proofs in PROOFS.values() for word in proofs}:
        assert f"**{word}**" in text, word
