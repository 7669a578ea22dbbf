"""PPO that gathers the next rollout while it learns from the last one."""

import time

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from reactvec.algorithms import PPO, train_ppo
from reactvec.algorithms.ppo_kernel import Batch
from reactvec.algorithms.ppo_losses import importance
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
    settings = {"inference_backend": "torch", "learner_backend": backend}
    config = small(env="Pendulum-v1", pipeline=True, normalize_observations=True, **settings)
    with config.build_algo() as algorithm:
        learner, normalizer = algorithm.learner, algorithm.learner.module.normalizer
        learned_by, collected_by = [], [(np.zeros(3, np.float32), np.ones(3, np.float32))]
        acted_by = []
        fit = learner._prepared

        def prepared(batch):
            work = fit(batch)

            def watched():
                learned_by.append((normalizer.mean.numpy().copy(), normalizer.scale.numpy().copy()))
                work()

            return watched

        learner._prepared = prepared
        for number in range(4):
            if number == 2:
                algorithm.set_weights(algorithm.get_weights())  # of which the statistics are of the rollout before
            algorithm.train()
            acted = algorithm.policy.parameters.module.normalizer
            acted_by.append((acted.mean.numpy().copy(), acted.scale.numpy().copy()))
            moments = learner.moments
            collected_by.append((moments.mean.astype(np.float32), moments.scale().astype(np.float32)))
        learner.settle()
        np.testing.assert_allclose(learned_by, collected_by[:-1])
        np.testing.assert_allclose(acted_by, learned_by)
        np.testing.assert_allclose(normalizer.mean, collected_by[-2][0])  # what evaluation and export see by
        assert np.abs(collected_by[-2][0]).max() > 0.01


def test_time_counts_whoever_waits_for_the_pipeline():
    """Even if that is between two iterations."""

    def look(algorithm, result):
        algorithm.get_weights()

    with small(pipeline=True, on_train_result=look).build_algo() as algorithm:
        background = algorithm.learner.background
        settle = background.settle

        def slow():
            time.sleep(0.05)
            settle()

        background.settle = slow
        begin = time.perf_counter()
        results = [algorithm.train() for _ in range(5)]
        taken = time.perf_counter() - begin
    for result in results[1:]:  # it is settled before a rollout is learned from, before that begins, and by who looks
        assert result["time_this_iter_s"] >= result["timers"]["learner_update_timer"] >= 3 * 0.05
    assert 14 * 0.05 <= results[-1]["time_total_s"] <= taken


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


def test_importance_is_how_much_likelier_a_choice_has_become():
    """Worked out by hand: 0.5 / 0.25, 0.1 / 0.2, and 0.9 / 0.1, which the limit makes 2."""
    now, then = np.log(np.array([[0.5, 0.1, 0.9], [0.25, 0.2, 0.1]], np.float32))
    np.testing.assert_allclose(importance(now, then), [2, 0.5, 2], rtol=1e-6)
    assert importance(np.full(1, 1e4, np.float32), np.full(1, -1e4, np.float32)) == 2  # and not NaN


@pytest.mark.parametrize("backend", ["kernel", "torch"])
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_a_pipelines_ratios_count_from_the_present_weights(backend, env):
    """Advantages less their mean are weighted by what the present weights make likelier; the rest is as it was."""
    with small(env=env, pipeline=True, lr=1e-2, learner_backend=backend).build_algo() as algorithm:
        learner, seen = algorithm.learner, []
        decoupled = learner._decoupled

        def watched(batch):
            result = decoupled(batch)
            for name in ("obs", "choices", "values", "returns"):
                assert getattr(result, name) is getattr(batch, name)
            copies = [Batch(*(array.copy() for array in one)) for one in (batch, result)]
            seen.append((*copies, learner.parameters.numpy().copy()))
            return result

        learner._decoupled = watched
        for _ in range(3):
            algorithm.train()
        learner.settle()
        module = learner.module
        for number, (batch, learned, weights) in enumerate(seen):
            learner.parameters.load(weights)
            with torch.no_grad():
                outputs, _ = module(torch.from_numpy(batch.obs))
                log_probs = algorithm.head.log_prob(outputs, torch.from_numpy(batch.choices)).numpy()
            np.testing.assert_allclose(learned.log_probs, log_probs, rtol=1e-4, atol=1e-5)
            changed = np.abs(log_probs - batch.log_probs).max()
            assert changed < 1e-5 if number == 0 else changed > 1e-3
            weighted = (batch.advantages - batch.advantages.mean()) * importance(log_probs, batch.log_probs)
            np.testing.assert_allclose(learned.advantages, weighted, rtol=1e-3, atol=1e-3)


def test_kernel_and_torch_learn_the_same_in_a_pipeline():
    found = []
    for backend in ("kernel", "torch"):
        settings = {"learner_backend": backend, "inference_backend": "kernel", "num_epochs": 1}
        with small(pipeline=True, seed=3, **settings).build_algo() as algorithm:
            algorithm.train_steps(512)
            found.append(algorithm.get_weights())
    for name, value in found[1].items():
        np.testing.assert_allclose(found[0][name], value, rtol=2e-3, atol=2e-5, err_msg=name)


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


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_a_pipeline_that_begins_anew_acts_by_the_statistics_that_it_learns_by(backend, tmp_path):
    with small(pipeline=True, normalize_observations=True, inference_backend=backend).build_algo() as algorithm:
        for _ in range(3):
            algorithm.train()
        path = algorithm.save_to_path(tmp_path / "one")
    with PPO.from_checkpoint(path, num_envs=2) as restored:
        assert restored.restart_reason == "other settings: num_envs"
        learner, policy = restored.learner, restored.policy
        np.testing.assert_allclose(learner.module.normalizer.mean, learner.moments.mean.astype(np.float32))
        np.testing.assert_allclose(learner.module.normalizer.scale, learner.moments.scale().astype(np.float32))
        policy.send(learner.parameters.numpy(), sent := np.zeros_like(policy.acting()))
        np.testing.assert_array_equal(policy.acting(), sent)


def test_layers_that_draw_do_not_while_environments_may():
    """They draw from torch's generator, of which there is one."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 3))

        def forward(self, obs):
            outputs = self.layers(obs)
            return outputs[:, :-1], outputs[:, -1]

    with small(pipeline=True, model=lambda *spaces: Net()).build_algo() as algorithm:
        algorithm.train()
        assert algorithm.learner.gradient_steps == 2 * 3


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
