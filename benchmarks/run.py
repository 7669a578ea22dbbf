"""Run every benchmark, each in a process of its own, and sum up: `make bench`.

Prints one table of all bars and writes all reports to one JSON file. Exits with 1 if a script failed; a bar
that is not met is a finding, not a failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for `python benchmarks/run.py`

from benchmarks.harness import Bar  # noqa: E402

SCRIPTS = (
    "python_cartpole",
    "native_kernels",
    "native_rollout",
    "dense",
    "tags",
    "compile_time",
    "processes",
    "sharing",
    "sb3",
    "sb3_pong",
    "balance",
    "dict_observations",
    "startup",
    "dqn_cartpole",
    "training",
)


def run_script(name: str, arguments: Sequence[str], target: Path) -> dict[str, Any] | None:
    """The report of one script; None if it failed."""
    print(f"\n=== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(target), *arguments]
    if subprocess.run(command, check=False, cwd=ROOT).returncode or not target.exists():
        return None
    report: dict[str, Any] = json.loads(target.read_text())
    return report


def bar_of(values: dict[str, Any]) -> Bar:
    """A bar from its JSON."""
    return Bar(**{name: value for name, value in values.items() if name != "met"})


def print_summary(reports: dict[str, dict[str, Any] | None]) -> None:
    """One table of all bars."""
    print("\n=== summary")
    for name, report in reports.items():
        print(f"{name}{'' if report else ': FAILED, see above'}")
        for values in report["bars"] if report else ():
            print(f"  {bar_of(values)}")
        ratio = report["control"].get("two_core_ratio") if report else None
        if ratio:
            print(f"  (two busy cores took {ratio:.2f} times as long as one; 1.00 where they are independent)")


def main() -> int:
    """Run all, or those named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip())
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", help=f"of {', '.join(SCRIPTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that everything works")
    parser.add_argument("--repeats", type=int, help="turns per table")
    parser.add_argument("--json", type=Path, default=ROOT / "runs" / "bench.json", metavar="FILE")
    options = parser.parse_args()
    unknown = [name for name in options.scripts if name not in SCRIPTS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(SCRIPTS)}")
    arguments = ["--quick"] if options.quick else []
    arguments += ["--repeats", str(options.repeats)] if options.repeats else []
    with tempfile.TemporaryDirectory() as directory:
        reports = {
            name: run_script(name, arguments, Path(directory) / f"{name}.json") for name in options.scripts or SCRIPTS
        }
    print_summary(reports)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(reports, indent=1) + "\n")
    print(f"\nwrote {options.json}")
    return 1 if None in reports.values() else 0


if __name__ == "__main__":
    sys.exit(main())
