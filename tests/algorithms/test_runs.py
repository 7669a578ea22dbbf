"""Runs: the best model, early stops, callbacks, several seeds."""

import json

import gymnasium as gym
import numpy as np
import pytest

from reactvec.algorithms import PPO, CheckpointError, ConfigError, PPOConfig, UnknownSetting, train_dqn, train_ppo
from reactvec.algorithms.run import summary
from tests.algorithms.agents import small, small_ppo, weights_of

FAST = {"train_batch_size": 256, "minibatch_size": 64, "num_epochs": 4, "lr": 1e-3, "evaluation_duration": 10}


def mean(result):
    return result["env_runners"]["episode_return_mean"]


def test_the_best_model_is_kept_and_measured_again(tmp_path):
    told = []
    events = {
        "on_evaluate_end": lambda algorithm, metrics: told.append((algorithm.progress.steps, weights_of(algorithm)))
    }
    settings = {"evaluation_interval": 512, "checkpoint_dir": tmp_path, **events, **FAST}
    result = train_ppo("CartPole-v1", 2048, progress=False, **settings)
    assert [steps for steps, _ in told] == [512, 1024, 1536, 2048, 2048]
    assert told[-1] == told[-2]  # the final weights; nobody is told of the best ones' evaluation
    seen = {
        outcome["num_env_steps_sampled_lifetime"]: mean(outcome["evaluation"])
        for outcome in result.history
        if "evaluation" in outcome
    }
    assert sorted(seen) == [512, 1024, 1536, 2048]
    best = result.best
    assert best.selected_return == max(seen.values()) == seen[best.steps]
    assert mean(result.evaluation) == seen[2048]
    with PPO.from_checkpoint(tmp_path / "best") as kept:
        assert kept.progress.steps == best.steps
        assert mean(kept.evaluate()) == best.selected_return
        assert kept.evaluate(draw=1) == best.evaluation
        assert kept.evaluate(draw=1) != kept.evaluate()
    final = result.algorithm.get_weights()
    result.algorithm.evaluate_best()
    np.testing.assert_equal(result.algorithm.get_weights(), final)


def test_a_resumed_run_remembers_the_best(tmp_path):
    settings = {"checkpoint_dir": tmp_path, "checkpoint_interval": 256, "evaluation_interval": 256, **FAST}
    whole = train_ppo("CartPole-v1", 1024, progress=False, keep_checkpoints=None, **settings)
    for steps in (256, 768):
        resumed = train_ppo(
            resume=tmp_path / f"step_{steps}", checkpoint_dir=None, progress=False, checkpoint_interval=None
        )
        assert resumed.best == whole.best
        assert resumed.evaluation == whole.evaluation


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([], r"seeds=\[\] must be whole numbers"),
        (5, "seeds=5 must be whole numbers >= 0"),
        ("12", "seeds='12' must be whole numbers"),
        ([0, -1], r"seeds=\[0, -1\] must be"),
        ([1.5], "must be whole numbers"),
        ([1, 2, 1], r"seeds=\[1, 2, 1\] has one of them twice"),
    ],
)
def test_seeds_that_make_no_sense(seeds, message):
    with pytest.raises(ConfigError, match=message):
        train_ppo("CartPole-v1", 256, seeds=seeds, progress=False, **FAST)


def test_without_evaluations_there_is_no_best():
    result = train_ppo("CartPole-v1", 256, progress=False, **FAST)
    assert result.best is None
    with pytest.raises(RuntimeError, match="set evaluation_interval"):
        result.algorithm.evaluate_best()


def test_training_stops_at_a_return(tmp_path):
    result = train_ppo(
        "CartPole-v1",
        50_000,
        evaluation_interval=256,
        stop_at_return=30,
        checkpoint_dir=tmp_path,
        progress=False,
        **FAST,
    )
    evaluated = [mean(outcome["evaluation"]) for outcome in result.history]
    assert evaluated[-1] >= 30 > max(evaluated[:-1], default=0)
    steps = result.algorithm.progress.steps
    assert steps < 50_000
    assert (tmp_path / f"step_{steps}").is_dir()
    with pytest.raises(ConfigError, match="set evaluation_interval"):
        PPOConfig(stop_at_return=30)


def test_evaluations_are_the_same_whether_environments_are_new_or_not():
    results = []
    for native in (True, False):
        settings = {"env_config": {"max_episode_steps": 20}, "native": native, **FAST}
        with PPOConfig(env="FrozenLake-v1", **settings).build_algo() as algorithm:
            first, again = algorithm.evaluate(), algorithm.evaluate()
            assert first == again
            algorithm.train()
            kept = algorithm.evaluate()
        assert algorithm.evaluate() == kept  # with new ones, since these are closed
        results.append((first, kept))
    assert results[0] == results[1]


