"""What every algorithm offers: environments of every kind, results, predictions, weights."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import reactvec
from reactvec.algorithms import DQN, PPO, ConfigError
from reactvec.algorithms.device import device_of
from reactvec.algorithms.gradient_program import GradientProgram
from tests.algorithms.agents import fingerprint, small, small_ppo, small_sac
from tests.sample_envs import FailingEnv, SampleEnv


class Double(torch.nn.Module):
    def forward(self, values):
        return values.double()


def cartpole():
    return gym.make("CartPole-v1")


def test_result_keys():
    with small(evaluation_interval=400).build_algo() as algorithm:
        result = algorithm.train()
    assert result.keys() == {
        "env_runners",
        "learners",
        "evaluation",
        "timers",
        "num_env_steps_sampled_lifetime",
        "training_iteration",
        "time_this_iter_s",
        "time_total_s",
    }
    assert result["env_runners"].keys() >= {
        "episode_return_mean",
        "episode_return_min",
        "episode_return_max",
        "episode_len_mean",
        "num_episodes_lifetime",
        "num_env_steps_sampled_lifetime",
        "agent_episode_returns_mean",
        "module_episode_returns_mean",
        "epsilon",
    }
    assert result["learners"]["default_policy"]["num_gradient_steps_lifetime"] > 0
    assert result["evaluation"]["env_runners"]["num_episodes"] == 4
    assert result["env_runners"]["num_episodes_lifetime"] > 0
    assert result["env_runners"]["episode_len_mean"] == result["env_runners"]["episode_return_mean"]


def same_step(count):
    return SyncVectorEnv([cartpole] * count, autoreset_mode=AutoresetMode.SAME_STEP)


def test_every_kind_of_env_learns_the_same():
    hashes = []
    foreign = same_step(4), reactvec.ReactorVectorEnv([cartpole] * 4, autoreset_mode="SameStep")
    for env in ("CartPole-v1", cartpole, [cartpole] * 4, *foreign):
        settings = {"num_envs": 4} if isinstance(env, str) or callable(env) else {}
        with small(env=env, **settings).build_algo() as algorithm:
            assert algorithm.num_envs == 4
            algorithm.train_steps(800)
            assert algorithm.evaluate()["env_runners"]["num_episodes"] == 4
            hashes.append(fingerprint(algorithm))
    assert len(set(hashes)) == 1
    for env in foreign:
        env.step(env.action_space.sample())  # the caller's own stay open
        env.close()


def test_a_vector_env_must_reset_by_itself():
    env = SyncVectorEnv([cartpole] * 2, autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(ConfigError, match=r"DISABLED.*autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP"):
        small(env=env).build_algo()
    env.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"env": None}, "env is not set"),
        ({"env": 3}, "env=3 is no id"),
        ({"env": []}, "is no id"),
        ({"env": [cartpole] * 2, "num_envs": 3}, "num_envs=3, but env brings 2 callables"),
        ({"env": [cartpole], "env_config": {"a": 1}}, "bind it into each"),
        ({"env": "Pendulum-v1"}, "DQN chooses among Discrete actions, not Box"),
        ({"env": lambda: SampleEnv("text")}, "have no fixed shape"),
        ({"env": cartpole()}, "is a single environment; give its id, or a function"),
        ({"env": "CartPoel-v1"}, "env='CartPoel-v1': Environment `CartPoel` doesn't exist"),
        ({"env": "CartPole-v1", "env_config": {"a": 1}}, "unexpected keyword argument 'a'"),
        ({"env": "nowhere:Foo-v0"}, "env='nowhere:Foo-v0': No module named 'nowhere'"),
        ({"device": "gpu"}, "device='gpu': "),
        ({"model": lambda observations, actions: torch.nn.Linear(4, 3)}, r"model made \(2, 3\) .* tensor \(rows, 2\)"),
        ({"model": lambda observations, actions: torch.nn.LSTM(4, 2)}, r"model made tuple of"),
        (
            {"model": lambda *_: torch.nn.Sequential(torch.nn.Linear(4, 2), Double())},
            "model made float64 of .* return float32",
        ),
        ({"replay_buffer_config": {"capacity": 3}}, "capacity=3 is less than one step of 8 environments"),
    ],
)
def test_environments_that_do_not_fit(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings).build_algo()


class Closes(gym.Wrapper):
    """An environment that notes when it is closed."""

    def __init__(self, env, closed):
        super().__init__(env)
        self.closed = closed

    def close(self):
        self.closed.append(self)
        super().close()


@pytest.mark.parametrize(
    ("config", "env", "settings", "stage"),
    [
        (small_ppo, "CartPole-v1", {"train_batch_size": 130}, None),
        (small_ppo, "CartPole-v1", {}, "_connect"),
        (small, "Pendulum-v1", {}, None),
        (small, "CartPole-v1", {"model": lambda observations, actions: None}, None),
        (small, "CartPole-v1", {}, "_connect"),
        (small, "CartPole-v1", {}, "_make_inference"),
        (small_sac, "CartPole-v1", {}, None),
    ],
)
def test_what_is_refused_leaves_nothing_open(config, env, settings, stage, monkeypatch):
    built, closed, ended = [], [], []

    def make():
        built.append(Closes(gym.make(env), closed))
        return built[-1]

    def refuse(algorithm, *arguments):
        raise ConfigError("no")

    def end(program):
        program.execution.close()
        ended.append(program)

    monkeypatch.setattr(GradientProgram, "close", end)
    if stage is not None:
        monkeypatch.setattr(DQN if config is small else PPO, stage, refuse)
    with pytest.raises(ConfigError):
        config(env=make, placement="inline", **settings).build_algo()
    assert built
    assert closed == built
    assert bool(ended) == (stage is not None)


@pytest.mark.parametrize("observation", ["box", "image", "scalar", "discrete", "multi_discrete", "dict", "nested"])
def test_every_space_of_observations_and_shifted_actions(observation):
    make = lambda: SampleEnv(observation, "discrete")  # noqa: E731  actions from -2 to 4
    with small(env=make, num_envs=3, placement="inline").build_algo() as algorithm:
        algorithm.train_steps(600)
        assert algorithm.learner.gradient_steps > 0
        assert set(np.unique(algorithm.replay.ring.actions)) == set(range(7))
        envs: Any = algorithm.envs
        acted = {int(action) for env in envs.envs for action in env.actions}
        assert acted == set(range(-2, 5))
        for explore in (False, True):
            action = algorithm.predict(algorithm.observation_space.sample(), explore=explore)
            assert algorithm.action_space.contains(action)
            assert action.dtype == algorithm.action_space.dtype
        batch = gym.vector.utils.batch_space(algorithm.observation_space, 5).sample()
        actions = algorithm.predict(batch)
        assert actions.shape == (5,)
        assert all(action in algorithm.action_space for action in actions)


def test_foreign_vector_env_with_nested_observations():
    env = SyncVectorEnv([lambda: SampleEnv("nested")] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    with (
        small(env=env).build_algo() as foreign,
        small(env=[lambda: SampleEnv("nested")] * 3).build_algo() as own,
    ):
        foreign.train_steps(600)
        own.train_steps(600)
        assert fingerprint(foreign) == fingerprint(own)
    env.close()


def test_the_device_is_that_of_the_machine(monkeypatch):
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device_of("auto") == device
    hashes = set()
    for device in ("auto", "cpu"):
        with small(device=device).build_algo() as algorithm:
            assert (algorithm.device, algorithm.config.device) == ("cpu", device)
            algorithm.train()
            hashes.add(fingerprint(algorithm))
    assert len(hashes) == 1


def test_predict_one_and_many():
    with small().build_algo() as algorithm:
        observations = np.random.default_rng(0).normal(size=(70, 4)).astype(np.float32)
        many = algorithm.predict(observations)
        assert many.shape == (70,)
        assert [algorithm.predict(one) for one in observations] == many.tolist()
        assert algorithm.compute_single_action(observations[0]) == many[0]
        assert algorithm.predict(observations[:0]).shape == (0,)
        assert set(algorithm.predict(observations, explore=True)) == {0, 1}
        with pytest.raises(ValueError, match=r"neither an observation of Box.*its shape is \(3,\)"):
            algorithm.predict(np.zeros(3))


def test_weights_go_out_and_in():
    with small(seed=1).build_algo() as one, small(seed=2).build_algo() as other:
        observations = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
        assert not np.array_equal(one.predict(observations), other.predict(observations))
        other.set_weights(one.get_weights())
        np.testing.assert_array_equal(one.predict(observations), other.predict(observations))
        before = one.get_weights()
        for bad in ({}, dict(list(other.get_weights().items())[1:]), {**before, "more": np.zeros(3)}):
            with pytest.raises(ValueError, match="do not fit the network"):
                one.set_weights(bad)
            np.testing.assert_equal(one.get_weights(), before)


def test_a_model_of_ones_own():
    class Model(torch.nn.Module):
        def __init__(self, observation_space, action_space):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))

        def forward(self, observations):
            return self.layers(observations)

    hashes = set()
    for native in (True, False):
        with small(model=Model, native=native).build_algo() as algorithm:
            algorithm.train_steps(600)
            assert isinstance(algorithm.get_module(), Model)
            assert algorithm.get_module().training
            hashes.add(fingerprint(algorithm))
    assert len(hashes) == 1


@pytest.mark.parametrize("where", ["init", "reset", "step"])
def test_an_exception_of_an_environment_comes_back(where):
    error = KeyError("broken")
    with (
        pytest.raises(KeyError, match="broken") as caught,
        small(env=lambda: FailingEnv(where, error), num_envs=2).build_algo() as algorithm,
    ):
        algorithm.train()
    assert caught.value is error
    assert str(caught.traceback[-1].path).endswith("sample_envs.py")


def test_checkpoints_while_training(tmp_path):
    with small(checkpoint_dir=str(tmp_path), checkpoint_interval=800).build_algo() as algorithm:
        for _ in range(4):
            algorithm.train()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_1600", "step_800"]


def test_stop_twice():
    algorithm = small().build_algo()
    algorithm.stop()
    algorithm.stop()
    with pytest.raises(RuntimeError, match="was stopped"):
        algorithm.train()


class Broken(gym.Wrapper):
    """CartPole whose rewards or observations are NaN from a step on."""

    def __init__(self, what):
        super().__init__(cartpole())
        self.what = what

    def step(self, action):
        obs, reward, terminated, truncated, info = super().step(action)
        bad = np.float32("nan")
        return (
            (obs * bad if self.what == "obs" else obs),
            (bad if self.what == "reward" else reward),
            terminated,
            truncated,
            info,
        )


def test_what_is_not_finite_is_named():
    with (
        pytest.raises(ValueError, match=r"rewards are not finite \(environments \[1\]\)"),
        small(env=[cartpole, lambda: Broken("reward")]).build_algo() as algorithm,
    ):
        algorithm.train()
    with (
        pytest.raises(
            FloatingPointError, match=r"qf_loss is nan after .* observations are not finite \(environments \[1\]\)"
        ),
        small(env=[cartpole, lambda: Broken("obs")]).build_algo() as algorithm,
    ):
        algorithm.train()


@pytest.mark.parametrize("steps", [-3, 2.5, "3", True, None, 10**30])
def test_steps_are_counted_in_whole_numbers(steps):
    with small_ppo().build_algo() as algorithm:
        with pytest.raises(ValueError, match="steps must be a whole number >= 0 and <= 1000000000000000, not "):
            algorithm.train_steps(steps)
        assert algorithm.train_steps(np.int64(128))["num_env_steps_sampled_lifetime"] == 128


def test_a_function_that_makes_no_environment():
    with pytest.raises(TypeError, match=r"made no environment: it returned None\nraised by sub-environment 0"):
        small(env=lambda: None).build_algo()


class Nothing(gym.Wrapper):
    """An environment whose observations or actions have no numbers."""

    def __init__(self, **spaces):
        super().__init__(cartpole())
        for name, space in spaces.items():
            setattr(self, name, space)


def test_spaces_that_hold_nothing():
    for empty in (spaces.Box(-1, 1, (0,)), spaces.Box(-1, 1, (2, 0, 3)), spaces.Dict(), spaces.Tuple(())):
        with pytest.raises(ConfigError, match=r"observations of .* hold nothing"):
            small(env=lambda empty=empty: Nothing(observation_space=empty)).build_algo()
    for config in (small_ppo, small_sac):
        with pytest.raises(ConfigError, match=r"actions of .* hold nothing"):
            config(env=lambda: Nothing(action_space=spaces.Box(-1, 1, (0,)))).build_algo()
