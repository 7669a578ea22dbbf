"""DQN: one result for all placements, what the replay holds, and learning."""

import random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from reactvec.algorithms import DQN, ConfigError, DQNConfig, train_dqn
from tests.algorithms.agents import fingerprint, small


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
        assert algorithm.learner.synced // 150 == steps // 150


@pytest.mark.parametrize("tau", [1.0, 0.25])
@pytest.mark.parametrize("frequency", [50, 300])
def test_another_frequency_of_target_updates_counts_from_a_checkpoint_on(tau, frequency, tmp_path):
    """No update is made up for, and none taken back."""
    with small(tau=tau).build_algo() as algorithm:
        algorithm.train_steps(400)
        path = algorithm.save_to_path(tmp_path / "saved")
    with DQN.from_checkpoint(path, target_network_update_freq=frequency, lr=0.0) as algorithm:
        learner, begin = algorithm.learner, algorithm.learner.synced
        assert begin == 256  # the last round of learning
        learner.align_target()
        learner.target_parameters.values.add_(1.0)
        algorithm.train_steps(600)
        left = float((learner.target_parameters.values - learner.parameters.values).detach().mean())
        updates = learner.synced // frequency - begin // frequency
        assert updates > 0
        assert left == pytest.approx((1 - tau) ** updates, abs=1e-4)


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
