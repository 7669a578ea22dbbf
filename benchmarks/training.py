"""How fast PPO and DQN train on CartPole-v1 and SAC on Pendulum-v1, in environment steps per second, and the time to a
return of 475.

Whole trainings, which go on from one turn to the next: environments, inference, learning. Every case is a process of
its own with one thread for torch and BLAS; SBX has the threads that XLA takes.
RLlib takes part where .venv/rllib is (`make .venv/rllib/deps.stamp`).
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import training_cases as cases
from benchmarks.apart import ONE_THREAD, ROOT, Apart
from benchmarks.harness import Report, Sample, best, main, ratio
from benchmarks.learning_sides import OURS, SB3, SIDES
from benchmarks.page import rewrite
from benchmarks.time_to_return import ROW, Reached, measured

MODULE = "benchmarks.training_cases"
COMMAND, PAGE = "python -m benchmarks.training", ROOT / "docs" / "algorithms" / "speed.md"
RLLIB_PYTHON = ROOT / ".venv" / "rllib" / "bin" / "python"
PPO_STEPS, DQN_STEPS, SAC_STEPS, ROLLOUT_STEPS = 16_384, 4_096, 256, 1_048_576
QUICK_SHARE, QUICK_LIMIT = 4, 4_096
SEEDS, QUICK_SEEDS = 7, 1
# Of whole trainings of the same work; not measured by this script.
QUOTED = (
    "Measured once, when the bars were set, on two cores: RLlib 2.60's PPO 3,500 steps/s, and PureJaxRL, whose loop is "
    "one compiled program with environments in JAX, 140,000 steps/s."
)


def installed(module: str) -> bool:
    """Whether a peer is there; where it is not, this says so."""
    if importlib.util.find_spec(module):
        return True
    print(f"  {module} is not installed: its cases are left out; pip install 'reactvec[bench]'")
    return False


def compare(report: Report, title: str, names: Sequence[str], steps: int, baseline: str) -> dict[str, Sample]:
    """Measure cases in turns and print their table."""
    steps = steps // QUICK_SHARE if report.quick else steps
    with ExitStack() as stack:
        apart = []
        for name in names:
            python = str(RLLIB_PYTHON) if name == cases.RLLIB_PPO else sys.executable
            threads = {} if name in (cases.SBX_PPO, *cases.SBX_DQN.values(), cases.SBX_SAC) else ONE_THREAD
            apart.append(stack.enter_context(Apart(MODULE, name, threads, python)))
        samples = report.measure([process.case(steps) for process in apart])
    report.table(title, samples, baseline=baseline)
    return samples


def run_ppo(report: Report) -> None:
    """PPO with 8 environments, rollouts of 128, minibatches of 256, 10 epochs, two tanh networks of 64 and 64."""
    names = [cases.SB3_PPO, cases.PYTHON_TORCH, cases.NATIVE_TORCH, cases.KERNEL_ONE, cases.KERNEL_TWO, cases.SERIAL]
    names += [cases.SBX_PPO] if installed("sbx") else []
    names += [cases.RLLIB_PPO] if RLLIB_PYTHON.exists() else []
    samples = compare(report, "PPO, CartPole-v1, 8 environments", names, PPO_STEPS, cases.SB3_PPO)
    print(f"  {QUOTED}")
    sb3, kernel = samples[cases.SB3_PPO], best([samples[cases.KERNEL_ONE], samples[cases.KERNEL_TWO]])
    report.bar("PPO, Python envs, torch: x SB3", ratio(samples[cases.PYTHON_TORCH], sb3), at_least=2.0)
    report.bar("PPO, native envs, torch: x SB3", ratio(samples[cases.NATIVE_TORCH], sb3), at_least=2.5)
    report.bar("PPO, native envs, learner kernel: x SB3", ratio(kernel, sb3), at_least=6.0)


def run_dqn(report: Report) -> None:
    """DQN with the zoo's settings: 256 and 256 units, 128 gradient steps of 64 transitions per 256 steps."""
    ours, sb3 = list(cases.OUR_DQNS.values()), list(cases.SB3_DQN.values())
    sbx = list(cases.SBX_DQN.values()) if installed("sbx") else []
    samples = compare(report, "DQN, CartPole-v1, zoo's settings", [*sb3, *ours, *sbx], DQN_STEPS, sb3[0])
    fastest = best(samples[name] for name in ours)
    report.bar("DQN: x SB3's best", ratio(fastest, best(samples[name] for name in sb3)), at_least=2.5)
    peer = ratio(fastest, best(samples[name] for name in sbx)) if sbx else None
    report.bar("DQN: x SBX's best", peer, at_least=1.0)


