# The ground: one environment in .venv, and the commands that people and CI run in it.
#
#   make gate PYTHON=python3.12            another interpreter
#   make gate UV=                          pip, although uv is there
#   make gate ARGS="--suite security"      options for `gate run`; for `make test`, options for pytest

SHELL  := /bin/sh
VENV   := .venv
STAMP  := $(VENV)/.installed
EXTRAS := services,plots,tickstream,dev
ARGS   ?=
PYTHON ?=
TEST_WORKERS ?= 2
UV     ?= $(shell for uv in uv 'python3 -m uv'; do $$uv --version >/dev/null 2>&1 && { echo "$$uv"; break; }; done)

FITS := import sys; sys.exit(sys.version_info < (3, 11))

.PHONY: gate drill test coverage check bench clean help constraints format

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

gate: $(STAMP)  ## set up, then decide: run every suite of gates.yaml and write reports/latest/report.html
	@$(VENV)/bin/gate run $(ARGS)

drill: $(STAMP)  ## prove that the gate can fail: every declared fault, and the finding it must cause
	@$(VENV)/bin/gate drill $(ARGS)

test: $(STAMP)  ## the tests of gate itself
	@$(VENV)/bin/python -m pytest tests -q -n $(TEST_WORKERS) --dist worksteal $(ARGS)

coverage: $(STAMP)  ## which lines and branches of gate the tests reach, child processes included
	@rm -f .coverage .coverage.*
	@$(VENV)/bin/coverage run -m pytest tests -q -n $(TEST_WORKERS) --dist worksteal $(ARGS)
	@$(VENV)/bin/coverage combine -q && $(VENV)/bin/coverage report

check: $(STAMP)  ## format, lint, types, import contracts
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(STAMP)  ## put the code into the one format
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(STAMP)  ## measure the program against its own budgets
	@$(VENV)/bin/python -m benchmarks $(ARGS)

constraints:  ## renew constraints.txt (needs uv)
	@{ sed -n '/^#/p' constraints.txt; \
	  $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras \
	    --no-header --no-annotate --no-emit-index-url pyproject.toml; } > constraints.new
	@mv constraints.new constraints.txt

clean:  ## remove the environment and all caches; reports stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .benchmarks htmlcov dist .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An interpreter counts only if it runs: a name on PATH may be a shim for a version that is not installed.
$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	uv="$(UV)"; python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	    "$$candidate" -c '$(FITS)' >/dev/null 2>&1 || continue; \
	    python="$$candidate"; \
	    [ -n "$$uv" ] && break; "$$candidate" -c 'import ensurepip' >/dev/null 2>&1 && break; \
	  done; \
	fi; \
	if [ -n "$$python" ]; then \
	  "$$python" -c '$(FITS)' || { echo "error: $$python is not a Python 3.11 or newer; choose one with make PYTHON=…" >&2; exit 2; }; \
	elif [ -z "$$uv" ]; then \
	  echo "error: no Python 3.11 or newer on PATH; install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 2; \
	fi; \
	if [ -n "$$uv" ]; then \
	  $(VENV)/bin/python -c '$(FITS)' >/dev/null 2>&1 || $$uv venv --quiet --clear --python "$${python:->=3.11}" $(VENV); \
	  echo "installing into $(VENV) with uv"; \
	  $$uv pip install --quiet --python $(VENV)/bin/python -c constraints.txt -e '.[$(EXTRAS)]'; \
	else \
	  "$$python" -c 'import ensurepip' 2>/dev/null || { \
	    echo "error: $$python cannot make a virtual environment: its module ensurepip is missing." >&2; \
	    echo "       On Debian and Ubuntu: apt-get install python3-venv. Or install uv, which needs no ensurepip." >&2; exit 2; }; \
	  $(VENV)/bin/python -c '$(FITS)' >/dev/null 2>&1 && $(VENV)/bin/python -c 'import pip' >/dev/null 2>&1 \
	    || "$$python" -m venv --clear $(VENV); \
	  echo "installing into $(VENV) with pip, once; this takes a minute"; \
	  $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'; \
	fi; \
	touch $(STAMP)
