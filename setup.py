"""Build the extension modules; everything else is declared in pyproject.toml."""

import os
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("REACTVEC_DEBUG") == "1"
# reactvec/algorithms may be a link, which rglob does not follow.
FOLDERS = (Path("reactvec"), Path("reactvec/algorithms"))


def files(*suffixes):
    """The sources with one of these endings, each once."""
    return sorted({path for folder in FOLDERS for suffix in suffixes for path in folder.rglob(f"*{suffix}")})


def contraction(source):
    """Environments and replay have Python's bits, and a fused multiply-add has others; networks live by them."""
    if "kernels" not in source.parts:
        return ["-ffp-contract=off"]
    return ["-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]


extensions = [
    Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        include_dirs=["reactvec", np.get_include()],
        libraries=["m"],
        depends=[str(path) for path in files(".h", ".pxd")],
        extra_compile_args=[*(["-O1", "-g"] if DEBUG else ["-O3", "-g0"]), *contraction(source), "-std=c11"],
    )
    for source in files(".pyx")
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
