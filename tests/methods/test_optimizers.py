"""The optimizers of an experiment are torch's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import process
from torch import nn

from srnn.experiment import Optimizer, TrainingConfig
from srnn.kernels.adam import MEAN, SQUARE, corrections
from srnn.methods.optimizers import SGD, Adam, build_optimizer


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


@pytest.mark.parametrize("kernels", ["", "torch"])
@given(
    decay=st.sampled_from([0.0, 0.01]),
    lr=st.floats(1e-6, 10.0),
    scale=st.sampled_from([1e-12, 1e-3, 1.0, 1e6]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_adam_is_torchs_but_for_rounding(
    kernels: str, monkeypatch: pytest.MonkeyPatch, decay: float, lr: float, scale: float, seed: int
) -> None:
    monkeypatch.setenv("SRNN_KERNELS", kernels)
    generator = torch.Generator().manual_seed(seed)
    starts = [torch.randn(shape, generator=generator) for shape in ((3, 50), (7,), (2,))]
    ours = [nn.Parameter(start.clone()) for start in starts]
    theirs = [nn.Parameter(start.double()) for start in starts]
    mine = Adam(ours, lr, decay)
    true = torch.optim.AdamW(theirs, lr=lr, weight_decay=decay)
    for step in range(5):
        # One has no gradient at first, and counts steps of its own.
        for one, other in list(zip(ours, theirs, strict=True))[: 2 if step < 2 else 3]:
            one.grad = torch.randn(one.shape, generator=generator) * scale
            other.grad = one.grad.double()
        mine.step()
        true.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.detach().double(), other.detach(), rtol=1e-5, atol=1e-5 * lr)
        for name, value in true.state[other].items():
            found = mine.state[one][name].double()
            torch.testing.assert_close(found, value.double(), rtol=1e-5, atol=1e-6 * scale ** (1 + (name != "exp_avg")))
    mine.zero_grad()
    assert all(one.grad is None for one in ours)


def test_not_a_number_stays_where_it_is() -> None:
    ours, theirs = (nn.Parameter(torch.ones(20)) for _ in range(2))
    gradient = torch.ones(20)
    gradient[3], gradient[5], gradient[7] = torch.nan, torch.inf, 0
    for parameter, optimizer in ((ours, Adam([ours], 0.1)), (theirs, torch.optim.Adam([theirs], lr=0.1))):
        parameter.grad = gradient.clone()
        optimizer.step()
    torch.testing.assert_close(ours, theirs, equal_nan=True)


@given(step=st.integers(1, 2**24), lr=st.floats(1e-6, 10.0))
def test_corrections_are_those_of_the_means(step: int, lr: float) -> None:
    size, root = corrections(step, lr)
    assert size == pytest.approx(lr / (1 - MEAN**step), rel=1e-12)
    assert root == pytest.approx((1 - SQUARE**step) ** -0.5, rel=1e-12)


@pytest.mark.parametrize("name", get_args(Optimizer))
def test_it_is_the_one_that_is_named(name: str) -> None:
    chosen_settings = TrainingConfig(optimizer=name, lr=0.25, momentum=0.5)  # type: ignore[arg-type]
    optimizer = build_optimizer([nn.Parameter(torch.zeros(1))], chosen_settings)
    if isinstance(optimizer, Adam):
        assert (name, optimizer.lr, optimizer.decay) in (("adam", 0.25, 0), ("adamw", 0.25, 0.01))
        return
    assert type(optimizer).__name__.lower() == name
    chosen = {"lr": optimizer.lr, "momentum": optimizer.momentum} if isinstance(optimizer, SGD) else optimizer.defaults
    assert chosen["lr"] == 0.25
    assert chosen.get("momentum", 0.5) == 0.5


def test_a_run_does_not_import_torchs_compiler(tmp_path: Path) -> None:
    """That takes longer than anything else at its start, be it begun or gone on with."""
    code = """
import sys, contextlib, srnn
small = srnn.Experiment().override(["training.epochs=1"])
with contextlib.suppress(srnn.errors.StoppedError):
    srnn.run(small, image_format=None, stop=lambda: True)
[run] = srnn.run(small, image_format=None, resume=True)
print(run.status.status, {"torch._dynamo", "sympy"} & {*sys.modules})
"""
    assert process((sys.executable, "-c", code), tmp_path).out == "finished set()\n"
