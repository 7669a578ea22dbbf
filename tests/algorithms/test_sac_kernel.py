"""SAC's gradients by hand against torch's, and its policy as a kernel: the same, but for float32 rounding."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from reactvec.algorithms import SAC, ConfigError, ModelConfig
from reactvec.algorithms.kernels.actor import ActorKernel
from reactvec.algorithms.kernels.head import HeadKernel
from reactvec.algorithms.kernels.sac import SACNetworks
from tests.algorithms.agents import fingerprint, weights_of
from tests.algorithms.agents import small_sac as small

PRIORITIZED = {"capacity": 300, "prioritized": True, "beta": 0.7}
LOSSES: list[dict[str, Any]] = [
    {},
    {"twin_q": False},
    {"n_step": 5, "gamma": 0.9},
    {"grad_clip": 0.05, "adam_epsilon": 1e-5},
    {"actor_lr": 1e-3, "critic_lr": 3e-3, "alpha_lr": 1e-2},
    {"initial_alpha": 0.1, "alpha_lr": 0.0, "tau": 0.3},
    {"target_entropy": 1.5},
    {"replay_buffer_config": PRIORITIZED},
    {"train_batch_size": 1},
    {"train_batch_size": 150},
    {"train_freq": 3, "gradient_steps": 2},
    {"model": ModelConfig(hiddens=(), activation="tanh")},
    {"model": ModelConfig(hiddens=(40, 24, 17), activation="silu")},
    {"model": ModelConfig(hiddens=(128,), activation="tanh"), "twin_q": False},
]


class Mixed(gym.Env):
    """Numbers and categories to see, actions of two numbers with bounds of their own; some steps terminate."""

    observation_space = spaces.Dict({"goal": spaces.Box(-1, 1, (3,), np.float64), "kind": spaces.Discrete(4, start=2)})
    action_space = spaces.Box(np.array([[-1.0], [0.0]], np.float32), np.array([[1.0], [3.0]], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._seen(), {}

    def step(self, action):
        reward = -float(np.square(action).sum())
        return self._seen(), reward, bool(self.np_random.random() < 0.1), bool(self.np_random.random() < 0.1), {}

    def _seen(self):
        return {"goal": self.np_random.uniform(-1, 1, 3), "kind": int(self.np_random.integers(2, 6))}


def learned(backend, **settings):
    """Weights by name, the target's, TD errors, and metrics; all act alike, by the kernel."""
    with small(learner_backend=backend, inference_backend="kernel", seed=1, **settings).build_algo() as algorithm:
        result = algorithm.train_steps(400)
        errors = algorithm.execution.read(algorithm.learner.td_errors).copy()
        weights, target = algorithm.get_weights(), algorithm._arrays()["target"]
        return weights, target, errors, result["learners"]["default_policy"]


