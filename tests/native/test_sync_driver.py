"""`_sync.h` by itself: the native driver, with and without ThreadSanitizer; and it would notice mistakes."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HEADER = HERE.parents[1] / "reactvec" / "_sync.h"
COMPILER = shutil.which(os.environ.get("CC", "cc"))
NO_SANITIZER = 77

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def build(folder: Path, header: str, *options: str) -> Path:
    (folder / "_sync.h").write_text(header)
    binary = folder / "sync_driver"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", *options]
    subprocess.run([str(COMPILER), *flags, f"-I{folder}", str(HERE / "sync_driver.c"), "-o", str(binary)], check=True)
    return binary


def drive(binary: Path, rounds: int, seed: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(binary), str(rounds), str(seed)], capture_output=True, text=True, timeout=100)


def mutated(old: str, new: str) -> str:
    header = HEADER.read_text()
    assert header.count(old) == 1, f"{old!r} is no longer in _sync.h; mutate what took its place"
    return header.replace(old, new)


def test_handovers_are_complete_and_no_wake_up_is_lost(tmp_path: Path) -> None:
    done = drive(build(tmp_path, HEADER.read_text()), 20000, 1)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_condition_variable_that_replaces_the_futex(tmp_path: Path) -> None:
    done = drive(build(tmp_path, HEADER.read_text(), "-U__linux__"), 5000, 1)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_driver_notices_a_publisher_that_does_not_wake(tmp_path: Path) -> None:
    header = mutated("        rv_wake(clock);\n", "")
    done = drive(build(tmp_path, header), 40, 1)
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def sanitize(folder: Path, header: str, rounds: int) -> "subprocess.CompletedProcess[str]":
    (folder / "_sync.h").write_text(header)
    environment = {**os.environ, "SYNC_INCLUDE": str(folder)}
    script = [str(HERE / "run_tsan.sh"), str(rounds), "1"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=100)
    if done.returncode == NO_SANITIZER:
        pytest.skip(done.stderr.strip())
    return done


def test_thread_sanitizer_has_nothing_to_report(tmp_path: Path) -> None:
    done = sanitize(tmp_path, HEADER.read_text(), 5000)
    assert done.returncode == 0, done.stdout + done.stderr


def test_thread_sanitizer_notices_a_missing_acquire(tmp_path: Path) -> None:
    load = "atomic_load_explicit(&clock->count, memory_order_acquire)"
    done = sanitize(tmp_path, mutated(load, load.replace("acquire", "relaxed")), 1000)
    assert done.returncode not in (0, 1)
    assert "data race" in done.stderr
