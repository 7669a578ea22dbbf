"""Where the time of trainings goes: writes the generated part of docs/performance.md.

Each training runs for some seconds, with a clock around its parts. The gradient steps of torch are looked at by torch's
own profiler; those of kernels are set beside the matrix products in them, alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for `python benchmarks/breakdown.py`

from benchmarks import breakout, machine  # noqa: E402
from benchmarks.harness import restart_with_clean_environment  # noqa: E402
from benchmarks.page import rewrite  # noqa: E402
from benchmarks.training_cases import OUR_DQN, OUR_PPO  # noqa: E402

PAGE, COMMAND = ROOT / "docs" / "performance.md", "python -m benchmarks.breakdown"
ACT, INFER, DRAW = "act, step, keep", "inference in torch", "draw minibatches"
PREPARE, FIT = "advantages, statistics, order", "gradient steps"
PARTS = (ACT, INFER, DRAW, PREPARE, FIT)
TOP = 8  # operators of torch that are listed
PRODUCTS = 3  # a layer's: forwards, and backwards by its weights and by its inputs


@dataclass
class Clock:
    """Seconds in named parts; what is called within a part and is a part itself does not count for the outer one."""

    seconds: dict[str, float] = field(default_factory=dict)
    _inner: list[float] = field(default_factory=list)

    def around(self, owner: object, method: str, part: str) -> None:
        """Count what an object's method takes."""
        function: Callable[..., Any] = getattr(owner, method)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.counting(part):
                return function(*args, **kwargs)

        setattr(owner, method, timed)

    @contextmanager
    def counting(self, part: str) -> Iterator[None]:
        """Count what happens within."""
        self._inner.append(0.0)
        begin = time.perf_counter()
        try:
            yield
        finally:
            whole, inner = time.perf_counter() - begin, self._inner.pop()
            self.seconds[part] = self.seconds.get(part, 0.0) + whole - inner
            if self._inner:
                self._inner[-1] += whole


def ppo(clock: Clock, **settings: Any) -> Any:
    """PPO as `benchmarks/training.py` has it, under the clock."""
    from reactvec.algorithms import PPOConfig

    algorithm = PPOConfig(**(OUR_PPO | {"placement": "inline"} | settings)).build_algo()
    learner = algorithm.learner
    clock.around(learner, "_batch", PREPARE)
    clock.around(learner, "_prepared", PREPARE)
    for method in ("_fit", "_fit_by_kernel"):
        clock.around(learner, method, FIT)
    return acting(clock, algorithm)


def ppo_of_images(clock: Clock, **settings: Any) -> Any:
    """PPO on MinAtar's Breakout, with the network and the settings of the benchmark of learning."""
    from benchmarks.learning_rows import ours, row_of

    row = row_of("ppo/MinAtar-Breakout")
    network = {"env": breakout.make, "model": breakout.ActorCritic, "total_timesteps": 10_000_000}
    return ppo(clock, **ours(row) | network | settings)


def acting(clock: Clock, algorithm: Any) -> Any:
    """An algorithm whose inference, where torch does it, is under the clock."""
    if hasattr(algorithm.policy, "inference"):
        clock.around(algorithm.policy.inference, "_run", INFER)
    return algorithm


def dqn(clock: Clock, **settings: Any) -> Any:
    """DQN with the zoo's settings, likewise."""
    from reactvec.algorithms import DQNConfig

    return off_policy(clock, DQNConfig(**(OUR_DQN | settings)).build_algo())


def sac(clock: Clock, **settings: Any) -> Any:
    """SAC with the zoo's settings, likewise."""
    from reactvec.algorithms import SACConfig

    config = SACConfig(env="Pendulum-v1", placement="inline", **settings).preset("zoo")
    return off_policy(clock, config.training(total_timesteps=10_000_000).build_algo())


def off_policy(clock: Clock, algorithm: Any) -> Any:
    """What learns from a replay buffer, under the clock."""
    clock.around(algorithm.replay, "settle", DRAW)
    clock.around(algorithm.replay, "_draw", DRAW)
    clock.around(algorithm.replay.ring, "gather", DRAW)
    clock.around(algorithm.learner, "fit", FIT)
    return acting(clock, algorithm)


TORCH: dict[str, Any] = {"learner_backend": "torch"}
PYTHON: dict[str, Any] = {"native": False}
TRAININGS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "PPO, native environments, kernel": (ppo, {}),
    "PPO, native environments, torch learner": (ppo, TORCH),
    "PPO, Python environments, kernel": (ppo, PYTHON),
    "PPO, Python environments, torch learner": (ppo, PYTHON | TORCH),
    "PPO, images, Python environments, torch": (ppo_of_images, {}),
    "PPO, images, Python environments in processes, torch": (ppo_of_images, {"placement": "processes"}),
    "DQN, native environments, kernel": (dqn, {}),
    "DQN, native environments, torch learner": (dqn, TORCH),
    "SAC, native environments, kernel": (sac, {}),
    "SAC, native environments, torch": (sac, TORCH | {"inference_backend": "torch"}),
}


