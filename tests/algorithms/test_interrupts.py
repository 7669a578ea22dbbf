"""Iterations that are cut short: training goes on with whole rollouts, and checkpoints do not claim to be exact."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from reactvec.algorithms import DQN, PPO
from tests.algorithms.agents import small, small_ppo, small_sac

THREADS = {"placement": "threads", "num_workers": 2}


@pytest.fixture
def interrupt_soon():
    """A signal that comes while a long rollout of native environments is gathered."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupted)
    yield lambda: signal.setitimer(signal.ITIMER_REAL, 0.02)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def watched(algorithm: PPO) -> list[Any]:
    """The rollouts that an algorithm learns from."""
    learned, prepared = [], algorithm.learner._prepared

    def watch(batch: Any) -> Any:
        learned.append(batch)
        return prepared(batch)

    algorithm.learner._prepared = watch  # type: ignore[method-assign]
    return learned


@pytest.mark.parametrize("place", [{}, THREADS], ids=["inline", "threads"])
def test_in_the_middle_of_a_rollout(interrupt_soon: Any, place: dict[str, Any], tmp_path: Any):
    length = 400_000
    settings = {"train_batch_size": length, "minibatch_size": length, "num_epochs": 1, "total_timesteps": 2 * length}
    with small_ppo(**settings, **place).build_algo() as algorithm:
        interrupt_soon()
        with pytest.raises(KeyboardInterrupt):
            algorithm.train()
        weights = algorithm.get_weights()
        path = algorithm.save_to_path(tmp_path / "cut")
        with PPO.from_checkpoint(path) as other:
            assert other.restart_reason is not None
            assert "cut short" in other.restart_reason
        np.testing.assert_equal(algorithm.get_weights(), weights)
        algorithm.train_steps(0)  # begins anew
        learned = watched(algorithm)
        algorithm.train()
        (batch,) = learned
        assert len(batch.obs) == length
        assert (batch.log_probs < 0).all()
        assert np.abs(batch.obs).sum(1).all()
        assert algorithm.execution.tag == 1 + length // 4


@pytest.mark.parametrize("place", [{}, THREADS], ids=["inline", "threads"])
@pytest.mark.parametrize("backend", ["kernel", "torch"])
def test_while_it_learns(backend: str, place: dict[str, Any]):
    with small_ppo(learner_backend=backend, **place).build_algo() as algorithm:
        algorithm.train()

        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        algorithm.learner._fit = algorithm.learner._fit_by_kernel = interrupted
        with pytest.raises(KeyboardInterrupt):
            algorithm.train()
        steps, learned = algorithm.progress.steps, algorithm.progress.gradient_steps
        for number in range(1, 4):
            result = algorithm.train()
            assert result["num_env_steps_sampled_lifetime"] == steps + 128 * number
        assert algorithm.progress.gradient_steps == learned + 3 * 6
        assert algorithm.execution.tag == 1 + 3 * 32


LONG = {"gradient_steps": 100_000, "train_freq": 40}


@pytest.mark.parametrize("backend", ["kernel", "torch"])
@pytest.mark.parametrize(
    "config", [small(**LONG), small_sac(**LONG), small_ppo(num_epochs=3_000)], ids=lambda c: c.algorithm
)
def test_in_the_middle_of_a_round(interrupt_soon: Any, config: Any, backend: str, tmp_path: Any):
    """The steps that were taken are counted, and their weights are kept."""
    config = config.copy()
    config.learner_backend = backend
    with config.build_algo() as algorithm:
        learner = algorithm.learner
        before = algorithm.get_weights()
        steps = learner.by_kernel.execution if learner.by_kernel is not None else learner
        name = "descend" if backend == "torch" else "advance"
        step = getattr(steps, name)

        def begun(*args: Any) -> Any:
            setattr(steps, name, step)
            if backend == "torch":
                step(*args)  # whose optimizer is imported with it
            interrupt_soon()
            return step(*args) if backend == "kernel" else None

        setattr(steps, name, begun)
        with pytest.raises(KeyboardInterrupt):
            algorithm.train_steps(400)
        done = algorithm.progress.gradient_steps
        assert 0 < done == learner.optimizer_state()["step"]
        assert any((before[name] != value).any() for name, value in algorithm.get_weights().items())
        algorithm.save_to_path(tmp_path / "cut")
        with config.copy().build_algo() as other:
            other.restore_from_path(tmp_path / "cut")
            assert other.progress.gradient_steps == done == other.learner.optimizer_state()["step"]


