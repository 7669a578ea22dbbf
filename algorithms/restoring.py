"""Restorable: what an algorithm saves, and how it goes on from there; exactly, if environments can be saved too."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from typing_extensions import Self, Unpack

from reactvec import Execution
from reactvec.snapshot import Snapshot

from .best_model import BestModel
from .callbacks import tell
from .checkpoint import Checkpoint, differing, section, under, understanding
from .checkpoint_folder import Found, checkpoint_at, save
from .checks import CheckpointError, ConfigError, check_storable
from .config import AlgorithmConfig, AlgorithmSettings
from .environments import EnvReactor
from .episodes import EpisodeStatistics
from .folder_lock import FolderLock
from .learner import Learner
from .policy_weights import WeightedPolicy
from .progress import Progress
from .stored_settings import check_algorithm, held_objects, held_settings, shaping_differences, stored_settings
from .visiting import capture_all, restore_all

Array = npt.NDArray[Any]
C = TypeVar("C", bound=AlgorithmConfig)


class Restorable(ABC, Generic[C]):
    """The part of an algorithm that saves and restores.

    A checkpoint holds weights, optimizer and counters. If the environments can be saved (`env_state`), and the memory
    of an algorithm that has one is saved, it also holds the program as it stands between two tags: what is under way in
    ports, the environments, running episodes, and the whole numbers that a reactor names in `saved`. Then training goes
    on as if nothing had happened; else environments begin anew, with other seeds (`restart_reason` says why).
    """

    config_class: type[C]
    config: C
    learner: Learner
    policy: WeightedPolicy
    envs: EnvReactor
    num_envs: int
    statistics: EpisodeStatistics
    execution: Execution
    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    restart_reason: str | None = None
    """Why environments began anew when a checkpoint was loaded; None where they did not, or none was."""
    cut_short: bool = False
    """Whether an iteration has failed, or was interrupted, since when the program stands anywhere."""
    best: BestModel
    """The weights of the best evaluation during training."""
    _before: Progress
    _asked: int
    _origins: set[Path]  # folders whose checkpoints are the past of this training
    _claimed: bool  # whether checkpoint_dir holds nothing else
    _lock: FolderLock | None  # of checkpoint_dir, while this training may write there

    def __init__(self, config: C) -> None:
        raise NotImplementedError

    @abstractmethod
    def _open(self, before: Progress) -> None:
        """Build and start the program for a training that has come as far as `before`."""

    @abstractmethod
    def stop(self) -> None:
        """Close the environments that training built."""

    @property
    @abstractmethod
    def progress(self) -> Progress:
        """How far this training has come."""

    @abstractmethod
    def _arrays(self) -> dict[str, Array]:
        """What a checkpoint holds beside weights and optimizer; no name has a slash."""

    @abstractmethod
    def _load_arrays(self, arrays: Mapping[str, Array]) -> None:
        """The inverse of `_arrays`."""

    @property
    def saves_memory(self) -> bool:
        """Whether checkpoints hold what `_memory` returns."""
        return True

    @abstractmethod
    def _memory(self) -> dict[str, Array]:
        """What the program remembers from one round of learning to the next; of replay buffers views."""

    @abstractmethod
    def _load_memory(self, arrays: Mapping[str, Array], exact: bool) -> bool:
        """The inverse of `_memory`; if not `exact`, environments have begun anew since. False where it does not fit,
        which it always does then.
        """

    @property
    def memory_bytes(self) -> int:
        """How much of a checkpoint is the replay buffer; 0 where it is not saved."""
        memory = self._memory() if self.saves_memory else {}
        return sum(array.nbytes for name, array in memory.items() if name.startswith("replay/"))

    def get_weights(self) -> dict[str, Array]:
        """Copies of the network's weights by name."""
        self.learner.settle()
        return {name: value.cpu().numpy().copy() for name, value in self.learner.module.state_dict().items()}

    def set_weights(self, weights: Mapping[str, Array]) -> None:
        """Set the weights everywhere; ValueError if names or shapes are not those of `get_weights`, or not all is
        finite.
        """
        if bad := [name for name, value in weights.items() if not np.isfinite(np.asarray(value)).all()]:
            raise ValueError(f"these weights are not finite: {', '.join(bad)}")
        self._load_weights(weights)
        self._spread_weights()

    def _spread_weights(self) -> None:
        """Copy the learner's weights to all that act or value by a copy of them."""
        values = self.learner.acting_weights()
        self.policy.load(values)
        for under_way in self.execution.slots(self.learner.weights):
            self.policy.send(values, under_way)

    def _load_weights(self, weights: Mapping[str, Array]) -> None:
        self.learner.settle()
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
        if bad := differing(tensors, self.learner.module.state_dict()):  # torch would take over those that fit
            raise ValueError(f"these weights do not fit the network: {', '.join(bad)} are missing, or others")
        self.learner.module.load_state_dict(tensors)

    def get_state(self) -> Checkpoint:
        """What a resumed training needs, as copies."""
        checkpoint = self._state(self.saves_memory)
        return checkpoint._replace(arrays={name: array.copy() for name, array in checkpoint.arrays.items()})

    def _state(self, remembers: bool) -> Checkpoint:
        """`get_state`, which holds as long as nothing goes on."""
        self.learner.settle()
        state = {
            "algorithm": type(self).__name__,
            "config": held_settings(self.config),
            "objects": held_objects(self.config),
            "spaces": [str(self.observation_space), str(self.action_space)],
            "progress": asdict(self.progress),
            "best": [self.best.mean_return, self.best.steps] if self.best.exists else None,
            "returns": list(self.statistics.returns),
            "lengths": list(self.statistics.lengths),
        }
        arrays = {**self._arrays(), **under("optimizer", self.learner.optimizer_state())}
        arrays.update(under("best", self.best.weights))
        if remembers:
            arrays.update(under("memory", self._memory()))
        state["run"], ports = self._run(remembers)
        return Checkpoint(self.get_weights(), {**arrays, **ports}, state)

    def _state_of_best(self) -> Checkpoint:
        """The best weights as a checkpoint of their own; all else in it is of now."""
        checkpoint = self._state(False)
        checkpoint.state["run"] = {"reason": "nothing is left of the best evaluation but its weights"}
        checkpoint.state["progress"]["steps"] = self.best.steps
        return checkpoint._replace(weights=self.best.weights)

    def _run(self, remembers: bool) -> tuple[dict[str, Any], dict[str, Array]]:
        """The program between two tags: what JSON holds of it, and arrays; or why it is not saved."""
        if not remembers:
            return {"reason": "the replay buffer is not saved (save_replay_buffer=False)"}, {}
        if self.cut_short:
            return {"reason": "it was saved after an iteration that was cut short"}, {}
        if self.execution.closed:
            return {"reason": "it was saved after the environments were closed"}, {}
        envs = capture_all(self.execution, self.envs)
        if envs is None:
            return {"reason": "nobody knows how to save the state of these environments"}, {}
        snapshot = self.execution.snapshot()
        totals, lengths = self.statistics.running
        run = {
            "tag": snapshot.tag,
            "before": asdict(self._before),
            "asked": self._asked,
            "counted": [self.statistics.tags, self.statistics.steps, self.statistics.episodes],
            "reactors": {
                name: {counter: int(getattr(reactor, counter)) for counter in getattr(reactor, "saved", ())}
                for name, reactor in self.execution.topology.reactors.items()
            },
            "envs": envs,
        }
        return run, {**under("ports", snapshot.values), **under("episodes", {"totals": totals, "lengths": lengths})}

    def set_state(self, checkpoint: Checkpoint) -> None:
        """Go on from where `get_state` was called, with this algorithm's own settings.

        Raises:
            CheckpointError: it is of another algorithm, network or environment.
        """
        self._take_over(checkpoint)
        tell(self, "on_checkpoint_loaded", {})

    def _begin_anew(self) -> None:
        """Let environments begin anew, with other seeds; all that was learned and is remembered stays."""
        self._take_over(self._state(True))

    def _take_over(self, checkpoint: Checkpoint) -> None:
        with understanding():
            kept, optimizer = self._fitting(checkpoint)
            before, reason = Progress.of(checkpoint.state["progress"]), self._obstacle(checkpoint)
        if reason is None:
            reason = self._go_on(checkpoint)
        self.restart_reason, self._claimed, self._lock = reason, False, None
        if reason is not None:
            self.stop()
            self._open(replace(before, restarts=before.restarts + 1))
        with understanding():
            self._load(checkpoint, kept, optimizer, reason is None)

    def _load(self, checkpoint: Checkpoint, kept: dict[str, Array], optimizer: dict[str, Array], exact: bool) -> None:
        """Take over what there is to take over by a program that may, or may not, stand as it stood."""
        weights, arrays, state = checkpoint
        self.statistics.returns.extend(map(float, state["returns"]))
        self.statistics.lengths.extend(map(int, state["lengths"]))
        self._load_weights(weights)
        if not exact:
            self._spread_weights()
        self._load_arrays(kept)
        self.learner.load_optimizer_state(optimizer)
        memory = section(arrays, "memory")
        if (memory or exact) and not self._load_memory(memory, exact):
            self.restart_reason = f"{self.restart_reason}; the saved replay buffer does not fit them, and is left out"
        found = state["best"]
        self.best = BestModel() if found is None else BestModel(float(found[0]), int(found[1]), section(arrays, "best"))

    def _fitting(self, checkpoint: Checkpoint) -> tuple[dict[str, Array], dict[str, Array]]:
        """The arrays of `_arrays`, and those of the optimizer; CheckpointError where any is not of this algorithm."""
        weights, arrays, state = checkpoint
        spaces = [str(self.observation_space), str(self.action_space)]
        if state["algorithm"] != type(self).__name__ or state["spaces"] != spaces:
            raise CheckpointError(
                f"this is a checkpoint of {state['algorithm']} on {' and '.join(state['spaces'])}, "
                f"not of {type(self).__name__} on {' and '.join(spaces)}"
            )
        kept = {name: array for name, array in arrays.items() if "/" not in name}
        optimizer = section(arrays, "optimizer")
        own = self.learner.module.state_dict()
        bad = differing(weights, own) + differing(kept, self._arrays())
        if state["best"] is not None:
            bad += differing(section(arrays, "best"), own)
        if bad or not self.learner.optimizer_fits(optimizer):
            what = ", ".join(bad) or "the optimizer's state"
            raise CheckpointError(f"this checkpoint is of another network than the config's: {what}")
        return kept, optimizer

    def _obstacle(self, checkpoint: Checkpoint) -> str | None:
        """Why this program cannot go on exactly from a checkpoint; None if it may."""
        run: dict[str, Any] = checkpoint.state["run"]
        if "reason" in run:
            return str(run["reason"])
        if changed := shaping_differences(self.config, checkpoint.state["config"]):
            return f"other settings: {', '.join(changed)}"
        if not self.execution.fits(Snapshot(run["tag"], section(checkpoint.arrays, "ports"))):
            return "another version, or other settings, give it other ports"
        return None

    def _go_on(self, checkpoint: Checkpoint) -> str | None:
        """Open the program anew as it stood; or why its environments cannot be brought back."""
        with understanding():
            before = Progress.of(checkpoint.state["run"]["before"])
        self.stop()
        self._open(before)
        with understanding():
            return self._stand_as(checkpoint)

    def _stand_as(self, checkpoint: Checkpoint) -> str | None:
        """See _go_on."""
        run, arrays = checkpoint.state["run"], checkpoint.arrays
        if not restore_all(self.execution, self.envs, run["envs"]):
            return "the environments are others"
        self.execution.go_on(Snapshot(run["tag"], section(arrays, "ports")))
        self.statistics.go_on(run["counted"], **section(arrays, "episodes"))
        self._asked = int(run["asked"])
        for name, counters in run["reactors"].items():
            reactor = self.execution.topology.reactors[name]
            for counter in getattr(reactor, "saved", ()):
                setattr(reactor, counter, int(counters[counter]))
        return None

    def save_to_path(self, path: str | os.PathLike[str]) -> str:
        """Write a checkpoint as the folder `path`, whole or not at all; returns its absolute path.

        Raises:
            CheckpointError: it cannot be written.
            ConfigError: it would not hold `env_config` as it is.
        """
        check_storable(self.config.env_config)
        return str(save(path, self._state(self.saves_memory)))

    def restore_from_path(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint, with this algorithm's own settings; CheckpointError if that cannot be."""
        self._go_on_from(checkpoint_at(path))

    def _go_on_from(self, origin: Found) -> None:
        self.set_state(origin.checkpoint)
        self._origins.add(origin.path.resolve().parent)

    @classmethod
    def from_checkpoint(cls, path: str | os.PathLike[str], **settings: Unpack[AlgorithmSettings]) -> Self:
        """The algorithm that was saved, with its config but for `settings`. No code of the checkpoint is run.

        An environment or model that was an object is not in a checkpoint: pass `env=` or `model=` again.

        Raises:
            CheckpointError: the checkpoint is damaged, of another version, or misses `env` or `model`.
        """
        return cls.from_found(checkpoint_at(path), **settings)

    @classmethod
    def from_found(cls, origin: Found, **settings: Unpack[AlgorithmSettings]) -> Self:
        """`from_checkpoint` of one that was read already."""
        with understanding():
            check_algorithm(origin, cls.__name__)
            stored = stored_settings(origin, settings)
        try:
            config = cls.config_class.from_dict(stored)
        except (ConfigError, TypeError) as error:
            raise CheckpointError(f"checkpoint {origin.path} has a config that is not ours: {error}") from error
        algorithm = cls(config.update(settings))
        try:
            algorithm._go_on_from(origin)
        except BaseException:
            algorithm.stop()
            raise
        return algorithm
