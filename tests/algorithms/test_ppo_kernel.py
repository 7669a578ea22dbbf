"""PPO's gradients by hand against torch's: the same weights, but for float32 rounding."""

import numpy as np
import pytest

from reactvec.algorithms import PPO, ConfigError, ModelConfig
from tests.algorithms.agents import Toy, weights_of
from tests.algorithms.agents import small_ppo as small

LOSSES = [
    {},
    {"entropy_coeff": 0.1, "vf_loss_coeff": 1.5},
    {"vf_clip_param": 0.05, "clip_param": 0.01, "lr": 3e-3},
    {"grad_clip": None, "normalize_advantages": False, "adam_epsilon": 1e-8},
    {"minibatch_size": 128},
    {"minibatch_size": 10**12},  # all there is
    {"minibatch_size": 1, "train_batch_size": 16, "num_epochs": 1},
    {"minibatch_size": 100, "train_batch_size": 264},
    {"target_kl": 1e-3, "lr": 1e-2, "num_epochs": 6},
    {"model": ModelConfig(hiddens=(), activation="tanh")},
    {"model": ModelConfig(hiddens=(40, 24, 17), activation="silu")},
    {"model": ModelConfig(hiddens=(128,), activation="relu")},
]


def learned(backend, **settings):
    """Weights by name, and metrics, after one rollout; the rollouts are alike."""
    with small(learner_backend=backend, **settings).build_algo() as algorithm:
        result = algorithm.train()
        return algorithm.get_weights(), result["learners"]["default_policy"]


def assert_alike(**settings):
    (mine, metrics), (theirs, expected) = (learned(backend, **settings) for backend in ("kernel", "torch"))
    assert metrics.keys() == expected.keys()
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, rel=2e-3, abs=2e-5), name
    for name, value in theirs.items():
        np.testing.assert_allclose(mine[name], value, rtol=2e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("settings", LOSSES, ids=str)
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_one_rollout(env, settings):
    assert_alike(env=env, **settings)


@pytest.mark.parametrize("env", [Toy, "FrozenLake-v1", "Blackjack-v1"])
def test_observations_of_other_kinds(env):
    assert_alike(env=env, entropy_coeff=0.05)


def test_squashed_actions():
    assert_alike(env="Pendulum-v1", squash_actions=True, entropy_coeff=0.01)


@pytest.mark.parametrize("backends", [("kernel", "torch"), ("torch", "kernel")])
def test_a_checkpoint_of_one_is_gone_on_with_by_the_other(tmp_path, backends):
    with small(learner_backend=backends[0], seed=3).build_algo() as algorithm:
        algorithm.train_steps(256)
        path = algorithm.save_to_path(tmp_path / "saved")
        saved = weights_of(algorithm)
    found = []
    for backend in backends:
        with PPO.from_checkpoint(path, learner_backend=backend) as restored:
            assert weights_of(restored) == saved
            restored.train()
            found.append(restored.get_weights())
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=2e-3, atol=2e-5, err_msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": ModelConfig(hiddens=(8,), share_trunk=True)}, "share_trunk=True"),
        ({"model": ModelConfig(hiddens=(8,) * 8)}, "8 hidden layers; at most 7 have a kernel"),
    ],
)
def test_a_kernel_that_does_not_exist(settings, message):
    for name in ("learner_backend", "inference_backend"):
        with pytest.raises(ConfigError, match=f"{name}='kernel', but {message}; use 'auto'"):
            small(**{name: "kernel"}, **settings).build_algo()
    with small(**settings).build_algo() as algorithm:
        assert np.isfinite(algorithm.train()["learners"]["default_policy"]["total_loss"])
