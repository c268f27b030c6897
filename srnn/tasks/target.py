"""What y is taken for: classes and what they are called, or the numbers of a regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srnn.errors import UserError, shorten
from srnn.tasks.examples import no_target

#: Classes are doubted if they are more than these, and have on average fewer rows than those.
_MANY_CLASSES, _FEW_ROWS = 20, 10
#: Characters that the name of a class may have.
_LONGEST = 100


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be put out.

    Attributes:
        y: Classes, int64 ``(n,)`` in 0 … C − 1, or numbers ``(n, outputs)``.
        classes: What the C classes are called, in their order; None for numbers.
        notes: Where it is doubtful which of the two it is, a line each.
    """

    y: NDArray[Any]
    classes: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def of(path: Path, y: NDArray[Any], names: Mapping[int, str], older: bool = False) -> Target:
    """What y is taken for by its type.

    Args:
        path: The file, for messages.
        y: Numbers, truth values or text.
        names: What classes are called, by their number.
        older: Whether the run is of an srnn that did not know one-hot rows of floats.

    Raises:
        UserError: It cannot be learnt: one class only, or the same number in all rows.
    """
    notes = []
    numbers = y.dtype.kind == "f"
    if y.ndim == 2 and y.shape[1] > 1 and not (numbers and older) and _one_hot(y):
        y, numbers = y.argmax(1), False
        notes.append(f"{path}: y is one-hot: it is taken for classes, one for each column that holds a 1")
    if numbers:
        return _numbers(path, y, older)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise UserError(no_target(path, y.shape, y.dtype))
    found, labels = np.unique(y, return_inverse=True)
    classes = tuple(_name(path, names, label) for label in found)
    if len(found) < 2:
        raise UserError(f"{path}: y has only the class {classes[0]}; at least 2 classes are needed")
    if len(found) > _MANY_CLASSES and _FEW_ROWS * len(found) > len(y):
        what = "text" if y.dtype.kind == "U" else "integers"
        notes.append(
            f"{path}: y holds {what}, which {'is' if what == 'text' else 'are'} taken for {len(found):,} classes in "
            f"{len(y):,} rows; if they are numbers, as of a regression, save them as floats, in CSV with a point: 3.0"
        )
    return Target(labels.reshape(-1).astype(np.int64, copy=False), classes, tuple(notes))


def _numbers(path: Path, y: NDArray[Any], older: bool) -> Target:
    require_finite(path, "y", y)
    if not older and (y == y[:1]).all():
        raise UserError(f"{path}: y is {shorten(str(np.squeeze(y[0])))} in every row: there is nothing to learn")
    notes = []
    different = len(np.unique(y))
    if different <= len(y) / 2 and (y == np.rint(y)).all():
        notes.append(
            f"{path}: y holds whole numbers as floats, {different:,} different ones in {len(y):,} rows: they are "
            f"taken for numbers, as a regression; if they are classes, save them as integers"
        )
    return Target(y.reshape(len(y), -1), None, tuple(notes))


def require_finite(path: Path, key: str, array: NDArray[Any]) -> None:
    """Refuse what becomes NaN or infinite as float32; a value too large for that counts as infinite.

    Raises:
        UserError: There are such values.
    """
    if array.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        bad = array.size - int(np.isfinite(array.astype(np.float32, copy=False)).sum())
    if bad:
        raise UserError(
            f"{path}: {bad:,} of the {array.size:,} values of {key} {'is' if bad == 1 else 'are'} NaN or infinite as "
            f"float32; remove or replace {'it' if bad == 1 else 'them'}"
        )


def unseen(path: Path, target: Target, train: NDArray[np.int64], test: NDArray[np.int64], told: bool) -> list[str]:
    """What is to be said of classes that the test part alone has: they cannot be learnt.

    Args:
        path: The file, for messages.
        target: What is to be put out.
        train: Places of the rows to train on.
        test: Places of the rows to test on.
        told: Whether the file itself divides its rows.

    Raises:
        UserError: There are such classes, and the file itself has it so.
    """
    if target.classes is None:
        return []
    missing = np.setdiff1d(target.y[test], target.y[train])
    if not missing.size or (target.notes and not told):  # too many classes: that is said
        return []
    which = shorten(", ".join(target.classes[label] for label in missing))
    have = f"{'a class' if missing.size == 1 else 'classes'} of which there is no example to train on: {which}"
    if told:
        raise UserError(
            f"{path}: the test part has {have}; add some, or leave {'it' if missing.size == 1 else 'them'} out"
        )
    return [f"{path}: the fifth that is held back for testing has {have}; two examples of each would be divided"]


def _one_hot(y: NDArray[Any]) -> bool:
    return bool(((y == 0) | (y == 1)).all() and ((y == 1).sum(1) == 1).all())


def _name(path: Path, names: Mapping[int, str], label: Any) -> str:
    if not isinstance(label, str):
        return names.get(int(label), str(label))
    if not label.strip():
        raise UserError(f"{path}: some rows of y have no label; fill them in or leave those rows out")
    if len(label) > _LONGEST or not label.isprintable():
        raise UserError(
            f"{path}: y has the label {shorten(repr(str(label)))}; allowed: up to {_LONGEST} characters that can be "
            "printed"
        )
    return str(label)
