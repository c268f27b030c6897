"""What an organism can be trained on. One loader per task, all of them in ``LOADERS``.

| task | inputs | outputs | examples |
|---|---|---|---|
| ``multiply`` | x | n·x | drawn |
| ``add`` | x1, x2 | x1 + x2 | drawn |
| ``digits`` | pictures, 8 × 8 unless resized | 10 classes | 1,797, inside scikit-learn |
| ``mnist``, ``fashion_mnist`` | pictures, resized to 15 × 15 | 10 classes | 70,000, four IDX files |
| ``arrays`` | ``X`` | ``y`` | the user's .npz |

Training and test data are the same in every run, whatever its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from srnn.errors import UserError, nearest
from srnn.kernels.arithmetic import plain_torch
from srnn.tasks import arrays, images, synthetic
from srnn.tasks.task import Kind, Metric, Task, training_rows
from srnn.untrusted import as_text, expanded

if TYPE_CHECKING:
    from srnn.experiment import TaskConfig

__all__ = ["LOADERS", "Kind", "Metric", "Task", "complete", "load", "shape"]

#: The task's name in a preset, and what loads it.
LOADERS: dict[str, Callable[[TaskConfig, Path | None], Task]] = {
    "multiply": synthetic.multiply,
    "add": synthetic.add,
    "digits": images.digits,
    "mnist": images.mnist,
    "fashion_mnist": images.mnist,
    "arrays": arrays.arrays,
}


@plain_torch()
def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """Load a task.

    Args:
        config: The section ``[task]`` of a preset.
        data_dir: Where the IDX files of ``mnist`` and ``fashion_mnist`` are; the other tasks do not use it.

    Raises:
        UserError: There is no such task, or its data are missing or damaged.
    """
    _check_name(config.name)
    return LOADERS[config.name](config, data_dir)


def shape(config: TaskConfig) -> tuple[int, int, int] | None:
    """Inputs, outputs and training examples of a task, known without its data.

    None for ``arrays`` whose file is missing or damaged: ``load`` says why.

    Raises:
        UserError: There is no such task.
    """
    _check_name(config.name)
    match config.name:
        case "multiply":
            return 1, 1, config.samples
        case "add":
            return 2, 1, config.samples
        case "arrays":
            try:
                return arrays.shape(config)
            except UserError:
                return None
        case "digits":
            return images.side(config) ** 2, images.CLASSES, training_rows(images.DIGITS)
        case _:
            return images.side(config) ** 2, images.CLASSES, images.MNIST_TRAIN


def complete(config: TaskConfig) -> TaskConfig:
    """The same task with everything said that ``load`` would fill in, for the record of a run.

    The size of pictures becomes a number, the path of ``arrays`` absolute: the run may be looked at from elsewhere.
    """
    if config.name in images.DEFAULT_SIZE:
        return config.model_copy(update={"size": images.side(config)})
    if config.path is not None:
        return config.model_copy(update={"path": as_text(expanded(config.path).absolute())})
    return config


def _check_name(name: str) -> None:
    if name not in LOADERS:
        raise UserError(f"task.name is {name!r}; allowed: {', '.join(LOADERS)}{nearest(name, LOADERS)}")
