"""Networks against torch, row by row, and their packed weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reactvec.algorithms.kernels import dense
from reactvec.algorithms.kernels.mlp import MlpKernel

Floats = npt.NDArray[np.float32]
SHAPES = [(1, 1), (3, 17, 1), (4, 64, 64, 2), (17, 100, 3, 33), (100, 256, 256, 17), (16, 1, 16, 32, 48, 3, 1, 7, 2)]
MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}
activations = pytest.mark.parametrize("activation", dense.ACTIVATIONS)
widths = st.lists(st.sampled_from([1, 3, 15, 16, 17, 40, 64, 100]), min_size=2, max_size=5)


def module_of(kernel: MlpKernel, seed: int = 0) -> tuple[nn.Sequential, Floats]:
    """The network in torch, in float64, and its weights in torch's order."""
    random = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    flat = []
    for before, after in pairwise(kernel.widths):
        linear = nn.Linear(before, after, dtype=torch.float64)
        for parameter in linear.parameters():
            values = random.normal(scale=before**-0.5, size=parameter.shape).astype(np.float32)
            parameter.data.copy_(torch.from_numpy(values))
            flat.append(values.reshape(-1))
        layers += [linear, MODULES[kernel.activation]()]
    return nn.Sequential(*layers[:-1]), np.concatenate(flat)


def packed_of(kernel: MlpKernel, flat: Floats) -> Floats:
    packed = np.full(kernel.size, np.nan, np.float32)
    kernel.pack(flat, packed)
    return packed


def unpacked(kernel: MlpKernel, packed: Floats) -> Floats:
    flat = np.full(kernel.flat_size, np.nan, np.float32)
    kernel.unpack(packed, flat)
    return flat


def network(seed: int, *shape: int, activation: str = "tanh", variant: str | None = None) -> tuple[MlpKernel, Floats]:
    kernel = MlpKernel(shape, activation, variant=variant)
    return kernel, packed_of(kernel, module_of(kernel, seed)[1])


def normal(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@activations
@pytest.mark.parametrize("variant", dense.variants())
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 5, 63, 64, 65, 200])
def test_computes_what_torch_does(activation: str, variant: str, shape: tuple[int, ...], rows: int) -> None:
    kernel = MlpKernel(shape, activation, variant=variant)
    module, flat = module_of(kernel)
    packed = packed_of(kernel, flat)
    x, dy = normal(1, rows, shape[0]), normal(2, rows, shape[-1])
    inputs = torch.from_numpy(x.astype(np.float64)).requires_grad_()
    outputs = module(inputs)
    outputs.backward(torch.from_numpy(dy.astype(np.float64)))
    grads = [parameter.grad.reshape(-1).numpy() for parameter in module.parameters() if parameter.grad is not None]
    gradient, dx = kernel.gradients(packed, x, dy)
    assert inputs.grad is not None
    near(kernel.forward(packed, x), outputs.detach().numpy())
    near(unpacked(kernel, gradient), np.concatenate(grads))
    near(dx, inputs.grad.numpy())
    assert kernel.gradient(packed, x, dy).tobytes() == gradient.tobytes()


def near(got: Floats, exact: npt.NDArray[np.float64]) -> None:
    """To float32 rounding, of the largest numbers that are summed."""
    np.testing.assert_allclose(got, exact, rtol=2e-5, atol=4e-6 * max(1.0, np.abs(exact).max()))


@activations
@given(widths=widths, rows=st.integers(1, 140), seed=st.integers(0, 1000), data=st.data())
def test_a_row_has_the_bits_that_it_has_alone(
    activation: str, widths: list[int], rows: int, seed: int, data: st.DataObject
) -> None:
    for variant in dense.variants():
        kernel, packed = network(seed, *widths, activation=activation, variant=variant)
        x = normal(seed + 1, rows, widths[0])
        outputs = kernel.forward(packed, x)
        alone = np.concatenate([kernel.forward(packed, x[i : i + 1]) for i in range(rows)])
        assert alone.tobytes() == outputs.tobytes()
        order = np.array(data.draw(st.permutations(range(rows))))
        assert kernel.forward(packed, x[order]).tobytes() == outputs[order].tobytes()


@activations
def test_input_gradients_of_a_row_do_not_depend_on_the_others(activation: str) -> None:
    kernel, packed = network(3, 17, 40, 33, 5, activation=activation)
    x, dy = normal(1, 71, 17), normal(2, 71, 5)
    alone = [kernel.gradients(packed, x[i : i + 1], dy[i : i + 1])[1] for i in range(71)]
    assert np.concatenate(alone).tobytes() == kernel.gradients(packed, x, dy)[1].tobytes()