def run_sac(report: Report) -> None:
    """SAC with the zoo's settings: 256 and 256 units, a gradient step of 256 transitions per environment step."""
    names = [cases.SB3_SAC, cases.SAC_TORCH, cases.SAC_ONE, cases.SAC_TWO]
    names += [cases.SBX_SAC] if installed("sbx") else []
    samples = compare(report, "SAC, Pendulum-v1, zoo's settings", names, SAC_STEPS, cases.SB3_SAC)
    report.bar("SAC, kernels, 1 worker: x SB3", ratio(samples[cases.SAC_ONE], samples[cases.SB3_SAC]), at_least=1.5)


def run_rollouts(report: Report) -> None:
    """PPO's program without its gradient steps."""
    names = [cases.ROLLOUT_ONE, cases.ROLLOUT_TWO]
    samples = compare(report, "rollouts alone, 64 native CartPole-v1", names, ROLLOUT_STEPS, cases.ROLLOUT_ONE)
    rate = best(samples.values()).rate.median / 1e6
    report.bar("rollouts alone, 64 native envs, million steps/s", rate, at_least=1.5, unit="M/s")


def run_time_to_return(report: Report) -> list[str]:
    """The time to a return of 475, the sides in turns over the seeds; returns a table for the page."""
    count, limit = (QUICK_SEEDS, QUICK_LIMIT) if report.quick else (SEEDS, ROW.steps)
    found: dict[str, list[Reached]] = {side: [] for side in SIDES}
    lines = [
        "| seed | side | steps | seconds from the call | from the start of the process |",
        "|---|---|---:|---:|---:|",
    ]
    for index in range(count):
        seed = 1_000 * (index + 1)
        for side in SIDES if index % 2 == 0 else SIDES[::-1]:
            run = measured(side, seed, limit)
            found[side].append(run)
            steps = "not reached" if run.steps is None else f"{run.steps:,}"
            lines.append(f"| {seed} | {side} | {steps} | {run.seconds:.2f} | {run.from_process_start:.2f} |")
    print("\ntime to a greedy return of 475\n" + "\n".join(f"  {line}" for line in lines))
    report.bar("time to a return of 475: x SB3", times_faster(found), at_least=4.0)
    return lines


def times_faster(found: Mapping[str, Sequence[Reached]]) -> float | None:
    """The median time of SB3 over ours; None where half of a side's runs did not reach the return."""
    medians = {
        side: statistics.median(float("inf") if run.steps is None else run.seconds for run in runs)
        for side, runs in found.items()
    }
    return None if float("inf") in medians.values() else medians[SB3] / medians[OURS]


def page(report: Report, reached: Sequence[str]) -> list[str]:
    """What the page shows: machine, tables, bars."""
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in report.machine.items())]
    for title, samples in report.samples.items():
        lines += ["", f"**{title}**", "", "| case | steps/s, median | quartiles |", "|---|---:|---:|"]
        for name, sample in samples.items():
            rate = sample.rate
            lines.append(f"| {name} | {rate.median:,.0f} | {rate.lower:,.0f} to {rate.upper:,.0f} |")
    lines += ["", QUOTED, "", "**Time to a greedy return of 475**", "", *reached]
    lines += ["", "| bar | measured | bound | |", "|---|---:|---:|---|"]
    for bar in report.bars:
        value = "-" if bar.value is None else f"{bar.value:,.2f}"
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[bar.met]
        lines.append(f"| {bar.what} | {value} | {bar.bound:g} | {verdict} |")
    return lines


def run(report: Report, target: Path = PAGE) -> None:
    """Measure everything; write the page, unless this is quick."""
    report.controls()
    run_ppo(report)
    run_dqn(report)
    run_sac(report)
    run_rollouts(report)
    reached = run_time_to_return(report)
    if not report.quick:
        rewrite(target, COMMAND, page(report, reached))


if __name__ == "__main__":
    main("training", run)
