# make bench     sets up and runs the main job (ARGS="matmul svd --dtype float64" for something else)
# make test      sets up, then linters, types and tests
# make test-all  the slow tests too
# make gallery   makes anew what is shown of results/published; make published asks whether that is needed,
#                and whether the runs there are fit to be cited
# make claims    measures what we say of ourselves: what timing adds, roofs against C, planted changes, ...
# make docs      builds the site, docs/_build/index.html; a warning is an error
# On a machine with an NVIDIA card: make bench EXTRAS=cuda13 (or cuda12), and make test-gpu
# make gpu       everything that needs such a card, in stages that can be interrupted and taken up again
#                (EXTRAS=cuda12; ARGS="--stages tests verify"; BARE=1 PYTHON=python3 takes a Python as it is)

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= jax,torch
ARGS ?=
BARE ?=
CARD := $(if $(filter file,$(origin EXTRAS)),cuda13,$(EXTRAS))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: bench test test-all test-gpu gpu lint types gallery published claims docs clean

bench: $(VENV)/.ready
	$(BIN)/xpbench run $(ARGS)

# Tests start a process many hundreds of times: each would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

test: lint types
	$(BIN)/python -m pytest -m "not slow" -n 3 $(ARGS)

test-all: lint types
	$(BIN)/python -m pytest -n 2 $(ARGS)

test-gpu: $(VENV)/.ready-test
	$(BIN)/python -m pytest -m gpu -rs $(ARGS)

gpu: $(if $(BARE),,$(VENV)/.ready-card-$(CARD))
	$(if $(BARE),$(PYTHON),$(BIN)/python) scripts/gpu.py $(ARGS)

lint: $(VENV)/.ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-test
	$(BIN)/mypy

gallery: $(VENV)/.ready-test
	$(BIN)/python scripts/published.py

published: $(VENV)/.ready-test
	$(BIN)/xpbench check results/published/*/
	$(BIN)/python scripts/published.py --check

claims: $(VENV)/.ready
	$(BIN)/python benchmarks/empty_kernel.py
	$(BIN)/python benchmarks/against_timeit.py
	$(BIN)/python benchmarks/roofs_against_c.py
	$(BIN)/python benchmarks/planted_slowdown.py
	$(BIN)/python benchmarks/against_pytest_benchmark.py

docs: $(VENV)/.ready-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build

clean:
	rm -rf $(VENV) build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[$(EXTRAS)]"
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(PIP) --editable ".[$(EXTRAS),cluster,parquet,rivals,slurm,test]"
	touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	$(PIP) --editable ".[$(EXTRAS),docs]"
	touch $@

$(VENV)/.ready-card-$(CARD): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[$(CARD),parquet,test]"
	touch $@
