# make demo   set everything up, train a first organism, show its table and name its figures
# make test   set everything up, run the tests
# make readme run every block of the README in a fresh clone, and of the pages of docs/ that train: some four minutes
# make lowest the quick tests with the lowest versions that pyproject.toml allows, in .venv-lowest (torch comes with CUDA,
#             3 GB; where PyTorch's own index is reached, UV_TORCH_BACKEND=cpu takes it without)
# make soak   kill runs at fifty moments, fill the disk at twenty sizes, kill sweeps: some ten minutes
# make slurm  a sweep on a SLURM of two nodes that the test begins on this machine, as root, if it is installed: minutes
# make docs   build the documentation into site/
# make check  format, lint, the arrows of imports, types and tests: before every commit

PYTHON ?= python3
BIN := .venv/bin
# Processes of one thread each, two more than there are cores (tests/conftest.py), since many tests wait.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# Those that ask most of other packages.
LOWEST := tests/tasks tests/bodies tests/plots tests/methods tests/laboratory/test_export.py \
  tests/sweeps/test_engine.py tests/training/test_alone.py tests/test_*.py

.PHONY: demo test readme lowest soak slurm docs check setup
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

readme: setup
	$(BIN)/pytest -m readme tests/test_readme.py tests/test_docs.py

lowest: setup
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct -e '.[dev]'
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n auto --dist loadfile $(LOWEST)

# The tests of runs that survive, with many more kills and full disks than in `make test`, and of more processors.
soak: setup
	SRNN_SOAK=1 $(PYTEST) --dist load tests/runs/test_resume.py tests/training/test_alone.py tests/sweeps \
	  tests/tables/test_figure_tables.py

slurm: setup
	SRNN_SOAK=1 OMP_NUM_THREADS=1 $(BIN)/pytest -m slurm tests/sweeps/test_slurm.py

docs: setup
	$(BIN)/zensical build --strict

check: setup
	$(BIN)/ruff format
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(PYTEST)
