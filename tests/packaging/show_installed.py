"""Import all of an installed reactvec that needs no extra, and say where it lies."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import reactvec

EXTRAS = ("reactvec.algorithms", "reactvec.sb3", "reactvec.testing.sb3_checks")

modules = [info.name for info in pkgutil.walk_packages(reactvec.__path__, "reactvec.", onerror=lambda name: None)]
for name in modules:
    if not name.startswith(EXTRAS):
        importlib.import_module(name)
print(f"Python {sys.version.split()[0]}: {reactvec.__file__}")
