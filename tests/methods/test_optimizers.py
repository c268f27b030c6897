"""The optimizers of an experiment are torch's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from processes import process
from torch import nn

from srnn.experiment import Optimizer, TrainingConfig
from srnn.methods.optimizers import SGD, build_optimizer


@given(momentum=st.sampled_from([0.0, 0.5, 0.9]), lr=st.floats(1e-6, 10.0), seed=st.integers(0, 2**32))
def test_sgd_is_torchs_to_the_bit(momentum: float, lr: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    starts = [torch.randn(shape, generator=generator) for shape in ((3, 50), (7,))]
    ours, theirs = ([nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    optimizers = SGD(ours, lr, momentum), torch.optim.SGD(theirs, lr=lr, momentum=momentum)
    for _ in range(5):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one, other)
    optimizers[0].zero_grad()
    assert all(one.grad is None for one in ours)
    before = [one.detach().clone() for one in ours]
    optimizers[0].step()
    assert all(torch.equal(one, start) for one, start in zip(ours, before, strict=True))


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_it_is_the_one_that_is_named(name: str) -> None:
    settings = TrainingConfig(optimizer=name, lr=0.25, momentum=0.5)  # type: ignore[arg-type]
    optimizer = build_optimizer([nn.Parameter(torch.zeros(1))], settings)
    assert type(optimizer).__name__.lower() == name
    chosen = {"lr": optimizer.lr, "momentum": optimizer.momentum} if isinstance(optimizer, SGD) else optimizer.defaults
    assert chosen["lr"] == 0.25
    assert chosen.get("momentum", 0.5) == 0.5


def test_a_run_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    """That takes longer than anything else at its start."""
    code = """
import sys, srnn
srnn.run(srnn.Experiment().override(["training.epochs=1"]), image_format=None)
print({"torch._dynamo", "sympy"} & {*sys.modules})
"""
    assert process((sys.executable, "-c", code), tmp_path).out == "set()\n"
