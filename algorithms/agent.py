"""Agent: what an algorithm has learned, at work: predictions, evaluations, exports."""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from reactvec import EnvBank
from reactvec.native_env_bank import NativeEnvBank

from .callbacks import tell
from .checks import ConfigError
from .draws import env_seeds
from .environments import evaluation_bank, place_of
from .evaluation import Evaluation
from .export import GreedyPolicy, export
from .inference import BlockInference, Inference, block_rows
from .model_config import ModelConfig
from .observations import as_rows, is_finite
from .progress import torch_threads
from .restoring import C, Restorable

Array = npt.NDArray[Any]


class Agent(Restorable[C]):
    """The part of an algorithm that acts by the learner's weights, outside of the training program."""

    device: str
    """Torch device of learner and policy."""
    net: Any
    """The kernel that acts and predicts, or why torch does."""
    _inference: Inference
    _predictions: int
    """How often was predicted with explore=True."""
    _evaluation: Evaluation | None
    """One that may serve again."""

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
        self._check_rows("rows", rows)
        with self._inferring() as inference:
            actions = self._actions(inference(rows), explore).astype(self.action_space.dtype)
        self._predictions += explore
        return actions[0] if single else actions

    def _check_rows(self, what: str, rows: Array) -> None:
        """ValueError for observations that a network makes nothing of; `what` says what rows are."""
        bad = np.flatnonzero(~is_finite(self.observation_space, rows)).tolist()
        if bad and isinstance(self.config.model, ModelConfig):  # the caller's may know what to do with NaN
            raise ValueError(f"observations are not finite ({what} {bad})")

    def compute_single_action(self, obs: Any, explore: bool = False) -> Any:
        """RLlib's name of `predict`."""
        return self.predict(obs, explore)

    def evaluate(self, *, draw: int = 0) -> dict[str, Any]:
        """Run `evaluation_duration` greedy episodes with the weights learned so far.

        Each environment runs the same number. Environments and seeds are disjoint from those of training, and
        the same at each call; another `draw` has other seeds. Returns
        `env_runners/{episode_return_mean, _std, _min, _max, episode_len_mean, num_episodes}`.
        """
        results = self.measured(draw)
        tell(self, "on_evaluate_end", {"metrics": results})
        return results

    def measured(self, draw: int = 0) -> dict[str, Any]:
        """`evaluate`, of which no callback is told."""
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
        return results

    def evaluate_best(self) -> dict[str, Any]:
        """`evaluate` with the best weights so far (`best`), on seeds that had no part in choosing them. No callback is
        told, since what it would find are other weights than these.
        """
        if not self.best.exists:
            raise RuntimeError("there was no evaluation yet to choose the best weights by; set evaluation_interval")
        own = self.get_weights()
        self._load_weights(self.best.weights)
        try:
            return self.measured(draw=1)
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
        count = config.evaluating_envs
        bank = self._evaluation_bank(count)
        return Evaluation(
            bank,
            self._act_greedily,
            episodes=config.evaluation_duration // count,
            place=place_of(config, bank),
        )

    def _act_greedily(self, obs: Array) -> Array:
        """What an evaluation does in its environments."""
        self._check_rows("environments", obs)
        return self._actions(self._inference(obs), False)

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
        """The network that learns, as far as it has come; changes to it reach the policy only with the next round. Ask
        again after training, since kernels may be ahead of it then.
        """
        self.learner.settle()
        return self.learner.module
