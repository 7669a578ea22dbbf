"""Algorithm: builds the topology of a learner from its config, runs it, and gives out what it has learned."""

from __future__ import annotations

import math
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy.typing as npt
from typing_extensions import Self

from reactvec import EnvBank, InputPort, Schedule, Topology

from .agent import Agent
from .best_model import BestModel
from .callbacks import functions, tell
from .checkpoint import is_checkpoint
from .checkpoint_folder import best_path, claim, prune, save, step_path
from .checks import CheckpointError, ConfigError
from .device import device_of
from .draws import env_seeds
from .env_runner import VectorEnvReactor
from .environments import EnvReactor, check_space, execute, make_reactor, place_of
from .episodes import EpisodeStatistics
from .learner import Learner
from .names_elsewhere import Suggesting
from .progress import Progress, asked_steps, passed, torch_threads
from .restoring import C

Array = npt.NDArray[Any]

MODULE_ID = "default_policy"
AGENT_ID = "default_agent"


def close_reactors(topology: Topology) -> None:
    """Close what a program that does not run holds: our environments, and the workers of the learner."""
    for reactor in topology.reactors.values():
        if isinstance(reactor, EnvBank):
            reactor.close(range(reactor.rows))
        elif isinstance(reactor, Learner):
            reactor.close()


