"""What is left when a reaction fails in the middle of many tags: nothing that mixes tags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reactvec import Execution, OutputPort, Reactor, Topology, compile, reaction
from reactvec.execution import ClosedExecutionError
from reactvec.partition import ranges


class Counters(Reactor):
    """Counts in every row; row 2 fails at the sixth tag. Nothing synchronises its rows."""

    count = OutputPort((), np.int64)

    def __init__(self) -> None:
        super().__init__(bank=4)
        self.counts = [0] * 4
        self.shut = 0

    @reaction(effects=[count])
    def step(self, rows: range, count: Any) -> None:
        for k, i in enumerate(rows):
            if i == 2 and self.counts[i] == 5:
                raise KeyError("five")
            self.counts[i] += 1
            count[k] = self.counts[i]

    @reaction(on="shutdown")
    def stop(self, rows: range) -> None:
        self.shut += len(rows)


def started(workers: int) -> tuple[Counters, Execution]:
    topology = Topology()
    counters = topology.add("counters", Counters())
    return counters, Execution(topology, compile(topology, workers))


def test_workers_that_ran_ahead_close_the_execution() -> None:
    counters, execution = started(2)
    with pytest.raises(KeyError, match="five"):
        execution.advance(16)
    assert execution.closed
    assert counters.shut == 4
    with pytest.raises(ClosedExecutionError, match="different tags"):
        execution.read(counters.count)
    with pytest.raises(ClosedExecutionError):
        execution.advance()
    execution.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_one_tag_at_a_time_keeps_the_last_good_values(workers: int) -> None:
    counters, execution = started(workers)
    for _ in range(5):
        execution.advance()
    with pytest.raises(KeyError, match="five"):
        execution.advance()
    assert not execution.closed
    assert execution.read(counters.count).tolist() == [5, 5, 5, 5]
    with pytest.raises(ValueError, match="read-only"):
        execution.read(counters.count)[0] = 1
    execution.close()


@pytest.mark.parametrize("bank", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_row_0_is_the_callers_and_all_rows_are_someones(bank: int, workers: int) -> None:
    parts = ranges(bank, workers)
    assert parts[0][0] == 0 < parts[0][1]
    assert [row for lo, hi in parts for row in range(lo, hi)] == list(range(bank))
    assert max(hi - lo for lo, hi in parts) - min(hi - lo for lo, hi in parts) <= 1
