"""PPO: losses by hand, one result for all placements, spaces, and learning."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn

from reactvec.algorithms import PPO, ConfigError, ModelConfig, train_ppo
from reactvec.algorithms.ppo_losses import policy_loss, value_loss
from reactvec.processes import WorkerDiedError
from tests.algorithms.agents import Toy, weights_of
from tests.algorithms.agents import small as small_dqn
from tests.algorithms.agents import small_ppo as small
from tests.algorithms.agents import trained_ppo as trained


def test_policy_loss_by_hand():
    # Of an advantage of 2: 1.5 is clipped to 1.2, 0.5 is not; of -1: 0.5 is clipped to 0.8, 1.5 is not.
    ratio, advantages = torch.tensor([1.5, 0.5, 0.5, 1.5]), torch.tensor([2.0, 2.0, -1.0, -1.0])
    assert policy_loss(ratio, advantages, 0.2).item() == pytest.approx(-(2.4 + 1 - 0.8 - 1.5) / 4)


def test_value_loss_by_hand():
    values, old, returns = torch.tensor([3.0, 1.0]), torch.tensor([1.0, 1.0]), torch.tensor([3.0, 0.0])
    assert value_loss(values, old, returns, None).item() == pytest.approx((0 + 1) / 2)
    # 3 may have moved from 1 to 1.5 only, which is 1.5 away from 3
    assert value_loss(values, old, returns, 0.5).item() == pytest.approx((2.25 + 1) / 2)


@pytest.fixture(scope="module")
def expected():
    return trained(small(placement="inline", native=False, seed=11))


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("workers", [None, 1, 2, 4])
def test_one_result_for_all_workers_and_placements(expected, native, workers):
    placement = {"placement": "inline"} if workers is None else {"placement": "threads", "num_workers": workers}
    assert trained(small(native=native, seed=11, **placement)) == expected


def test_no_two_workers_share_the_memory_of_a_policy():
    results = []
    for workers in (1, 64, 70):
        config = small(num_envs=80, train_batch_size=320, placement="threads", num_workers=workers, seed=11)
        with config.build_algo() as algorithm:
            algorithm.train_steps(640)
            assert algorithm.schedule.workers == min(workers, 64)
            results.append(weights_of(algorithm))
    assert len(set(results)) == 1


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("workers", [2, 3])
def test_one_result_in_processes(expected, workers, backend):
    config = small(native=False, seed=11, placement="processes", num_workers=workers, inference_backend=backend)
    with config.build_algo() as algorithm:
        assert len(algorithm.execution.processes) == workers - 1
        algorithm.train_steps(512)
        assert (weights_of(algorithm) == expected) == (backend == "auto")
        found = weights_of(algorithm)
    assert found == trained(small(seed=11, inference_backend=backend))


def test_a_worker_that_dies_is_named():
    config = small(native=False, placement="processes", num_workers=2)
    with config.build_algo() as algorithm:
        algorithm.train()
        algorithm.execution.processes[0].kill()
        with pytest.raises(WorkerDiedError, match=r"worker 1 .* was killed by SIGKILL"):
            algorithm.train()


@pytest.mark.parametrize("workers", [1, 2])
def test_one_result_in_torch_as_well(workers):
    results = {
        trained(small(native=native, inference_backend="torch", placement="threads", num_workers=workers))
        for native in (True, False)
    }
    assert len(results) == 1


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_the_kernel_acts_as_torch_does(env):
    """But for the last bits, which a rollout of some steps does not show."""
    rollouts = []
    for backend in ("kernel", "torch"):
        with small(env=env, inference_backend=backend, num_epochs=1, train_batch_size=64).build_algo() as algorithm:
            algorithm.train()
            rollouts.append(algorithm.rollout.steps(0))
    for name in ("obs", "choice", "log_prob", "value", "reward", "terminated", "truncated"):
        mine, theirs = (getattr(steps, name) for steps in rollouts)
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4, err_msg=name)


def test_weights_that_are_set_act_at_once():
    with small(seed=4).build_algo() as algorithm:
        algorithm.train()
        weights = {name: np.zeros_like(value) for name, value in algorithm.get_weights().items()}
        algorithm.set_weights(weights)
        algorithm.train()
        steps = algorithm.rollout.steps(algorithm.learner.rollouts - 1)
        np.testing.assert_allclose(steps.log_prob, np.log(0.5), rtol=1e-6)
        assert (steps.value == 0).all()


def test_the_seed_matters(expected):
    assert trained(small(seed=12)) != expected


def test_evaluation_and_prediction_do_not_disturb_it(expected):
    with small(seed=11, evaluation_interval=128).build_algo() as algorithm:
        for _ in range(4):
            algorithm.train()
            algorithm.predict(np.zeros(4), explore=True)
        assert weights_of(algorithm) == expected


def test_an_iteration_is_a_rollout():
    with small().build_algo() as algorithm:
        assert [algorithm.train()["num_env_steps_sampled_lifetime"] for _ in range(3)] == [128, 256, 384]
        algorithm.train_steps(1)
        assert algorithm.progress.steps == 512
        assert algorithm.learner.gradient_steps == 4 * 2 * 3  # 48, 48 and the 32 that remain


@pytest.mark.parametrize(
    ("env", "squash"),
    [
        *((env, squash) for env in ("Pendulum-v1", "MountainCarContinuous-v0") for squash in (True, False)),
        *((env, False) for env in ("FrozenLake-v1", "Taxi-v4", "Acrobot-v1", "Blackjack-v1")),
    ],
)
def test_spaces_of_observations_and_actions(env, squash):
    if env == "Taxi-v4" and env not in gym.registry:
        env = "Taxi-v3"
    with small(env=env, squash_actions=squash).build_algo() as algorithm:
        result = algorithm.train()
        assert np.isfinite(result["learners"]["default_policy"]["total_loss"])
        space = algorithm.observation_space
        action = algorithm.predict(space.sample(), explore=True)
        assert algorithm.action_space.contains(action)


def test_dict_observations_and_several_categories_are_learned():
    config = small(env=Toy, num_envs=8, train_batch_size=256, minibatch_size=64, num_epochs=10, lr=3e-3, seed=1)
    with config.build_algo() as algorithm:
        algorithm.train_steps(10_000)
        rollout = algorithm.rollout.steps(algorithm.learner.rollouts - 1)
        assert rollout.reward.mean() > 1.8  # of 2; by chance it is 0.83


def test_cartpole_is_learned():
    result = train_ppo("CartPole-v1", 30_000, seed=1, lr=1e-3, progress=False, evaluation_duration=20)
    assert result.evaluation["env_runners"]["episode_return_mean"] > 300


def test_a_policy_that_moved_too_far_is_left_alone():
    with small(target_kl=1e-9, num_epochs=5).build_algo() as algorithm:
        algorithm.train()
        assert algorithm.learner.gradient_steps < 5 * 3


def test_schedules_count_environment_steps():
    config = small(lr=((0.0, 1.0), (1.0, 0.0)), clip_param=((0, 0.4), (512, 0.0001)), entropy_coeff=((0, 1), (1, 0)))
    with config.build_algo() as algorithm:
        rates = [algorithm.train()["learners"]["default_policy"]["default_optimizer_learning_rate"] for _ in range(4)]
    assert rates == [0.75, 0.5, 0.25, 0.0]


class Blind(gym.Env):
    """Shows which actions are possible, and nothing else."""

    observation_space, action_space = gym.spaces.Dict({"mask": gym.spaces.MultiBinary(2)}), gym.spaces.Discrete(2)


def test_a_mask_alone_is_nothing_to_see():
    with pytest.raises(ConfigError, match=r"Dict\('mask': .*\) has nothing for a network to see, an action mask aside"):
        small(env=Blind, action_mask="mask").build_algo()


def test_a_model_of_the_user():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.value = torch.nn.Linear(4, 2), torch.nn.Linear(4, 1)

        def forward(self, obs):
            return self.body(obs), self.value(obs)

    result = train_ppo(config=small(model=lambda space, actions: Net()), progress=False)
    assert isinstance(result.algorithm.get_module(), Net)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda space, actions: torch.nn.Linear(4, 2), "must return a tuple: outputs"),
        (lambda space, actions: Wrong(), r"\[\(2, 3\), \(2, 1\)\] of 2 observations"),
    ],
)
def test_a_model_that_does_not_fit(make, message):
    with pytest.raises(ConfigError, match=message):
        small(model=make).build_algo()


class Wrong(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(4, 3)

    def forward(self, obs):
        return self.body(obs), self.body(obs)[:, :1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_batch_size": 130}, "train_batch_size=130 is no multiple of num_envs=4; make it 128"),
        ({"num_envs": 200}, "make it 200"),
        ({"learning_rate": 1e-3}, "did you mean 'lr'"),
        ({"ent_coef": 0.1}, "did you mean 'entropy_coeff'"),
        ({"gae_lambda": 0.9}, "did you mean 'lambda_'"),
        ({"clip_range": 0.1}, "did you mean 'clip_param'"),
        ({"batch_size": 64}, "did you mean 'minibatch_size'"),
        ({"lambda_": 1.5}, "lambda_=1.5 must be"),
        ({"clip_param": 0.0}, "clip_param=0.0 must be"),
        ({"target_kl": -1}, "target_kl=-1 must be"),
        ({"squash_actions": True}, r"squash_actions is for real numbers, not for actions of Discrete\(2\)"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings).build_algo()


@pytest.mark.parametrize("config", [small, small_dqn])
def test_kernels_learn_on_the_cpu_alone(config):
    with pytest.raises(ConfigError, match="learner_backend='kernel' learns on the CPU, not on device='meta'"):
        config(device="meta", learner_backend="kernel").build_algo()
    with config(device="cpu:0", learner_backend="kernel").build_algo() as algorithm:
        before = weights_of(algorithm)
        algorithm.train_steps(512)
        assert weights_of(algorithm) != before


def test_a_checkpoint_goes_on(tmp_path):
    with small(seed=3).build_algo() as algorithm:
        algorithm.train_steps(256)
        path = algorithm.save_to_path(tmp_path / "saved")
        weights = weights_of(algorithm)
    prints = set()
    for _ in range(2):
        with PPO.from_checkpoint(path) as restored:
            assert weights_of(restored) == weights
            restored.train()
            assert restored.progress.steps == 384
            prints.add(weights_of(restored))
    assert len(prints) == 1


def test_a_model_forgets_what_it_was_tried_out_with():
    class Net(nn.Module):
        def __init__(self, outputs):
            super().__init__()
            self.norm, self.frozen = nn.BatchNorm1d(4), nn.BatchNorm1d(4).eval()
            self.layer = nn.Linear(4, outputs)

        def forward(self, obs):
            outputs = self.layer(self.frozen(self.norm(obs)))
            return (outputs[:, :-1], outputs[:, -1]) if outputs.shape[1] == 3 else outputs

    for config, outputs in ((small, 3), (small_dqn, 2)):
        with config(model=lambda *spaces, outputs=outputs: Net(outputs)).build_algo() as algorithm:
            assert int(algorithm.get_module().norm.num_batches_tracked) == 0
            assert algorithm.get_module().norm.training
            assert not algorithm.get_module().frozen.training


def test_it_explains_what_runs_in_torch_and_why():
    with small().build_algo() as algorithm:
        words = algorithm.explain()
        assert words.startswith("environments: native: CartPoles\ninference: kernel\nlearner: kernel\n")
        assert "EXEC    policy.act[0:4]  native" in words
        assert "gradients.differentiate" in words
    model = ModelConfig(hiddens=(8,), share_trunk=True)
    with small(native=False, learner_backend="torch", model=model).build_algo() as algorithm:
        words = algorithm.explain()
        assert "environments: Python: native=False\ninference: torch, share_trunk=True\n" in words
        assert "learner: torch, learner_backend='torch'\n" in words
        assert "gradients.differentiate" not in words
