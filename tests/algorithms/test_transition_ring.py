"""The ring, which keeps each frame once, against a list of transitions that keeps everything twice."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import FrameStackObservation
from hypothesis import given, settings
from hypothesis import strategies as st

from reactvec.algorithms import TransitionRing

GAMMAS = [1.0, 0.9, 0.5]
CUSTOM = np.array([9, 8], np.uint8)


class Noise(gym.Env[Any, Any]):
    """Frames of noise without an end."""

    observation_space = gym.spaces.Box(0, 255, (2,), np.uint8)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, rng):
        self.rng = rng

    def reset(self, *, seed=None, options=None):
        return self.rng.integers(0, 3, 2).astype(np.uint8), {}

    def step(self, action):
        return self.rng.integers(0, 256, 2).astype(np.uint8), 0.0, False, False, {}


def stream(env, rng, steps, end_rate, invalid_rate, resets_are_steps):
    """Transitions of one environment, as a vector env gives them: with resets inside the step that ends an
    episode, or in a step of their own.
    """
    obs, begins = env.reset()[0], False
    for _ in range(steps):
        row = {"obs": obs, "valid": True, "action": int(rng.integers(3)), "reward": float(rng.integers(-4, 5))}
        row["terminated"], row["truncated"] = (bool(flag) for flag in rng.random(2) < end_rate)
        if begins or rng.random() < invalid_rate:
            row["valid"], begins, row["next_obs"], row["final_obs"] = False, False, env.reset()[0], obs
        else:
            row["next_obs"] = row["final_obs"] = env.step(0)[0]
            if row["terminated"] or row["truncated"]:
                begins = resets_are_steps
                row["next_obs"] = row["final_obs"] if begins else env.reset()[0]
        yield row
        obs = row["next_obs"]


def naive_window(column, start, n_step, gamma):
    """Return, discount and next observation of the window from `start` on in a list of rows."""
    total, discount, after = np.float32(0), np.float32(1), None
    for row in column[start : start + n_step]:
        if not row["valid"]:
            break
        total = np.float32(total + np.float32(discount * np.float32(row["reward"])))
        discount = np.float32(discount * np.float32(gamma))
        after = row["final_obs"] if row["terminated"] or row["truncated"] else row["next_obs"]
        if row["terminated"]:
            return total, np.float32(0), after
        if row["truncated"]:
            break
    return total, discount, after


@settings(max_examples=250)
@given(
    num_envs=st.integers(1, 3),
    slots=st.integers(1, 7),
    steps=st.integers(1, 25),
    n_step=st.integers(1, 5),
    gamma=st.sampled_from(GAMMAS),
    end_rate=st.sampled_from([0.0, 0.1, 0.3, 0.7]),
    invalid_rate=st.sampled_from([0.0, 0.0, 0.3]),
    resets_are_steps=st.booleans(),
    stack=st.integers(1, 4),
    padding=st.sampled_from(["reset", "zero", CUSTOM]),
    seed=st.integers(0, 2**16),
)
def test_every_transition_agrees_with_the_naive_buffer(
    num_envs, slots, steps, n_step, gamma, end_rate, invalid_rate, resets_are_steps, stack, padding, seed
):
    rng = np.random.default_rng(seed)
    envs = [FrameStackObservation(Noise(rng), stack, padding_type=padding) for _ in range(num_envs)]
    columns = [list(stream(env, rng, steps, end_rate, invalid_rate, resets_are_steps)) for env in envs]
    ring, other = (
        TransitionRing(slots * num_envs + num_envs - 1, num_envs, (stack, 2), np.uint8, stack) for _ in range(2)
    )
    for step in range(steps):
        if step == seed % 30:  # go on in another one, from a copy of what the first holds
            other.load(ring.state())
            ring = other
        names = ("obs", "action", "reward", "terminated", "truncated", "final_obs", "next_obs", "valid")
        arrays = [np.array([column[step][name] for column in columns]) for name in names]
        ring.store(*arrays[:-1], valid=None if arrays[-1].all() and seed % 2 else arrays[-1])
    first = max(steps - slots, 0)
    held = [(step, env) for step in range(first, steps) for env in range(num_envs) if columns[env][step]["valid"]]
    assert len(ring) == len(held)
    batch = ring.gather(ring.places(np.arange(len(ring))), n_step, gamma)
    for k, (step, env) in enumerate(held):
        np.testing.assert_array_equal(batch.observations[k], columns[env][step]["obs"])
        assert batch.actions[k] == columns[env][step]["action"]
        total, discount, after = naive_window(columns[env], step, n_step, gamma)
        assert (batch.returns[k], batch.discounts[k]) == (total, discount)
        np.testing.assert_array_equal(batch.next_observations[k], after)


def plain(ring, steps, **flags):
    """Store steps whose observations count them; flags `[steps]` are those of all environments."""
    for step in range(steps):
        rows = {name: np.full(ring.num_envs, values[step], bool) for name, values in flags.items()}
        rows = {name: rows.get(name, np.zeros(ring.num_envs, bool)) for name in ("terminated", "truncated", *rows)}
        obs = np.full((ring.num_envs, *ring.observations.shape), step, ring.observations.dtype)
        actions, rewards = np.zeros(ring.num_envs, np.int64), np.full(ring.num_envs, 2.0**step)
        ring.store(obs, actions, rewards, final_obs=obs + 100, next_obs=obs + 1, **rows)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_rows_of_another_number_of_environments_are_refused(rows):
    ring, obs, flags = TransitionRing(8, 2, (), np.int64), np.zeros(2, np.int64), np.zeros(2, bool)
    with pytest.raises(ValueError, match="valid are not those of 2 environments"):
        ring.store(obs, obs, np.zeros(2), flags, flags, obs, obs, np.ones(rows, bool))
    assert ring.filled == 0


def test_what_a_window_by_hand_becomes():
    """Steps 2 (terminated and truncated), 4 (truncated) and 5 (no transition) close windows of three."""
    ring = TransitionRing(8, 1, (), np.int64)
    ends = [0, 0, 1, 0, 0, 0, 0, 0]
    plain(ring, 8, terminated=ends, truncated=[0, 0, 1, 0, 1, 0, 0, 0], valid=[1, 1, 1, 1, 1, 0, 1, 1])
    batch = ring.gather(ring.places(np.arange(len(ring))), 3, 0.5)
    assert batch.observations.tolist() == [0, 1, 2, 3, 4, 6, 7]
    assert batch.returns.tolist() == [1 + 1 + 1, 2 + 2, 4, 8 + 8, 16, 64 + 64, 128]
    assert batch.discounts.tolist() == [0, 0, 0, 0.25, 0.5, 0.25, 0.5]
    assert batch.next_observations.tolist() == [102, 102, 102, 104, 104, 8, 8]


def test_no_window_reaches_through_a_row_that_is_no_transition():
    ring = TransitionRing(8, 1, (), np.int64)
    plain(ring, 4, valid=[1, 1, 0, 1])
    batch = ring.gather(ring.places(np.arange(3)), 3, 0.5)
    assert batch.returns.tolist() == [1 + 1, 2, 8]
    assert batch.discounts.tolist() == [0.25, 0.5, 0.5]
    assert batch.next_observations.tolist() == [2, 2, 4]


def test_rows_that_are_no_transition_are_neither_counted_nor_numbered():
    ring = TransitionRing(3, 1, (), np.int64)
    for valid, held in zip([1, 0, 0, 0, 0, 1], [1, 1, 1, 0, 0, 1], strict=True):
        plain(ring, 1, valid=[valid])
        assert len(ring) == len(ring.places(np.arange(len(ring)))) == held
        places, has = ring.touched(1)
        assert np.count_nonzero(has[places // ring.num_envs == (ring.head - 1) % ring.slots]) == valid


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 20])
def test_touched_places_are_those_where_transitions_come_and_go(steps):
    ring, held = TransitionRing(7, 2, (), np.int64), set()
    for _ in range(10):
        plain(ring, steps)
        places, has = ring.touched(steps)
        held = (held - set(places.tolist())) | set(places[has].tolist())
        assert held == set(ring.places(np.arange(len(ring))).tolist())


def test_places_of_any_shape():
    ring = TransitionRing(8, 2, (3,), np.uint8)
    plain(ring, 4)
    batch = ring.gather(ring.places(np.arange(6).reshape(2, 3)), 1, 0.5)
    assert batch.observations.shape == batch.next_observations.shape == (2, 3, 3)
    assert batch.returns.shape == batch.actions.shape == (2, 3)
    assert batch.observations.dtype == np.uint8
    assert batch.observations[:, :, 0].tolist() == [[0, 0, 1], [1, 2, 2]]
    empty = ring.gather(ring.places(np.arange(0)), 1, 0.5)
    assert [len(array) for array in empty] == [0] * 5


def test_batches_can_be_gathered_into_arrays_of_the_callers():
    ring = TransitionRing(8, 2, (3,), np.float32)
    plain(ring, 4)
    out = ring.empty_batch((4,))
    assert ring.gather(np.arange(4), 2, 0.5, out) is out
    for array, expected in zip(out, ring.gather(np.arange(4), 2, 0.5), strict=True):
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("place", [-1, 10])
def test_places_outside_the_ring(place):
    with pytest.raises(IndexError, match=rf"must be in \[0, 10\), and these are {min(place, 3)} to {max(place, 3)}"):
        TransitionRing(8, 2, (3,), np.float32).gather(np.array([3, place]), 1, 0.9)


def test_structured_observations():
    dtype = np.dtype([("f0", np.float32, (2,)), ("f1", np.int64)], align=True)
    ring = TransitionRing(4, 2, (), dtype)
    obs = np.zeros(2, dtype)
    obs["f0"], obs["f1"] = 1.5, 7
    after = obs.copy()
    after["f1"] = 8
    flags = np.zeros(2, bool)
    ring.store(obs, np.zeros(2), np.ones(2), flags, flags, after, after)
    batch = ring.gather(np.array([1]), 3, 0.9)
    assert (batch.observations["f1"], batch.next_observations["f1"]) == (7, 8)
    assert batch.observations["f0"].tolist() == [[1.5, 1.5]]


def test_observations_without_numbers():
    ring = TransitionRing(4, 2, (0,), np.float32)
    plain(ring, 3)
    assert ring.gather(np.arange(4), 1, 0.9).observations.shape == (4, 0)


def test_a_transition_of_four_frames_takes_little_more_than_one():
    ring = TransitionRing(20_000, 8, (4, 84, 84), np.uint8, frame_stack=4)
    assert ring.ends.size == 20_000 + 4 * 8
    assert 84 * 84 < ring.nbytes / ring.ends.size < 84 * 84 + 32  # and not 8 * 84 * 84


def test_final_frames_give_their_place_back():
    ring = TransitionRing(20, 2, (2,), np.uint8)
    plain(ring, 11, truncated=[1] * 11)
    size = ring.writer.finals_made
    plain(ring, 100, truncated=[1] * 100)
    assert ring.writer.finals_made == size == 2 * 11


def test_capacity_below_one_step():
    with pytest.raises(ValueError, match="capacity=3 is less than one step of 4 environments"):
        TransitionRing(3, 4, (), np.float32)


@pytest.mark.parametrize(("shape", "stack"), [((4, 2), 3), ((), 2), ((300,), 300), ((2,), 0)])
def test_a_stack_that_is_none(shape, stack):
    with pytest.raises(ValueError, match=f"frame_stack={stack} "):
        TransitionRing(100, 1, shape, np.float32, stack)


def stacks(*rows):
    return np.array(rows, np.float32)[None]


def store_stack(ring, obs, after, truncated=False):
    flags = np.zeros(1, bool), np.array([truncated])
    ring.store(obs, np.zeros(1), np.zeros(1), *flags, after, stacks(5, 5))


def test_stacks_that_cannot_be_rebuilt_are_refused():
    ring = TransitionRing(9, 1, (2,), np.float32, 2)
    with pytest.raises(ValueError, match=r"environment 0: an observation does not hold the frames.*frame_stack=1"):
        store_stack(ring, stacks(1, 1), stacks(2, 3), truncated=True)
    store_stack(ring, stacks(7, 1), stacks(1, 2), truncated=True)  # padded with 7
    store_stack(ring, stacks(5, 5), stacks(5, 2), truncated=True)  # with the first frame
    with pytest.raises(ValueError, match=r"environment 0: the first observation .* is padded neither"):
        store_stack(ring, stacks(6, 1), stacks(1, 2), truncated=True)
    assert ring.gather(ring.places(np.arange(len(ring))), 1, 1.0).observations.tolist() == [[7, 1], [5, 5]]
