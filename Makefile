# Nothing has to be installed or activated: each target makes .venv when it needs it.
#   make demo    the main job, on a cluster that the driver starts by itself
#   make test    every test
#   make check   format, lint, types and the fast tests: under a minute
#   make wheel   dist/glowpy-*.whl
#   make clean   removes all that the targets above made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The stamps make a target install again only when pyproject.toml changed.
MADE := $(VENV)/.made
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check wheel clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(INSTALLED)
	$(BIN)/python examples/word_count.py -glow

test: $(INSTALLED_DEV)
	$(BIN)/python -m pytest

check: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow"

# setuptools adds what an earlier build left in build/, so that goes first
wheel: $(MADE)
	rm -rf build dist
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find glowpy tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that works is kept, whoever made it; anything else is made anew.
$(MADE):
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: no $(PYTHON) here; install Python 3.10 or newer, or say: make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: $(PYTHON) is $$("$(PYTHON)" -V 2>&1); glowpy needs Python 3.10 or newer:" \
	    "make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "make: $(PYTHON) has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; \
	  exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

$(INSTALLED): pyproject.toml | $(MADE)
	$(PIP) install --quiet --editable .
	@touch $@

$(INSTALLED_DEV): pyproject.toml | $(MADE)
	$(PIP) install --quiet --editable '.[dev]'
	@touch $(INSTALLED) $@
