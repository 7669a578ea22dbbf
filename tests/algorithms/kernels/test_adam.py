"""The optimizer against torch's, and the norm of a gradient."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reactvec.algorithms.kernels import dense
from reactvec.algorithms.kernels.adam import Adam, norm
from reactvec.algorithms.kernels.mlp import MlpKernel

Floats = npt.NDArray[np.float32]
variants = pytest.mark.parametrize("variant", dense.variants())


def normal(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@variants
@pytest.mark.parametrize("size", [1, 15, 16, 17, 1000])
@pytest.mark.parametrize(("betas", "eps"), [((0.9, 0.999), 1e-8), ((0.5, 0.9), 1e-5), ((0.0, 0.5), 1e-3)])
def test_steps_as_torch_does(variant: str, size: int, betas: tuple[float, float], eps: float) -> None:
    weights = normal(0, size)
    theirs = torch.from_numpy(weights.astype(np.float64)).requires_grad_()
    optimizer = torch.optim.Adam([theirs], betas=betas, eps=eps)
    adam = Adam(size, betas=betas, eps=eps, variant=variant)
    for step in range(50):
        gradient, lr, scale = normal(step + 1, size), 1e-2 / (1 + step), 1 / (1 + step % 3)
        optimizer.param_groups[0]["lr"] = lr
        theirs.grad = torch.from_numpy(gradient.astype(np.float64) * scale)
        optimizer.step()
        adam.update(weights, gradient, lr, scale=scale)
    state = optimizer.state[theirs]
    assert adam.step == 50
    np.testing.assert_allclose(weights, theirs.detach().numpy(), rtol=2e-6, atol=2e-7)
    np.testing.assert_allclose(adam.exp_avg, state["exp_avg"].numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(adam.exp_avg_sq, state["exp_avg_sq"].numpy(), rtol=1e-4, atol=1e-7)


@variants
def test_what_no_gradient_reaches_comes_to_rest(variant: str) -> None:
    """Moments that fade never become subnormal, which processors are slow with; weights are as if they had faded."""
    weights = normal(0, 100)
    exact = weights.astype(np.float64)
    adam, theirs = Adam(100, variant=variant), torch.from_numpy(exact).requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=1e-2)
    for step in range(1_000):
        gradient = normal(1, 100) if step < 3 else np.zeros(100, np.float32)
        theirs.grad = torch.from_numpy(gradient.astype(np.float64))
        optimizer.step()
        adam.update(weights, gradient, 1e-2)
        for moments in (adam.exp_avg, adam.exp_avg_sq):
            assert not ((moments != 0) & (np.abs(moments) < np.finfo(np.float32).tiny)).any()
    assert not adam.exp_avg.any()
    assert (adam.exp_avg_sq > 0).all()
    np.testing.assert_allclose(weights, exact, rtol=2e-6, atol=2e-7)


def test_the_first_step_by_hand() -> None:
    """It goes lr in the direction of the gradient, but for eps: 2 - 0.5 * 3 / (3 + 1) and -1 + 0.5 * 1 / (1 + 1)."""
    weights = np.array([2.0, -1.0], np.float32)
    Adam(2, eps=1.0).update(weights, np.array([6.0, -2.0], np.float32), 0.5, scale=0.5)
    np.testing.assert_allclose(weights, [1.625, -0.75], rtol=1e-6)


@variants
@given(st.integers(1, 70), st.data())
def test_a_weight_has_the_bits_that_it_has_among_others(variant: str, size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    whole, part = Adam(size, variant=variant), Adam(size - first, variant=variant)
    weights = normal(0, size)
    some = weights[first:].copy()
    for step in range(3):
        gradient = normal(step + 1, size)
        whole.update(weights, gradient, 1e-2)
        part.update(some, gradient[first:].copy(), 1e-2)
    assert some.tobytes() == weights[first:].tobytes()


def test_goes_on_from_its_state() -> None:
    weights, gradient = normal(0, 20), normal(1, 20)
    adam, later = Adam(20), Adam(20)
    adam.update(weights, gradient, 1e-2)
    later.exp_avg[:], later.exp_avg_sq[:], later.step = adam.exp_avg, adam.exp_avg_sq, adam.step
    others = weights.copy()
    adam.update(weights, gradient, 1e-2)
    later.update(others, gradient, 1e-2)
    assert others.tobytes() == weights.tobytes()


@variants
@pytest.mark.parametrize("activation", dense.ACTIVATIONS)
def test_the_padding_of_weights_stays_zero(variant: str, activation: str) -> None:
    kernel = MlpKernel((3, 17, 5), activation, variant=variant)
    packed, flat = np.empty(kernel.size, np.float32), normal(0, kernel.flat_size)
    kernel.pack(flat, packed)
    adam = Adam(kernel.size, variant=variant)
    for step in range(5):
        adam.update(packed, kernel.gradient(packed, normal(step, 9, 3), normal(step, 9, 5)), 1e-2)
    again = np.empty_like(packed)
    kernel.unpack(packed, flat)
    kernel.pack(flat, again)
    assert again.tobytes() == packed.tobytes()


@given(st.integers(0, 100), st.integers(0, 1000), st.sampled_from([1e-30, 1.0, 1e30]))
def test_the_norm_is_exact_and_the_same_everywhere(size: int, seed: int, scale: float) -> None:
    vector = normal(seed, size) * np.float32(scale)
    exact = math.sqrt(math.fsum(float(value) ** 2 for value in vector))
    found = {norm(vector, variant=variant) for variant in dense.variants()}
    assert len(found) == 1
    assert found.pop() == pytest.approx(exact, rel=1e-14)


def test_a_refusal_names_the_argument() -> None:
    adam, weights = Adam(4), np.zeros(4, np.float32)
    with pytest.raises(ValueError, match="size is 0; it must be at least 1"):
        Adam(0)
    with pytest.raises(ValueError, match="betas are"):
        Adam(4, betas=(0.9, 1.0))
    with pytest.raises(ValueError, match=r"gradient has the shape \(5,\); it must be \(4\)"):
        adam.update(weights, np.zeros(5, np.float32), 1e-3)
    with pytest.raises(ValueError, match="weights is a float64 array"):
        adam.update(np.zeros(4), weights, 1e-3)  # type: ignore[arg-type]
    assert adam.step == 0
