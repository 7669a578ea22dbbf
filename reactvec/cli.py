"""`reactvec train ppo|dqn|sac`, `reactvec explain ppo|dqn|sac`, `reactvec eval`, `reactvec plot`, `reactvec tune`,
`reactvec info`.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib.metadata
import json
import os
import platform
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from reactvec.algorithms.checks import CheckpointError, ConfigError, MissingExtra
from reactvec.cli_runs import evaluate, plot
from reactvec.cli_settings import json_object, parse
from reactvec.placement import gil_enabled, usable_cores

USAGE = """\
reactvec train ppo --env CartPole-v1 ...     train, evaluate, and perhaps save (--save FOLDER); or: train dqn, train sac
reactvec train ppo --resume RUN              go on from the newest checkpoint of a folder, with its settings
reactvec eval RUN                            evaluate what a checkpoint holds; --render or --video FOLDER to see it
reactvec plot RUN...                         draw the returns of runs over their steps, into a PNG
reactvec explain ppo --env CartPole-v1 ...   print the schedule that the training would run (--mermaid: draw it)
reactvec tune CartPole-v1 ...                measure which vector environment is the fastest for yours, on this machine
reactvec info                                versions, cores and compiler

Settings are flags (--lr 1e-3 --num-envs 16), a JSON file (--config FILE), or what others tuned for an environment
(--preset zoo); flags go before the file, the file before the preset. `reactvec train ppo --help` lists them.
"""

PACKAGES = ("reactvec", "numpy", "gymnasium", "torch", "safetensors", "tyro", "stable-baselines3", "cython")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command = words[0] if words and words[0] in _COMMANDS else " ".join(words[:2])
    verb, _, algorithm = command.partition(" ")
    if command == "" or verb in _HELP or (verb in _VERBS and algorithm in _HELP):
        print(USAGE, end="")
        return 0
    if command in _VERBS:
        print(f"reactvec: {command} what?\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    if command not in _COMMANDS:
        near = difflib.get_close_matches(command, _COMMANDS, n=1) or list(_COMMANDS)
        print(f"reactvec has no command {command!r}; did you mean `reactvec {near[0]}`?", file=sys.stderr)
        return 2
    try:
        code = _COMMANDS[command](words[len(command.split()) :])
        sys.stdout.flush()
        return code
    except (ConfigError, CheckpointError, MissingExtra) as error:  # the message says it all
        print(f"reactvec: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("reactvec: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at exit
        return 141


@dataclass
class _Train:
    """Train, evaluate, and print the result."""

    config: Any
    save: Path | None = None
    """Folder to write a checkpoint of the trained agent to."""
    quiet: bool = False
    """Show no progress bar."""
    resume: Path | None = None
    """Checkpoint, or folder of checkpoints, to go on from."""
    seeds: tuple[int, ...] = ()
    """Train once with each of these seeds, one after the other."""


@dataclass
class _Explain:
    """Print the schedule that a training would run."""

    config: Any
    mermaid: bool = False
    """Print a Mermaid flowchart instead of words."""


def train(algorithm: str, flags: Sequence[str]) -> int:
    """`reactvec train ppo`, `reactvec train dqn`, `reactvec train sac`."""
    options = parse(_Train, "train", algorithm, flags)
    if options.seeds and any(flag.partition("=")[0] == "--seed" for flag in flags):
        raise ConfigError("--seed is given beside --seeds; leave one out")
    from reactvec.algorithms import train_dqn, train_ppo, train_sac
    from reactvec.algorithms.checkpoint import check_target

    if options.save is not None:
        with _writing("--save"):
            check_target(options.save)
    if options.save is not None and options.seeds:
        raise ConfigError("--save takes one agent; with --seeds, set --checkpoint-dir")
    call: Any = {"ppo": train_ppo, "dqn": train_dqn, "sac": train_sac}[algorithm]
    results: Any = call(**_sources(options), seeds=options.seeds or None, progress=not options.quiet)
    for result in results if options.seeds else [results]:
        print(json.dumps(result.evaluation, indent=2))
        if result.best is not None:
            best = result.best
            print(
                f"best after {best.steps} steps: return {best.selected_return:.1f} when it was chosen, on fresh seeds"
            )
            print(json.dumps(best.evaluation, indent=2))
    if options.save is not None:
        print(f"saved to {results.algorithm.save_to_path(options.save)}")
    return 0


def _sources(options: Any) -> dict[str, Any]:
    """Where a training takes its settings from: flags alone, or a checkpoint and all flags."""
    if options.resume is None:
        return {"config": options.config}
    left_out = {"seed"} if options.seeds else set()
    settings = {name: value for name, value in options.config.to_dict().items() if name not in left_out}
    return {"resume": options.resume, **settings}


@contextlib.contextmanager
def _writing(flag: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{flag}: {error}") from error


def explain(algorithm: str, flags: Sequence[str]) -> int:
    """`reactvec explain ppo`, `reactvec explain dqn`, `reactvec explain sac`."""
    options = parse(_Explain, "explain", algorithm, flags)
    with options.config.build_algo() as built:
        print(built.schedule.to_mermaid() if options.mermaid else built.explain())
    return 0


def tune(flags: Sequence[str]) -> int:
    """`reactvec tune`."""
    options = _tune_options(flags)
    kwargs = json_object("--kwargs", options.kwargs)
    if options.json is not None:
        with _writing("--json"):
            options.json.open("a").close()
    from reactvec import tuning, tuning_report
    from reactvec.env_source import EnvSource

    sys.path.append(str(Path.cwd()))  # where the module of an environment may be
    try:
        result = tuning.tune(EnvSource(options.env, kwargs), options.num_envs, options.seconds, _show_progress)
    except tuning.TuningError as error:
        raise ConfigError(str(error)) from None
    finally:
        _show_progress("")
    print(tuning_report.report(result))
    if options.json is not None:
        with _writing("--json"):
            options.json.write_text(json.dumps(result.to_dict(), indent=2) + "\n")
    return 0 if result.fastest else 1


def _tune_options(flags: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "reactvec tune", description="Measure which vector environment is the fastest for an environment, here."
    )
    parser.add_argument("env", help='"CartPole-v1", "module:id", or "module:function" (it makes an environment)')
    parser.add_argument("--num-envs", type=_positive(int), nargs="+", default=[], help="one per core, 8 and 32")
    parser.add_argument("--seconds", type=_positive(float), default=0.15, help="per setting and turn (%(default)s)")
    parser.add_argument("--kwargs", default="{}", metavar="JSON", help="arguments for gym.make, or for the function")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args(flags)


def _positive(kind: type[Any]) -> Callable[[str], Any]:
    def positive(text: str) -> Any:
        if not 0 < (value := kind(text)) < 1e6:
            raise ValueError
        return value

    return positive


def _show_progress(words: str) -> None:
    """On one line of a terminal, in place of what stood there."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)


