"""Adding, y = x1 + x2, of two numbers that are drawn.

Its settings: ``task.samples``, the training examples. Test data are always the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srnn.tasks.settings import TaskConfig
    from srnn.tasks.task import Task


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """Two inputs, one target: their sum. ``data_dir`` is not used."""
    from srnn.tasks import drawn
    from srnn.tasks.task import Task

    train_x, test_x = drawn.inputs(config, 2)
    return Task(config.name, "regression", train_x, train_x.sum(1, True), test_x, test_x.sum(1, True), outputs=1)


def shape(config: TaskConfig) -> tuple[int, int, int]:
    """Two inputs, one output, ``samples`` training examples."""
    return 2, 1, config.samples


def complete(config: TaskConfig) -> TaskConfig:
    """As it is: the settings say everything."""
    return config
