"""Networks over any space; inference that does not depend on company."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from reactvec.algorithms import ConfigError, ModelConfig, QNetwork, train_dqn, train_ppo
from reactvec.algorithms.draws import Draws
from reactvec.algorithms.encoding import Inputs
from reactvec.algorithms.inference import BlockInference
from reactvec.algorithms.observations import as_rows, as_tensors
from reactvec.algorithms.parameters import FlatParameters
from reactvec.algorithms.q_network import build_network
from reactvec.port_types import port_type
from tests.sample_envs import SPACES

READABLE = [name for name, space in SPACES.items() if not np.dtype(port_type(space)[1]).hasobject]


@pytest.mark.parametrize("name", READABLE)
def test_encode_every_space(name):
    space = SPACES[name]
    space.seed(0)
    batch = gym.vector.utils.batch_space(space, 3).sample()
    rows, single = as_rows(space, batch)
    assert not single
    inputs = Inputs(space, flat_images=True)
    encoded = inputs(as_tensors(space, rows))
    assert encoded.shape == (3, inputs.features)
    assert encoded.dtype == torch.float32
    one, single = as_rows(space, space.sample())
    assert single
    assert len(one) == 1


def test_encode_by_hand():
    space = spaces.Dict(
        {
            "a": spaces.Discrete(3, start=5),
            "b": spaces.MultiDiscrete([2, 3], start=[1, 0]),
            "c": spaces.Box(0, 255, (2,), np.uint8),
        }
    )
    rows, _ = as_rows(space, {"a": 6, "b": [2, 0], "c": [255, 51]})
    inputs = Inputs(space)
    encoded = inputs(as_tensors(space, rows))
    assert inputs.is_number.tolist() == [False] * 8 + [True] * 2
    np.testing.assert_allclose(encoded, [[0, 1, 0, 0, 1, 1, 0, 0, 1, 0.2]])


@pytest.mark.parametrize("name", [name for name in SPACES if name not in READABLE])
def test_unreadable_space(name):
    with pytest.raises(ConfigError, match="pass model="):
        Inputs(SPACES[name])


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 3)), np.zeros((1, 2, 4)), "text", {"a": 1}])
def test_rows_of_nonsense(bad):
    with pytest.raises(ValueError, match="neither an observation of"):
        as_rows(spaces.Box(-1, 1, (4,)), bad)


def test_dueling_by_hand():
    network = QNetwork(Inputs(spaces.Box(-1, 1, (1,))), 2, ModelConfig(hiddens=()), True, Draws(0, "weights"))
    with torch.no_grad():
        network.head.weight[:] = torch.tensor([[1.0], [2.0], [4.0]])
        network.head.bias[:] = torch.tensor([10.0, 0.0, 0.0])
    # value 11, advantages 2 and 4 with mean 3
    np.testing.assert_allclose(network(torch.tensor([[1.0]])).detach(), [[10.0, 12.0]])


def test_weights_are_a_function_of_the_seed_and_move_no_global_generator():
    space, actions = spaces.Box(-1, 1, (4,)), spaces.Discrete(2)

    def build(seed, model):
        return FlatParameters(build_network(model, space, actions, dueling=False, seed=seed)).numpy()

    for model in (ModelConfig(), lambda observations, actions: torch.nn.Linear(4, 2)):
        torch.manual_seed(5)
        first = build(1, model)
        after = torch.rand(1)
        torch.manual_seed(5)
        torch.rand(0)
        assert torch.rand(1) == after
        np.testing.assert_array_equal(build(1, model), first)
        assert not np.array_equal(build(2, model), first)


def test_initial_weights_have_torchs_range():
    network = QNetwork(Inputs(spaces.Box(-1, 1, (100,))), 50, ModelConfig(hiddens=()), False, Draws(0, "weights"))
    weights = network.head.weight.detach().numpy()
    assert np.abs(weights).max() <= 0.1
    assert np.abs(weights.std() - 0.1 / 3**0.5) < 2e-3


def test_a_model_that_is_none():
    make: Any = lambda *spaces: 3  # noqa: E731
    with pytest.raises(ConfigError, match="it must return a torch"):
        build_network(make, spaces.Box(-1, 1, (4,)), spaces.Discrete(2), dueling=False, seed=0)


def test_inference_has_the_same_bits_for_any_number_of_rows():
    space = spaces.Box(-1, 1, (4,), np.float32)
    network = build_network(ModelConfig(), space, spaces.Discrete(2), dueling=False, seed=0)
    inference = BlockInference(network, space, 8, "cpu")
    observations = np.random.default_rng(0).normal(size=(24, 4)).astype(np.float32)
    whole = inference(observations)
    for count in (1, 3, 8):
        np.testing.assert_array_equal(inference(observations[:count]), whole[:count])
        np.testing.assert_array_equal(inference(observations[16 : 16 + count]), whole[16 : 16 + count])


@pytest.mark.parametrize("name", [name for name in READABLE if name != "image"])
def test_inference_is_padded_with_what_is_an_observation(name):
    """Zeros are none of Discrete(7, start=-20) and the like."""
    starts = {"discrete": spaces.Discrete(7, start=-20), "multi_discrete": spaces.MultiDiscrete([3, 4], start=[9, -8])}
    space = starts.get(name, SPACES[name])
    network = build_network(ModelConfig(), space, spaces.Discrete(2), dueling=False, seed=0)
    inference = BlockInference(network, space, 8, "cpu")
    space.seed(0)
    rows = as_rows(space, gym.vector.utils.batch_space(space, 8).sample())[0]
    whole = inference(rows)
    for count in (1, 3, 7):
        np.testing.assert_array_equal(inference(rows[:count]), whole[:count])
        # On some processors torch's low bits also depend on where in a block a row stands.
        np.testing.assert_allclose(inference(rows[8 - count :]), whole[8 - count :], rtol=1e-4, atol=1e-6)


def test_flat_parameters_share_memory_with_the_module():
    module: Any = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    parameters: Any = FlatParameters(module)
    assert parameters.values.numel() == 9 + 6 + 4 + 6
    parameters.load(np.arange(25))
    np.testing.assert_array_equal(module[0].weight.detach().reshape(-1), np.arange(6))
    np.testing.assert_array_equal(module[1].running_var, [22, 23, 24])
    module(torch.ones(4, 2)).sum().backward()
    assert parameters.trainable.grad[-1] == 4


def test_parameters_of_other_types_are_refused():
    with pytest.raises(ConfigError, match="make it float32"):
        FlatParameters(torch.nn.Linear(2, 2, dtype=torch.float64))
    with pytest.raises(ConfigError, match="no parameters"):
        FlatParameters(torch.nn.ReLU())


@pytest.mark.parametrize("train", [train_dqn, train_ppo])
def test_layers_that_draw_draw_by_the_seed(train):
    def network(observations, actions):
        body = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.Dropout(0.5), torch.nn.Tanh())
        heads = [torch.nn.Linear(16, 2)] + ([torch.nn.Linear(16, 1)] if train is train_ppo else [])
        return Both(body, heads)

    class Both(torch.nn.Module):
        def __init__(self, body, heads):
            super().__init__()
            self.body, self.heads = body, torch.nn.ModuleList(heads)

        def forward(self, obs):
            outputs = [head(self.body(obs)) for head in self.heads]
            return (outputs[0], outputs[1].squeeze(1)) if len(outputs) == 2 else outputs[0]

    weights = []
    for luck in (1, 2):
        torch.manual_seed(luck)
        settings = {"seed": 3, "model": network, "evaluation_duration": 1, "progress": False}
        weights.append(train("CartPole-v1", 2048, **settings).algorithm.get_weights())
        assert torch.initial_seed() == luck
    np.testing.assert_equal(weights[0], weights[1])
