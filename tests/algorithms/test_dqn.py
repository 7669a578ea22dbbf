"""DQN: targets by hand, one result for all placements, and learning."""

import random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reactvec.algorithms import DQN, ConfigError, DQNConfig, dqn_loss, dqn_targets, train_dqn
from tests.algorithms.agents import fingerprint, small


def test_targets_by_hand():
    returns, discounts = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0.5, 0.9, 0.0])
    target = torch.tensor([[10.0, 20.0], [5.0, 1.0], [7.0, 8.0]])
    online = torch.tensor([[3.0, 2.0], [0.0, 1.0], [9.0, 8.0]])
    np.testing.assert_allclose(dqn_targets(returns, discounts, target, target), [11.0, 6.5, 3.0])
    np.testing.assert_allclose(dqn_targets(returns, discounts, target, online), [6.0, 2.9, 3.0])


def test_loss_by_hand():
    """Huber: half the square of an error up to 1, beyond it the error less a half."""
    predicted = torch.tensor([0.0, 0.0, 2.0], requires_grad=True)
    loss = dqn_loss(predicted, torch.tensor([0.5, 3.0, 2.0]), torch.tensor([1.0, 0.5, 0.7]))
    loss.backward()
    assert loss.item() == pytest.approx((1.0 * 0.125 + 0.5 * 2.5 + 0.7 * 0) / 3)
    np.testing.assert_allclose(predicted.grad, [-0.5 / 3, -0.5 / 3, 0], rtol=1e-6)


def test_td_errors_are_those_before_the_gradient_step():
    with small().build_algo() as algorithm:
        learner, space = algorithm.learner, algorithm.observation_space
        before, after = (torch.from_numpy(np.stack([space.sample() for _ in range(3)])).clamp(-1, 1) for _ in "ab")
        actions, returns, discounts = (
            torch.tensor([[0], [1], [0]]),
            torch.tensor([1.0, 2.0, 3.0]),
            torch.full((3,), 0.5),
        )
        with torch.no_grad():  # both networks are still the same
            targets = returns + 0.5 * learner.module(after).max(1).values
            expected = learner.module(before).gather(1, actions).squeeze(1) - targets
        weights = learner.parameters.numpy().copy()
        errors = learner.learn_batch(before, actions, returns, discounts, after, torch.zeros(3))
        np.testing.assert_allclose(errors, expected, rtol=1e-6)
        np.testing.assert_array_equal(learner.parameters.numpy(), weights)  # nothing counts, nothing is learned
        learner.learn_batch(before, actions, returns, discounts, after, torch.ones(3))
        assert not np.array_equal(learner.parameters.numpy(), weights)


@pytest.fixture(scope="module")
def expected():
    with small(num_envs=4, placement="inline", native=False, seed=11).build_algo() as algorithm:
        for _ in range(3):
            algorithm.train()
        return fingerprint(algorithm)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("workers", [None, 1, 2, 4])
def test_one_result_for_all_workers_and_placements(expected, native, workers):
    placement = {"placement": "inline"} if workers is None else {"placement": "threads", "num_workers": workers}
    with small(num_envs=4, native=native, seed=11, **placement).build_algo() as algorithm:
        algorithm.train_steps(1200)  # and not in three iterations
        assert algorithm.schedule.workers == (workers or 1)
        assert fingerprint(algorithm) == expected


def test_one_result_in_processes(expected):
    with small(num_envs=4, native=False, seed=11, placement="processes", num_workers=3).build_algo() as algorithm:
        algorithm.train_steps(1200)
        assert len(algorithm.execution.processes) == 2
        assert fingerprint(algorithm) == expected


@pytest.mark.parametrize("learner", ["kernel", "torch"])
def test_one_result_in_torch_as_well(learner):
    prints, backends = set(), {"inference_backend": "torch", "learner_backend": learner}
    for native, workers in ((True, 1), (False, 1), (True, 2)):
        placement = {"placement": "threads", "num_workers": workers}
        with small(num_envs=4, native=native, **backends, **placement).build_algo() as algorithm:
            algorithm.train_steps(800)
            prints.add(fingerprint(algorithm))
    assert len(prints) == 1


@pytest.mark.parametrize("settings", [{}, {"dueling": True, "env": "Acrobot-v1"}, {"env": "FrozenLake-v1"}], ids=str)
def test_the_kernel_acts_as_torch_does(settings):
    """But for the last bits, which some episodes do not show; epsilon falls meanwhile."""
    rings = []
    for backend in ("kernel", "torch"):
        config = small(num_envs=70, inference_backend=backend, epsilon=((0, 1), (0.5, 0.1)), **settings)
        with config.build_algo() as algorithm:
            algorithm.train_steps(1400)
            rings.append(algorithm.replay.ring)
            assert algorithm.execution.read(algorithm.replay.env_steps) == 1400
    np.testing.assert_array_equal(rings[0].actions, rings[1].actions)
    np.testing.assert_array_equal(rings[0].observations.frames, rings[1].observations.frames)


