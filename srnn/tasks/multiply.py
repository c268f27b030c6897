"""Multiplying by a constant, y = n·x, of a number that is drawn.

Its settings: ``task.factor``, the n; ``task.samples``, the training examples. Test data are always the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srnn.tasks.settings import TaskConfig
    from srnn.tasks.task import Task


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """One input x, one target ``factor · x``. ``data_dir`` is not used.

    What the network answers to 1 is recorded as ``learned_factor``.
    """
    import torch

    from srnn.tasks import drawn
    from srnn.tasks.task import Task

    train_x, test_x = drawn.inputs(config, 1)
    train_y, test_y = config.factor * train_x, config.factor * test_x
    probes = {"learned_factor": torch.ones(1)}
    return Task(config.name, "regression", train_x, train_y, test_x, test_y, outputs=1, probes=probes)


def shape(config: TaskConfig) -> tuple[int, int, int]:
    """One input, one output, ``samples`` training examples."""
    return 1, 1, config.samples


def complete(config: TaskConfig) -> TaskConfig:
    """As it is: the settings say everything."""
    return config


def multiplies(learned: float, factor: float) -> bool:
    """Whether a learned factor is within a tenth of the one to learn: far from the 0 of what only replicates."""
    return abs(learned - factor) <= 0.1 * abs(factor)
