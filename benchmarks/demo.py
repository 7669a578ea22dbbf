"""`make demo`: train DQN on CartPole-v1, evaluate it, show the schedule it ran and how fast its environments are.

Writes the learning curve and a checkpoint into runs/.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for `python benchmarks/demo.py`

from gymnasium.vector import AutoresetMode, SyncVectorEnv  # noqa: E402

from benchmarks.harness import Case, measure, ratio, restart_with_clean_environment  # noqa: E402
from benchmarks.rollouts import ENV_ID, env_fns, random_actions, sb3_case, vector_case  # noqa: E402
from reactvec import ReactorVectorEnv  # noqa: E402
from reactvec.algorithms import DQN, TrainResult, train_dqn  # noqa: E402

RUNS = ROOT / "runs"
STEPS, SEED = 50_000, 0
ENVS, ROWS, TURNS = 8, 500, 5
OURS, PYTHON, SYNC, SUBPROC = "reactvec", "reactvec, native=False", "SyncVectorEnv", "SubprocVecEnv"


def compare_speed() -> None:
    """Steps per second of `step` with random actions, beside the stock classes; medians of interleaved turns."""
    from stable_baselines3.common.vec_env import SubprocVecEnv

    actions, fns = random_actions(ROWS, ENVS), env_fns(ENVS)
    makers: list[Any] = list(fns)
    with ExitStack() as stack:

        def opened(env: Any) -> Any:
            return stack.enter_context(closing(env))

        cases: list[Case] = [
            vector_case(OURS, opened(ReactorVectorEnv(fns)), actions),
            vector_case(PYTHON, opened(ReactorVectorEnv(fns, native=False)), actions),
            vector_case(SYNC, opened(SyncVectorEnv(fns, autoreset_mode=AutoresetMode.NEXT_STEP)), actions),
            sb3_case(SUBPROC, opened(SubprocVecEnv(makers)), actions),
        ]
        samples = measure(cases, TURNS)
    for name, sample in samples.items():
        times = ratio(sample, samples[SYNC])
        print(f"  {name:<24} {sample.rate.median:>12,.0f} steps/s  {times:>7.2f} x {SYNC}")


def draw_curve(result: TrainResult[DQN], target: Path) -> None:
    """The mean return of the last 100 training episodes over environment steps, and the evaluation."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps = [outcome["num_env_steps_sampled_lifetime"] for outcome in result.history]
    returns = [outcome["env_runners"]["episode_return_mean"] for outcome in result.history]
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(steps, returns, label="training, with exploration (mean of 100 episodes)")
    if result.evaluation is not None:
        mean = result.evaluation["env_runners"]["episode_return_mean"]
        axes.plot(steps[-1:], [mean], "o", label=f"evaluation, greedy: {mean:.1f}")
    axes.set(xlabel="environment steps", ylabel="return", title=f"DQN on {ENV_ID}", ylim=(0, 520))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left")
    figure.savefig(target, dpi=150)
    pyplot.close(figure)


def main() -> None:
    """Run the demo."""
    restart_with_clean_environment()
    begin = time.perf_counter()
    print(f"Training DQN on {ENV_ID} for {STEPS:,} environment steps")
    result = train_dqn(ENV_ID, STEPS, seed=SEED)
    assert result.evaluation is not None
    runners = result.evaluation["env_runners"]
    print(
        f"\nEvaluation: mean return {runners['episode_return_mean']:.1f} of {runners['num_episodes']} greedy "
        f"episodes ({runners['episode_return_min']:.0f} to {runners['episode_return_max']:.0f})"
    )
    print(f"\nThe schedule that ran\n{result.algorithm.schedule.explain('step')}")
    print(f"\nThe speed of {ENVS} environments, {ENV_ID}, random actions")
    compare_speed()
    RUNS.mkdir(exist_ok=True)
    draw_curve(result, RUNS / "dqn_cartpole.png")
    checkpoint = result.algorithm.save_to_path(RUNS / "dqn_cartpole")
    print(f"\nWrote {RUNS / 'dqn_cartpole.png'} and the checkpoint {checkpoint}")
    print(f"{time.perf_counter() - begin:.0f} seconds")


if __name__ == "__main__":
    main()