def test_the_seed_matters(expected):
    with small(num_envs=4, seed=12).build_algo() as algorithm:
        algorithm.train_steps(1200)
        assert fingerprint(algorithm) != expected


def test_neither_global_generators_nor_evaluation_nor_prediction_disturb_it(expected):
    with small(num_envs=4, seed=11, evaluation_interval=400).build_algo() as algorithm:
        for seed in range(3):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            state: Any = torch.get_rng_state(), np.random.get_state(), random.getstate()
            algorithm.train()
            algorithm.predict(np.zeros(4), explore=True)
            assert torch.equal(torch.get_rng_state(), state[0])
            np.testing.assert_equal(np.random.get_state(), state[1])
            assert random.getstate() == state[2]
        assert fingerprint(algorithm) == expected


def test_torchs_defaults_do_not_matter(expected):
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad(), small(num_envs=4, seed=11).build_algo() as algorithm:
            algorithm.train_steps(1200)
            assert fingerprint(algorithm) == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_callers_torch_threads_are_restored(expected):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with small(num_envs=4, seed=11).build_algo() as algorithm:
            algorithm.train_steps(1200)
            algorithm.evaluate()
            assert torch.get_num_threads() == 2
            assert fingerprint(algorithm) == expected
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("prioritized", [False, True])
def test_between_rounds_there_is_no_python(prioritized):
    with small(replay_buffer_config={"prioritized": prioritized}).build_algo() as algorithm:
        told = algorithm.schedule.explain()
    step = told[told.index("\nstep:") : told.index("\nshutdown:")]
    always = [line for line in step.splitlines() if "EXEC" in line and " every " not in line and " if " not in line]
    assert len(always) == 4
    assert all(line.endswith("  native") for line in always)


