"""Algorithm: builds the topology of a learner from its config, runs it, and gives out what it has learned."""

from __future__ import annotations

import contextlib
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from typing_extensions import Self, Unpack

from reactvec import Schedule, Topology

from .checkpoint import Checkpoint, differing, read_checkpoint, stored_settings, write_checkpoint
from .checks import CheckpointError, ConfigError
from .config import AlgorithmConfig, AlgorithmSettings
from .draws import env_seeds
from .env_runner import VectorEnvReactor
from .environments import EnvReactor, check_observations, evaluation_bank, execute, make_reactor, place_of
from .episodes import EpisodeStatistics
from .evaluation import evaluate
from .learner import Learner
from .observations import as_rows
from .progress import Progress, passed, torch_threads

Array = npt.NDArray[Any]
C = TypeVar("C", bound=AlgorithmConfig)

MODULE_ID = "default_policy"
AGENT_ID = "default_agent"


class Inference(Protocol):
    """Makes outputs `[n, ...]` of observations, rows of a port `[n, ...]`."""

    def refresh(self) -> None:
        """Take over the learner's weights."""

    def __call__(self, observations: Array) -> Array:
        """Outputs for all rows."""


class Algorithm(ABC, Generic[C]):
    """One training: `train()` runs an iteration, `evaluate()` and `predict()` use the weights learned so far.

    Subclasses build their reactors in `_assemble`. A context manager; `stop()` closes the environments, after
    which `predict`, `evaluate` and `save_to_path` still work.
    """

    config_class: type[C]
    learner: Learner
    tags_per_round = 1
    """Training runs whole multiples of so many tags."""
    net: Any
    """The kernel that acts and predicts, or why torch does."""
    learner_net: Any
    """The kernel that learns, or why torch does."""

    def __init__(self, config: C) -> None:
        self.config: C = config.copy()
        self.config.validate()
        self.config.freeze()
        try:
            torch.empty(0, device=config.device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"device={config.device!r}: {error}") from None
        self._open(Progress())

    def _open(self, before: Progress) -> None:
        """Build and start the program for a training that has come as far as `before`."""
        config, self._before = self.config, before
        self.envs: EnvReactor = make_reactor(config)
        self.num_envs = self.envs.num_envs if isinstance(self.envs, VectorEnvReactor) else self.envs.rows
        self.observation_space = check_observations(self.envs.single_observation_space)
        self.action_space = self.envs.single_action_space
        self.statistics = EpisodeStatistics(
            self.num_envs, reset_rows=isinstance(self.envs, VectorEnvReactor) and self.envs.reset_rows
        )
        self.place = place_of(config, self.envs)
        topology = Topology()
        topology.add("envs", self.envs)
        topology.external(self.envs.request)
        with torch_threads(config.learner_threads):
            self._assemble(topology)
        self.execution = execute(topology, self.place)
        self.schedule: Schedule = self.execution.schedule
        try:
            self._reset(env_seeds(config.seed, self.num_envs, evaluation=False, restarts=before.restarts))
        except BaseException:
            self.execution.close()
            raise
        self._inference = self._make_inference()
        self._asked = self._predictions = 0

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

    @abstractmethod
    def _make_inference(self) -> Inference:
        """What `_actions` gets the outputs from, by the learner's weights."""

    @abstractmethod
    def _runner_metrics(self) -> dict[str, float]:
        """What the acting part reports, beside episode statistics."""

    @abstractmethod
    def _spread_weights(self) -> None:
        """Copy the learner's weights to all that act or value by a copy of them."""

    @abstractmethod
    def _arrays(self) -> dict[str, Array]:
        """What a checkpoint holds beside weights and optimizer; no name is one of the optimizer's."""

    @abstractmethod
    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of `_arrays`."""

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

    def train_steps(self, steps: int) -> dict[str, Any]:
        """`train()` for this many environment steps; what is no multiple of `num_envs`, or of a round of learning, is
        done too, and counts for the next time.
        """
        if self.execution.closed:
            raise RuntimeError("this algorithm was stopped; make a new one, or load a checkpoint")
        begin, before = time.perf_counter(), self.progress.steps
        self._asked += steps
        rounds = -(-self._asked // (self.num_envs * self.tags_per_round))
        tags = rounds * self.tags_per_round - self.statistics.tags
        if tags > 0:
            with torch_threads(self.config.learner_threads):
                try:
                    self.execution.advance(tags)
                finally:
                    self._after_advancing()
        self._before.iterations += 1
        result: dict[str, Any] = {}
        if passed(self.config.evaluation_interval, before, self.progress.steps):
            result["evaluation"] = self.evaluate()
        seconds = time.perf_counter() - begin
        self._before.seconds += seconds
        result = {**self._metrics(seconds), **result}
        folder = self.config.checkpoint_dir
        if folder and passed(self.config.checkpoint_interval, before, self.progress.steps):
            self.save_to_path(Path(folder) / f"step_{self.progress.steps}")
        return result

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
            ValueError: `obs` is neither an observation nor a batch of them.
        """
        rows, single = as_rows(self.observation_space, obs)
        with self._inferring() as inference:
            actions = self._actions(inference(rows), explore).astype(self.action_space.dtype)
        self._predictions += explore
        return actions[0] if single else actions

    def compute_single_action(self, obs: Any, explore: bool = False) -> Any:
        """RLlib's name of `predict`."""
        return self.predict(obs, explore)

    def evaluate(self) -> dict[str, Any]:
        """Run `evaluation_duration` greedy episodes with the weights learned so far.

        Each environment runs the same number. Environments and seeds are disjoint from those of training, and
        the same at each call. Returns
        `env_runners/{episode_return_mean, _std, _min, _max, episode_len_mean, num_episodes}`.
        """
        config = self.config
        count = min(config.evaluation_num_envs, config.evaluation_duration)
        bank = evaluation_bank(config, count)
        if bank.single_observation_space != self.observation_space:
            raise ConfigError(f"evaluation_env observes {bank.single_observation_space}, not {self.observation_space}")
        with self._inferring() as inference:
            results = evaluate(
                bank,
                lambda obs: self._actions(inference(obs), False),
                episodes=config.evaluation_duration // count,
                seeds=env_seeds(config.seed, count, evaluation=True),
                place=place_of(config, bank),
            )
        return {"env_runners": results}

    def get_module(self) -> nn.Module:
        """The network that learns, live; changes to it reach the policy only with the next round."""
        self.learner.settle()
        return self.learner.module

    def get_weights(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of the network's weights by name."""
        self.learner.settle()
        return {name: value.cpu().numpy().copy() for name, value in self.learner.module.state_dict().items()}

    def set_weights(self, weights: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set the weights everywhere; ValueError if names or shapes are not those of `get_weights`."""
        self.learner.settle()
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
        try:
            self.learner.module.load_state_dict(tensors)
        except RuntimeError as error:
            raise ValueError(f"these weights do not fit the network: {error}") from None
        self._spread_weights()

    # Saving

    def get_state(self) -> Checkpoint:
        """What a resumed training needs; the replay buffer and the environments start anew."""
        self.learner.settle()
        config = self.config.to_dict()
        for name, kind in (("env", str), ("evaluation_env", str), ("model", dict)):
            config[name] = config[name] if isinstance(config[name], kind) else None
        state = {
            "algorithm": type(self).__name__,
            "config": config,
            "spaces": [str(self.observation_space), str(self.action_space)],
            "progress": asdict(self.progress),
            "returns": list(self.statistics.returns),
            "lengths": list(self.statistics.lengths),
        }
        return Checkpoint(self.get_weights(), {**self._arrays(), **self.learner.optimizer_state()}, state)

    def set_state(self, checkpoint: Checkpoint) -> None:
        """Go on from where `get_state` was called, with this algorithm's own settings.

        Raises:
            CheckpointError: it is of another algorithm, network or environment.
        """
        weights, arrays, state = checkpoint
        spaces = [str(self.observation_space), str(self.action_space)]
        if state["algorithm"] != type(self).__name__ or state["spaces"] != spaces:
            raise CheckpointError(
                f"this is a checkpoint of {state['algorithm']} on {' and '.join(state['spaces'])}, "
                f"not of {type(self).__name__} on {' and '.join(spaces)}"
            )
        own = self._arrays()
        kept = {name: array for name, array in arrays.items() if name in own}
        optimizer = {name: array for name, array in arrays.items() if name not in own}
        bad = differing(weights, self.learner.module.state_dict()) + differing(kept, own)
        if bad or not self.learner.optimizer_fits(optimizer):
            what = ", ".join(bad) or "the optimizer's state"
            raise CheckpointError(f"this checkpoint is of another network than the config's: {what}")
        before = Progress(**state["progress"])
        self.stop()
        self._open(replace(before, restarts=before.restarts + 1))
        self.statistics.returns.extend(state["returns"])
        self.statistics.lengths.extend(state["lengths"])
        self.set_weights(weights)
        self._load_arrays(kept)
        self.learner.load_optimizer_state(optimizer)

    def save_to_path(self, path: str | os.PathLike[str]) -> str:
        """Write a checkpoint as the folder `path`, whole or not at all; returns its absolute path."""
        return str(write_checkpoint(path, self.get_state()))

    def restore_from_path(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint, with this algorithm's own settings; CheckpointError if that cannot be."""
        self.set_state(read_checkpoint(path))

    @classmethod
    def from_checkpoint(cls, path: str | os.PathLike[str], **settings: Unpack[AlgorithmSettings]) -> Self:
        """The algorithm that was saved, with its config but for `settings`. No code of the checkpoint is run.

        An environment or model that was an object is not in a checkpoint: pass `env=` or `model=` again.

        Raises:
            CheckpointError: the checkpoint is damaged, of another version, or misses `env` or `model`.
        """
        checkpoint = read_checkpoint(path)
        stored = stored_settings(path, checkpoint, settings)
        try:
            config = cls.config_class.from_dict(stored)
        except ConfigError as error:
            raise CheckpointError(f"checkpoint {path} has a config that is not ours: {error}") from error
        algorithm = cls(config.update(settings))
        try:
            algorithm.set_state(checkpoint)
        except BaseException:
            algorithm.stop()
            raise
        return algorithm

    def stop(self) -> None:
        """Close the environments that training built; stopping again does nothing."""
        self.execution.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