def info(flags: Sequence[str]) -> int:
    """`reactvec info`."""
    if flags:
        raise ConfigError(f"info takes no {flags[0]!r}")
    for package in PACKAGES:
        try:
            print(f"{package:<20} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            print(f"{package:<20} not installed")
    gil = "with the GIL" if gil_enabled() else "free-threaded"
    print(f"{'python':<20} {platform.python_implementation()} {platform.python_version()}, {gil}")
    print(f"{'system':<20} {platform.system()} {platform.release()} {platform.machine()}")
    print(f"{'usable cores':<20} {usable_cores()}")
    print(f"{'compiler of python':<20} {platform.python_compiler()}")
    print(f"{'compiler flags':<20} {sysconfig.get_config_var('CFLAGS') or 'unknown'}")
    return 0


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train ppo": partial(train, "ppo"),
    "train dqn": partial(train, "dqn"),
    "train sac": partial(train, "sac"),
    "explain ppo": partial(explain, "ppo"),
    "explain dqn": partial(explain, "dqn"),
    "explain sac": partial(explain, "sac"),
    "eval": evaluate,
    "plot": plot,
    "tune": tune,
    "info": info,
}
_VERBS = {name.partition(" ")[0] for name in _COMMANDS if " " in name}
_HELP = ("-h", "--help", "help")


if __name__ == "__main__":
    sys.exit(main())