def shares(seconds: float) -> list[str]:
    """A table of all trainings: speed, and the share of each part."""
    lines = [f"| training | steps/s | {' | '.join(PARTS)} |", f"|---|---:{'|---:' * len(PARTS)}|"]
    for name, (make, settings) in TRAININGS.items():
        clock = Clock()
        with make(clock, **settings) as algorithm:
            algorithm.train_steps(4_096)
            clock.seconds.clear()
            before, begin = algorithm.progress.steps, time.perf_counter()
            while time.perf_counter() - begin < seconds:
                algorithm.train_steps(1_024)
            whole, steps = time.perf_counter() - begin, algorithm.progress.steps - before
        taken = {**clock.seconds, ACT: whole - sum(clock.seconds.values())}
        cells = [f"{taken[part] / whole:.0%}" if part in taken else "-" for part in PARTS]
        lines.append(f"| {name} | {steps / whole:,.0f} | {' | '.join(cells)} |")
    return lines


def operators(seconds: float) -> list[str]:
    """A table of what torch does in PPO's gradient steps, by its profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    with ppo(Clock(), learner_backend="torch") as algorithm:
        algorithm.train_steps(8_192)
        before = algorithm.learner.gradient_steps
        with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiler, torch.no_grad():
            begin = time.perf_counter()
            while time.perf_counter() - begin < min(seconds, 2.0):
                algorithm.train_steps(1_024)
        updates = algorithm.learner.gradient_steps - before
    found = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in found)
    lines = ["| operator of torch | calls per gradient step | share of its time |", "|---|---:|---:|"]
    for event in found[:TOP]:
        lines.append(f"| `{event.key}` | {event.count / updates:.1f} | {event.self_cpu_time_total / whole:.0%} |")
    rest = found[TOP:]
    calls, share = sum(event.count for event in rest), sum(event.self_cpu_time_total for event in rest) / whole
    return [*lines, f"| {len(rest)} others | {calls / updates:.1f} | {share:.0%} |"]


def products(seconds: float) -> list[str]:
    """A gradient step of kernels beside the products in it: `[B, inputs] @ [inputs, outputs]`, and those backwards."""
    from reactvec.algorithms.kernels import dense

    ppo_nets = [(4, 64), (64, 64), (64, 2), (4, 64), (64, 64), (64, 1)]
    dqn_net = [(4, 256), (256, 256), (256, 2)]
    lines = ["| gradient step by kernels | microseconds | of which products |", "|---|---:|---:|"]
    for name, make, layers, rows in (("PPO, minibatch of 256", ppo, ppo_nets, 256), ("DQN, 64", dqn, dqn_net, 64)):
        clock = Clock()
        with make(clock) as algorithm:
            algorithm.train_steps(4_096)
            clock.seconds.clear()
            before, begin = algorithm.learner.gradient_steps, time.perf_counter()
            while time.perf_counter() - begin < seconds:
                algorithm.train_steps(1_024)
            step = clock.seconds[FIT] / (algorithm.learner.gradient_steps - before)
        forwards = 1 if make is ppo else 2  # DQN's target network goes forwards, too
        alone = sum((PRODUCTS + forwards - 1) * seconds_of(dense, rows, *layer) for layer in layers)
        lines.append(f"| {name} | {step * 1e6:,.0f} | {alone / step:.0%} |")
    return lines


def seconds_of(dense: Any, rows: int, inputs: int, outputs: int, repeats: int = 2_000) -> float:
    """What one product takes; columns are padded, as the kernels' are."""
    inputs, outputs = (-(-size // 16) * 16 for size in (inputs, outputs))
    a, b, c = (dense.aligned(m * n).reshape(m, n) for m, n in ((rows, inputs), (inputs, outputs), (rows, outputs)))
    begin = time.perf_counter()
    dense.multiply(a, b, None, c, repeats=repeats)
    return (time.perf_counter() - begin) / repeats


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    parser.add_argument("--seconds", type=float, default=5.0, help="of each training (5)")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="docs/performance.md by default")
    options = parser.parse_args(arguments)
    restart_with_clean_environment()
    os.environ["OMP_NUM_THREADS"] = "1"
    described = machine.describe()
    lines = [f"{described['processor']}, torch {described['torch']}, one thread."]
    for table in (shares, operators, products):
        lines += ["", *table(options.seconds)]
    print("\n".join(lines))
    rewrite(options.page, COMMAND, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
