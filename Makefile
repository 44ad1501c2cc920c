# `make probe` and `make test` each do all of their own set-up: a virtual environment in .venv and the install, once.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BENCH ?=
FRAMEWORKS ?= torch jax modular
RESULTS ?= mmbench-results
PYTEST_ARGS ?=
BIN := $(VENV)/bin
REPORT := .cache/junit.xml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help probe test test-fast test-frameworks coverage lint format bench pictures clean

help: ## say what there is to make (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  make probe ARGS="--quick"      words for mmbench'
	@echo '  make test PYTEST_ARGS="-k tlb" words for pytest'
	@echo '  make PYTHON=python3.12 ...     another Python for the virtual environment'

probe: $(VENV)/.installed ## measure this machine
	@$(BIN)/mmbench probe $(ARGS)

test: lint ## check the code, run every test, and fail on a test that was skipped without need
	@$(BIN)/python -m pytest --junitxml=$(REPORT) $(PYTEST_ARGS)
	@$(BIN)/python tests/check_skips.py $(REPORT)

test-fast: $(VENV)/.installed-test ## run the tests that do not measure, on all cores
	@$(BIN)/python -m pytest -n auto -m "not hardware" $(PYTEST_ARGS)

# Large (several GB), so not part of `make test`. FRAMEWORKS may pin builds: make test-frameworks FRAMEWORKS="torch==2.13.0 jax modular"
test-frameworks: $(VENV)/.installed-test ## run the tests of PyTorch, JAX and Modular MAX, which it installs
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(FRAMEWORKS)
	@MMBENCH_TEST_FRAMEWORKS=1 $(BIN)/python -m pytest tests/frameworks $(PYTEST_ARGS)

coverage: $(VENV)/.installed-test ## say which lines the tests that do not measure never reach
	@rm -f .cache/coverage*
	@$(BIN)/coverage run -m pytest -q -m "not hardware" $(PYTEST_ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-covered --show-missing

lint: $(VENV)/.installed-test .cache/mmbench ## check style, format, types and the order of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "not formatted as the project does: run 'make format'" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --cache-dir .cache/import-linter

format: $(VENV)/.installed-test ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(VENV)/.installed-test ## measure mmbench itself: start-up, probes, sweeps, the generated product, reports
	@$(BIN)/python tests/bench $(BENCH)

pictures: $(VENV)/.installed-test ## photograph stored results for the README: make pictures RESULTS=DIR (needs chromium)
	@$(BIN)/python tests/pictures.py $(RESULTS)

clean: ## remove the virtual environment and everything generated, but no results
	rm -rf $(VENV) .cache build dist *.egg-info .coverage* .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The module `venv` may be there without `ensurepip`: Debian packages them apart.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "mmbench needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
		echo "Name another one: make PYTHON=python3.12 ... (Debian, Ubuntu: apt install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make virtual environments: its module ensurepip is missing." >&2; \
		$(PYTHON) -c 'import sys; print("Debian, Ubuntu: apt install python3-venv (or python{}.{}-venv)".format(*sys.version_info))' >&2; exit 1; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version), once" >&2
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo "installing mmbench into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml
	@echo "installing mmbench and what its tests need into $(VENV)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,vendors]'
	@touch $(VENV)/.installed $@

# mypy finds the package under its name, since the root of the repository is the package.
.cache/mmbench:
	@mkdir -p .cache
	@ln -sfn .. $@
