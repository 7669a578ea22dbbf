"""An actor and a critic in C against the network in torch, over observations and actions of all kinds."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from reactvec.algorithms import ModelConfig
from reactvec.algorithms.actor_critic import Joined, build_actor_critic, network_kernel
from reactvec.algorithms.encoding import Inputs
from reactvec.algorithms.heads import make_head
from reactvec.algorithms.kernels.actor_critic import ActorCriticKernel, PolicyKernel
from reactvec.algorithms.observations import as_rows, as_tensors
from reactvec.algorithms.parameters import FlatParameters

OBSERVATIONS = {
    "box": spaces.Box(-2, 2, (5,)),
    "float64": spaces.Box(-2, 2, (2, 2), np.float64),
    "bytes": spaces.Box(0, 255, (3,), np.uint8),
    "discrete": spaces.Discrete(7, start=-3),
    "multi_discrete": spaces.MultiDiscrete([3, 1, 4], start=[2, 0, -1]),
    "multi_binary": spaces.MultiBinary((2, 3)),
    "nested": spaces.Dict(
        {
            "b": spaces.Tuple((spaces.Discrete(3), spaces.Box(0, 1, (2,), np.float64))),
            "a": spaces.Dict({"m": spaces.MultiBinary(2), "i": spaces.Box(-9, 9, (1,), np.int16)}),
        }
    ),
}
ACTIONS = [spaces.Discrete(3), spaces.MultiDiscrete([2, 20]), spaces.Box(-1, 1, (3,))]


def pair(space, actions, normalize=False, seed=0, hiddens=(9, 20), mask=None):
    """The kernel, the module, and the weights packed; statistics are not trivial."""
    head, model = make_head(actions, seed, "action", False), ModelConfig(hiddens=hiddens, activation="tanh")
    inputs = Inputs(space, mask_key=mask)
    module = build_actor_critic(model, inputs, head, normalize=normalize, seed=seed)
    flat = FlatParameters(module)
    if normalize:
        module.normalizer.set(np.linspace(-1, 1, inputs.features), np.linspace(0.1, 30, inputs.features))
    kernel = network_kernel(model, inputs, head, normalize)
    assert isinstance(kernel, ActorCriticKernel)
    packed = np.full(kernel.size, 7, np.float32)
    kernel.pack(flat.numpy(), packed)
    return kernel, Joined(module), flat, packed


def samples(space, count, seed):
    space.seed(seed)
    return np.concatenate([as_rows(space, space.sample())[0] for _ in range(count)])


@pytest.mark.parametrize("actions", ACTIONS, ids=str)
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("name", OBSERVATIONS)
def test_outputs_and_values_are_torchs(name, normalize, actions):
    space = OBSERVATIONS[name]
    kernel, module, _, packed = pair(space, actions, normalize)
    rows = samples(space, 70, 1)
    with torch.inference_mode():
        expected = module(as_tensors(space, rows)).numpy()
    np.testing.assert_allclose(kernel.forward(packed, rows), expected, rtol=2e-5, atol=2e-6)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=90), st.sampled_from(sorted(OBSERVATIONS)))
def test_a_row_gives_the_same_bits_in_any_company(chosen, name):
    space = OBSERVATIONS[name]
    kernel, _, _, packed = pair(space, ACTIONS[1], normalize=True)
    rows = samples(space, 100, 2)
    everything = kernel.forward(packed, rows)
    assert kernel.forward(packed, np.ascontiguousarray(rows[chosen])).tobytes() == everything[chosen].tobytes()


@pytest.mark.parametrize("actions", ACTIONS, ids=str)
@pytest.mark.parametrize("normalize", [False, True])
def test_weights_come_back_from_the_packed_layout(actions, normalize):
    kernel, _, flat, packed = pair(OBSERVATIONS["nested"], actions, normalize)
    back = np.zeros(kernel.flat_size, np.float32)
    kernel.unpack(packed, back)
    assert back.tobytes() == flat.numpy().tobytes()
    again = np.full(kernel.size, 3, np.float32)
    kernel.pack(back, again)
    assert again.tobytes() == packed.tobytes()
    assert kernel.trained <= kernel.size


def test_a_mask_rules_out_what_torch_rules_out():
    space = spaces.Dict({"mask": spaces.MultiBinary(3), "x": spaces.Box(-1, 1, (2,))})
    kernel, module, _, packed = pair(space, spaces.Discrete(3), mask="mask")
    rows = samples(space, 40, 3)
    with torch.inference_mode():
        expected = module(as_tensors(space, rows)).numpy()
    found = kernel.forward(packed, rows)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    assert (found[:, :3] == -1e8).sum() == (rows["f0"] == 0).sum() > 0


def test_a_category_out_of_range_is_none():
    kernel, _, _, packed = pair(spaces.Discrete(3), spaces.Discrete(2))
    silent = kernel.forward(packed, np.array([3, -1, 2**40]))
    assert len({row.tobytes() for row in silent}) == 1
    assert silent[0].tobytes() not in {row.tobytes() for row in kernel.forward(packed, np.arange(3))}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((3, 4), np.float32), "rows must be contiguous"),
        (np.zeros((3, 5), np.float64), "rows must be contiguous"),
        (np.zeros((3, 10), np.float32)[:, ::2], "rows must be contiguous"),
    ],
)
def test_rows_that_are_not_the_ports(rows, message):
    kernel, _, _, packed = pair(OBSERVATIONS["box"], spaces.Discrete(2))
    with pytest.raises(ValueError, match=message):
        kernel.forward(packed, rows)


def test_weights_that_do_not_fit():
    kernel, _, _, packed = pair(OBSERVATIONS["box"], spaces.Discrete(2))
    policy = PolicyKernel(kernel, 4, 8, 1, 0, False)
    with pytest.raises(ValueError, match=r"packed has the shape \(3,\)"):
        policy.begin_with(np.zeros(3, np.float32))
    policy.begin_with(packed)
    assert policy.acting_by().tobytes() == packed.tobytes()


def test_dtypes_and_parts_without_a_kernel():
    model, head = ModelConfig(hiddens=(4,)), make_head(spaces.Discrete(2), 0, "action", False)
    half = Inputs(spaces.Box(-1, 1, (2,), np.float16))
    assert network_kernel(model, half, head, False) == "observations of dtype float16 have no kernel"
    many = Inputs(spaces.MultiDiscrete([2] * 65))
    assert network_kernel(model, many, head, False) == "an observation of 65 parts; at most 64 have a kernel"
