"""Build the extension modules; everything else is declared in pyproject.toml."""

import os
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("REACTVEC_DEBUG") == "1"
# rglob does not follow the link reactvec/algorithms.
SOURCES = sorted([*Path("reactvec").rglob("*.pyx"), *Path("reactvec/algorithms").glob("*.pyx")])
HEADERS = [str(p) for pattern in ("*.h", "*.pxd") for p in sorted(Path("reactvec").rglob(pattern))]

extensions = [
    Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        include_dirs=["reactvec", np.get_include()],
        libraries=["m"],
        depends=HEADERS,
        # No contraction: a fused multiply-add would give other bits than Python does.
        extra_compile_args=[*(["-O1", "-g"] if DEBUG else ["-O3", "-g0"]), "-ffp-contract=off", "-std=c11"],
    )
    for source in SOURCES
]

directives = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "freethreading_compatible": True,
}

setup(
    package_dir={"": "."},
    ext_modules=cythonize(extensions, compiler_directives=directives),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
