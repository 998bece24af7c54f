# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check -q
CONSTRAINTS := $(if $(CI),-c .ci/constraints.txt,)
export MPLBACKEND = Agg

EXAMPLES := $(basename $(notdir $(wildcard examples/[a-z]*.py)))
RUNS ?= gallery-runs

.PHONY: demo test lint bench docs gallery clean

demo: $(VENV)/.core      ## venv, install, a twin experiment analysed, report
	$(BIN)/operando demo --output demo

test: $(VENV)/.test      ## venv, install with test extras, all tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev       ## ruff, import-linter, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(VENV)/.dev      ## peers and ours in one run; the table goes to benchmarks/README.md by hand
	$(BIN)/python benchmarks/run.py

docs: $(VENV)/.docs      ## the documentation site, built into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

gallery: $(VENV)/.test   ## every example at full size (an hour of CPU at most), its pictures into docs/images/gallery
	for name in $(EXAMPLES); do $(BIN)/python examples/$$name.py $(RUNS)/$$name || exit 1; done
	$(BIN)/python examples/_gallery.py $(RUNS) docs/images/gallery

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(PIP) install $(CONSTRAINTS) -e . && touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) install $(CONSTRAINTS) -e '.[test]' && touch $@

$(VENV)/.dev: $(VENV)/.test
	$(PIP) install $(CONSTRAINTS) -e '.[dev]' && touch $@

$(VENV)/.docs: $(VENV)/.core
	$(PIP) install $(CONSTRAINTS) -e '.[docs]' && touch $@

clean:
	rm -rf $(VENV) site demo gallery-runs
