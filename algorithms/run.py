"""One run of a training: iterations until the steps are done, with a progress bar, logs and checkpoints."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from gymnasium.vector import VectorEnv
from tqdm import tqdm

from .algorithm import Algorithm
from .callbacks import tell
from .checkpoint import check_target
from .checkpoint_folder import step_path
from .checks import CheckpointError, ConfigError
from .logs import Logs

A = TypeVar("A", bound=Algorithm[Any])


@dataclass
class BestResult:
    """The best weights that evaluations during training found."""

    steps: int
    """Environment steps that they had learned from."""
    selected_return: float
    """The mean return that they were chosen for, and which flatters them."""
    evaluation: dict[str, Any]
    """The result of evaluating them again, on fresh seeds."""


@dataclass
class TrainResult(Generic[A]):
    """What a training leaves behind."""

    algorithm: A
    """The algorithm, with its final weights; its environments are closed."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """The result of each `train()`, in order; of a resumed training those since."""
    evaluation: dict[str, Any] | None = None
    """The result of `evaluate()` with the final weights; None where there is nothing to evaluate on."""
    best: BestResult | None = None
    """Of the evaluations during training; None where there were none."""


def run(algorithm: A, total_timesteps: int, *, progress: bool) -> TrainResult[A]:
    """Train until the algorithm has seen `total_timesteps`, its earlier runs included, or an evaluation has reached
    `stop_at_return`, or a callback raises StopIteration; then evaluate it, and write a last checkpoint where
    checkpoints are written.
    """
    result, config, done = TrainResult(algorithm), algorithm.config, algorithm.progress.steps
    _check(algorithm)
    if progress and config.checkpoint_dir is not None and (held := algorithm.memory_bytes):
        print(f"checkpoints hold the replay buffer, too: {held:,} bytes each")
    algorithm.claim_checkpoint_dir()  # before logs of another training are begun anew
    with Logs(config, done) as logs:
        with tqdm(total=total_timesteps, initial=done, unit="step", disable=not progress) as bar:
            while done < total_timesteps and not _reached(algorithm):
                asked = algorithm.steps_asked_for
                left = total_timesteps - (asked if asked < total_timesteps else done)  # rows may be no steps
                steps = min(algorithm.iteration_steps, left)
                if not _iterate(algorithm, steps, result.history, logs):
                    break
                before, done = done, algorithm.progress.steps
                if progress:
                    bar.set_postfix_str(_describe(result.history[-1], done - before), refresh=False)
                    bar.update(min(done, total_timesteps) - before)
        if config.checkpoint_dir is not None:
            algorithm.save_checkpoint()
        result.evaluation = _evaluate(algorithm)
        if result.evaluation is not None:
            with contextlib.suppress(StopIteration):  # it has ended
                tell(algorithm, "on_evaluate_end", {"metrics": result.evaluation})
            last = result.history[-1] if result.history else {"num_env_steps_sampled_lifetime": done}
            logs.write({**last, "evaluation": result.evaluation})
        if algorithm.best.exists:
            best = algorithm.best
            result.best = BestResult(best.steps, best.mean_return, algorithm.evaluate_best())
    return result


def _check(algorithm: Algorithm[Any]) -> None:
    """Find out beforehand what would fail after all training."""
    config = algorithm.config
    if config.evaluation_env is not None:
        algorithm.check_evaluation()
    if config.checkpoint_dir is not None:
        try:
            check_target(step_path(config.checkpoint_dir, algorithm.progress.steps))
        except OSError as error:
            raise CheckpointError(f"checkpoint_dir: {error}") from error


def _iterate(algorithm: Algorithm[Any], steps: int, history: list[dict[str, Any]], logs: Logs) -> bool:
    """Train for some steps; False if a callback has seen enough."""

    def keep(result: dict[str, Any]) -> None:
        logs.write(result)
        history.append(result)

    try:
        algorithm.train_steps(steps, keep)
    except StopIteration:
        if algorithm.cut_short:  # it is an environment's
            raise
        return False
    return True


def _reached(algorithm: Algorithm[Any]) -> bool:
    goal = algorithm.config.stop_at_return
    return goal is not None and algorithm.best.mean_return >= goal


def _describe(outcome: dict[str, Any], steps: int) -> str:
    mean = outcome["env_runners"]["episode_return_mean"]
    return f"return {mean:.1f}, fps {steps / max(outcome['time_this_iter_s'], 1e-9):,.0f}"


def _evaluate(algorithm: Algorithm[Any]) -> dict[str, Any] | None:
    try:
        return algorithm.measured()
    except ConfigError:
        if isinstance(algorithm.config.env, VectorEnv) and algorithm.config.evaluation_env is None:
            return None
        raise


def summary(seeds: list[int], results: list[TrainResult[Any]]) -> str:
    """Of runs with several seeds: a line for each, and one for all."""
    means = [_mean(result.evaluation) for result in results]
    lines = [
        f"seed {seed}: return {mean:.1f} after {result.algorithm.progress.steps:,} steps"
        + (f", best {_mean(result.best.evaluation):.1f} after {result.best.steps:,}" if result.best else "")
        for seed, mean, result in zip(seeds, means, results, strict=True)
    ]
    middle = sum(means) / len(means)
    spread = (sum((mean - middle) ** 2 for mean in means) / len(means)) ** 0.5
    return "\n".join([*lines, f"{len(means)} seeds: return {middle:.1f} ± {spread:.1f}"])


def _mean(evaluation: dict[str, Any] | None) -> float:
    return float("nan") if evaluation is None else float(evaluation["env_runners"]["episode_return_mean"])
