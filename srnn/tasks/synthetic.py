"""Tasks that are drawn, not loaded: ``multiply`` (y = n·x) and ``add`` (y = x1 + x2), x standard normal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn.tasks.task import Task

if TYPE_CHECKING:
    from srnn.experiment import TaskConfig

#: Test examples of both tasks.
TEST_SAMPLES = 1_000
# Training and test data have a generator each: the test data stay the same whatever ``samples`` is.
_TRAIN_SEED, _TEST_SEED = 0, 1


def multiply(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """One input x, one target ``factor · x``; ``samples`` training examples. ``data_dir`` is not used."""
    train_x, test_x = _normal(config.samples, 1, _TRAIN_SEED), _normal(TEST_SAMPLES, 1, _TEST_SEED)
    return Task(
        "multiply",
        "regression",
        train_x,
        config.factor * train_x,
        test_x,
        config.factor * test_x,
        outputs=1,
        probes={"learned_factor": torch.ones(1)},
    )


def add(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """Two inputs, one target: their sum; ``samples`` training examples. ``data_dir`` is not used."""
    train_x, test_x = _normal(config.samples, 2, _TRAIN_SEED), _normal(TEST_SAMPLES, 2, _TEST_SEED)
    return Task("add", "regression", train_x, train_x.sum(1, True), test_x, test_x.sum(1, True), outputs=1)


def _normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def multiplies(learned: float, factor: float) -> bool:
    """Whether a learned factor is within a tenth of the one to learn: far from the 0 of what only replicates."""
    return abs(learned - factor) <= 0.1 * abs(factor)
