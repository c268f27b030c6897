"""What tasks have in common that are drawn, not loaded: x is standard normal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn.errors import UserError

if TYPE_CHECKING:
    from srnn.tasks.settings import TaskConfig

#: Test examples of each.
TEST_SAMPLES = 1_000
# Training and test data have a generator each: the test data stay the same whatever ``samples`` is.
_TRAIN_SEED, _TEST_SEED = 0, 1


def inputs(config: TaskConfig, columns: int) -> tuple[Tensor, Tensor]:
    """Training and test inputs, float32 ``(samples, columns)`` and ``(TEST_SAMPLES, columns)``: always the same.

    Raises:
        UserError: They are to be scaled.
    """
    if config.scale not in (None, "none"):
        raise UserError(
            f"task.scale is '{config.scale}'; the numbers of the task {config.name} are drawn as they are to be: "
            "allowed: none"
        )
    return _normal(config.samples, columns, _TRAIN_SEED), _normal(TEST_SAMPLES, columns, _TEST_SEED)


def _normal(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
