"""SAC: one result for all placements, what replay holds, and learning."""

import random

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reactvec.algorithms import SAC, ModelConfig, SACConfig, train_sac
from reactvec.algorithms.draws import Draws
from tests.algorithms.agents import fingerprint
from tests.algorithms.agents import small_sac as small


def trained(config, steps=400):
    with config.build_algo() as algorithm:
        algorithm.train_steps(steps)
        return fingerprint(algorithm)


# One result, whoever computes it


@pytest.fixture(scope="module")
def expected():
    return trained(small(placement="inline", native=False, seed=11))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("workers", [None, 1, 2, 4])
def test_one_result_for_all_workers_and_placements(expected, native, workers):
    placement = {"placement": "inline"} if workers is None else {"placement": "threads", "num_workers": workers}
    with small(native=native, seed=11, **placement).build_algo() as algorithm:
        assert algorithm.schedule.workers == (workers or 1)
        for steps in (100, 4, 296):
            algorithm.train_steps(steps)
        assert fingerprint(algorithm) == expected


def test_one_result_in_torch_for_all_placements():
    torchs = {"learner_backend": "torch", "inference_backend": "torch", "seed": 11}
    first, *others = [
        trained(small(native=native, **placement, **torchs))
        for placement in ({"placement": "inline"}, {"placement": "threads", "num_workers": 2})
        for native in (True, False)
    ]
    assert others == [first] * 3


def test_the_seed_matters(expected):
    assert trained(small(seed=12)) != expected


def test_neither_global_generators_nor_evaluation_nor_prediction_disturb_it(expected):
    with torch.no_grad(), small(seed=11, evaluation_interval=100).build_algo() as algorithm:
        for seed in range(4):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            state = torch.get_rng_state(), np.random.get_state(), random.getstate()
            algorithm.train()
            algorithm.predict(np.zeros(3), explore=True)
            assert torch.equal(torch.get_rng_state(), state[0])
            np.testing.assert_equal(np.random.get_state(), state[1])
            assert random.getstate() == state[2]
        assert fingerprint(algorithm) == expected


def test_torchs_default_type_does_not_matter(expected):
    torch.set_default_dtype(torch.float64)
    try:
        assert trained(small(seed=11)) == expected
    finally:
        torch.set_default_dtype(torch.float32)


# What happens when


