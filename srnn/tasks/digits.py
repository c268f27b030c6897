"""scikit-learn's handwritten digits: 1,797 pictures of 8 × 8 in ten classes, which come inside that package.

Its settings: ``task.size``, the side that pictures are resized to, 8 without one; ``task.scale``, ``none`` without one.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from srnn.choices import Scale
from srnn.tasks.images import CLASSES, resize
from srnn.tasks.split import split_80_20, training_rows

if TYPE_CHECKING:
    from srnn.tasks.settings import TaskConfig
    from srnn.tasks.task import Task

#: Side of the pictures where none is set.
SIZE = 8
#: Pictures in all.
_PICTURES = 1_797


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """The pictures, split 80/20. ``data_dir`` is not used."""
    return _load(config.size or SIZE, config.scale or "none")


def shape(config: TaskConfig) -> tuple[int, int, int]:
    """Pixels, classes and training examples."""
    return (config.size or SIZE) ** 2, CLASSES, training_rows(_PICTURES)


def image(config: TaskConfig) -> tuple[int, int, int]:
    """Grey pictures."""
    side = complete(config).size
    assert side is not None
    return 1, side, side


def complete(config: TaskConfig) -> TaskConfig:
    """With the size as a number."""
    return config.model_copy(update={"size": config.size or SIZE})


# Several seeds in one process share one reading and resizing.
@lru_cache(maxsize=2)
def _load(size: int, scale: Scale) -> Task:
    import torch
    from sklearn.datasets import load_digits

    from srnn.tasks.fingerprint import fingerprint
    from srnn.tasks.scaling import scaled
    from srnn.tasks.task import Task

    data = load_digits()
    rows, labels = resize(data.images, size, white=16).numpy(), torch.from_numpy(data.target).long()
    train, test = split_80_20(data.target, CLASSES)
    train_x, test_x, scaling = scaled(scale, rows[train], rows[test], channels=1)
    return Task(
        "digits",
        "classification",
        train_x,
        labels[train],
        test_x,
        labels[test],
        CLASSES,
        image=(1, size, size),
        scale=scale,
        x_scaling=scaling,
        fingerprint=fingerprint({"images": data.images, "labels": data.target}),
        source="scikit-learn's digits",
    )
