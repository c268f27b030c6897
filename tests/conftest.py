"""Settings of all tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

from srnn import commands
from srnn.kernels.arithmetic import order_products

# Hundreds of processes read the same sources: they are compiled for all of them, and not in each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell in the background has it ignored, and tests that raise it would wait for nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before the first product of the process that all test modules share.
order_products()

# No test is about time: the machine may be busy. The same examples each time: what a change breaks is that change's;
# new examples are looked for on purpose, by `--hypothesis-profile explore`.
settings.register_profile("srnn", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=500)
settings.load_profile("srnn")


#: The files that take longest, in the order in which processes side by side take them: none is left for the end.
LONGEST = (
    "test_job.py",
    "test_kernels.py",
    "test_figure_tables.py",
    "test_hostile.py",
    "test_cli.py",
    "test_output.py",
    "test_resume.py",
    "test_sweeps.py",
    "test_laboratory.py",
    "test_alone.py",
    "test_estimators.py",
    "test_bodies.py",
    "test_export.py",
    "test_data_dictionary.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are cores: many tests wait for processes of their own to end."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(autouse=True, scope="session")
def garbage_is_looked_for() -> Iterator[None]:
    """As in any process: what the command line sets is for one of its own."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("collect_rarely", "spare_all"):
            patched.setattr(commands, name, lambda: None)
        yield


@pytest.fixture(params=["kernels", "torch"])
def each_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test twice: by the fused kernels, and by the torch reference."""
    monkeypatch.setenv("SRNN_KERNELS", "torch" if request.param == "torch" else "")
    return str(request.param)


@pytest.fixture
def four_threads() -> Iterator[None]:
    """As many threads of torch, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cuda() -> None:
    """For tests that need a GPU."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
