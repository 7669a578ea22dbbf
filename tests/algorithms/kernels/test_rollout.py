"""What a rollout keeps, and what is computed from it, against slow and plain code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactvec import Execution, InputPort, OutputPort, Reactor, Topology, compile, reaction
from reactvec.algorithms.draws import Draws
from reactvec.algorithms.kernels.rollout import Episodes, RolloutMemory, shuffled


class Counter(Reactor):
    """Writes 10 * tag + row, as a vector of two."""

    value = OutputPort((2,), np.int64)

    def __init__(self, rows):
        super().__init__(bank=rows)
        self.tags = [0] * rows

    @reaction(effects=[value])
    def count(self, rows, value):
        for k, row in enumerate(rows):
            value[k] = 10 * self.tags[row] + row
            self.tags[row] += 1


class Keeper(Reactor):
    value = InputPort((2,), np.int64)
    stored = OutputPort(dtype=np.uint8)

    def __init__(self, rows, length, blocks, begin):
        super().__init__(bank=rows)
        self.memory = RolloutMemory({"value": ((2,), np.int64)}, length, rows, blocks, begin)

    @reaction(sources=[value], effects=[stored], native=True)
    def store(self):
        return self.memory.store()


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("begin", [0, 3])
def test_rows_of_all_workers_land_at_their_time(workers, blocks, begin):
    topology = Topology()
    counter, keeper = topology.add("counter", Counter(5)), topology.add("keeper", Keeper(5, 4, blocks, begin))
    topology.connect(counter.value, keeper.value)
    with Execution(topology, compile(topology, workers=workers)) as execution:
        execution.advance(begin)
        for block in range(5):
            execution.advance(4)
            tags = np.arange(4) + begin + 4 * block
            expected = (10 * tags[:, None] + np.arange(5))[:, :, None].repeat(2, 2)
            np.testing.assert_array_equal(keeper.memory.view(block)["value"], expected)


def test_a_rollout_has_a_limited_number_of_fields():
    with pytest.raises(ValueError, match="17 fields; it can have 16"):
        RolloutMemory({str(k): ((), np.int64) for k in range(17)}, 1, 1)


@given(st.integers(0, 300), st.integers(0, 2**64 - 1), st.integers(0, 2**40), st.integers(0, 50))
def test_a_shuffle_is_an_order_and_a_function_of_its_counters(count, key, first, second):
    order = shuffled(count, key, first, second)
    assert sorted(order.tolist()) == list(range(count))
    np.testing.assert_array_equal(order, shuffled(count, key, first, second))


def test_all_orders_are_equally_likely():
    key = Draws(0, "minibatch").key
    orders = [tuple(shuffled(4, key, number, 0).tolist()) for number in range(24_000)]
    counts = np.array([orders.count(order) for order in set(orders)])
    assert len(counts) == 24
    assert ((counts - 1000) ** 2 / 1000).sum() < 49.7  # chi square, 23 degrees of freedom, one in a thousand


def test_episodes_by_hand():
    episodes = Episodes(2)
    rewards = np.array([[1.0, 10], [2, 20], [4, 40], [8, 80]])
    terminated = np.array([[0, 0], [1, 0], [0, 0], [0, 1]], bool)
    truncated = np.array([[0, 1], [0, 0], [0, 0], [0, 0]], bool)
    valid = np.ones((4, 2), bool)
    valid[1, 1] = False
    assert episodes.add(rewards, terminated, truncated, valid) == (7, [(1, 10.0, 1), (0, 3.0, 2), (1, 120.0, 2)])
    ends = np.array([[1, 0]], bool)
    assert episodes.add(np.ones((1, 2)), ends, ~ends, np.ones((1, 2), bool)) == (2, [(0, 13.0, 3), (1, 1.0, 1)])
