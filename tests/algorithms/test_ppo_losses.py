"""What PPO learns from a rollout, against numbers worked out: with both backends, and a rollout made by hand."""

import numpy as np
import pytest
import torch

from reactvec.algorithms import PPO, PPOConfig
from reactvec.algorithms.ppo_kernel import Batch
from tests.algorithms.agents import small_ppo as small
from tests.algorithms.agents import weights_of

BACKENDS = pytest.mark.parametrize("backend", ["kernel", "torch"])


def by_hand(algorithm: PPO, ratios, advantages) -> Batch:
    """Steps of CartPole in which the network's probabilities are so many times the old ones."""
    count = len(ratios)
    obs = np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)
    choices = np.arange(count).reshape(-1, 1) % 2
    with torch.no_grad():
        outputs, values = algorithm.get_module()(torch.from_numpy(obs))
        log_probs = algorithm.head.log_prob(outputs, torch.from_numpy(choices)).numpy() - np.log(ratios)
    old = values.numpy().reshape(-1)
    numbers = (log_probs, old, advantages, old + 1)
    return Batch(obs, choices, *(np.asarray(array, np.float32) for array in numbers))


def learn(algorithm: PPO, batch: Batch, order=None, clip=0.2) -> dict[str, float]:
    """Learn from it in this order, `[epochs, steps]`, and return the metrics."""
    learner = algorithm.learner
    fit = learner._fit if learner.by_kernel is None else learner._fit_by_kernel
    fit(batch, np.arange(len(batch.obs))[None] if order is None else order, clip, 0.0)
    return learner.metrics()


def surrogate(ratios, advantages, clip=0.2):
    return -np.minimum(ratios * advantages, np.clip(ratios, 1 - clip, 1 + clip) * advantages).mean()


@BACKENDS
@pytest.mark.parametrize("spread", [1.0, 1e-6], ids=["wide", "narrow"])  # of narrow ones, epsilon is a hundredth
def test_advantages_are_normalized_per_minibatch(backend, spread):
    generator = np.random.default_rng(0)
    ratios = generator.uniform(0.9, 1.1, 11)
    advantages = (generator.normal(3, 1, 11) * spread).astype(np.float32)
    parts = [slice(0, 5), slice(5, 10), slice(10, 11)]  # a minibatch of one step is left as it is
    normalized = advantages.astype(np.float64)
    for part in parts[:2]:
        chosen = normalized[part]
        normalized[part] = (chosen - chosen.mean()) / (chosen.std(ddof=1) + 1e-8)
    with small(learner_backend=backend, lr=0.0, minibatch_size=5).build_algo() as algorithm:
        found = learn(algorithm, by_hand(algorithm, ratios, advantages))["policy_loss"]
    assert found == pytest.approx(np.mean([surrogate(ratios[part], normalized[part]) for part in parts]), rel=1e-3)


@BACKENDS
@pytest.mark.parametrize(("excess", "steps"), [(0.99, 4), (1.01, 2)])
def test_learning_stops_before_the_step_that_goes_too_far(backend, excess, steps):
    """Minibatches of 4, whose estimates of the divergence, r - 1 - log r, are 0, 0.9, `excess`, 0 times the limit."""
    limit, ratios = 1.5 * 0.01, np.linspace(1, 1.5, 1_000_001)
    divergence = ratios - 1 - np.log(ratios)
    chosen = [ratios[np.searchsorted(divergence, share * limit)] for share in (0, 0.9, excess, 0)]
    with small(learner_backend=backend, lr=0.0, minibatch_size=4, target_kl=0.01).build_algo() as algorithm:
        with algorithm.learner.counted():
            metrics = learn(algorithm, by_hand(algorithm, np.repeat(chosen, 4), np.arange(16.0)))
        assert algorithm.learner.gradient_steps == steps
    seen = [0, 0.9, excess, 0] if steps == 4 else [0, 0.9, excess]
    assert metrics["mean_kl"] == pytest.approx(limit * np.mean(seen), rel=1e-3)


@BACKENDS
def test_a_stop_ends_all_epochs_and_moves_nothing(backend):
    with small(learner_backend=backend, lr=0.1, minibatch_size=4, target_kl=0.01).build_algo() as algorithm:
        before = weights_of(algorithm)
        learn(algorithm, by_hand(algorithm, np.full(8, 1.5), np.arange(8.0)), np.arange(8)[None].repeat(3, 0))
        assert algorithm.learner.gradient_steps == 0
        assert weights_of(algorithm) == before


def gone_on(tmp_path, first: PPOConfig, **second) -> tuple[str, str]:
    """The weights after a rollout, and after one more with other settings."""
    with first.build_algo() as algorithm:
        algorithm.train()
        path, weights = algorithm.save_to_path(tmp_path / "one"), weights_of(algorithm)
    with PPO.from_checkpoint(path, **second) as other:
        other.train()
        return weights, weights_of(other)


@BACKENDS
@pytest.mark.parametrize("name", ["clip_param", "entropy_coeff"])
@pytest.mark.parametrize("more", [{}, {"num_envs": 2}], ids=["goes on", "begins anew"])  # the environments
def test_ramps_count_the_steps_of_the_rollout_that_is_learned_from(backend, name, more, tmp_path):
    """A rollout has 128 steps: what is learned after it is by the ramp's value at 128, the next by that at 256."""
    ramp = ((0, 1 / 64), (128, 1 / 32), (256, 1 / 8))  # which are exact
    settings = {"learner_backend": backend, "lr": 1e-2, "num_epochs": 4}
    found = gone_on(tmp_path, small(**{**settings, name: ramp}), **more)
    assert found == gone_on(tmp_path, small(**{**settings, name: 1 / 32}), **{**more, name: 1 / 8})
    for early, late in ((1 / 64, 1 / 32), (1 / 32, 1 / 32)):
        assert found != gone_on(tmp_path, small(**{**settings, name: early}), **{**more, name: late})
    if not more:
        with small(**{**settings, name: ramp}).build_algo() as algorithm:
            algorithm.train_steps(256)
            assert weights_of(algorithm) == found[1]


def trained_by(**settings) -> list[np.ndarray]:
    """The orders in which two rollouts were learned from, `[epochs, steps]` each."""
    with small(learner_backend="torch", num_epochs=3, **settings).build_algo() as algorithm:
        orders, fit = [], algorithm.learner._fit
        algorithm.learner._fit = lambda batch, order, *rest: (orders.append(order), fit(batch, order, *rest))
        algorithm.train_steps(256)
    return orders


def test_each_epoch_of_each_rollout_has_an_order_of_its_own():
    orders = np.concatenate(trained_by(seed=1))
    assert (np.sort(orders) == np.arange(128)).all()
    assert len({tuple(order) for order in orders}) == 2 * 3
    np.testing.assert_array_equal(np.concatenate(trained_by(seed=1)), orders)
    assert not (np.concatenate(trained_by(seed=2)) == orders).all(1).any()
