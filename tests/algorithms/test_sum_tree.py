"""The sum tree against sums over a list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactvec.algorithms._sum_tree import SumTree


def naive_sum(priorities):
    """The sum over halves of halves, its bits included; the leaves are filled up to a power of two."""
    if len(priorities) == 1:
        return priorities[0]
    half = 1 << (len(priorities) - 1).bit_length() - 1
    right = np.concatenate([priorities[half:], np.zeros(2 * half - len(priorities))])
    return naive_sum(priorities[:half]) + naive_sum(right)


@st.composite
def histories(draw, priority):
    """A capacity, and updates of it as lists of (index, priority)."""
    capacity = draw(st.integers(1, 40))
    update = st.lists(st.tuples(st.integers(0, capacity - 1), priority), max_size=30)
    return capacity, draw(st.lists(update, max_size=6))


def grown(capacity, updates):
    """The tree after the updates, and its priorities as they must be."""
    tree, expected = SumTree(capacity), np.zeros(capacity)
    for update in updates:
        indices, priorities = (np.array([pair[k] for pair in update], kind) for k, kind in ((0, np.int64), (1, float)))
        tree.update(indices, priorities)
        for index, priority in update:
            expected[index] = priority
    return tree, expected


@settings(max_examples=150)
@given(histories(st.floats(0, 1e6, allow_subnormal=False)))
def test_sums_are_those_of_the_priorities_to_the_bit(history):
    tree, expected = grown(*history)
    np.testing.assert_array_equal(tree.priorities, expected)
    assert tree.total == naive_sum(expected)
    assert tree.minimum == min(expected[expected > 0], default=np.inf)


@settings(max_examples=150)
@given(histories(st.integers(0, 9)))
def test_a_prefix_is_found_where_the_running_sum_passes_it(history):
    tree, expected = grown(*history)
    if not expected.any():
        with pytest.raises(ValueError, match="all priorities are 0"):
            tree.find(np.zeros(1))
        return
    prefixes = np.arange(0, tree.total, 0.5)
    np.testing.assert_array_equal(tree.find(prefixes), np.searchsorted(np.cumsum(expected), prefixes, side="right"))


@settings(max_examples=150)
@given(histories(st.one_of(st.just(0.0), st.floats(1e-12, 1e12))), st.floats(0, 1))
def test_what_has_no_priority_is_never_found(history, share):
    tree, expected = grown(*history)
    if expected.any():
        prefixes = np.array([0.0, share * tree.total, np.nextafter(tree.total, 0), tree.total])
        assert (expected[tree.find(prefixes)] > 0).all()


def test_the_history_of_updates_leaves_no_trace():
    """Adding differences up would leave the rounding errors of a million updates."""
    rng = np.random.default_rng(0)
    tree, fresh = SumTree(1000), SumTree(1000)
    for _ in range(200):
        tree.update(rng.integers(0, 1000, 500), rng.random(500) ** 9 * 1e9)
    tree.update(np.arange(1000), np.full(1000, 0.1))
    fresh.update(np.arange(1000), np.full(1000, 0.1))
    assert tree.total == fresh.total
    prefixes = np.linspace(0, tree.total, 999)
    np.testing.assert_array_equal(tree.find(prefixes), fresh.find(prefixes))


def test_of_duplicates_the_last_counts():
    tree = SumTree(4)
    tree.update(np.array([1, 2, 1]), np.array([5.0, 1.0, 3.0]))
    assert tree.priorities.tolist() == [0, 3, 1, 0]
    assert (tree.total, tree.minimum) == (4, 1)


@pytest.mark.parametrize(("index", "priority"), [(-1, 1.0), (4, 1.0), (0, -1.0), (0, float("nan")), (0, float("inf"))])
def test_bad_updates_change_nothing(index, priority):
    tree = SumTree(4)
    with pytest.raises(ValueError, match=rf"index {index} with priority {priority}.*\[0, 4\)"):
        tree.update(np.array([2, index]), np.array([1.0, priority]))
    assert tree.total == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match="capacity=0"):
        SumTree(0)
    with pytest.raises(ValueError, match="2 indices, but 1 priorities"):
        SumTree(4).update(np.array([1, 2]), np.ones(1))
    with pytest.raises(ValueError, match="read-only"):
        SumTree(4).priorities[0] = 1
