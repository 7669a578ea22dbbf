"""DQN's gradients by hand against torch's: the same weights, but for float32 rounding."""

from typing import Any

import numpy as np
import pytest

from reactvec.algorithms import DQN, ConfigError, ModelConfig
from tests.algorithms.agents import small, weights_of

PRIORITIZED = {"capacity": 500, "prioritized": True, "beta": 0.7}
LOSSES: list[dict[str, Any]] = [
    {},
    {"double_q": False},
    {"dueling": True},
    {"dueling": True, "double_q": False, "n_step": 1},
    {"n_step": 5, "gamma": 0.9, "grad_clip": None},
    {"grad_clip": 0.05, "adam_epsilon": 1e-5},
    {"replay_buffer_config": PRIORITIZED},
    {"tau": 0.3, "target_network_update_freq": 70},
    {"train_batch_size": 1},
    {"train_batch_size": 150},
    {"train_freq": 3, "gradient_steps": 1},
    {"model": ModelConfig(hiddens=(), activation="tanh")},
    {"model": ModelConfig(hiddens=(40, 24, 17), activation="silu"), "dueling": True},
    {"model": ModelConfig(hiddens=(128,), activation="tanh")},
]


def learned(backend, **settings):
    """Weights by name, and metrics; all act at random, so that the replays are alike."""
    with small(learner_backend=backend, epsilon=1.0, lr=1e-3, **settings).build_algo() as algorithm:
        result = algorithm.train_steps(600)
        errors = algorithm.execution.read(algorithm.learner.td_errors).copy()
        return algorithm.get_weights(), algorithm._arrays()["target"], errors, result["learners"]["default_policy"]


def assert_alike(**settings):
    mine, theirs = (learned(backend, **settings) for backend in ("kernel", "torch"))
    assert mine[-1].keys() == theirs[-1].keys()
    for name, value in theirs[-1].items():
        assert mine[-1][name] == pytest.approx(value, rel=2e-3, abs=2e-5), name
    for name, value in theirs[0].items():
        np.testing.assert_allclose(mine[0][name], value, rtol=2e-3, atol=2e-5, err_msg=name)
    for own, other in zip(mine[1:3], theirs[1:3], strict=True):
        np.testing.assert_allclose(own, other, rtol=2e-3, atol=5e-5)


@pytest.mark.parametrize("settings", LOSSES, ids=str)
def test_some_rounds(settings):
    assert_alike(**settings)


@pytest.mark.parametrize("env", ["FrozenLake-v1", "Blackjack-v1", "Acrobot-v1"])
def test_observations_of_other_kinds(env):
    assert_alike(env=env, dueling=True)


@pytest.mark.parametrize("workers", [2, 4])
def test_several_blocks_on_several_workers(workers):
    results = []
    for placement in ({"placement": "inline"}, {"placement": "threads", "num_workers": workers}):
        with small(train_batch_size=200, num_envs=4, **placement).build_algo() as algorithm:
            algorithm.train_steps(600)
            results.append(weights_of(algorithm))
    assert results[0] == results[1]


@pytest.mark.parametrize("backends", [("kernel", "torch"), ("torch", "kernel")])
def test_a_checkpoint_of_one_is_gone_on_with_by_the_other(tmp_path, backends):
    with small(learner_backend=backends[0], epsilon=1.0, seed=3).build_algo() as algorithm:
        algorithm.train_steps(600)
        path = algorithm.save_to_path(tmp_path / "saved")
        saved, target = weights_of(algorithm), algorithm.learner.target_parameters.numpy().copy()
    found = []
    for backend in backends:
        with DQN.from_checkpoint(path, learner_backend=backend) as restored:
            assert weights_of(restored) == saved
            np.testing.assert_array_equal(restored.learner.target_parameters.numpy(), target)
            restored.train_steps(600)
            assert weights_of(restored) != saved
            found.append(restored.get_weights())
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=2e-3, atol=2e-5, err_msg=name)


def test_values_are_predicted_as_by_torch():
    observations = np.random.default_rng(0).normal(size=(150, 4)).astype(np.float32)
    for dueling in (False, True):
        values = []
        for backend in ("kernel", "torch"):
            config = small(inference_backend=backend, dueling=dueling)
            with config.build_algo() as algorithm, algorithm._inferring() as inference:
                values.append(inference(observations))
        assert values[0].shape == (150, 2)
        np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)


def test_a_kernel_that_does_not_exist():
    deep = {"model": ModelConfig(hiddens=(8,) * 8)}
    for name in ("learner_backend", "inference_backend"):
        with pytest.raises(ConfigError, match=f"{name}='kernel', but 8 hidden layers; at most 7 have a kernel; use"):
            small(**{name: "kernel"}, **deep).build_algo()
    with small(**deep).build_algo() as algorithm:
        assert np.isfinite(algorithm.train_steps(600)["learners"]["default_policy"]["qf_loss"])


def test_rewards_that_are_not_finite_do_not_reach_the_kernels():
    with small().build_algo() as algorithm:
        algorithm.train_steps(200)
        algorithm.replay.ring.rewards[:, 3] = np.inf
        with pytest.raises(ValueError, match=r"rewards are not finite \(environments \[3\]\)"):
            algorithm.train_steps(400)
