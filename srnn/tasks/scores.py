"""What is measured of answers besides their accuracy or error: of rare classes, and of a regression's worth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: Classes up to which each has a recall of its own.
MOST_RECALLS = 20
#: Characters of a class's name that the name of its recall has.
_LONGEST = 40


def of_classes(output: Tensor, y: Tensor, names: Sequence[str] | None = None) -> dict[str, float]:
    """How well classes are told apart, whatever their sizes.

    Args:
        output: A number for each class, ``(n, classes)``; the largest is the answer.
        y: The right classes, int64 ``(n,)``.
        names: What the classes are called; without, by their number.

    Returns:
        ``balanced_accuracy``, the mean over the classes of the share that is recognised, and, of up to
        :data:`MOST_RECALLS` classes, that share itself as ``recall_0`` … or, if they have names, by these
        (:func:`recall_names`); classes of which there is no example are left out. As scikit-learn's
        ``balanced_accuracy_score`` and ``recall_score``.
    """
    import torch  # which the names of recalls do without

    classes = output.shape[-1]
    right = y[output.max(-1).indices == y]
    examples, hits = torch.bincount(y, minlength=classes), torch.bincount(right, minlength=classes)
    there = examples.nonzero().flatten()
    recalls = hits[there].double() / examples[there]
    scores = {"balanced_accuracy": float(recalls.mean())}
    if classes <= MOST_RECALLS:
        called = recall_names(names or list(map(str, range(classes))))
        scores |= {called[label]: score for label, score in zip(there.tolist(), recalls.tolist(), strict=True)}
    return scores


def recall_names(classes: Sequence[str]) -> list[str]:
    """What the recalls of classes are called: by their names, in which spaces and punctuation become ``_``.

    Where two would be called the same, all are called by their number.

    Example:
        >>> recall_names(["Iris setosa", "<=50K"])
        ['recall_Iris_setosa', 'recall_<=50K']
    """
    words = [re.sub(r"[^\w.<>=+-]+", "_", name[:_LONGEST]) for name in classes]
    if len({*words}) < len(words):
        words = list(map(str, range(len(words))))
    return [f"recall_{word}" for word in words]


def of_numbers(output: Tensor, y: Tensor) -> dict[str, float]:
    """How much of what targets vary is answered.

    Args:
        output: The answers, ``(n, outputs)``.
        y: The targets, of the same shape.

    Returns:
        ``r2``, the coefficient of determination R², a mean over the outputs: 1 is right, 0 as good as the mean of y.
        Of a target that does not vary it is 1 if all is right, else 0, as scikit-learn's ``r2_score`` has it.
    """
    import torch

    y = y.double()
    missed, there = (output - y).square().sum(0), (y - y.mean(0)).square().sum(0)
    constant = torch.where(missed == 0, 1.0, 0.0).to(missed)
    return {"r2": float(torch.where(there == 0, constant, 1 - missed / there).mean())}
