# Nothing has to be installed or activated: each target makes .venv when it needs it.
#   make demo    the main job, on a cluster that the driver starts by itself
#   make test    format, lint, types, and every test that needs Python alone
#   make test-servers  the tests with real servers; where one is missing, they say how to install it
#   make check   format, lint, types and the fast tests
#   make soak    random messages to servers, then N random flows under random faults, from SEED:
#                make soak N=500 SEED=7
#   make bench   glowpy against the same work done by hand, on small data: two minutes
#   make bench-full  full-size data, and the other frameworks too: hours, gigabytes of packages
#   make docs    the table of all flags and commands in docs/flags.md, from the code
#   make pictures  the pictures of the README, from runs (needs graphviz)
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
.PHONY: help demo test test-servers check lint soak bench bench-full docs pictures wheel clean

help:
	@sed -n 's/^#   //p' Makefile

# Number of processes that run tests; tests/distribution.py shares them out.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS)
WITHOUT_SERVERS := --ignore tests/servers

#>
#> Next, in this directory:
#>   .venv/bin/python examples/word_count.py -glow.flow.explain    the plan of this run, as text
#>   .venv/bin/python examples/word_count.py -glow -glow.flow.stat    the cost of each step group
#>   .venv/bin/glowpy cluster --agents 3    a cluster, until Ctrl-C; then in another terminal:
#>   .venv/bin/python examples/word_count.py -glow -glow.leader=localhost:8930
#>   README.md, docs/recipes.md    a first flow of your own; files, loops, databases
demo: $(INSTALLED)
	$(BIN)/python examples/word_count.py -glow
	@sed -n 's/^#> *$$//p; s/^#> //p' Makefile

# Tests start some thousand processes. Bytecode is written first, because an environment with
# PYTHONDONTWRITEBYTECODE would have each of them compile glowpy again.
test: lint
	$(BIN)/python -m compileall -q glowpy
	$(PYTEST) $(WITHOUT_SERVERS)

test-servers: $(INSTALLED_DEV)
	$(PYTEST) tests/servers

check: lint
	$(PYTEST) $(WITHOUT_SERVERS) -m "not slow"

lint: $(INSTALLED_DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

N ?= 100
SEED ?=
soak: $(INSTALLED_DEV)
	$(BIN)/python -m tests.fuzz_soak $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.faults.soak --runs $(N) $(if $(SEED),--seed $(SEED))

bench: $(INSTALLED) build/bench/small/sort.txt
	$(BIN)/python benchmarks/compare.py build/bench/small --rounds 3
	$(BIN)/python benchmarks/memory.py reduce_by_key --rows 2000000 --keys 1000000 --memory-mb 16
	$(BIN)/python benchmarks/memory.py sort --rows 2000000 --memory-mb 16

# Spark takes part only where there is Java
bench-full: $(INSTALLED) build/bench/full/sort.txt
	$(BIN)/python benchmarks/peers/install.py build/peers
	$(BIN)/python benchmarks/compare.py build/bench/full --peers build/peers --markdown
	$(BIN)/python benchmarks/memory.py reduce_by_key --rows 50000000
	$(BIN)/python benchmarks/memory.py sort --rows 50000000

build/bench/small/sort.txt: benchmarks/make_data.py | $(INSTALLED)
	$(BIN)/python $< $(@D) --text-mb 40 --sort-rows 500000 --left-rows 500000

build/bench/full/sort.txt: benchmarks/make_data.py | $(INSTALLED)
	$(BIN)/python $< $(@D)

docs: $(INSTALLED)
	$(BIN)/python -m glowpy.cli.reference docs/flags.md

pictures: $(INSTALLED_DEV)
	$(BIN)/python -m docs.pictures.make

# setuptools adds what an earlier build left in build/, so that goes first
wheel: $(MADE)
	rm -rf build dist
	$(PIP) wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find glowpy tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

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