@activations
def test_a_gradient_is_summed_row_by_row(activation: str) -> None:
    """Rows whose derivatives are 0 change nothing, wherever the blocks of 64 rows are cut."""
    kernel, packed = network(3, 9, 33, 4, activation=activation)
    x, dy = normal(1, 70, 9), normal(2, 70, 4)
    nothing = np.zeros((37, 4), np.float32)
    later = kernel.gradient(packed, np.concatenate([normal(3, 37, 9), x]), np.concatenate([nothing, dy]))
    np.testing.assert_array_equal(later, kernel.gradient(packed, x, dy))


@given(widths=widths, seed=st.integers(0, 1000))
def test_packing_loses_nothing(widths: list[int], seed: int) -> None:
    kernel = MlpKernel(widths, "relu")
    flat = normal(seed, kernel.flat_size)
    assert kernel.flat_size == sum((before + 1) * after for before, after in pairwise(widths))
    packed = packed_of(kernel, flat)
    assert unpacked(kernel, packed).tobytes() == flat.tobytes()
    assert np.count_nonzero(packed) == np.count_nonzero(flat)


def test_the_packed_layout() -> None:
    kernel = MlpKernel((2, 3), "relu")
    packed = packed_of(kernel, np.arange(1, 10, dtype=np.float32))
    rows = packed.reshape(3, 16)
    np.testing.assert_array_equal(rows[:, :3], [[1, 3, 5], [2, 4, 6], [7, 8, 9]])
    assert not rows[:, 3:].any()


@activations
def test_the_padding_of_a_gradient_is_zero(activation: str) -> None:
    kernel, packed = network(0, 3, 17, 5, activation=activation)
    gradient = kernel.gradient(packed, normal(1, 70, 3), normal(2, 70, 5))
    assert packed_of(kernel, unpacked(kernel, gradient)).tobytes() == gradient.tobytes()


@activations
def test_no_rows(activation: str) -> None:
    kernel, packed = network(0, 3, 17, 5, activation=activation)
    x, dy = np.zeros((0, 3), np.float32), np.zeros((0, 5), np.float32)
    assert kernel.forward(packed, x).shape == (0, 5)
    assert not kernel.gradient(packed, x, dy).any()


@activations
def test_a_nan_is_not_hidden(activation: str) -> None:
    kernel, packed = network(0, 3, 17, 5, activation=activation)
    x = normal(1, 4, 3)
    x[1, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(kernel.forward(packed, x)).all(1), [False, True, False, False])


def test_what_a_kernel_says_of_itself() -> None:
    kernel = MlpKernel([4, 8, 2], "silu")
    assert (kernel.widths, kernel.activation, kernel.variant) == ((4, 8, 2), "silu", dense.variants()[0])
    assert (kernel.size, kernel.flat_size) == ((4 + 1) * 16 + (8 + 1) * 16, (4 + 1) * 8 + (8 + 1) * 2)


def test_a_refusal_names_the_argument() -> None:
    kernel, packed = network(0, 3, 17, 5)
    x = normal(1, 4, 3)
    with pytest.raises(ValueError, match=r"widths are \(3,\); give 2 to 9"):
        MlpKernel([3], "relu")
    with pytest.raises(ValueError, match="widths are"):
        MlpKernel([3, 0, 2], "relu")
    with pytest.raises(ValueError, match="activation is 'gelu'; it must be one of relu, tanh, silu"):
        MlpKernel([3, 2], "gelu")
    with pytest.raises(ValueError, match="x is a float64 array; it must be a contiguous float32 array"):
        kernel.forward(packed, x.astype(np.float64))
    with pytest.raises(ValueError, match="x is a list"):
        kernel.forward(packed, x.tolist())
    with pytest.raises(ValueError, match="contiguous"):
        kernel.forward(packed, np.asfortranarray(x))
    with pytest.raises(ValueError, match=r"x has the shape \(4, 2\); it must be \(rows, 3\)"):
        kernel.forward(packed, x[:, :2].copy())
    with pytest.raises(ValueError, match=r"dy has the shape \(3, 5\); it must be \(4, 5\)"):
        kernel.gradient(packed, x, normal(2, 3, 5))
    packed.flags.writeable = False
    assert kernel.forward(packed, x).shape == (4, 5)
    with pytest.raises(ValueError, match="packed is read-only"):
        kernel.pack(np.zeros(kernel.flat_size, np.float32), packed)