@pytest.mark.parametrize("num_envs", [1, 3, 8, 100])
def test_gradient_steps_and_syncs_do_not_depend_on_num_envs(num_envs):
    with small(num_envs=num_envs, train_freq=30).build_algo() as algorithm:
        algorithm.train_steps(1200)
        steps = algorithm.progress.steps  # 1200, or the next multiple of num_envs
        assert steps == -(-1200 // num_envs) * num_envs
        assert algorithm.learner.gradient_steps == ((steps - 200) // 30 + 1) * 4
        assert algorithm.learner.syncs == steps // 150


def test_iterations_carry_what_num_envs_does_not_divide():
    with small(num_envs=7, min_sample_timesteps_per_iteration=100).build_algo() as algorithm:
        steps = [algorithm.train()["num_env_steps_sampled_lifetime"] for _ in range(4)]
    assert steps == [105, 203, 301, 406]


@pytest.mark.parametrize("delay", [1, 3])
def test_the_policy_acts_on_weights_that_are_late_as_declared(delay):
    settings = {"weights_delay": delay, "train_freq": 80, "inference_backend": "torch"}
    with small(num_envs=8, **settings).build_algo() as algorithm:
        algorithm.train_steps(240)  # the last of these tags learns
        weights = algorithm.learner.parameters.numpy().copy()
        for tag in range(1, delay + 1):
            assert not np.array_equal(algorithm.policy.parameters.numpy(), weights)
            algorithm.train_steps(8)
            assert np.array_equal(algorithm.policy.parameters.numpy(), weights) == (tag == delay)


def test_weights_that_are_set_act_at_once():
    with small(num_envs=8, train_freq=80, epsilon=0).build_algo() as algorithm:
        algorithm.train_steps(240)  # the last of these tags learns, and its weights are under way
        weights = {name: np.zeros_like(value) for name, value in algorithm.get_weights().items()}
        for best in (1, 0):
            weights["head.bias"] = np.eye(2, dtype=np.float32)[best]
            algorithm.set_weights(weights)
            algorithm.train_steps(8)
            assert (algorithm.execution.read(algorithm.policy.choice) == best).all()


def test_target_updates_go_on_where_they_stopped(tmp_path):
    """Saving moves nothing, and updates that are due when a training is saved are made up for when it goes on."""
    settings = {"num_envs": 4, "train_freq": 1000, "target_network_update_freq": 10, "tau": 0.25}
    with small(**settings).build_algo() as algorithm:
        algorithm.learner.parameters.load(np.ones(algorithm.learner.parameters.values.numel()))
        algorithm.learner.target_parameters.load(np.zeros(algorithm.learner.parameters.values.numel()))
        algorithm.train_steps(28)
        path = algorithm.save_to_path(tmp_path / "saved")
        assert not algorithm.learner.target_parameters.numpy().any()
    with DQN.from_checkpoint(path) as restored:
        assert not restored.learner.target_parameters.numpy().any()
        restored.train_steps(4)
        restored.learner.sync_target(restored.progress.steps)
        assert (restored.learner.target_parameters.numpy() == 1 - 0.75**3).all()


def target_after(steps, **settings):
    """The target's weights after each of some steps of 4 environments; online they are 1, and 0 in the target."""
    with small(num_envs=4, train_freq=1000, **settings).build_algo() as algorithm:
        learner, values = algorithm.learner, []
        learner.parameters.load(np.ones(learner.parameters.values.numel()))
        learner.target_parameters.load(np.zeros(learner.parameters.values.numel()))
        for _ in range(steps):
            algorithm.train_steps(4)
            learner.sync_target(algorithm.progress.steps)
            assert len(set(learner.target_parameters.numpy().tolist())) == 1
            values.append(float(learner.target_parameters.numpy()[0]))
    return values


def test_hard_updates_come_at_multiples_of_environment_steps():
    assert target_after(4, target_network_update_freq=10) == [0, 0, 1, 1]  # 4, 8, 12, 16 steps
    assert target_after(3, target_network_update_freq=4) == [1, 1, 1]


def test_soft_updates_move_by_a_share_for_each_that_is_due():
    assert target_after(5, target_network_update_freq=10, tau=0.25) == [0, 0, 0.25, 0.25, 1 - 0.75**2]
    assert target_after(2, target_network_update_freq=2, tau=0.5) == [0.75, 1 - 0.25**2]  # two in each step


@pytest.mark.parametrize(
    "settings",
    [
        {"dueling": True, "double_q": False},
        {"n_step": 1, "grad_clip": None},
        {"replay_buffer_config": {"prioritized": True}},
    ],
)
def test_variants_run(settings):
    with small(**settings).build_algo() as algorithm:
        result = algorithm.train_steps(600)["learners"]["default_policy"]
        assert np.isfinite(result["qf_loss"])


def test_the_replay_holds_what_the_environments_did():
    """Every stored transition is a step of CartPole from its observation with its action."""
    env: Any = gym.make("CartPole-v1").unwrapped
    with small(num_envs=3).build_algo() as algorithm:
        algorithm.train_steps(450)
        ring = algorithm.replay.ring
        batch = ring.gather(ring.places(np.arange(len(ring))), 1, 0.9)
        ends = 0
        for obs, action, total, discount, after in zip(*batch, strict=True):
            env.reset()
            env.state = obs.astype(np.float64)
            expected, reward, terminated, *_ = env.step(int(action))
            np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
            assert (total, discount) == (reward, np.float32(0 if terminated else 0.9))
            ends += terminated
        assert ends > 5


def test_truncation_bootstraps_from_the_final_observation():
    with small(env_config={"max_episode_steps": 5}, num_envs=2).build_algo() as algorithm:
        algorithm.train_steps(100)
        ring = algorithm.replay.ring
        assert set(ring.ends[ring.filled - 50 : ring.filled].ravel()) == {0, 2}
        batch = ring.gather(np.arange(100), 3, 0.5)
        truncated = ring.ends.reshape(-1)[:100] == 2
        assert (batch.discounts[truncated] == 0.5).all()
        first = batch.observations[10:12]  # of the second episode
        assert not np.array_equal(batch.next_observations[8:10], first)


def test_it_learns():
    result = train_dqn("CartPole-v1", 20_000, seed=1, progress=False)
    assert result.evaluation is not None
    assert result.evaluation["env_runners"]["episode_return_mean"] > 150
    assert result.history[-1]["num_env_steps_sampled_lifetime"] == 20_000


def test_train_dqn_arguments():
    config = small()
    result = train_dqn(total_timesteps=300, config=config, seed=4, lr=1e-4, progress=False)
    assert (result.algorithm.config.seed, result.algorithm.config.lr) == (4, 1e-4)
    assert config == small()
    with pytest.raises(ConfigError, match="env is given twice"):
        train_dqn("CartPole-v1", env="Acrobot-v1")
    with pytest.raises(ConfigError, match="env is not set"):
        train_dqn()
    with pytest.raises(ConfigError, match="did you mean 'lr'"):
        train_dqn("CartPole-v1", learning_rate=3)  # type: ignore[call-arg]
    with pytest.raises(RuntimeError, match="was stopped"):
        result.algorithm.train()


def test_nothing_to_evaluate_on():
    class Foreign(SyncVectorEnv):
        """One whose parts nobody can make again."""

    env = Foreign([lambda: gym.make("CartPole-v1")] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    del env.env_fns
    env.spec = None
    config = small(env=env)
    assert train_dqn(config=config, progress=False).evaluation is None
    with config.build_algo() as algorithm, pytest.raises(ConfigError, match="set evaluation_env"):
        algorithm.evaluate()
    config.evaluation_env = "CartPole-v1"
    assert train_dqn(config=config, progress=False).evaluation is not None
    env.close()


def test_event_files(tmp_path):
    train_dqn(config=small(log_dir=str(tmp_path)), progress=False)
    assert [path.name for path in tmp_path.iterdir() if "tfevents" in path.name]


def test_config_is_frozen_once_built():
    config = small()
    with config.build_algo() as algorithm:
        config.lr = 1.0
        assert isinstance(algorithm.config, DQNConfig)
        assert algorithm.config.lr != 1.0
        with pytest.raises(ValueError, match="frozen"):
            algorithm.config.lr = 1.0


def test_a_config_that_is_a_dict():
    settings: Any = {"seed": 3}
    with pytest.raises(ConfigError, match="config is a dict, not a DQNConfig"):
        train_dqn("CartPole-v1", 100, config=settings)


def test_the_log_is_closed_when_training_fails(monkeypatch, tmp_path):
    from reactvec.algorithms.event_log import EventLog

    closed = []
    monkeypatch.setattr(EventLog, "close", lambda log: closed.append(log))
    monkeypatch.setattr(EventLog, "write", lambda log, result: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train_dqn(config=small(log_dir=tmp_path), progress=False)
    assert closed


@pytest.mark.parametrize("env", ["Acrobot-v1", "MountainCar-v0"])
def test_a_kernel_trains_to_the_same_weights(env):
    prints = set()
    for native in (True, False):
        with small(env=env, num_envs=4, native=native, seed=5).build_algo() as algorithm:
            algorithm.train()
            prints.add(fingerprint(algorithm))
    assert len(prints) == 1


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_a_foreign_vector_env(mode):
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1", max_episode_steps=9)] * 4, autoreset_mode=mode)
    with small(env=envs, seed=11).build_algo() as algorithm:
        algorithm.train_steps(1200)
        episodes, steps = algorithm.statistics.episodes, algorithm.progress.steps
        assert max(algorithm.statistics.lengths) == 9
        assert len(algorithm.replay.ring) <= 500
        if mode == AutoresetMode.NEXT_STEP:
            assert 1200 > steps >= 1200 - episodes
        else:
            assert steps == 1200
            with small(env_config={"max_episode_steps": 9}, num_envs=4, seed=11).build_algo() as own:
                own.train_steps(1200)
                assert fingerprint(own) == fingerprint(algorithm)
    envs.close()


class Counting(gym.Env[Any, Any]):
    """Observes how many steps it has made in all, and is truncated every third one."""

    observation_space = gym.spaces.Box(-1e6, 1e6, (1,), np.float32)
    action_space = gym.spaces.Discrete(2, start=3)

    def __init__(self):
        self.steps = self.since = 0

    def reset(self, *, seed=None, options=None):
        self.since = 0
        return np.array([self.steps + 0.5], np.float32), {}

    def step(self, action):
        assert action in (3, 4)
        self.steps += 1
        self.since += 1
        return np.array([self.steps], np.float32), 1.0, False, self.since == 3, {}


@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_reset_rows_enter_nothing(backend):
    envs = SyncVectorEnv([Counting] * 4)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    settings = {"train_freq": 30, "replay_buffer_config": {"capacity": 8000}, "lr": ((0, 1e-3), (1, 0.0))}
    with small(env=envs, inference_backend=backend, n_step=1, **settings).build_algo() as algorithm:
        for tags in (100, 37, 1, 2, 260):
            algorithm.train_steps(4 * tags)
            steps = algorithm.progress.steps
            assert steps == algorithm.statistics.tags * 4 - 4 * (algorithm.statistics.tags // 4)  # every fourth is none
            assert len(algorithm.replay.ring) == steps
            assert algorithm.learner.gradient_steps == max((steps - 210) // 30 + 1, 0) * 4
            epsilon = algorithm.train_steps(0)["env_runners"]["epsilon"]
            assert epsilon == algorithm.epsilon.at(steps)
        assert algorithm.learner.current_lr == pytest.approx(1e-3 * (1 - steps // 30 * 30 / 1200), rel=0.01)
        ring = algorithm.replay.ring
        batch = ring.gather(ring.places(np.arange(len(ring))), 1, 0.5)
        np.testing.assert_array_equal(np.ceil(batch.observations + 0.5), batch.next_observations)
        assert (batch.returns == 1).all()
        assert (batch.discounts == 0.5).all()
        assert set(algorithm.statistics.lengths) == {3}
    envs.close()


def test_several_rounds_in_one_step_count_valid_steps():
    envs = SyncVectorEnv([Counting] * 4)
    with small(env=envs, num_steps_sampled_before_learning_starts=0, train_freq=1).build_algo() as algorithm:
        algorithm.train_steps(4 * 12)
        assert algorithm.learner.gradient_steps == algorithm.progress.steps * 4
    envs.close()
