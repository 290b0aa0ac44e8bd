# Everything runs in .venv, which is made when it is missing or older than the pins.
# PYTHON makes .venv (3.11 to 3.13); TORCH_INDEX is the address of a package index with another build of torch;
# ARGS is handed on: make report ARGS="--fast --out here"; NBVAL says which cells of a notebook are compared:
# --nbval all, --nbval-lax the tagged ones.
PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
NBVAL ?= --nbval-lax

# Compiled modules are kept in .venv: without them every kernel of a walk compiles torch again, seconds each.
unexport PYTHONDONTWRITEBYTECODE

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help report test browser lab bench clean slow notebooks lint unit conformance walk browser-if-there

READY := .venv/.complete
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --no-compile --disable-pip-version-check -c constraints.txt
STAGE := .ci/stage
# One thread a worker: two workers with two threads each are slower than either alone.
ONE_THREAD := OMP_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest
TWO_WORKERS := -n 2 --dist loadfile
# Few tests, some of minutes in one file: who is idle takes over.
STEALING := -n 2 --dist worksteal

help:
	@echo "make TARGET [ARGS=...] [PYTHON=python3.12] [TORCH_INDEX=address]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

report: $(READY)  ## train, compress, explain, compare: ends with the path of one self-contained page
	@$(BIN)/workbench report $(ARGS)

test: lint unit conformance walk browser-if-there  ## all checks, in order, stopping at the first that fails

browser: $(READY)  ## the browser tests; installs Debian's chromium first where it may (as root)
	@command -v chromium > /dev/null || $(STAGE) chromium .ci/chromium
	@$(STAGE) browser env $(PYTEST) tests/browser

lab: $(READY)  ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks $(ARGS)

bench: $(READY)  ## measure and record benchmarks/results (refused on a busy machine; ARGS=--force records nothing)
	@$(ONE_THREAD) $(BIN)/python benchmarks/harness.py $(ARGS)

slow: $(READY)  ## the tests that are too slow for `make test`
	@$(STAGE) slow env $(PYTEST) $(TWO_WORKERS) -m slow tests

notebooks: $(READY)  ## execute every notebook again, in place, from a clean kernel
	@$(ONE_THREAD) $(BIN)/python tests/notebook_execute.py notebooks/*.ipynb

lint: $(READY)  ## format, lint and types, without changing anything
	@$(STAGE) format $(BIN)/ruff format --check .
	@$(STAGE) lint $(BIN)/ruff check .
	@$(STAGE) types $(BIN)/mypy

clean:  ## remove .venv, caches and builds; runs/ stays
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stages of `make test`, one by one.
unit: $(READY)
	@$(STAGE) unit env $(PYTEST) $(TWO_WORKERS) --doctest-modules \
	    --ignore=tests/conformance --ignore=tests/browser tests workbench

conformance: $(READY)
	@$(STAGE) conformance env $(PYTEST) $(STEALING) tests/conformance

walk: $(READY)
	@$(STAGE) notebooks env $(PYTEST) $(TWO_WORKERS) $(NBVAL) --nbval-current-env \
	    --nbval-sanitize-with=tests/sanitize.cfg notebooks

browser-if-there:
	@if [ "$${CI:-}" = true ] || command -v chromium > /dev/null; then \
	    $(MAKE) --no-print-directory browser; \
	else \
	    echo "The browser tests were left out: there is no chromium on this machine."; \
	    echo "'make browser' installs Debian's as root; elsewhere install it yourself: apt-get install chromium."; \
	fi

# The stamp is written last: a half-made .venv has none and is made again from nothing, a whole one is brought up to date.
# What builds comes first and builds are not isolated, so that it is pinned as well.
$(READY): constraints.txt pyproject.toml
	@test -e $@ || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	@echo "Installing into .venv (once; about a minute and 2 GB) ..."
	@$(PIP) setuptools hatchling editables
	@$(if $(TORCH_INDEX),$(PIP) --extra-index-url $(TORCH_INDEX) torch)
	@$(PIP) --no-build-isolation --editable '.[test]'
	@touch $@
