"""Build the kernel against the headers and declarations that come with reactvec."""

from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

import reactvec

kernel = Extension(
    "ferry.kernel",
    ["ferry/kernel.pyx"],
    include_dirs=["ferry", reactvec.get_include(), np.get_include()],
    extra_compile_args=["-O3", "-ffp-contract=off"],  # a fused multiply-add would give other bits than Python does
)
declarations = str(Path(reactvec.__file__).parents[1])
setup(ext_modules=cythonize([kernel], include_path=[declarations], language_level=3))
