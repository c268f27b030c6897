"""scikit-learn's handwritten digits: 1,797 pictures of 8 × 8 in ten classes, which come inside that package.

Its settings: ``task.size``, the side that pictures are resized to, 8 without one; ``task.scale``, ``none`` without one.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from srnn.choices import Scale
from srnn.tasks.images import CLASSES, resize
from srnn.tasks.split import training_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    import numpy as np
    import torch

    from srnn.tasks.fingerprint import fingerprint
    from srnn.tasks.scaling import scaled
    from srnn.tasks.task import Task

    images, target = _pictures()
    rows, labels = resize(images, size, white=16).numpy(), torch.from_numpy(target).long()
    # What split_80_20 gives for them; recorded, since to import what splits takes a second.
    train, test = np.split(
        np.load(Path(__file__).with_name("digits_split.npy")).astype(np.int64), [training_rows(_PICTURES)]
    )
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
        fingerprint=fingerprint({"images": images, "labels": target}),
        source="scikit-learn's digits",
    )


def _pictures() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The pictures ``(1797, 8, 8)`` and what they show, read from that package without importing it."""
    import numpy as np

    spec = find_spec("sklearn")
    inside = Path(*(spec.submodule_search_locations or ())[:1] if spec else ())
    file = inside / "datasets" / "data" / "digits.csv.gz"
    if not file.is_file():
        from sklearn.datasets import load_digits

        data = load_digits()
        return data.images, data.target
    table = np.loadtxt(file, delimiter=",")
    return table[:, :-1].reshape(-1, SIZE, SIZE), table[:, -1].astype(np.int64)
