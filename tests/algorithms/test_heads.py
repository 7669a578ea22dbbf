"""Action heads against torch's distributions, and what they draw against what they say."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions

from reactvec.algorithms.checks import ConfigError
from reactvec.algorithms.draws import Draws
from reactvec.algorithms.heads import make_head

BOX = spaces.Box(np.array([-2.0, 0.5], np.float32), np.array([2.0, 3.0], np.float32))
CATEGORIES = [
    spaces.Discrete(3),
    spaces.Discrete(2, start=-1),
    spaces.Discrete(1),
    spaces.MultiDiscrete([3, 2]),
    spaces.MultiDiscrete([[2, 3], [4, 2]], start=[[1, 0], [-5, 2]]),
    spaces.MultiBinary(4),
    spaces.MultiBinary((2, 2)),
    spaces.MultiDiscrete([3, 2], dtype=np.int32),
]


def outputs_for(head, rows=64):
    values = Draws(5, "test").normal(np.arange(rows)[:, None], np.arange(head.outputs))
    return values.astype(np.float32)


@pytest.mark.parametrize("explore", [True, False])
@pytest.mark.parametrize(
    ("space", "squash"),
    [
        *((space, False) for space in CATEGORIES),
        *((space, squash) for space in (BOX, spaces.Box(-1, 1, (2, 3), np.float64)) for squash in (True, False)),
    ],
    ids=str,
)
def test_actions_lie_in_the_space_and_their_probability_is_that_of_torch(space, squash, explore):
    head = make_head(space, 0, "action", squash)
    outputs = outputs_for(head)
    choices, actions, log_probs = head.act(outputs, 7, 3, explore)
    assert all(space.contains(action) for action in actions)
    expected = head.log_prob(torch.from_numpy(outputs), torch.from_numpy(choices))
    np.testing.assert_allclose(log_probs, expected, rtol=2e-5, atol=2e-5)


def test_categories_against_torch():
    head = make_head(spaces.MultiDiscrete([3, 2]), 0, "action", False)
    outputs = torch.from_numpy(outputs_for(head))
    choices = torch.from_numpy(head.act(outputs.numpy(), 0, 0, True)[0])
    parts = [distributions.Categorical(logits=part) for part in outputs.split([3, 2], 1)]
    log_prob = sum(part.log_prob(choices[:, k]) for k, part in enumerate(parts))
    torch.testing.assert_close(head.log_prob(outputs, choices), log_prob)
    torch.testing.assert_close(head.entropy(outputs), sum(part.entropy() for part in parts))


def test_gaussian_against_torch():
    head = make_head(BOX, 0, "action", False)
    outputs = torch.from_numpy(outputs_for(head))
    normal = distributions.Normal(outputs[:, :2], outputs[:, 2:].exp())
    choices = torch.from_numpy(head.act(outputs.numpy(), 0, 0, True)[0])
    torch.testing.assert_close(head.log_prob(outputs, choices), normal.log_prob(choices).sum(1))
    torch.testing.assert_close(head.entropy(outputs), normal.entropy().sum(1))


def test_squashed_gaussian_against_torch():
    head = make_head(spaces.Box(-1, 1, (2,)), 0, "action", True)
    outputs = torch.from_numpy(outputs_for(head))
    choices, actions, _ = head.act(outputs.numpy(), 0, 0, True)
    normal = distributions.Normal(outputs[:, :2], outputs[:, 2:].exp())
    squashed = distributions.TransformedDistribution(normal, distributions.TanhTransform(cache_size=1))
    inside = np.abs(choices).max(1) < 4  # further out torch's inverse has no digits left
    np.testing.assert_allclose(actions, np.tanh(choices), rtol=1e-6)
    ours = head.log_prob(outputs, torch.from_numpy(choices))[inside]
    theirs = squashed.log_prob(torch.tanh(torch.from_numpy(choices)))[inside].sum(1)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_frequencies_are_the_probabilities():
    head = make_head(spaces.Discrete(4), 1, "action", False)
    outputs = np.tile(np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32)), (20_000, 1))
    counts = np.bincount(head.act(outputs, 0, 0, True)[0][:, 0])
    expected = 20_000 * np.array([0.1, 0.2, 0.3, 0.4])
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # chi square, 3 degrees of freedom, one in a thousand


def test_moments_of_a_gaussian():
    head = make_head(spaces.Box(-np.inf, np.inf, (1,)), 1, "action", False)
    outputs = np.tile(np.array([1.0, np.log(2.0)], np.float32), (40_000, 1))
    drawn = head.act(outputs, 0, 0, True)[0]
    assert abs(drawn.mean() - 1) < 0.04
    assert abs(drawn.std() - 2) < 0.03


def test_what_cannot_be_chosen_is_not():
    head = make_head(spaces.Discrete(3), 0, "action", False)
    outputs = np.tile(np.array([-1e8, 0.0, -1e8], np.float32), (1000, 1))
    choices, _, log_probs = head.act(outputs, 0, 0, True)
    assert (choices == 1).all()
    assert (log_probs == 0).all()


@given(st.integers(0, 2**40), st.integers(0, 60), st.integers(0, 2**40))
def test_draws_are_those_of_the_row_and_the_step(first, row, step):
    head = make_head(BOX, 3, "action", False)
    outputs = outputs_for(head)
    choices, _, _ = head.act(outputs, first, step, True)
    alone, _, _ = head.act(outputs[row : row + 1], first + row, step, True)
    np.testing.assert_array_equal(choices[row], alone[0])


def test_kernels_draw_what_draws_draws():
    head = make_head(spaces.Discrete(2), 9, "action", False)
    first = head.act(np.zeros((100, 2), np.float32), 4, 11, True)[0][:, 0]
    luck = Draws(9, "action").uniform(np.arange(4, 104), 11, 0)
    np.testing.assert_array_equal(first, (luck >= 0.5).astype(int))


@pytest.mark.parametrize(
    ("space", "squash", "message"),
    [
        (spaces.Text(3), False, "wrap the environment"),
        (spaces.Box(0, 255, (2,), np.uint8), False, "wrap the environment"),
        (spaces.Box(0, 1, (2,), np.float16), False, "dtype float16"),
        (spaces.Box(-np.inf, 1, (2,)), True, "no bounds"),
        (spaces.Box(-1.7e308, 1.7e308, (2,), np.float64), True, "no bounds"),
        (spaces.Dict({"a": spaces.Discrete(2)}), False, "wrap the environment"),
    ],
)
def test_spaces_without_a_head(space, squash, message):
    with pytest.raises(ConfigError, match=message):
        make_head(space, 0, "action", squash)
