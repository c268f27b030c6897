# make demo   set everything up, train a first organism, show its table and name its figures
# make test   set everything up, run the tests
# make soak   kill runs at fifty moments and fill the disk at twenty sizes: some ten minutes
# make docs   build the documentation into site/
# make check  format, lint, the arrows of imports, types and tests: before every commit

PYTHON ?= python3
BIN := .venv/bin
# Processes of one thread each, one more than there are cores (tests/conftest.py), since some tests wait.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test soak docs check setup
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
	$(PYTEST)

# The tests of runs that survive, with many more kills and full disks than in `make test`.
soak: setup
	SRNN_SOAK=1 $(PYTEST) --dist load tests/runs/test_resume.py

docs: setup
	$(BIN)/zensical build --strict

check: setup
	$(BIN)/ruff format
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(PYTEST)
