"""Settings of all tests."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from srnn.arithmetic import order_products

# Before the first product of the process that all test modules share.
order_products()

# No test is about time: the machine may be busy.
settings.register_profile("srnn", deadline=None, max_examples=50)
settings.load_profile("srnn")


@pytest.fixture(params=["kernels", "torch"])
def each_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test twice: by the fused kernels, and by the torch reference."""
    monkeypatch.setenv("SRNN_KERNELS", "torch" if request.param == "torch" else "")
    return str(request.param)


@pytest.fixture
def cuda() -> None:
    """For tests that need a GPU."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
