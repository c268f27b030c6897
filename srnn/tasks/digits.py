"""scikit-learn's handwritten digits: 1,797 pictures of 8 × 8 in ten classes, which come inside that package.

Its settings: ``task.size``, the side that pictures are resized to; 8 without one.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from srnn.tasks.images import CLASSES, resize
from srnn.tasks.task import Task, split_80_20, training_rows

if TYPE_CHECKING:
    from srnn.experiment import TaskConfig

#: Side of the pictures where none is set.
SIZE = 8
#: Pictures in all.
_PICTURES = 1_797


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """The pictures, split 80/20. ``data_dir`` is not used."""
    return _load(config.size or SIZE)


def shape(config: TaskConfig) -> tuple[int, int, int]:
    """Pixels, classes and training examples."""
    return (config.size or SIZE) ** 2, CLASSES, training_rows(_PICTURES)


def complete(config: TaskConfig) -> TaskConfig:
    """With the size as a number."""
    return config.model_copy(update={"size": config.size or SIZE})


# Several seeds in one process share one reading and resizing.
@lru_cache(maxsize=2)
def _load(size: int) -> Task:
    from sklearn.datasets import load_digits  # slow to import, and not needed by every task

    data = load_digits()
    images, labels = resize(data.images, size, white=16), torch.from_numpy(data.target).long()
    return split_80_20("digits", "classification", images, labels, CLASSES)
