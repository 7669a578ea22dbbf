"""One dataclass as the source of every way to configure."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reactvec.algorithms import ConfigError, DQNConfig, ModelConfig, PPOConfig, ReplayBufferConfig, UnknownSetting
from reactvec.algorithms.dqn_config import DQNSettings


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("build", r"PPOConfig has no 'build'; use build_algo\(\)"),
        ("framework", "leave it out: all is torch's"),
        ("env_runnars", "PPOConfig has no 'env_runnars'; did you mean 'env_runners'"),
        ("zzz", "PPOConfig has no 'zzz'$"),
    ],
)
def test_methods_of_others_are_named(name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(PPOConfig(), name)
    with PPOConfig(env="CartPole-v1").build_algo() as algorithm:
        assert not hasattr(algorithm, "learn")
        with pytest.raises(AttributeError, match=r"PPO has no 'save'; use save_to_path\(path\)"):
            algorithm.save()


def test_keywords_and_groups_are_the_same():
    fluent = (
        DQNConfig()
        .environment(env="CartPole-v1", env_config={"max_episode_steps": 50})
        .env_runners(num_envs=4, epsilon=0.1)
        .training(lr=1e-4, n_step=2, model=ModelConfig(hiddens=(8,)))
        .evaluation(evaluation_duration=10)
        .checkpointing(checkpoint_dir="somewhere")
        .debugging(seed=3)
    )
    assert fluent == DQNConfig(
        env="CartPole-v1",
        env_config={"max_episode_steps": 50},
        num_envs=4,
        epsilon=0.1,
        lr=1e-4,
        n_step=2,
        model=ModelConfig(hiddens=(8,)),
        evaluation_duration=10,
        checkpoint_dir="somewhere",
        seed=3,
    )


def annotations(cls):
    return {name: getattr(hint, "__forward_arg__", hint) for name, hint in cls.__annotations__.items()}


def test_the_groups_type_every_field_once():
    """The TypedDicts that type checkers see are the fields of the dataclass, by name and type."""
    fields = {field.name: field.type for field in dataclasses.fields(DQNConfig)}
    grouped: dict[str, Any] = {}
    for group, settings in DQNConfig._groups.items():
        hints = annotations(settings)
        assert not grouped.keys() & hints.keys(), group
        grouped |= hints
        method = getattr(DQNConfig, group).__annotations__["settings"]
        assert method == f"Unpack[{settings.__name__}]", group
    assert grouped == fields
    assert annotations(DQNSettings) == fields


@pytest.mark.parametrize("cls", [DQNConfig, ModelConfig, ReplayBufferConfig])
def test_every_field_has_a_docstring(cls):
    assert cls.docs().keys() == {field.name for field in dataclasses.fields(cls)}
    assert all(text.endswith(".") and "\n" not in text for text in cls.docs().values())


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("learning_rate", "lr"), ("gama", "gamma"), ("nstep", "n_step"), ("batch_size", "train_batch_size")],
)
def test_misspelt_settings_get_a_suggestion(name, suggestion):
    arguments: Any = {name: 1}
    with pytest.raises(UnknownSetting, match=f"no setting '{name}'; did you mean '{suggestion}'"):
        DQNConfig(**arguments)
    with pytest.raises(TypeError, match=suggestion):
        DQNConfig().training(**arguments)
    with pytest.raises(UnknownSetting, match=suggestion):
        setattr(DQNConfig(), name, 1)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("num_env_runners", "num_workers"), ("kl_coeff", "target_kl"), ("tensorboard_log", "log_dir")],
)
def test_what_others_call_a_setting_is_known(name, suggestion):
    arguments: Any = {name: 1}
    with pytest.raises(UnknownSetting, match=f"no setting '{name}'; did you mean '{suggestion}'"):
        PPOConfig(**arguments)


def test_a_setting_of_another_group_is_sent_there():
    with pytest.raises(ConfigError, match=r"num_envs is a setting of env_runners\(\), not of training\(\)"):
        DQNConfig().training(num_envs=4)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 1.5}, r"gamma=1.5 must be a number >= 0 and <= 1"),
        ({"gamma": "high"}, r"gamma='high' must be a number"),
        ({"lr": -1.0}, "lr=-1.0 must be a number >= 0"),
        ({"lr": [(0, 1), (0, 2)]}, "lr: the times .* must ascend"),
        ({"lr": "fast"}, "lr: 'fast' is neither a number nor points"),
        ({"epsilon": [(0, 1.0), (1, 2.0)]}, "epsilon=.* must be a number >= 0 and <= 1"),
        ({"num_envs": 0}, "num_envs=0 must be a whole number >= 1 and <= 1000000, or None"),
        ({"num_envs": 10**9}, "num_envs=1000000000 must be"),
        (
            {"env_config": {"size": (3, 4)}, "checkpoint_dir": "x"},
            r"env_config={'size': \(3, 4\)} is nothing",
        ),
        ({"env_config": {"size": np.float32(3)}, "checkpoint_dir": "x"}, "so a checkpoint cannot"),
        ({"env_config": {3: 4}, "checkpoint_dir": "x"}, "so a checkpoint cannot"),
        ({"num_envs": True}, "num_envs=True must be"),
        ({"min_sample_timesteps_per_iteration": 10**30}, "and <= 1000000000000000$"),
        ({"total_timesteps": 10**30}, "and <= 1000000000000000$"),
        ({"learner_threads": 10**6}, "learner_threads=1000000 must be a whole number >= 1 and <= 256"),
        ({"train_batch_size": 2.5}, "train_batch_size=2.5 must be a whole number"),
        ({"tau": 0}, "tau=0 must be a number > 0 and <= 1"),
        ({"placement": "thread"}, "placement='thread' must be one of"),
        ({"double_q": "yes"}, "double_q='yes' must be one of"),
        ({"model": 3}, "model=3 must be a ModelConfig or a callable"),
        ({"model": {"hidden": (3,)}}, "ModelConfig has no setting 'hidden'; did you mean 'hiddens'"),
        ({"model": {"activation": "gelu"}}, "activation='gelu' must be one of"),
        ({"model": {"hiddens": (0,)}}, r"hiddens=\(0,\) must be whole numbers > 0"),
        ({"replay_buffer_config": {"size": 3}}, "ReplayBufferConfig has no setting 'size'"),
        ({"replay_buffer_config": {"capacity": 0}}, "capacity=0 must be a whole number >= 1"),
        ({"replay_buffer_config": {"beta": 1.5}}, "beta=1.5 must be a number >= 0 and <= 1"),
        ({"replay_buffer_config": {"alpha": -1}}, "alpha=-1 must be a number >= 0"),
        ({"replay_buffer_config": {"priority_epsilon": 0}}, "priority_epsilon=0 must be a number > 0"),
        ({"replay_buffer_config": {"prioritized": 1}}, "prioritized=1 must be one of"),
        ({"replay_buffer_config": {"frame_stack": 0}}, "frame_stack=0 must be a whole number >= 1, or None"),
        (
            {"replay_buffer_config": {"type": "MultiAgentPrioritizedEpisodeReplayBuffer"}},
            "no type 'MultiAgentPrioritizedEpisodeReplayBuffer'; did you mean 'PrioritizedEpisodeReplayBuffer'",
        ),
        (
            {"replay_buffer_config": {"type": "EpisodeReplayBuffer", "prioritized": True}},
            "type='EpisodeReplayBuffer' contradicts prioritized=True",
        ),
        ({"replay_buffer_config": 7}, "replay_buffer_config=7 must be a ReplayBufferConfig or a dict"),
        (
            {"evaluation_duration": 30, "evaluation_num_envs": 20},
            "evaluation_duration=30 episodes cannot be shared evenly",
        ),
        ({"placement": "inline", "num_workers": 2}, "placement='inline' has one worker"),
        ({"checkpoint_interval": 5}, "set checkpoint_dir too"),
        ({"dueling": True, "model": lambda *spaces: None}, "dueling=True shapes the built-in network"),
        ({"seed": -1}, "seed=-1 must be"),
        ({"seed": np.True_}, "must be a whole number"),
        ({"native": 0}, "native=0 must be one of"),
        ({"native": 1}, "native=1 must be one of"),
        ({"lr": float("inf")}, "lr=inf must be a number >= 0 and finite"),
        ({"lr": float("nan")}, "lr=nan must be a number >= 0 and finite"),
        ({"checkpoint_dir": 5}, "checkpoint_dir=5 must be the path of a folder"),
        ({"log_dir": 5}, "log_dir=5 must be the path of a folder"),
    ],
)
def test_bad_values_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        DQNConfig(**settings)
    config = DQNConfig()
    with pytest.raises(ConfigError, match=message):
        config.update(settings)
    assert config == DQNConfig()


@pytest.mark.parametrize(
    ("kind", "prioritized"),
    [
        ("PrioritizedEpisodeReplayBuffer", True),
        ("PrioritizedReplayBuffer", True),
        ("ray.rllib.utils.replay_buffers.prioritized_episode_buffer.PrioritizedEpisodeReplayBuffer", True),
        ("EpisodeReplayBuffer", False),
        (type("ReplayBuffer", (), {}), False),
    ],
)
def test_rllibs_types_of_replay_buffers_are_understood(kind, prioritized):
    given: Any = {"type": kind, "capacity": 50_000, "alpha": 0.5, "beta": [(0, 0.4), (1, 1)]}
    config = DQNConfig().training(replay_buffer_config=given).replay_buffer_config
    ramp = ((0.0, 0.4), (1.0, 1.0))
    assert config == ReplayBufferConfig(capacity=50_000, prioritized=prioritized, alpha=0.5, beta=ramp)
    assert given["type"] is kind


def test_numbers_of_numpy_are_numbers():
    config = PPOConfig(lr=np.float32(0.5), gamma=np.float64(0.5), vf_clip_param=np.float16(0.5), num_envs=np.int64(3))
    assert config == PPOConfig(lr=0.5, gamma=0.5, vf_clip_param=0.5, num_envs=3)
    assert {type(value) for value in (config.lr, config.gamma, config.vf_clip_param)} == {float}
    assert PPOConfig().training(lr=[(0, np.float32(0.5)), (np.float32(1), 0)]).lr == ((0.0, 0.5), (1.0, 0.0))
    assert DQNConfig(replay_buffer_config={"alpha": np.float32(0.5)}).replay_buffer_config.alpha == 0.5
    with pytest.raises(ConfigError, match="lr=nan must be a number"):
        PPOConfig(lr=np.float32("nan"))


def test_freeze_and_copy():
    config = DQNConfig(env_config={"a": 1}).freeze()
    with pytest.raises(ConfigError, match="frozen"):
        config.lr = 3
    with pytest.raises(ConfigError, match="frozen"):
        config.training(lr=3)
    other = config.copy()
    other.lr = 3
    other.env_config["a"] = 2
    assert (config.lr, config.env_config) == (DQNConfig().lr, {"a": 1})


def test_parts_are_frozen_and_copied_too():
    config = DQNConfig(env="CartPole-v1", model=ModelConfig((8,)))
    with config.build_algo() as algorithm:
        config.model.hiddens = (4, 4)
        config.replay_buffer_config.capacity = 7
        assert algorithm.config.model == ModelConfig((8,))
        assert algorithm.config.replay_buffer_config == ReplayBufferConfig()
        with pytest.raises(ConfigError, match="ModelConfig is frozen"):
            algorithm.config.model.activation = "tanh"
        other = algorithm.config.copy()
    other.model.activation = "tanh"
    assert other != algorithm.config
    other.model.hiddens = "wide"
    with pytest.raises(ConfigError, match="ModelConfig: hiddens='wide'"):
        other.build_algo()


def test_dict_and_json_round_trip():
    config = DQNConfig(env="CartPole-v1", lr=((0, 1e-3), (1, 0)), model=ModelConfig((8, 4), "tanh"), num_envs=3)
    assert DQNConfig.from_dict(config.to_dict()) == config
    assert DQNConfig.from_json(config.to_json()) == config
    assert config.to_dict()["replay_buffer_config"] == dataclasses.asdict(config.replay_buffer_config)


def test_what_is_no_json():
    with pytest.raises(ConfigError, match="a configuration is JSON, and this is not: "):
        PPOConfig.from_json("{")


def test_json_refuses_objects():
    with pytest.raises(ConfigError, match="JSON holds an environment by its id"):
        DQNConfig(env=lambda: None).to_json()
    with pytest.raises(ConfigError, match="JSON object"):
        DQNConfig.from_json("[]")


def test_numpy_integers_and_paths_become_plain():
    given: Any = {"num_envs": np.int64(3), "model": {"hiddens": [np.int32(8)]}, "checkpoint_dir": Path("a")}
    config = DQNConfig(**given)
    assert (
        config
        == DQNConfig.from_json(config.to_json())
        == DQNConfig(num_envs=3, model=ModelConfig((8,)), checkpoint_dir="a")
    )


def test_an_environment_by_position():
    assert DQNConfig().environment("CartPole-v1") == DQNConfig(env="CartPole-v1")
    with pytest.raises(ConfigError, match="env is given twice"):
        DQNConfig().environment("CartPole-v1", env="Acrobot-v1")


def test_as_many_environments_evaluate_as_share_the_episodes():
    found = {episodes: PPOConfig(evaluation_duration=episodes).evaluating_envs for episodes in (1, 10, 30, 100, 46, 23)}
    assert found == {1: 1, 10: 10, 30: 15, 100: 20, 46: 2, 23: 1}
    assert PPOConfig(evaluation_duration=10, evaluation_num_envs=20).evaluating_envs == 10
