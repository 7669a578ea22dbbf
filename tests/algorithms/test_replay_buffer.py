"""The replay buffer in its program: what is drawn, how often, and what TD errors do to that."""

from typing import Any

import numpy as np
import pytest

from reactvec.algorithms import DQNConfig, TransitionRing
from reactvec.algorithms.progress import Progress
from reactvec.algorithms.replay_buffer import ReplayBuffer
from tests.algorithms.agents import fingerprint, small

PRIORITIZED = {"capacity": 300, "prioritized": True, "alpha": 0.7}


def buffer(num_envs=2, capacity=40, before=Progress(), **settings) -> ReplayBuffer:  # noqa: B008
    """A replay buffer by itself, with one minibatch of 8 a round and a round every 4 steps."""
    defaults: dict[str, Any] = {"train_freq": 4, "gradient_steps": 1, "train_batch_size": 8, "n_step": 1}
    config = DQNConfig(num_steps_sampled_before_learning_starts=4, **{**defaults, **settings})
    return ReplayBuffer(TransitionRing(capacity, num_envs, (), np.int64), config, before)


def store(replay: ReplayBuffer, steps: int, valid=None) -> None:
    """Steps whose observations are their number, times 10, and their environment."""
    n, flags = replay.ring.num_envs, np.zeros(replay.ring.num_envs, bool)
    for _ in range(steps):
        obs = replay.ring.writer.tags * 10 + np.arange(n)
        replay.ring.store(obs, np.zeros(n), np.ones(n), flags, flags, obs, obs + 10, valid)


def sample(replay: ReplayBuffer) -> dict[str, Any]:
    """The ports after a round; those that were due before it count as drawn."""
    replay.due = replay.ring.writer.steps // replay.config.train_freq - replay.first_round
    outputs = ("observations", "actions", "returns", "discounts", "next_observations", "importance", "rounds")
    arrays = {name: np.zeros(replay.ports[name].shape, replay.ports[name].dtype) for name in outputs}
    replay.sample(*arrays.values(), np.ones(1, np.bool_))
    return arrays


def test_minibatches_are_uniform():
    replay = buffer(capacity=10, gradient_steps=4000)
    store(replay, 7)
    drawn = sample(replay)["observations"]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [20, 21, 30, 31, 40, 41, 50, 51, 60, 61]  # the last five steps
    np.testing.assert_allclose(counts / drawn.size, 0.1, atol=0.01)


def test_minibatches_leave_out_what_is_no_transition():
    replay = buffer(capacity=10, gradient_steps=4000)
    for row in ([True, False], [False, True], [True, True]):
        store(replay, 1, np.array(row))
    values, counts = np.unique(sample(replay)["observations"], return_counts=True)
    assert values.tolist() == [0, 11, 20, 21]
    np.testing.assert_allclose(counts / counts.sum(), 0.25, atol=0.01)


def test_without_a_transition_a_round_is_left_out():
    replay = buffer()
    store(replay, 2, np.array([False, False]))
    assert sample(replay)["rounds"] == 0
    store(replay, 2)
    assert sample(replay)["rounds"] == 1


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_transitions_are_drawn_in_proportion_to_their_priorities(alpha):
    settings = {"prioritized": True, "alpha": alpha, "priority_epsilon": 0.5, "beta": 1.0}
    replay = buffer(capacity=8, gradient_steps=2000, replay_buffer_config=settings)
    store(replay, 4)
    first = sample(replay)
    assert (first["importance"] == 1).all()
    errors = first["observations"] / 10.0  # 0 to 3.1
    replay.prioritise(errors)
    store(replay, 2)  # two steps leave, two come with the largest priority
    second = sample(replay)
    left = np.array([2.0, 2.1, 3.0, 3.1, 3.1, 3.1, 3.1, 3.1])
    expected = (left + 0.5) ** alpha
    values, counts = np.unique(second["observations"], return_counts=True)
    assert values.tolist() == [20, 21, 30, 31, 40, 41, 50, 51]
    np.testing.assert_allclose(counts / counts.sum(), expected / expected.sum(), atol=0.005)
    weights = dict(zip(values.tolist(), expected.min() / expected, strict=True))
    np.testing.assert_allclose(second["importance"], np.vectorize(weights.get)(second["observations"]), rtol=1e-6)


def test_beta_rises_with_environment_steps():
    settings = {"prioritized": True, "alpha": 1.0, "priority_epsilon": 1.0, "beta": [(0, 0.0), (100, 1.0)]}
    replay = buffer(replay_buffer_config=settings, before=Progress(steps=40))
    store(replay, 4)
    replay.settle()
    replay.priorities.learn(np.arange(2), np.array([0.0, 3.0]))  # of priorities 1 and 4, as the others: 1
    store(replay, 1)  # 50 of 100 steps
    drawn = sample(replay)
    assert set(drawn["importance"].reshape(-1).tolist()) == {1.0, 0.5}


def test_td_errors_become_priorities_a_tag_later():
    with small(num_envs=8, train_freq=80, replay_buffer_config=PRIORITIZED).build_algo() as algorithm:
        algorithm.train_steps(240)  # the last of these tags learns
        replay, read = algorithm.replay, algorithm.execution.read
        replay.settle()
        errors, places = read(algorithm.learner.td_errors).copy(), replay.places.copy()
        assert errors.shape == places.shape == (4, 16)
        assert replay.priorities is not None
        tree = replay.priorities.tree
        np.testing.assert_array_equal(tree.priorities[places], 1.0)
        algorithm.train_steps(8)
        expected = dict(zip(places.reshape(-1).tolist(), np.abs(errors.reshape(-1), dtype=float) + 1e-6, strict=True))
        np.testing.assert_allclose(tree.priorities[list(expected)], np.array(list(expected.values())) ** 0.7)
        replay.settle()
        places, held = replay.ring.touched(1)
        assert tree.priorities[places[held]] == pytest.approx(max(1.0, *expected.values()) ** 0.7)


def test_priorities_are_those_of_what_is_held():
    with small(num_envs=3, train_freq=30, replay_buffer_config=PRIORITIZED).build_algo() as algorithm:
        algorithm.train_steps(600)
        replay = algorithm.replay
        assert replay.priorities is not None
        replay.settle()
        held = np.zeros(replay.ring.ends.size, bool)
        held[replay.ring.places(np.arange(len(replay.ring)))] = True
        np.testing.assert_array_equal(replay.priorities.tree.priorities > 0, held)


@pytest.fixture(scope="module")
def prioritized():
    with small(num_envs=4, seed=11, native=False, replay_buffer_config=PRIORITIZED).build_algo() as algorithm:
        for _ in range(3):
            algorithm.train()
        return fingerprint(algorithm)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_prioritised_training_has_one_result_for_all_workers(prioritized, workers):
    placement = {"placement": "threads", "num_workers": workers}
    config = small(num_envs=4, seed=11, replay_buffer_config=PRIORITIZED, **placement)
    with config.build_algo() as algorithm:
        algorithm.train_steps(1200)
        assert fingerprint(algorithm) == prioritized