def test_real_actions_are_evaluated():
    with PPOConfig(env="Pendulum-v1", **FAST).build_algo() as algorithm:
        assert -2000 < mean(algorithm.evaluate()) < 0


def test_an_environment_that_fails_in_an_evaluation_is_closed():
    closed = []

    class Fails(gym.Wrapper):
        def step(self, action):
            raise KeyError("broken")

        def close(self):
            closed.append(self)

    make = lambda: Fails(gym.make("CartPole-v1"))  # noqa: E731
    with PPOConfig(env="CartPole-v1", evaluation_env=make, placement="inline", **FAST).build_algo() as algorithm:
        with pytest.raises(KeyError, match="broken"):
            algorithm.evaluate()
        assert len(closed) == 10
        algorithm.train()


def test_callbacks(tmp_path):
    told = []

    def note(event):
        return lambda algorithm, **what: told.append((event, algorithm.progress.steps, what))

    config = small(evaluation_interval=400, evaluation_duration=2).callbacks(
        on_train_result=[note("train"), note("again")],
        on_episode_end=note("episode"),
        on_evaluate_end=note("evaluate"),
        on_checkpoint_loaded=note("loaded"),
    )
    with config.build_algo() as algorithm:
        result = algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
        algorithm.restore_from_path(path)
        events = [event for event, *_ in told]
        episodes = [what["metrics"] for event, _, what in told if event == "episode"]
    assert events == ["episode"] * len(episodes) + ["evaluate", "train", "again", "loaded"]
    assert {steps for _, steps, _ in told} == {400}
    assert told[-2][2] == {"result": result}
    assert told[-4][2] == {"metrics": result["evaluation"]}
    assert len(episodes) == result["env_runners"]["num_episodes_lifetime"]
    assert np.mean([episode["episode_return"] for episode in episodes]) == mean(result)
    assert {episode["env"] for episode in episodes} <= set(range(8))
    assert all(episode["episode_len"] == episode["episode_return"] for episode in episodes)


def test_a_callback_that_raises_ends_the_training():
    class Enough(Exception):
        pass

    def raises(algorithm, result):
        raise Enough

    with pytest.raises(Enough):
        train_dqn(config=small(on_train_result=raises), progress=False)
    for wrong in (3, [3], "print"):
        with pytest.raises(ConfigError, match=r"on_train_result=.* must be a function"):
            small(on_train_result=wrong)


def test_several_seeds(tmp_path, capsys):
    settings = {"log_dir": tmp_path / "log", "checkpoint_dir": tmp_path / "c", "checkpoint_interval": 256, **FAST}
    results = train_ppo("CartPole-v1", 512, seeds=[3, 1003], progress=False, **settings)
    assert [result.algorithm.config.seed for result in results] == [3, 1003]
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["seed_1003", "seed_3"]
    alone = train_ppo("CartPole-v1", 512, seed=1003, progress=False, **FAST)
    assert weights_of(results[1].algorithm) == weights_of(alone.algorithm)
    means = [mean(result.evaluation) for result in results]
    assert f"2 seeds: return {np.mean(means):.1f} ± {np.std(means):.1f}" in summary([3, 1003], results)
    capsys.readouterr()
    longer = train_ppo(
        total_timesteps=768, resume=tmp_path / "c", seeds=[3, 1003, 2003], **{**settings, "env": "CartPole-v1"}
    )
    assert [len(result.history) for result in longer] == [1, 1, 3]
    assert "3 seeds: return" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="seed is given beside seeds"):
        train_ppo("CartPole-v1", 512, seeds=[1], seed=2)
    with pytest.raises(UnknownSetting, match="did you mean 'seed"):
        train_ppo("CartPole-v1", 512, sede=2)


def test_what_must_be_asked_for_by_name():
    with PPOConfig(env="CartPole-v1").build_algo() as algorithm, pytest.raises(ConfigError, match="set checkpoint_dir"):
        algorithm.save_checkpoint()


