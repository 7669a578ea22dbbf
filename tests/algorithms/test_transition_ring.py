"""The ring against a naive list of transitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactvec.algorithms import TransitionRing


def naive_window(history, step, env, n_step, gamma):
    """Return, discount and next observation of the window that starts at (step, env) of a list of steps."""
    total, discount = np.float32(0), np.float32(1)
    for transition in history[step : step + n_step]:
        total = np.float32(total + np.float32(discount * transition["reward"][env]))
        discount = np.float32(discount * np.float32(gamma))
        after = transition["next_obs"][env]
        if transition["terminated"][env]:
            return total, 0.0, after
        if transition["truncated"][env]:
            break
    return total, discount, after


@settings(max_examples=150, deadline=None)
@given(
    num_envs=st.integers(1, 4),
    slots=st.integers(1, 6),
    steps=st.integers(1, 20),
    n_step=st.integers(1, 5),
    gamma=st.sampled_from([1.0, 0.9, 0.5]),
    end_rate=st.sampled_from([0.0, 0.2, 0.7]),
    seed=st.integers(0, 2**16),
)
def test_every_transition_agrees_with_the_naive_buffer(num_envs, slots, steps, n_step, gamma, end_rate, seed):
    rng = np.random.default_rng(seed)
    capacity = slots * num_envs + int(rng.integers(num_envs))
    ring, history = TransitionRing(capacity, num_envs, (2,), np.float32), []
    for step in range(steps):
        transition = {
            "obs": np.full((num_envs, 2), step, np.float32) + np.arange(num_envs, dtype=np.float32)[:, None] / 8,
            "actions": rng.integers(0, 3, num_envs),
            "reward": rng.integers(-4, 5, num_envs).astype(np.float64),
            "terminated": rng.random(num_envs) < end_rate,
            "truncated": rng.random(num_envs) < end_rate,
            "next_obs": rng.normal(size=(num_envs, 2)).astype(np.float32),
        }
        history.append(transition)
        ring.store(*transition.values())
    kept = min(slots, steps)
    assert len(ring) == kept * num_envs
    batch = ring.gather(np.arange(len(ring)), n_step, gamma)
    seen = set()
    for index in range(len(ring)):
        step, env = int(batch.observations[index, 0]), index % num_envs
        seen.add((step, env))
        transition = history[step]
        np.testing.assert_array_equal(batch.observations[index], transition["obs"][env])
        assert batch.actions[index] == transition["actions"][env]
        total, discount, after = naive_window(history, step, env, n_step, gamma)
        np.testing.assert_allclose(batch.returns[index], total, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(batch.discounts[index], discount, rtol=1e-6)
        np.testing.assert_array_equal(batch.next_observations[index], after)
    assert seen == {(step, env) for step in range(steps - kept, steps) for env in range(num_envs)}


def test_indices_of_any_shape():
    ring = TransitionRing(8, 2, (3,), np.uint8)
    for step in range(4):
        obs = np.full((2, 3), step, np.uint8)
        ring.store(obs, np.zeros(2), np.ones(2), np.zeros(2, bool), np.zeros(2, bool), obs + 1)
    batch = ring.gather(np.arange(6).reshape(2, 3), 1, 0.5)
    assert batch.observations.shape == batch.next_observations.shape == (2, 3, 3)
    assert batch.returns.shape == batch.actions.shape == (2, 3)
    assert batch.observations.dtype == np.uint8


def test_structured_observations():
    dtype = np.dtype([("f0", np.float32, (2,)), ("f1", np.int64)], align=True)
    ring = TransitionRing(4, 2, (), dtype)
    obs = np.zeros(2, dtype)
    obs["f0"], obs["f1"] = 1.5, 7
    ring.store(obs, np.zeros(2), np.ones(2), np.zeros(2, bool), np.zeros(2, bool), obs)
    assert ring.gather(np.array([1]), 3, 0.9).observations["f1"] == 7


def test_capacity_below_one_step():
    with pytest.raises(ValueError, match="capacity=3 is less than one step of 4 environments"):
        TransitionRing(3, 4, (), np.float32)
