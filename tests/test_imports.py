"""Imports flow one way, are quick, and what the package says of itself is true."""

from __future__ import annotations

import ast
import importlib
import importlib.machinery
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import reactvec

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "reactvec"
# Which modules of reactvec each module of the runtime may import.
MAY_IMPORT = {
    "topology": set(),
    "wiring": {"topology"},
    "schedule": {"topology", "explanation"},
    "explanation": {"schedule", "topology"},
    "presence": {"topology", "wiring", "compiler"},
    "partition": {"schedule", "topology"},
    "asides": {"compiler", "schedule", "topology"},
    "compiler": {"asides", "partition", "presence", "schedule", "topology", "wiring"},
    "arena": {"schedule", "topology"},
    "snapshot": {"arena", "schedule"},
    "workers": {"_sched"},
    "placement": {"whole_number"},
    "whole_number": set(),
    "binding": {"_sched", "arena", "schedule", "topology"},
    "shared_block": set(),
    "leash": set(),
    "descriptors": set(),
    "mail": set(),
    "held_signals": set(),
    "remote_error": set(),
    "parcels": {"arena", "schedule", "topology"},
    "process_worker": {
        "failures",
        "_shared_engine",
        "arena",
        "binding",
        "leash",
        "mail",
        "parcels",
        "remote_error",
        "schedule",
        "shared_block",
        "topology",
    },
    "processes": {
        "failures",
        "_shared_engine",
        "arena",
        "descriptors",
        "held_signals",
        "leash",
        "mail",
        "parcels",
        "process_worker",
        "remote_error",
        "schedule",
        "shared_block",
        "topology",
    },
    "errand": {"descriptors", "leash", "process_worker", "processes", "remote_error"},
    "failures": {"arena", "binding", "schedule", "topology"},
    "execution": {
        "failures",
        "_sched",
        "_shared_engine",
        "arena",
        "binding",
        "placement",
        "processes",
        "schedule",
        "shared_block",
        "snapshot",
        "topology",
        "workers",
    },
}
FOR_ALGORITHMS = (
    "reactvec",
    "reactvec.env_bank",
    "reactvec.native_env_bank",
    "reactvec.placement",
    "reactvec.port_types",
    "reactvec.processes",
    "reactvec.recovery",
    "reactvec.snapshot",
    "reactvec.whole_number",
    "reactvec.algorithms",
)
MOST_OF_AN_IMPORT = 0.5  # of the time that Gymnasium takes
FOLDERS = (PACKAGE, PACKAGE / "algorithms")  # a link, which rglob does not follow
# Which files of the engine each of them may include.
ENGINE = {
    "_sync.pxd": set(),
    "_kernel.pxd": set(),
    "_program.pxd": {"_kernel"},
    "_worker.pxd": {"_program", "_sync"},
    "_interpreter.pxd": {"_program", "_sync", "_worker"},
    "_sched.pxd": {"_program", "_sync", "_worker"},
    "_sched.pyx": {"_interpreter", "_kernel", "_program", "_sync", "_worker"},
    "_shared_engine.pyx": {"_interpreter", "_program", "_sched", "_sync", "_worker"},
}


def files(pattern: str) -> set[Path]:
    return {path for folder in FOLDERS for path in folder.rglob(pattern)}


def imported(path: Path) -> set[str]:
    """The modules that a file imports from, by their full names; `from reactvec import x` is `reactvec`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inside = ".".join(path.relative_to(ROOT).parts[: -node.level]) if node.level else ""
            names.add(".".join(part for part in (inside, node.module) if part))
    return names


def imported_of_reactvec(path: Path) -> set[str]:
    return {name for name in imported(path) if name.split(".")[0] == "reactvec"}


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_the_runtime_is_layered(module: str) -> None:
    allowed = {f"reactvec.{name}" for name in MAY_IMPORT[module]}
    assert imported_of_reactvec(PACKAGE / f"{module}.py") <= allowed


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_knows_kernels_alone(module: str) -> None:
    text = (PACKAGE / module).read_text()
    allowed = {f"reactvec.{name}" for name in ENGINE[module]}
    assert set(re.findall(r"(?:from|import|cimport)\s+(reactvec[.\w]*)", text)) <= allowed


def test_algorithms_use_public_names() -> None:
    files = sorted((PACKAGE / "algorithms").rglob("*.py"))
    assert len(files) > 5
    wrong = {
        path.name: name
        for path in files
        for name in imported_of_reactvec(path)
        if not (name in FOR_ALGORITHMS or name.startswith("reactvec.algorithms."))
    }
    assert wrong == {}


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_the_import_is_quick() -> None:
    """Beside Gymnasium's own, since machines differ."""
    script = (
        "import time; begin = time.perf_counter(); import gymnasium.vector; between = time.perf_counter();"
        "import reactvec; print((time.perf_counter() - between) / (between - begin))"
    )
    shares: list[float] = []
    while len(shares) < 10 and min(shares, default=MOST_OF_AN_IMPORT + 1) > MOST_OF_AN_IMPORT:
        shares.append(float(run(script)))
    assert min(shares) <= MOST_OF_AN_IMPORT, shares


def test_the_import_loads_no_framework() -> None:
    script = "import reactvec, sys; print(*(set(sys.modules) & {'torch', 'gymnasium', 'stable_baselines3'}))"
    assert run(script).split() == []


def test_the_public_names_exist_and_are_all_that_is_public() -> None:
    assert len(reactvec.__all__) == len(set(reactvec.__all__))
    for name in reactvec.__all__:
        assert getattr(reactvec, name) is not None
    modules = {path.name.partition(".")[0] for path in PACKAGE.iterdir()}
    plain = {"annotations", "importlib", "TYPE_CHECKING", "Any", *modules}
    public = {name for name in vars(reactvec) if not name.startswith("_")} - plain
    assert public <= set(reactvec.__all__)
    assert set(reactvec.__all__) <= set(dir(reactvec))
    with pytest.raises(AttributeError, match="module 'reactvec' has no attribute 'Actor'"):
        reactvec.Actor  # noqa: B018


def test_the_algorithms_are_a_relative_link() -> None:
    link = PACKAGE / "algorithms"
    assert link.is_symlink()
    assert os.readlink(link) in ("../algorithms", "../algorithms/")
    assert (link / "__init__.py").samefile(ROOT / "algorithms" / "__init__.py")


def test_every_package_is_installed() -> None:
    """They are named one by one, since one of them is a link."""
    folders = {path.parent.relative_to(ROOT) for path in files("__init__.py")}
    named = re.search(r"^packages = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert named is not None
    assert {".".join(folder.parts) for folder in folders} == set(re.findall(r'"([\w.]+)"', named[1]))


def test_every_extension_runs_without_the_gil() -> None:
    """Declared for all of them at once, and taken back by none."""
    sources = files("*.pyx")
    assert {PACKAGE / "_sched.pyx", PACKAGE / "algorithms/kernels/mlp.pyx"} < sources
    assert re.search(r'"freethreading_compatible": True', (ROOT / "setup.py").read_text())
    assert [path.name for path in sources if "freethreading_compatible" in path.read_text()] == []


def test_every_extension_is_built_and_typed() -> None:
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    for source in files("*.pyx"):
        module = ".".join(source.relative_to(ROOT).with_suffix("").parts)
        assert str(importlib.import_module(module).__file__).endswith(suffixes)
        assert source.with_suffix(".pyi").exists()
