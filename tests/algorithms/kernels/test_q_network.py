"""Networks of action values against torch's, and the epsilon-greedy policy by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from reactvec.algorithms import ModelConfig, QNetwork
from reactvec.algorithms.draws import Draws
from reactvec.algorithms.encoding import Inputs
from reactvec.algorithms.kernels import dense
from reactvec.algorithms.kernels.dqn import DQNKernel
from reactvec.algorithms.kernels.q_network import QNetworkKernel
from reactvec.algorithms.parameters import FlatParameters
from reactvec.algorithms.q_network import q_network_kernel
from tests.algorithms.agents import small

REAL = [("f4", 0, 4, 0, 0, 1.0)]
ROW = np.dtype(("f4", (4,)))


def kernel_of(**more: Any) -> QNetworkKernel:
    return QNetworkKernel(REAL, ROW, (33, 16), "tanh", 3, more.pop("dueling", False), **more)


@given(
    hiddens=st.lists(st.integers(1, 40), max_size=3),
    activation=st.sampled_from(dense.ACTIVATIONS),
    actions=st.integers(1, 20),
    dueling=st.booleans(),
    rows=st.sampled_from([1, 2, 63, 64, 65, 130]),
)
def test_values_are_torchs(hiddens, activation, actions, dueling, rows):
    space, model = spaces.Box(-1, 1, (4,)), ModelConfig(hiddens=tuple(hiddens), activation=activation)
    module = QNetwork(Inputs(space), actions, model, dueling, Draws(len(hiddens), "weights"))
    kernel = q_network_kernel(model, space, actions, dueling)
    assert isinstance(kernel, QNetworkKernel)
    flat, packed = FlatParameters(module).numpy(), np.full(kernel.size, np.nan, np.float32)
    kernel.pack(flat, packed)
    back = np.full_like(flat, np.nan)
    kernel.unpack(packed, back)
    np.testing.assert_array_equal(back, flat)
    observations = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
    values = kernel.forward(packed, observations)
    with torch.inference_mode():
        np.testing.assert_allclose(values, module(torch.from_numpy(observations)), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(kernel.forward(packed, observations[-1:]), values[-1:])


@pytest.mark.parametrize("variant", dense.variants())
def test_every_variant_agrees(variant):
    random = np.random.default_rng(0)
    best, other = kernel_of(dueling=True), kernel_of(dueling=True, variant=variant)
    packed = np.zeros(best.size, np.float32)
    best.pack(random.normal(size=best.flat_size).astype(np.float32), packed)
    rows = random.normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(other.forward(packed, rows), best.forward(packed, rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("epsilon", [0.0, 0.3, ((0, 1.0), (40, 0.5), (80, 0.0))])
def test_actions_by_hand(epsilon):
    """Equal values: the first action, but for the draws of each environment and its step count."""
    with small(num_envs=5, epsilon=epsilon, seed=6).build_algo() as algorithm:
        zeros = {name: np.zeros_like(value) for name, value in algorithm.get_weights().items()}
        algorithm.set_weights(zeros)
        luck, random = Draws(6, "explore"), Draws(6, "action")
        envs = np.arange(5)
        for step in range(20):
            algorithm.train_steps(5)
            explored = luck.uniform(envs, step) < algorithm.epsilon.at(5 * step)
            expected = np.where(explored, random.integers(2, envs, step), 0)
            np.testing.assert_array_equal(algorithm.execution.read(algorithm.policy.choice), expected)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("observations", lambda array: array[:, :1], "observations must be contiguous, and of the port"),
        ("actions", lambda array: array + 3, "actions are 3 to 5; there are 3"),
        ("actions", lambda array: array.astype(np.int32), "actions are int32"),
        ("returns", lambda array: array.astype(np.float64), "returns is a float64 array"),
    ],
)
def test_minibatches_that_do_not_fit(name, change, message):
    kernel = DQNKernel(kernel_of(), 2, double_q=True, grad_clip=None, eps=1e-8)
    numbers = np.zeros((3, 2), np.float32)
    batch = {
        "observations": np.zeros((3, 2, 4), np.float32),
        "actions": np.array([[0, 1], [2, 0], [1, 2]]),
        "returns": numbers,
        "discounts": numbers,
        "next_observations": np.zeros((3, 2, 4), np.float32),
    }
    kernel.begin(tuple(batch.values()), numbers, numbers.copy(), lr=1e-3)
    batch[name] = change(batch[name])
    with pytest.raises(ValueError, match=message):
        kernel.begin(tuple(batch.values()), numbers, numbers.copy(), lr=1e-3)