class Algorithm(Suggesting, Agent[C]):
    """One training: `train()` runs an iteration, `evaluate()` and `predict()` use the weights learned so far.

    Subclasses build their reactors in `_assemble`. A context manager; `stop()` closes the environments, after
    which `predict`, `evaluate` and `save_to_path` still work.
    """

    tags_per_round = 1
    """Training runs whole multiples of so many tags."""
    learner_net: Any
    """The kernel that learns, or why torch does."""

    def __init__(self, config: C) -> None:
        self.config: C = config.copy()
        self.config.validate()
        self.config.freeze()
        self.device = device_of(config.device)
        self.best = BestModel()
        self._origins, self._claimed, self._lock = set(), False, None
        self._alone = threading.Lock()  # held while the program runs
        self._open(Progress())

    def _open(self, before: Progress) -> None:
        """Build and start the program for a training that has come as far as `before`; where that fails, nothing of it
        stays open.
        """
        self._before, topology = before, Topology()
        try:
            self._build(topology)
            self.execution = execute(topology, self.place)
        except BaseException:
            close_reactors(topology)
            raise
        try:
            self._start()
        except BaseException:
            self.execution.close()
            raise

    def _build(self, topology: Topology) -> None:
        """Add all reactors to the topology."""
        config = self.config
        self.envs: EnvReactor = topology.add("envs", make_reactor(config))
        topology.external(self.envs.request)
        self.num_envs = self.envs.num_envs if isinstance(self.envs, VectorEnvReactor) else self.envs.rows
        self.observation_space = check_space("observations", self.envs.single_observation_space)
        self.action_space = check_space("actions", self.envs.single_action_space)
        self.statistics = EpisodeStatistics(self.num_envs, tells=bool(functions(config.on_episode_end)))
        self._always_valid: list[InputPort] = []
        self.place = place_of(config, self.envs)
        with torch_threads(config.learner_threads):
            self._assemble(topology)

    def _start(self) -> None:
        """Begin an episode in each environment."""
        self.schedule: Schedule = self.execution.schedule
        for port in self._always_valid:
            self.execution.input(port)[...] = True
        restarts = self._before.restarts
        self._reset(env_seeds(self.config.seed, self.num_envs, evaluation=False, restarts=restarts))
        self._inference = self._make_inference()
        self._asked = self._predictions = 0
        self._evaluation = None

    @property
    def spread(self) -> bool:
        """Whether policy and rollout are banks like the environments; not where these live in other processes."""
        return self.place.name != "processes"

    def _reset(self, seeds: list[int]) -> None:
        """Begin an episode in each environment."""
        request = self.execution.input(self.envs.request)
        for env, seed in enumerate(seeds):
            request[env] = (seed, None)
        self.execution.command("reset")

    @abstractmethod
    def _assemble(self, topology: Topology) -> None:
        """Add the algorithm's reactors to the topology, connect them to `self.envs` and `self.statistics`, set
        `self.learner`.
        """

    def _connect_valid(self, topology: Topology, port: InputPort) -> None:
        """Tell a reader which rows are steps: of our own environments, all."""
        if isinstance(self.envs, VectorEnvReactor):
            topology.connect(self.envs.valid, port)
        else:
            topology.external(port)
            self._always_valid.append(port)

    def _runner_metrics(self) -> dict[str, float]:
        """What the acting part reports, beside episode statistics."""
        return {}

    # Training

    def train(self) -> dict[str, Any]:
        """Run one iteration: `min_sample_timesteps_per_iteration` environment steps, or more where a round of learning
        needs more.

        Returns RLlib's result dict: `env_runners`, `learners/default_policy`, `evaluation` (when one was
        due), `timers`, `num_env_steps_sampled_lifetime`, `training_iteration`, `time_this_iter_s`,
        `time_total_s`.
        """
        return self.train_steps(self.iteration_steps)

    def _after_advancing(self) -> None:
        """Count what the program has kept for this."""

    @property
    def steps_asked_for(self) -> int:
        """Environment steps that were asked for, this training's earlier runs included; whole rounds may be more."""
        return self._before.steps + self._asked

    @property
    def iteration_steps(self) -> int:
        """Environment steps of one `train()`."""
        return max(self.config.min_sample_timesteps_per_iteration, self.tags_per_round * self.num_envs)

    def train_steps(self, steps: int, log: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """`train()` for this many environment steps; what is no multiple of `num_envs`, or of a round of learning, is
        done too, and counts for the next time. Resets of a NEXT_STEP vector env count for what is asked for. `log`
        gets the result before a checkpoint is written: who goes on from that finds it logged. After an iteration that
        was cut short, by Ctrl-C or an exception, environments begin anew, since nobody knows how far the step came in
        which that happened.

        Raises:
            ValueError: `steps` is no whole number >= 0.
            RuntimeError: it was stopped, or trains already: in another thread, or from within.
        """
        steps = asked_steps(steps)
        if not self._alone.acquire(blocking=False):
            raise RuntimeError("this algorithm trains already")
        try:
            return self._iterate(steps, log)
        finally:
            self._alone.release()

    def _iterate(self, steps: int, log: Callable[[dict[str, Any]], None] | None) -> dict[str, Any]:
        """One iteration: train, evaluate, log, save, and tell callbacks."""
        begin, before = time.perf_counter(), self.progress.steps
        earlier, self.learner.waited = self.learner.waited, 0.0  # by who looked at what the iteration before learned
        self._advance(steps)
        self._before.iterations += 1
        seen_enough = self._tell("on_episode_end", self.statistics.take_finished())
        evaluated: dict[str, Any] = {}
        if passed(self.config.evaluation_interval, before, self.progress.steps):
            evaluated["evaluation"] = self.measured()
            seen_enough = self._tell("on_evaluate_end", [evaluated["evaluation"]]) or seen_enough
        seconds = time.perf_counter() - begin + earlier
        self._before.seconds += seconds
        self.learner.waited = 0.0
        result = {**self._metrics(seconds), **evaluated}
        if log is not None:
            log(result)
        if evaluated:
            self._keep_best(evaluated["evaluation"]["env_runners"]["episode_return_mean"])
        if passed(self.config.checkpoint_interval, before, self.progress.steps):
            self.save_checkpoint()
        tell(self, "on_train_result", {"result": result})
        if seen_enough is not None:
            raise seen_enough
        return result

    def _advance(self, steps: int) -> None:
        """Run the program for what was asked for in all, and `steps` more, as whole rounds."""
        if self.cut_short:
            self._begin_anew()
        if self.execution.closed:
            raise RuntimeError("this algorithm was stopped; make a new one, or load a checkpoint")
        self.claim_checkpoint_dir()
        self._asked += steps
        rounds = -(-self._asked // (self.num_envs * self.tags_per_round))
        tags = rounds * self.tags_per_round - self.statistics.tags
        if tags <= 0:
            return
        with torch_threads(self.config.learner_threads):
            self.cut_short = True
            try:
                self.execution.advance(tags)
            finally:
                self._after_advancing()
            self.cut_short = False

    def _tell(self, event: str, everything: Iterable[dict[str, Any]]) -> StopIteration | None:
        """Tell callbacks; what is returned, one has raised, and is to be raised when this iteration is on record."""
        try:
            tell(self, event, *({"metrics": metrics} for metrics in everything))
        except StopIteration as seen_enough:
            return seen_enough
        return None

    @property
    def progress(self) -> Progress:
        """How far this training has come."""
        before = self._before
        return replace(
            before,
            tags=before.tags + self.statistics.tags,
            steps=before.steps + self.statistics.steps,
            episodes=before.episodes + self.statistics.episodes,
            gradient_steps=before.gradient_steps + self.learner.steps_done,
        )

    def _metrics(self, seconds: float) -> dict[str, Any]:
        progress, episodes = self.progress, self.statistics.metrics()
        learning, self.learner.seconds = self.learner.seconds, 0.0
        mean = episodes["episode_return_mean"]
        return {
            "env_runners": {
                **episodes,
                **self._runner_metrics(),
                "num_episodes_lifetime": progress.episodes,
                "num_env_steps_sampled_lifetime": progress.steps,
                "agent_episode_returns_mean": {AGENT_ID: mean},
                "module_episode_returns_mean": {MODULE_ID: mean},
            },
            "learners": {MODULE_ID: {**self.learner.metrics(), "num_gradient_steps_lifetime": progress.gradient_steps}},
            "timers": {"training_iteration": seconds, "learner_update_timer": learning},
            "num_env_steps_sampled_lifetime": progress.steps,
            "training_iteration": progress.iterations,
            "time_this_iter_s": seconds,
            "time_total_s": progress.seconds,
        }

    def explain(self) -> str:
        """What runs by kernels, what does not and why; the schedule; that of the gradient steps, if they have one."""
        envs = "a vector env of the caller's" if isinstance(self.envs, VectorEnvReactor) else self.envs.how
        backends = {"inference": self.net, "learner": self.learner_net}
        lines = [f"environments: {envs}"]
        lines += [f"{name}: {f'torch, {net}' if isinstance(net, str) else 'kernel'}" for name, net in backends.items()]
        lines += ["", self.schedule.explain()]
        if self.learner.by_kernel is not None:
            lines += ["gradient steps, a tag for each minibatch:", "", self.learner.by_kernel.schedule.explain()]
        return "\n".join(lines)

    # Its checkpoints

    def claim_checkpoint_dir(self) -> None:
        """Before training goes on: leave nothing in `checkpoint_dir` but checkpoints that it came by.

        Raises:
            ConfigError: those that are there are of a training that this one does not go on from; or another process
                writes there.
            CheckpointError: nothing can be written there.
        """
        folder = self.config.checkpoint_dir
        if folder is None or (self._lock is not None and self._lock.holds):
            return
        here = Path(folder).resolve()
        steps = math.inf if self._claimed else self.progress.steps  # what others wrote after a stop() is theirs
        try:
            self._lock = claim(folder, steps, ours=here in self._origins)
        except OSError as error:
            raise CheckpointError(f"checkpoint_dir: {error}") from error
        self._origins.add(here)
        self._claimed = True
        if self.best.exists and not is_checkpoint(best_path(folder)):
            save(best_path(folder), self._state_of_best())

    def _keep_best(self, mean_return: float) -> None:
        """Keep the weights if they are the best so far, in `checkpoint_dir` as well."""
        if self.best.is_beaten_by(mean_return):
            self.best = BestModel(mean_return, self.progress.steps, self.get_weights())
            if self.config.checkpoint_dir is not None:
                self.save_to_path(best_path(self.config.checkpoint_dir))

    def save_checkpoint(self) -> str:
        """Write a checkpoint to `checkpoint_dir` as `step_N`, and remove the oldest beyond `keep_checkpoints`."""
        folder = self.config.checkpoint_dir
        if folder is None:
            raise ConfigError("nobody said where to write checkpoints: set checkpoint_dir, or use save_to_path")
        self.claim_checkpoint_dir()
        path = self.save_to_path(step_path(folder, self.progress.steps))
        prune(folder, self.config.keep_checkpoints)
        if self.execution.closed:  # who does not train leaves the folder to others
            self._lock = None
        return path

    def stop(self) -> None:
        """Close the environments that training built; stopping again does nothing."""
        self.cut_short = False
        self._lock = None
        try:
            self.execution.close()
        finally:
            if self._evaluation is not None:
                self._evaluation.close()
                self._evaluation = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
