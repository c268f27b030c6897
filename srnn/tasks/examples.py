"""What every form of own data is read as, and what is wrong with a file of any form, in one line."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srnn.errors import UserError, shorten

#: Bytes of the largest array that is read: whatever a file promises, no more memory is set aside for one.
LIMIT = 4 * 1024**3
_FEWEST_ROWS = 10


@dataclass(frozen=True, eq=False)
class Examples:
    """Own data as they were read, before anything is done to them.

    Attributes:
        X: Numbers or truth values ``(n, …)``.
        y: Numbers or truth values ``(n,)`` or ``(n, outputs)``, or text ``(n,)``.
        training: The first rows are for training, this many of them, and all others for testing; None if the file does
            not say.
        names: What classes are called, by the number that stands for them in y; of one that is not here its number.
        target: The column that y is; None if the file has none.
        notes: What the user should know of how they were read, a line each.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    training: int | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    target: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the data are known again by; of those that are divided, each part."""
        if self.training is None:
            return {"X": self.X, "y": self.y}
        first, last = slice(self.training), slice(self.training, None)
        return {"X": self.X[first], "y": self.y[first], "X_test": self.X[last], "y_test": self.y[last]}


def named_arrays(path: Path, keys: Collection[str]) -> list[tuple[str, str]]:
    """Which arrays of a file are X and y: one pair of names, or a second one of those to test on.

    Names may be lower case, as Keras writes ``x_train``, ``y_train``, ``x_test`` and ``y_test``.

    Raises:
        UserError: There are no such arrays.
    """

    def there(*names: str) -> str | None:
        return next((name for name in names if name in keys), None)

    X, y = there("X", "x"), there("y")
    parts = [(there(f"X_{part}", f"x_{part}"), there(f"y_{part}")) for part in ("train", "test")]
    divided = [(one, other) for one, other in parts if one and other]
    if X and y:
        return [(X, y)]
    if len(divided) == 2:
        return divided
    known = ", ".join(repr(name) for name in [*keys][:10]) or "no arrays"
    if {"indices", "indptr", "data"} <= {*keys}:
        raise UserError(
            f"{path}: it holds a sparse matrix of scipy, which is not read; save it filled, with its labels: "
            "numpy.savez(path, X=matrix.toarray(), y=y)"
        )
    if "arr_0" in keys:
        raise UserError(
            f"{path}: it holds {shorten(known, 200)}, as numpy calls arrays that are saved without names; save them "
            "with: numpy.savez(path, X=X, y=y)"
        )
    raise UserError(
        f"{path}: no array {'y' if X else 'X'}; it holds {shorten(known, 200)}; expected X and y, or X_train, y_train, "
        "X_test and y_test"
    )


def joined(path: Path, pairs: list[tuple[str, str]], read: Callable[[str], NDArray[Any]]) -> Examples:
    """The arrays of those names; where a second pair is to be tested on, its rows come last.

    Raises:
        UserError: Rows of X and y, or of the two parts, do not fit together.
    """
    arrays = [(read(X), read(y)) for X, y in pairs]
    if len(arrays) == 1:
        return Examples(*arrays[0])
    for (X_name, y_name), (X, y) in zip(pairs, arrays, strict=True):
        require_shapes(path, X.shape, y.shape, y.dtype, fewest=1, names=(X_name, y_name))
    for name, first, last in zip(pairs[1], *arrays, strict=True):
        if first.shape[1:] != last.shape[1:] or (first.dtype.kind == "U") != (last.dtype.kind == "U"):
            raise UserError(
                f"{path}: {name} is {_of(last)}, that to train on {_of(first)}: they may differ in rows only"
            )
    X, y = (np.concatenate(part) for part in zip(*arrays, strict=True))
    return Examples(X, y, training=len(arrays[0][0]))


def _of(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"


def require_shapes(
    path: Path,
    X: tuple[int, ...],
    y: tuple[int, ...],
    y_dtype: np.dtype[Any],
    fewest: int = _FEWEST_ROWS,
    names: tuple[str, str] = ("X", "y"),
) -> None:
    """Refuse arrays that are not those of examples and their targets.

    Raises:
        UserError: What is wrong, and what is expected.
    """
    X_name, y_name = names
    if len(X) < 2 or math.prod(X[1:]) == 0:
        hint = "; of one number an example, it is X.reshape(-1, 1)" if len(X) == 1 else ""
        raise UserError(
            f"{path}: {X_name} has shape {X}; expected one row of at least 1 number per example: (n, inputs){hint}"
        )
    if y_dtype.kind != "f" and len(y) not in (1, 2):
        raise UserError(no_target(path, y, y_dtype))
    if len(y) not in (1, 2) or 0 in y[1:]:
        raise UserError(f"{path}: {y_name} has shape {y}; expected (n,), or (n, outputs) with at least 1 output")
    if X[0] != y[0]:
        raise UserError(f"{path}: {X_name} has {X[0]:,} rows, {y_name} has {y[0]:,}; they must have the same number")
    if X[0] < fewest:
        raise UserError(f"{path}: {X_name} has {X[0]} rows; at least {fewest} are needed to train and test")


def no_target(path: Path, y: tuple[int, ...], y_dtype: np.dtype[Any]) -> str:
    """That y cannot be learnt, and what can."""
    return (
        f"{path}: y holds {y_dtype} in shape {y}; expected integers or text (n,) for classes, rows (n, classes) of "
        "which one number is 1 and all others 0, or floats (n,) or (n, outputs) for regression"
    )


@contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn whatever a damaged file makes its library raise into one line.

    Args:
        path: The file.
        what: What of it is being read, such as ``the array X``.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; task.path needs a file or folder of data") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or line(error)}") from error
    except Exception as error:
        raise UserError(f"{path}: {what} cannot be read: {line(error)}") from error


def line(error: Exception) -> str:
    """The message of a foreign error, which may quote what the file holds."""
    return shorten(str(error), 200) or type(error).__name__