class Moody(gym.Wrapper):
    """Raises in its step number 100, once."""

    made = 0

    def step(self, action):
        Moody.made += 1
        if Moody.made == 100:
            raise RuntimeError("not today")
        return self.env.step(action)


@pytest.mark.parametrize("saves", [True, False])
def test_what_was_remembered_stays(saves: bool):
    Moody.made = 0
    config = small(env=lambda: Moody(gym.make("CartPole-v1")), placement="inline", save_replay_buffer=saves)
    with config.build_algo() as algorithm:
        with pytest.raises(RuntimeError, match="not today"):
            algorithm.train_steps(4_000)
        held = len(algorithm.replay.ring)
        assert held > 0
        algorithm.train_steps(0)
        assert len(algorithm.replay.ring) == held
        algorithm.train_steps(400)
        assert len(algorithm.replay.ring) >= min(held + 400, 480)
        assert algorithm.learner.gradient_steps > 0


def test_what_is_stopped_stays_stopped(interrupt_soon: Any):
    with small_ppo(train_batch_size=400_000, minibatch_size=400_000).build_algo() as algorithm:
        interrupt_soon()
        with pytest.raises(KeyboardInterrupt):
            algorithm.train()
    with pytest.raises(RuntimeError, match="was stopped"):
        algorithm.train()


def test_an_exact_checkpoint_after_an_interrupt(tmp_path: Any):
    Moody.made = 0
    with small(env=lambda: Moody(gym.make("CartPole-v1")), placement="inline").build_algo() as algorithm:
        with pytest.raises(RuntimeError, match="not today"):
            algorithm.train_steps(4_000)
        algorithm.train_steps(400)
        assert not algorithm.cut_short
        with DQN.from_checkpoint(algorithm.save_to_path(tmp_path / "agent"), env="CartPole-v1") as other:
            assert "cut short" not in str(other.restart_reason)


def test_while_a_pipeline_is_waited_for(interrupt_soon: Any):
    """What goes on in the background goes on, and is waited for by whoever comes next."""
    weights = []
    for interrupted in (False, True):
        with small_ppo(pipeline=True, num_epochs=3, seed=1).build_algo() as algorithm:
            fit = algorithm.learner._fit_by_kernel

            def slow(*args: Any, fit: Any = fit) -> None:
                time.sleep(0.2)
                fit(*args)

            algorithm.learner._fit_by_kernel = slow  # type: ignore[method-assign]
            algorithm.train()
            if interrupted:
                interrupt_soon()
                with pytest.raises(KeyboardInterrupt):
                    algorithm.get_weights()
            algorithm.train()
            algorithm.train()  # acts by what was sent when the rollout before was there
            assert not algorithm.cut_short
            weights.append(algorithm.get_weights())
    np.testing.assert_equal(*weights)


def test_an_iteration_is_over_when_its_callbacks_were_told():
    def train(algorithm: PPO, **_: Any) -> None:
        with pytest.raises(RuntimeError, match="this algorithm trains already"):
            algorithm.train()
        told.append(algorithm.progress.steps)

    told: list[int] = []
    events = {"on_train_result": train, "on_evaluate_end": train}
    with small_ppo(evaluation_interval=128, **events).build_algo() as algorithm:
        assert algorithm.train()["num_env_steps_sampled_lifetime"] == 128
        assert algorithm.train()["training_iteration"] == 2
    assert told == [128, 128, 256, 256]


def test_one_thread_trains_at_a_time():
    """The second is refused, and the first one's iteration is not taken for one that was cut short."""
    inside, go_on = threading.Event(), threading.Event()

    class Waits(gym.Wrapper):
        def step(self, action):
            inside.set()
            go_on.wait()
            return self.env.step(action)

    with small_ppo(env=lambda: Waits(gym.make("CartPole-v1")), placement="inline").build_algo() as algorithm:
        first = threading.Thread(target=algorithm.train)
        first.start()
        inside.wait()
        with pytest.raises(RuntimeError, match="this algorithm trains already"):
            algorithm.train()
        go_on.set()
        first.join()
        assert algorithm.progress.steps == 128
        algorithm.train()
        assert algorithm.progress.steps == 256
