# Everything sets itself up: `make demo` and `make test` need only make and Python 3.11 or newer.
PYTHON ?= python3
# Where torch comes from when the configured index is not wanted, e.g. TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TORCH_OPTION := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))

# A process for each core, up to four, each with one thread: two for a core wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

KERNELS := CMakeLists.txt $(wildcard src/googlenet/native/*pp)

.PHONY: demo test test-all lint docs install install-dev kernels sanitize wheel clean

demo: install ## train, evaluate and use a small GoogLeNet on embedded images
	$(BIN)/googlenet demo --output demo

test: lint ## lint, types, import contracts and every test that is not long
	$(PYTEST) -m "not long"

test-all: lint ## the long tests too
	$(PYTEST)

docs: install-dev ## the reference of the public names, from their docstrings: build/docs/googlenet.html
	$(BIN)/python -W error::UserWarning -W error::RuntimeWarning -m pdoc --no-show-source --output-directory build/docs googlenet

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

kernels: ## (re)build the C++ kernels in place, with the machine's CMake
	cmake -S . -B build/kernels
	cmake --build build/kernels --parallel

sanitize: install-dev ## the kernels over random shapes under AddressSanitizer and UndefinedBehaviorSanitizer
	$(BIN)/python tests/native/sanitize.py

wheel: install-dev ## wheel with kernels, pure wheel and sdist in dist/, checked in fresh environments
	rm -rf dist
	$(PIP) build twine
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m build --wheel --config-setting=wheel.cmake=false --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tests/packaging/check.py dist

install: .venv/installed
install-dev: .venv/installed-dev

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "googlenet needs Python 3.11 or newer; say which with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

# The kernels are built with the package, where there is a C++ compiler.
.venv/installed: pyproject.toml constraints.txt $(KERNELS) | .venv/bin/python
	$(PIP) $(TORCH_OPTION) torch
	$(PIP) --editable .
	touch $@

.venv/installed-dev: pyproject.toml constraints.txt $(KERNELS) | .venv/bin/python
	$(PIP) $(TORCH_OPTION) torch
	$(PIP) --editable '.[dev]'
	touch .venv/installed $@

clean: ## remove the environment and what the demo wrote
	rm -rf .venv demo build dist
