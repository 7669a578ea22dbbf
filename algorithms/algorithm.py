"""Algorithm: builds the topology of a learner from its config, runs it, and gives out what it has learned."""

from __future__ import annotations

import contextlib
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn
from typing_extensions import Self

from reactvec import EnvBank, InputPort, Schedule, Topology
from reactvec.native_env_bank import NativeEnvBank

from .best_model import BestModel
from .callbacks import functions
from .checks import ConfigError
from .device import device_of
from .draws import env_seeds
from .env_runner import VectorEnvReactor
from .environments import EnvReactor, check_space, evaluation_bank, execute, make_reactor, place_of
from .episodes import EpisodeStatistics
from .evaluation import Evaluation
from .export import GreedyPolicy, export
from .inference import BlockInference, Inference, block_rows
from .learner import Learner
from .model_config import ModelConfig
from .observations import as_rows, is_finite
from .progress import Progress, asked_steps, passed, torch_threads
from .restoring import C, Restorable

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


class Algorithm(Restorable[C]):
    """One training: `train()` runs an iteration, `evaluate()` and `predict()` use the weights learned so far.

    Subclasses build their reactors in `_assemble`. A context manager; `stop()` closes the environments, after
    which `predict`, `evaluate` and `save_to_path` still work.
    """

    tags_per_round = 1
    """Training runs whole multiples of so many tags."""
    device: str
    """Torch device of learner and policy."""
    net: Any
    """The kernel that acts and predicts, or why torch does."""
    learner_net: Any
    """The kernel that learns, or why torch does."""

    def __init__(self, config: C) -> None:
        self.config: C = config.copy()
        self.config.validate()
        self.config.freeze()
        self.device = device_of(config.device)
        self.best = BestModel()
        self._origins, self._claimed = set(), False
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
        self._evaluation: Evaluation | None = None

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

    @abstractmethod
    def _make_inference(self) -> Inference:
        """What `_actions` gets the outputs from, by the learner's weights."""

    def _block_inference(self, module: nn.Module) -> BlockInference:
        """A module's outputs, in blocks of rows."""
        rows = self.config.inference_rows or block_rows(self.observation_space, self.num_envs)
        return BlockInference(module, self.observation_space, rows, self.device)

    @abstractmethod
    def _greedy(self) -> GreedyPolicy:
        """What is exported: the learner's network, and what makes greedy actions of its outputs."""

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
    def iteration_steps(self) -> int:
        """Environment steps of one `train()`."""
        return max(self.config.min_sample_timesteps_per_iteration, self.tags_per_round * self.num_envs)

    def train_steps(self, steps: int, log: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """`train()` for this many environment steps; what is no multiple of `num_envs`, or of a round of learning, is
        done too, and counts for the next time. `log` gets the result before a checkpoint is written: who goes on from
        that finds it logged. After an iteration that was cut short, by Ctrl-C or an exception, environments begin
        anew, since nobody knows how far the step came in which that happened.

        Raises:
            ValueError: `steps` is no whole number >= 0.
        """
        steps = asked_steps(steps)
        if self.cut_short:
            self._begin_anew()
        if self.execution.closed:
            raise RuntimeError("this algorithm was stopped; make a new one, or load a checkpoint")
        self.claim_checkpoint_dir()
        begin, before = time.perf_counter(), self.progress.steps
        self._asked += steps
        rounds = -(-self._asked // (self.num_envs * self.tags_per_round))
        tags = rounds * self.tags_per_round - self.statistics.tags
        if tags > 0:
            with torch_threads(self.config.learner_threads):
                self.cut_short = True
                try:
                    self.execution.advance(tags)
                finally:
                    self._after_advancing()
                self.cut_short = False
        self._before.iterations += 1
        self._tell_of_episodes()
        evaluated: dict[str, Any] = {}
        if passed(self.config.evaluation_interval, before, self.progress.steps):
            evaluated["evaluation"] = self.evaluate()
        seconds = time.perf_counter() - begin
        self._before.seconds += seconds
        result = {**self._metrics(seconds), **evaluated}
        if log is not None:
            log(result)
        if evaluated:
            self._keep_best(evaluated["evaluation"]["env_runners"]["episode_return_mean"])
        if passed(self.config.checkpoint_interval, before, self.progress.steps):
            self.save_checkpoint()
        self._call("on_train_result", result=result)
        return result

    def _tell_of_episodes(self) -> None:
        for env, total, length in self.statistics.take_finished():
            self._call("on_episode_end", metrics={"env": env, "episode_return": total, "episode_len": length})

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

    # Using what was learned

    @contextlib.contextmanager
    def _inferring(self) -> Iterator[Inference]:
        """The learner's module in evaluation mode."""
        self.learner.settle()
        self.learner.module.eval()
        self._inference.refresh()
        try:
            with torch_threads(self.config.learner_threads):
                yield self._inference
        finally:
            self.learner.module.train()

    @abstractmethod
    def _actions(self, outputs: Array, explore: bool) -> Array:
        """Actions `[n, *shape]` for outputs `[n, ...]`: the best, or as random as training is now, by draws that are
        functions of the row and of `self._predictions`.
        """

    def predict(self, obs: Any, explore: bool = False) -> Any:
        """The action for one observation, or an array of actions for a batch of them; told apart by shape.

        Actions have the dtype of the action space and lie in it. With `explore`, as random as training is
        now.

        Raises:
            ValueError: `obs` is neither an observation nor a batch of them, or not finite, where the network is ours.
        """
        rows, single = as_rows(self.observation_space, obs)
        self._check_rows(rows)
        with self._inferring() as inference:
            actions = self._actions(inference(rows), explore).astype(self.action_space.dtype)
        self._predictions += explore
        return actions[0] if single else actions

    def _check_rows(self, rows: Array) -> None:
        """ValueError for observations that a network makes nothing of."""
        bad = np.flatnonzero(~is_finite(self.observation_space, rows)).tolist()
        if bad and isinstance(self.config.model, ModelConfig):  # the caller's may know what to do with NaN
            raise ValueError(f"observations are not finite (rows {bad})")

    def compute_single_action(self, obs: Any, explore: bool = False) -> Any:
        """RLlib's name of `predict`."""
        return self.predict(obs, explore)

    def evaluate(self, *, draw: int = 0) -> dict[str, Any]:
        """Run `evaluation_duration` greedy episodes with the weights learned so far.

        Each environment runs the same number. Environments and seeds are disjoint from those of training, and
        the same at each call; another `draw` has other seeds. Returns
        `env_runners/{episode_return_mean, _std, _min, _max, episode_len_mean, num_episodes}`.
        """
        evaluation, self._evaluation = self._evaluation or self._make_evaluation(), None
        seeds = env_seeds(self.config.seed, evaluation.envs.rows, evaluation=True, restarts=draw)
        try:
            with self._inferring():
                results = {"env_runners": evaluation.run(seeds)}
            if isinstance(evaluation.envs, NativeEnvBank) and not self.execution.closed:
                self._evaluation = evaluation  # kernels remember nothing, so that they may serve the next time
        finally:
            if self._evaluation is None:
                evaluation.close()
        self._call("on_evaluate_end", metrics=results)
        return results

    def evaluate_best(self) -> dict[str, Any]:
        """`evaluate` with the best weights so far (`best`), on seeds that had no part in choosing them."""
        if not self.best.exists:
            raise RuntimeError("there was no evaluation yet to choose the best weights by; set evaluation_interval")
        own = self.get_weights()
        self._load_weights(self.best.weights)
        try:
            return self.evaluate(draw=1)
        finally:
            self._load_weights(own)

    def check_evaluation(self) -> None:
        """ConfigError if there is nothing to evaluate on, known without an evaluation."""
        bank = self._evaluation_bank(1)
        bank.close(range(bank.rows))

    def _evaluation_bank(self, count: int) -> EnvBank:
        bank = evaluation_bank(self.config, count)
        for verb, its, ours in (
            ("observes", bank.single_observation_space, self.observation_space),
            ("takes actions of", bank.single_action_space, self.action_space),
        ):
            if its != ours:
                bank.close(range(bank.rows))  # what was built to learn the spaces
                raise ConfigError(f"evaluation_env {verb} {its}, not {ours}")
        return bank

    def _make_evaluation(self) -> Evaluation:
        config = self.config
        count = min(config.evaluation_num_envs, config.evaluation_duration)
        bank = self._evaluation_bank(count)
        return Evaluation(
            bank,
            lambda obs: self._actions(self._inference(obs), False),
            episodes=config.evaluation_duration // count,
            place=place_of(config, bank),
        )

    def export(self, path: str | os.PathLike[str]) -> str:
        """Write the agent as one program from a batch of observations to greedy actions, normalisation included, by the
        ending of `path`: .pt2 for `torch.export.load`, .onnx for ONNX. Returns the absolute path.

        Raises:
            ConfigError: another ending, or a network that cannot be exported.
            MissingExtra: ONNX needs packages that are not installed.
            OSError: the file cannot be written; what was there is as it was.
        """
        self.learner.settle()
        return export(self._greedy(), self.observation_space, path)

    def get_module(self) -> nn.Module:
        """The network that learns, live; changes to it reach the policy only with the next round."""
        self.learner.settle()
        return self.learner.module

    def stop(self) -> None:
        """Close the environments that training built; stopping again does nothing."""
        self.cut_short = False
        self.execution.close()
        if self._evaluation is not None:
            self._evaluation.close()
            self._evaluation = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
