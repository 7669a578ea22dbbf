"""PPO that gathers the next rollout while it learns from the last one."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from reactvec.algorithms import PPO, train_ppo
from tests.algorithms.agents import small_ppo as small
from tests.algorithms.agents import trained_ppo as trained
from tests.algorithms.agents import weights_of


@pytest.mark.parametrize("normalize", [False, True])
def test_a_pipeline_acts_by_the_weights_of_the_rollout_before_the_last(normalize):
    config = small(pipeline=True, seed=2, normalize_observations=normalize)
    with config.build_algo() as algorithm:
        learned, seen = [algorithm.get_weights()], {}
        for number in range(5):
            algorithm.train()
            steps = algorithm.rollout.steps(number)
            acted = {**learned[max(number - 1, 0)], **seen}  # statistics are those of all rollouts before
            kept, choices = steps.obs.reshape(-1, 4).copy(), steps.choice.reshape(-1, 1)
            log_probs, values = steps.log_prob.reshape(-1).copy(), steps.value.reshape(-1).copy()
            module = algorithm.get_module()  # waits until the rollout has been learned from
            learned.append(algorithm.get_weights())
            if normalize:
                names = sorted(name for name in acted if "normalizer" in name)  # mean, scale
                moments = algorithm.learner.moments
                seen = dict(zip(names, (moments.mean, moments.scale()), strict=True))
            with torch.no_grad():
                outputs, found = torch.func.functional_call(
                    module,
                    {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in acted.items()},
                    (torch.from_numpy(kept),),
                )
                expected = algorithm.head.log_prob(outputs, torch.from_numpy(choices))
            np.testing.assert_allclose(values, found, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(log_probs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_a_pipeline_learns_by_the_statistics_that_collected(backend):
    config = small(env="Pendulum-v1", pipeline=True, normalize_observations=True, learner_backend=backend)
    with config.build_algo() as algorithm:
        learner, normalizer = algorithm.learner, algorithm.learner.module.normalizer
        learned_by, collected_by = [], [(np.zeros(3, np.float32), np.ones(3, np.float32))]
        fit = learner._prepared

        def prepared(batch):
            work = fit(batch)

            def watched():
                learned_by.append((normalizer.mean.numpy().copy(), normalizer.scale.numpy().copy()))
                work()

            return watched

        learner._prepared = prepared
        for _ in range(4):
            algorithm.train()
            moments = learner.moments
            collected_by.append((moments.mean.astype(np.float32), moments.scale().astype(np.float32)))
        learner.settle()
        np.testing.assert_allclose(learned_by, collected_by[:-1])
        np.testing.assert_allclose(normalizer.mean, collected_by[-2][0])  # what evaluation and export see by
        assert np.abs(collected_by[-2][0]).max() > 0.01


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_a_pipeline_does_not_depend_on_workers_or_on_who_looks(backend):
    results = set()
    places = [{"placement": "inline"}, *({"placement": "threads", "num_workers": n} for n in (1, 2, 4))]
    for place in (*places, {"placement": "processes", "num_workers": 2, "native": False}):
        with small(pipeline=True, seed=2, learner_backend=backend, **place).build_algo() as algorithm:
            algorithm.train_steps(512)
            results.add(weights_of(algorithm))
    with small(pipeline=True, seed=2, learner_backend=backend, evaluation_interval=128).build_algo() as algorithm:
        for _ in range(4):
            algorithm.train()
            algorithm.predict(np.zeros(4))
        results.add(weights_of(algorithm))
    assert len(results) == 1
    assert results != {trained(small(seed=2, learner_backend=backend))}


def test_a_pipeline_reports_what_is_done():
    with small(pipeline=True).build_algo() as algorithm:
        first, second = algorithm.train()["learners"]["default_policy"], algorithm.train()["learners"]["default_policy"]
        assert "total_loss" not in first
        assert first["num_gradient_steps_lifetime"] == 0
        assert np.isfinite(second["total_loss"])
        assert second["num_gradient_steps_lifetime"] == 2 * 3


def test_a_resumed_pipeline_reports_what_is_done(tmp_path):
    with small(pipeline=True).build_algo() as algorithm:
        for _ in range(2):
            algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
        expected = algorithm.train()["learners"]
    with PPO.from_checkpoint(path) as resumed:
        assert resumed.train()["learners"] == expected


def test_an_error_of_a_pipeline_comes_back():
    class Broken(gym.ObservationWrapper):
        def observation(self, observation):
            return np.full_like(observation, np.nan)

    config = small(env=lambda: Broken(gym.make("CartPole-v1")), pipeline=True)
    with config.build_algo() as algorithm, pytest.raises(FloatingPointError, match=r"\(environments \[0, 1"):
        algorithm.train_steps(256)


def test_a_pipeline_learns_cartpole():
    result = train_ppo("CartPole-v1", 40_000, seed=1, lr=1e-3, pipeline=True, progress=False, evaluation_duration=20)
    assert result.evaluation["env_runners"]["episode_return_mean"] > 300