def assert_alike(**settings):
    mine, theirs = (learned(backend, **settings) for backend in ("kernel", "torch"))
    assert mine[-1].keys() == theirs[-1].keys()
    for name, value in theirs[-1].items():
        assert mine[-1][name] == pytest.approx(value, rel=2e-3, abs=2e-5), name
    for name, value in theirs[0].items():
        np.testing.assert_allclose(mine[0][name], value, rtol=2e-3, atol=2e-5, err_msg=name)
    for own, other in zip(mine[1:3], theirs[1:3], strict=True):
        np.testing.assert_allclose(own, other, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("settings", LOSSES, ids=str)
def test_some_rounds(settings):
    assert_alike(**settings)


@pytest.mark.parametrize("env", ["MountainCarContinuous-v0", Mixed], ids=str)
def test_spaces_of_other_kinds(env):
    assert_alike(env=env)


def test_deviations_that_are_clamped_have_no_derivative():
    """Weights so large that some logarithms of deviations are beyond either end of their range."""
    found = []
    for backend in ("kernel", "torch"):
        with small(learner_backend=backend, inference_backend="kernel", seed=1, lr=1e-4).build_algo() as algorithm:
            weights = algorithm.get_weights()
            weights["actor.net.layers.2.weight"] *= 200
            algorithm.set_weights(weights)
            algorithm.train_steps(60)
            batch = algorithm.replay.ring.gather(algorithm.replay.ring.places(np.arange(60)), 1, 0.9)
            log_std = algorithm.get_module().actor.net(algorithm.learner.actor[0].new_tensor(batch.observations))[:, 1]
            assert (log_std < -20).any()
            assert (log_std > 2).any()
            assert ((log_std > -20) & (log_std < 2)).any()
            found.append(algorithm.get_weights())
    for name, value in found[1].items():
        np.testing.assert_allclose(found[0][name], value, rtol=2e-3, atol=2e-5, err_msg=name)


class Wide(gym.Env):
    """Actions of three numbers, of which the second has no choice; an episode's last observation may be NaN."""

    observation_space = spaces.Box(-1, 1, (15,), np.float32)
    action_space = spaces.Box(np.array([-1, 2, 0], np.float32), np.array([1, 2, 3], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 15).astype(np.float32), {}

    def step(self, action):
        obs = self.np_random.uniform(-1, 1, 15).astype(np.float32)
        return obs, -float(np.square(action).sum()), False, False, {}


class Blinding(Wide):
    def step(self, action):
        obs, reward, *_ = super().step(action)
        died = bool(self.np_random.random() < 0.1)
        return obs * (np.nan if died else 1), reward, died, False, {}


def test_padded_widths_that_differ():
    """15 features become 16 floats, 18 of the critics 32; what is in the padding counts for no norm."""
    assert_alike(env=Wide, grad_clip=0.05)


def test_what_is_not_finite_after_the_end():
    assert_alike(env=Blinding)


@pytest.mark.parametrize("workers", [2, 4])
def test_several_blocks_on_several_workers(workers):
    """Blocks of much work, so that workers are at theirs at the same time."""
    results, model = [], ModelConfig(hiddens=(128, 128))
    for placement in ({"placement": "inline"}, {"placement": "threads", "num_workers": workers}):
        with small(train_batch_size=1024, model=model, **placement).build_algo() as algorithm:
            algorithm.train_steps(120)
            results.append(fingerprint(algorithm))
    assert results[0] == results[1]


@pytest.mark.parametrize("backends", [("kernel", "torch"), ("torch", "kernel")])
def test_a_checkpoint_of_one_is_gone_on_with_by_the_other(tmp_path, backends):
    with small(learner_backend=backends[0], inference_backend="kernel", seed=3).build_algo() as algorithm:
        algorithm.train_steps(300)
        path = algorithm.save_to_path(tmp_path / "saved")
        saved, target = weights_of(algorithm), algorithm.learner.target_parameters.numpy().copy()
    found = []
    for backend in backends:
        with SAC.from_checkpoint(path, learner_backend=backend) as restored:
            assert weights_of(restored) == saved
            np.testing.assert_array_equal(restored.learner.target_parameters.numpy(), target)
            restored.train_steps(100)
            assert weights_of(restored) != saved
            found.append(restored.get_weights())
    for name, value in found[0].items():
        np.testing.assert_allclose(value, found[1][name], rtol=2e-3, atol=2e-5, err_msg=name)


def test_looking_at_the_weights_changes_nothing():
    """Between rounds the kernel's weights are ahead of the module's, until somebody asks for these."""
    results = []
    for looks in (False, True):
        with small(seed=2).build_algo() as algorithm:
            for _ in range(5):
                algorithm.train_steps(40)
                if looks:
                    algorithm.get_weights()
                    algorithm.evaluate()
            results.append(fingerprint(algorithm))
    assert results[0] == results[1]


def actions_of(algorithm, count):
    """Those of the first `count` steps, as the replay buffer has them."""
    ring = algorithm.replay.ring
    return ring.gather(ring.places(np.arange(count)), 1, 0.9).actions


BEGINNING = {"num_steps_sampled_before_learning_starts": 300, "train_freq": 10_000}
CAPACITY = {"capacity": 3_000}


@pytest.mark.parametrize(
    "settings", [{"env": Mixed, "num_envs": 3}, {"env": Wide, "num_envs": 150, "placement": "inline"}], ids=str
)
def test_both_policies_act_alike(settings):
    """At random first, by the same draws; then by what the actor says, whose low bits are others."""
    found = []
    for backend in ("kernel", "torch"):
        config = small(inference_backend=backend, seed=4, replay_buffer_config=CAPACITY, **BEGINNING, **settings)
        with config.build_algo() as algorithm:
            weights = algorithm.get_weights()
            last = weights["actor.net.layers.2.weight"]
            last[len(last) // 2 :] *= 60  # deviations beyond either end of their range
            algorithm.set_weights(weights)
            algorithm.train_steps(900)
            found.append(actions_of(algorithm, 900))
    np.testing.assert_allclose(found[0][:300], found[1][:300], rtol=0, atol=1e-7)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-4)
    assert np.abs(found[0]).max() <= 1


def test_both_policies_go_on_alike(tmp_path):
    """Without what was remembered the environments begin anew; draws go on, and so does the number of steps."""
    found = []
    for backend in ("kernel", "torch"):
        settings = {"inference_backend": backend, "env": Wide, "num_envs": 10, "seed": 4, **BEGINNING}
        with small(**settings).build_algo() as algorithm:
            algorithm.train_steps(200)
            first, path = actions_of(algorithm, 200), algorithm.save_to_path(tmp_path / backend)
        with SAC.from_checkpoint(path, env=Wide) as algorithm:
            algorithm.train_steps(200)
            found.append(actions_of(algorithm, 200))
        assert (found[-1][:100, 0] != first[:100, 0]).all()
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-4)


def test_actions_are_predicted_as_by_torch():
    observations = np.random.default_rng(0).normal(size=(150, 3)).astype(np.float32)
    outputs = []
    for backend in ("kernel", "torch"):
        with small(inference_backend=backend).build_algo() as algorithm, algorithm._inferring() as inference:
            outputs.append(inference(observations))
    assert outputs[0].shape == (150, 2)
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)


def test_a_kernel_that_does_not_exist():
    deep = {"model": ModelConfig(hiddens=(8,) * 8)}
    for name in ("learner_backend", "inference_backend"):
        with pytest.raises(ConfigError, match=f"{name}='kernel', but 8 hidden layers; at most 7 have a kernel; use"):
            small(**{name: "kernel"}, **deep).build_algo()
    with small(**deep).build_algo() as algorithm:
        assert np.isfinite(algorithm.train_steps(200)["learners"]["default_policy"]["qf_loss"])
    clipped = HeadKernel("clip", np.array([-1.0]), np.array([1.0]), np.float32, 0)
    with pytest.raises(ValueError, match="not squashed"):
        ActorKernel([(np.float32, 0, 3, 0, 0, 1.0)], np.dtype((np.float32, (3,))), [8], "relu", clipped)
    squashed = HeadKernel("squash", np.array([-1.0]), np.array([1.0]), np.float32, 0)
    actor = ActorKernel([(np.float32, 0, 3, 0, 0, 1.0)], np.dtype((np.float32, (3,))), [8], "relu", squashed)
    for critics in (0, 3):
        with pytest.raises(ValueError, match=f"{critics} critics; 1 to 2"):
            SACNetworks(actor, critics)