def test_a_callback_that_has_seen_enough_ends_a_run_in_order(tmp_path):
    def enough(algorithm, result):
        if result["num_env_steps_sampled_lifetime"] >= 256:
            raise StopIteration

    config = small_ppo(on_train_result=enough, checkpoint_dir=str(tmp_path / "kept"), log_dir=str(tmp_path / "logs"))
    result = train_ppo(config=config, progress=False)
    assert [row["num_env_steps_sampled_lifetime"] for row in result.history] == [128, 256]
    assert result.evaluation is not None
    assert (tmp_path / "kept" / "step_256").is_dir()


@pytest.mark.parametrize("event", ["on_evaluate_end", "on_episode_end"])
def test_who_stops_in_the_middle_of_an_iteration_finds_it_on_record(tmp_path, event):
    told = []

    def enough(algorithm, metrics):
        told.append(algorithm.progress.steps)
        if algorithm.progress.steps >= 256:
            raise StopIteration

    config = small_ppo(evaluation_interval=256, log_dir=str(tmp_path), seed=1, **{event: enough})
    result = train_ppo(config=config, progress=False)
    assert [row["num_env_steps_sampled_lifetime"] for row in result.history] == [128, 256]
    assert result.best is not None
    assert result.best.steps == 256
    assert result.best.selected_return == result.history[-1]["evaluation"]["env_runners"]["episode_return_mean"]
    rows = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [row["num_env_steps_sampled_lifetime"] for row in rows] == [128, 256]
    assert told[-1] == 256
    assert event == "on_episode_end" or told == [256, 256]  # an evaluation in between, and the last


@pytest.mark.parametrize("first", [True, False])
def test_who_stops_takes_nothing_from_others(first):
    """All functions are told of all episodes of the iteration."""
    told = []

    def enough(algorithm, metrics):
        raise StopIteration

    def tell(algorithm, metrics):
        told.append(metrics)

    with small_ppo(seed=1, on_episode_end=[enough, tell] if first else [tell, enough]).build_algo() as algorithm:
        with pytest.raises(StopIteration):
            algorithm.train()
        assert len(told) == algorithm.progress.episodes > 2


def test_an_environments_stop_iteration_is_an_error():
    class Ends(gym.Wrapper):
        def step(self, action):
            return next(iter(()))

    with pytest.raises(StopIteration):
        train_ppo(config=small_ppo(env=lambda: Ends(gym.make("CartPole-v1")), placement="inline"), progress=False)


def test_what_can_be_known_is_known_before_training(tmp_path):
    (tmp_path / "file").touch()
    begun = []
    for settings, error, message in (
        ({"evaluation_env": "Nope-v0"}, ConfigError, "evaluation_env='Nope-v0'"),
        ({"evaluation_env": "Acrobot-v1"}, ConfigError, "evaluation_env observes"),
        ({"checkpoint_dir": str(tmp_path / "file" / "below")}, CheckpointError, "checkpoint_dir: .*file"),
    ):
        config = small_ppo(**settings, on_train_result=lambda **_: begun.append(1))
        with pytest.raises(error, match=message):
            train_ppo(config=config, progress=False)
        assert not begun


def test_an_environment_that_cannot_be_closed_loses_no_training():
    class Stubborn(gym.Wrapper):
        def close(self):
            raise OSError("not now")

    config = small_ppo(env=lambda: Stubborn(gym.make("CartPole-v1")), evaluation_env="CartPole-v1", placement="inline")
    with pytest.warns(RuntimeWarning, match="closing the environments failed: OSError"):
        result = train_ppo(config=config, progress=False)
    assert result.evaluation is not None


def test_an_environment_that_cannot_be_closed_leaves_no_evaluation_open():
    class Stubborn(gym.Wrapper):
        def close(self):
            raise OSError("not now")

    config = small_ppo(env=lambda: Stubborn(gym.make("CartPole-v1")), evaluation_env="CartPole-v1", placement="inline")
    algorithm = config.build_algo()
    algorithm.evaluate()
    execution = algorithm._evaluation.execution
    with pytest.raises(OSError, match="not now"):
        algorithm.stop()
    assert execution.closed


def test_an_evaluation_without_ends_is_warned_of(monkeypatch):
    monkeypatch.setattr("reactvec.algorithms.evaluation.PATIENCE", 64)

    class Balanced(gym.Wrapper):
        def step(self, action):
            obs, reward, _, truncated, info = self.env.step(action)
            return obs, reward, False, truncated, info

    config = small_ppo(evaluation_env=lambda: gym.wrappers.TimeLimit(Balanced(gym.make("CartPole-v1").unwrapped), 80))
    with config.build_algo() as algorithm, pytest.warns(RuntimeWarning, match="after 64 steps none of 4 environments"):
        algorithm.evaluate()
