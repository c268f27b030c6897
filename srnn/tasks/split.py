"""Which examples of a data set are held back for testing."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The share of ``digits`` and ``arrays`` that is held back for testing.
_TEST_SHARE = 0.2


def split_80_20(y: NDArray[Any], classes: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold back a fifth of the examples for testing: always the same ones, whatever the seed of the run.

    Every class keeps its share in both parts, unless one is too small for that.

    Args:
        y: ``(n, …)``; for classification integers ``(n,)`` in 0 … classes − 1.
        classes: How many there are; None for regression.

    Returns:
        The places of the examples to train on and of those to test on.
    """
    # Slow to import: only where data are really loaded.
    import numpy as np
    from sklearn.model_selection import train_test_split

    stratify = y if classes is not None and _can_stratify(y, classes) else None
    train, test = train_test_split(np.arange(len(y)), test_size=_TEST_SHARE, random_state=0, stratify=stratify)
    return train, test


def training_rows(rows: int) -> int:
    """How many of ``rows`` examples ``split_80_20`` keeps for training."""
    return rows - ceil(_TEST_SHARE * rows)


def _can_stratify(y: NDArray[Any], classes: int) -> bool:
    import numpy as np

    test = len(y) - training_rows(len(y))
    return int(np.bincount(y, minlength=classes).min()) >= 2 and test >= classes