@pytest.mark.parametrize("num_envs", [1, 3, 8, 100])
@pytest.mark.parametrize("gradient_steps", [1, 3])
def test_gradient_steps_count_environment_steps(num_envs, gradient_steps):
    with small(num_envs=num_envs, gradient_steps=gradient_steps).build_algo() as algorithm:
        algorithm.train_steps(300)
        steps = algorithm.progress.steps
        assert algorithm.learner.gradient_steps == ((steps - 40) // 2 + 1) * gradient_steps


def test_actions_are_uniform_at_first_then_the_policys():
    """And they are functions of the seed, the environment and its step."""
    with small(num_steps_sampled_before_learning_starts=402, train_freq=1000, seed=5).build_algo() as algorithm:
        actor, head = algorithm.learner.module.actor, algorithm._head("action")
        algorithm.train_steps(412)
        ring = algorithm.replay.ring
        actions = ring.actions[np.arange(103 - ring.held_slots, 103) % ring.slots][..., 0]  # the last 75 steps of 4
        steps = np.arange(103 - ring.held_slots, 103)
        random_steps = steps * 4 < 402
        assert np.count_nonzero(~random_steps) == 2
        luck = Draws(5, "explore").uniform(np.arange(4), steps[:, None], 0)
        np.testing.assert_allclose(actions[random_steps], (2 * luck - 1)[random_steps], atol=1e-6)
        assert np.abs(actions[random_steps]).mean() == pytest.approx(0.5, abs=0.1)
        for step in steps[~random_steps]:
            observed = np.zeros((4, 3), np.float32)
            ring.observations.gather(step % ring.slots * 4 + np.arange(4), observed)
            with torch.inference_mode():
                outputs = actor(torch.from_numpy(observed)).numpy()
            choices, _, _ = head.act(outputs, 0, int(step), True)
            stored = ring.actions[step % ring.slots]
            np.testing.assert_allclose(stored, np.tanh(choices), rtol=1e-4, atol=1e-5)


def test_the_replay_holds_what_the_environments_did():
    """Every stored transition is a step of Pendulum by its action, which is scaled to -1 and 1."""
    env = gym.make("Pendulum-v1").unwrapped
    env.reset()
    with small(num_envs=3).build_algo() as algorithm:
        algorithm.train_steps(300)
        ring = algorithm.replay.ring
        batch = ring.gather(ring.places(np.arange(len(ring))), 1, 0.9)
        assert batch.actions.shape == (300, 1)
        assert batch.actions.dtype == np.float32
        for obs, action, total, discount, after in zip(*batch, strict=True):
            env.state = np.array([np.arctan2(obs[1], obs[0]), obs[2]])
            expected, reward, *_ = env.step(2 * action)
            np.testing.assert_allclose(after, expected, atol=1e-3)
            assert (total, discount) == (pytest.approx(reward, abs=1e-2), np.float32(0.9))


def carried(algorithm):
    """The learner's weights as they travel to the policy."""
    weights = np.zeros(algorithm.policy.weights.shape, np.float32)
    algorithm.policy.send(algorithm.learner.acting_weights(), weights)
    return weights


@pytest.mark.parametrize("delay", [1, 3])
@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_the_policy_acts_on_weights_that_are_late_as_declared(delay, backend):
    settings = {"weights_delay": delay, "train_freq": 80, "num_steps_sampled_before_learning_starts": 80}
    with small(inference_backend=backend, **settings).build_algo() as algorithm:
        algorithm.train_steps(80)  # the last of these tags learns
        weights = carried(algorithm)
        for tag in range(1, delay + 1):
            assert not np.array_equal(algorithm.policy.acting(), weights)
            algorithm.train_steps(4)
            assert np.array_equal(algorithm.policy.acting(), weights) == (tag == delay)


# Spaces


class Reach(gym.Env):
    """One step per episode: the action must be what is observed; bounds that are not symmetric."""

    observation_space = spaces.Dict({"goal": spaces.Box(0, 1, (2,)), "noise": spaces.Discrete(3)})
    action_space = spaces.Box(np.array([[-1.0], [0.0]], np.float32), np.array([[1.0], [3.0]], np.float32))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal = self.np_random.random(2).astype(np.float32)
        return {"goal": self.goal, "noise": self.np_random.integers(3)}, {}

    def step(self, action):
        assert self.action_space.contains(action)
        reward = -float(np.abs(action[:, 0] - self.goal).sum())
        return {"goal": self.goal, "noise": 0}, reward, True, False, {}


def test_it_learns():
    config = SACConfig(
        env=Reach,
        total_timesteps=1000,
        train_freq=2,
        lr=5e-3,
        model=ModelConfig(hiddens=(32, 32)),
        train_batch_size=64,
        evaluation_duration=40,
        seed=1,
    )
    result = train_sac(config=config, progress=False)
    assert result.evaluation["env_runners"]["episode_return_mean"] > -0.25  # at random it is about -1.8
    assert result.algorithm.replay.ring.actions.shape[2:] == (2,)
    metrics = result.history[-1]["learners"]["default_policy"]
    assert 0 < metrics["alpha_value"] < 0.8
    assert metrics.keys() >= {"qf_loss", "policy_loss", "alpha_loss", "num_gradient_steps_lifetime"}
    observation = {"goal": np.array([0.4, 0.6], np.float32), "noise": 1}
    action = result.algorithm.predict(observation)
    assert result.algorithm.action_space.contains(action)
    np.testing.assert_allclose(action[:, 0], [0.4, 0.6], atol=0.25)
    drawn = result.algorithm.predict(observation, explore=True)
    assert not np.array_equal(drawn, action)
    assert not np.array_equal(drawn, result.algorithm.predict(observation, explore=True))


def test_resets_of_a_foreign_vector_env_are_no_transitions():
    makers = [lambda: gym.make("Pendulum-v1", max_episode_steps=7)] * 2
    rings = []
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
        env = SyncVectorEnv(makers, autoreset_mode=mode)
        with small(env=env, num_envs=None, num_steps_sampled_before_learning_starts=300).build_algo() as algorithm:
            algorithm.train_steps(128)
            ring, steps = algorithm.replay.ring, algorithm.progress.steps
            rings.append(ring.gather(ring.places(np.arange(len(ring))), 1, 0.9))
            assert len(ring) == steps == (112 if mode == AutoresetMode.NEXT_STEP else 128)
        env.close()
    np.testing.assert_array_equal(rings[0].observations[:14], rings[1].observations[:14])  # the first episodes


# Using and keeping what was learned


def test_weights_go_out_and_in_and_act_at_once():
    observations = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    with small(seed=1).build_algo() as one, small(seed=2).build_algo() as other:
        one.train()
        other.train()
        assert not np.array_equal(one.predict(observations), other.predict(observations))
        other.set_weights(one.get_weights())
        np.testing.assert_array_equal(one.predict(observations), other.predict(observations))
        np.testing.assert_array_equal(other.policy.acting(), carried(one))
        np.testing.assert_array_equal(other.learner.target_parameters.numpy(), one.learner.critics[0].numpy())
        for under_way in other.execution.slots(other.learner.weights):
            np.testing.assert_array_equal(under_way, carried(one))
        with pytest.raises(ValueError, match="do not fit the network"):
            one.set_weights({})


def test_predictions_are_the_tanh_of_the_mean():
    with small().build_algo() as algorithm:
        algorithm.train()
        observations = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
        with torch.inference_mode():
            means = algorithm.get_module().actor(torch.from_numpy(observations))[:, :1]
        np.testing.assert_allclose(algorithm.predict(observations), 2 * np.tanh(means.numpy()), rtol=1e-4, atol=1e-5)
        assert algorithm.predict(observations[0]).shape == (1,)


def test_deviations_have_limits():
    with small().build_algo() as algorithm:
        algorithm.set_weights({name: value * 1e4 for name, value in algorithm.get_weights().items()})
        observations = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
        log_std = algorithm.get_module().actor(observations)[:, 1].detach()
        assert (float(log_std.min()), float(log_std.max())) == (-20, 2)


def test_a_checkpoint_goes_on(tmp_path):
    with small(seed=3).build_algo() as algorithm:
        algorithm.train_steps(200)
        path = algorithm.save_to_path(tmp_path / "saved")
        state, weights, target = algorithm.learner.optimizer_state(), algorithm.get_weights(), algorithm._arrays()
    prints = set()
    for _ in range(2):
        with SAC.from_checkpoint(path) as restored:
            assert restored.learner.optimizer_fits(state)
            kept = [(restored.learner.optimizer_state(), state), (restored.get_weights(), weights)]
            for mine, theirs in (*kept, (restored._arrays(), target)):
                assert mine.keys() == theirs.keys()
                for name, array in mine.items():
                    np.testing.assert_array_equal(array, theirs[name])
            assert state["step"] == restored.progress.gradient_steps == 81
            restored.train()
            assert restored.progress.steps == 300
            assert restored.progress.gradient_steps == 81 + 31
            prints.add(fingerprint(restored))
    assert len(prints) == 1


def test_what_is_not_finite_is_named():
    class Broken(gym.RewardWrapper):
        def reward(self, reward):
            return float("nan")

    with (
        small(env=lambda: Broken(gym.make("Pendulum-v1")), num_envs=2).build_algo() as algorithm,
        pytest.raises(ValueError, match=r"rewards are not finite \(environments \[0, 1\]\)"),
    ):
        algorithm.train()
    for backend in ("kernel", "torch"):
        with (
            small(lr=1e30, inference_backend=backend, learner_backend=backend).build_algo() as algorithm,
            pytest.raises(FloatingPointError, match=r"the actor's outputs are not finite after .* lr is too high"),
        ):
            algorithm.train()

    class Unseen(gym.ObservationWrapper):
        def observation(self, observation):
            return np.full_like(observation, np.nan)

    envs = [lambda: gym.make("Pendulum-v1"), lambda: Unseen(gym.make("Pendulum-v1"))]
    with (
        small(env=envs, num_envs=None).build_algo() as algorithm,
        pytest.raises(FloatingPointError, match=r"observations are not finite \(environments \[1\]\)"),
    ):
        algorithm.train()


@pytest.mark.parametrize("backend", ["kernel", "torch"])
@pytest.mark.parametrize("place", [{"placement": "inline"}, {"placement": "threads", "num_workers": 2}], ids=str)
def test_no_environment_gets_an_action_that_is_not_finite(backend, place):
    given = []

    class Guarded(gym.Wrapper):
        def step(self, action):
            given.append(action.copy())
            return (*self.env.step(action)[:1], 0.0, False, False, {})

    class Blind(Guarded):
        def step(self, action):
            obs, *rest = super().step(action)
            return (np.full_like(obs, np.nan), *rest)

    envs = [lambda: Guarded(gym.make("Pendulum-v1")), lambda: Blind(gym.make("Pendulum-v1"))]
    settings = {"num_steps_sampled_before_learning_starts": 6, "train_freq": 1000, "inference_backend": backend}
    match = r"the actor's outputs are not finite after 6 .* observations are not finite \(environments \[1\]\)"
    with (
        small(env=envs, num_envs=None, **settings, **place).build_algo() as algorithm,
        pytest.raises(FloatingPointError, match=match),
    ):
        algorithm.train()
    assert len(given) >= 6
    assert np.isfinite(given).all()
