"""Examples on their way to an estimator: weighed, merged and divided."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split


class Examples:
    """Examples to learn from: X ``(n, features)``, y as the network has it, a factor of each loss or None."""

    def __init__(self, X: NDArray[Any], y: NDArray[Any], weight: NDArray[np.float64] | None) -> None:
        self.X, self.y, self.weight = X, y, weight

    def at(self, rows: NDArray[Any]) -> Examples:
        """Some of them."""
        return Examples(self.X[rows], self.y[rows], None if self.weight is None else self.weight[rows])


def merged(data: Examples, batch_size: int) -> Examples:
    """With equal examples as one of more weight, where a batch holds all.

    The gradient is the same, and so, to the bit, is an example that is repeated and one of that weight.
    """
    if len(data.y) > batch_size:
        return data
    both = np.column_stack([data.X, data.y])
    first, place = np.unique(both, axis=0, return_index=True, return_inverse=True)[1:]
    weight = np.bincount(place.ravel(), data.weight, len(first)).astype(np.float64)
    one = data.at(first)
    one.weight = None if (weight == weight[0]).all() else weight
    return one


def divided(data: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    classes = data.y if data.y.ndim == 1 else None
    rows = np.arange(len(data.y))
    if classes is not None:
        counts = np.unique(classes, return_counts=True)[1]
        # A class too small for both parts is left to chance.
        if counts.min() < 2 or min(share, 1 - share) * len(rows) < len(counts):
            classes = None
    first, last = train_test_split(rows, test_size=share, random_state=seed, stratify=classes)
    return data.at(first), data.at(last)


def weighed(data: Examples) -> Examples:
    """Without what counts nothing."""
    return data if data.weight is None else data.at(np.flatnonzero(data.weight))


def filled(X: Any) -> NDArray[Any]:
    """Sparse examples as dense ones; ValueError if they are beyond what is computed with."""
    full: NDArray[Any] = X.toarray() if hasattr(X, "toarray") else X
    in_single(full, "X")
    return full


def in_single(values: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Numbers as float32; ValueError if they are too large for it."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32, copy=False)
    if not np.isfinite(single).all():
        raise ValueError(f"Input {name} contains infinity or a value too large for dtype('float32').")
    return single


def plain_value(values: Any) -> Any:
    """Numbers of numpy, as a grid may hold, as those of Python."""
    if isinstance(values, dict):
        return {name: plain_value(value) for name, value in values.items()}
    if isinstance(values, np.generic):
        return values.item()
    return values
