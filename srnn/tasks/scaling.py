"""Data brought to a common range, as fitted on the training data alone: scikit-learn's two ways.

``standard`` is its StandardScaler, mean 0 and standard deviation 1 in each column; ``unit`` its MinMaxScaler, 0 to 1,
where all pixels of a channel have one range so that a picture stays one. ``none`` leaves the data as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srnn.choices import Scale

#: Numbers that are looked at in double precision at a time: 32 MB.
_CHUNK = 4_194_304
#: Root mean square of a column above which training is likely to diverge; most columns of a table are below it.
_WIDE = 10.0


@dataclass(frozen=True, eq=False)
class Scaling:
    """How numbers ``(n, columns)`` were scaled: to ``(number − shift) / factor``.

    Attributes:
        shift: float64 ``(columns,)``.
        factor: float64 ``(columns,)``, above 0.
    """

    shift: NDArray[np.float64]
    factor: NDArray[np.float64]

    def __call__(self, values: NDArray[Any]) -> Tensor:
        """The numbers scaled: float32 ``(n, columns)``."""
        scaled = np.empty(values.shape, np.float32)
        for rows in _chunks(values):
            scaled[rows] = (values[rows].astype(np.float64) - self.shift) / self.factor
        return torch.from_numpy(scaled)


def scaled(
    scale: Scale, train: NDArray[Any], test: NDArray[Any], channels: int | None = None
) -> tuple[Tensor, Tensor, Scaling | None]:
    """Scale numbers as their training part asks for.

    Args:
        scale: How.
        train: ``(n, columns)`` of any type of number.
        test: The same columns of other examples; they may leave the range of ``train``.
        channels: Of pictures the number of channels, the first part of the columns' order; None for a table.

    Returns:
        Both as float32 of the same shape, and what was done, None for ``none``.
    """
    if scale == "none":
        return _single(train), _single(test), None
    scaling = _fit(scale, train, channels)
    return scaling(train), scaling(test), scaling


def _fit(scale: Scale, train: NDArray[Any], channels: int | None) -> Scaling:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler  # slow to import

    columns = train.shape[1]
    if scale == "standard":
        fitted = StandardScaler()
        for rows in _chunks(train):
            fitted.partial_fit(train[rows].astype(np.float64))
        return Scaling(fitted.mean_, fitted.scale_)
    fitted = MinMaxScaler()
    pixels = 1 if channels is None else columns // channels
    for rows in _chunks(train):
        own = train[rows].astype(np.float64)
        fitted.partial_fit(own.reshape(len(own), -1, pixels).swapaxes(1, 2).reshape(len(own) * pixels, -1))
    return Scaling(np.repeat(fitted.data_min_, pixels), np.repeat(1 / fitted.scale_, pixels))


def wide(name: str, values: NDArray[Any]) -> str:
    """Which column of ``values (n, columns)`` is too wide to be learnt from as it is, in words; empty if none is."""
    squares = np.zeros(values.shape[1])
    for rows in _chunks(values):
        squares += np.square(values[rows].astype(np.float64)).sum(0)
    widest = int(squares.argmax())
    if squares[widest] <= _WIDE**2 * len(values):
        return ""
    low, high = float(values[:, widest].min()), float(values[:, widest].max())
    which = f"column {widest + 1} of {name}" if values.shape[1] > 1 else name
    return f"{which} reaches from {low:,.6g} to {high:,.6g}"


def _single(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _chunks(values: NDArray[Any]) -> list[slice]:
    step = max(1, _CHUNK // values.shape[1])
    return [slice(start, start + step) for start in range(0, len(values), step)]
