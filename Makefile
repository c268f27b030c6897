# make demo   set everything up, train a first organism, show its table and name its figures
# make test   set everything up, run the tests
# make check  format, lint, types and tests: before every commit

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check setup
.DEFAULT_GOAL := demo

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "srnn needs Python 3.11 or newer; name one with: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The demo's own folder is made anew each time; no other run is ever overwritten.
demo: setup
	@rm -rf runs/demo
	$(BIN)/srnn run digits --out runs/demo

test: setup
	$(BIN)/pytest

check: setup
	$(BIN)/ruff format
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pytest
