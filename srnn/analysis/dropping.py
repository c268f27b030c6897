"""An organism without some of its particles, and which others are fair to compare them with.

Dropping a particle is setting its effective weight to zero. What that costs says something of the particles only
beside what dropping others costs, of which as much could be expected.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from srnn.analysis.many import evaluate
from srnn.analysis.thinning import signals
from srnn.bodies.mlp import MLP
from srnn.organism import Organism
from srnn.tasks import Task


@torch.no_grad()
def scores_without(organism: Organism, task: Task, dropped: Tensor) -> Tensor:
    """The metric on test data without some particles, for many choices of them.

    Args:
        organism: A single one; it is not changed.
        task: Its task.
        dropped: Which particles, bool ``(A, N)``.

    Returns:
        ``(A,)``.
    """
    # Not a product: a divergent particle is worth NaN, and NaN · 0 is NaN.
    return evaluate(organism, organism.worth().masked_fill(dropped, 0), task)[1]


@torch.no_grad()
def input_activity(organism: Organism, x: Tensor) -> Tensor | None:
    """How active the input of each weight is: the mean of its absolute value, ``(N,)``.

    Args:
        organism: A single one.
        x: Over which examples, ``(n, inputs)``.

    Returns:
        None where it is not known what enters a weight: of bodies other than an MLP made of particles alone.
    """
    if not isinstance(organism.body, MLP) or len(organism.shapes) != len(organism.body.sources):
        return None
    entering = [signal.abs().mean(0) for signal in signals(organism, x)[:-1]]
    pairs = zip(entering, organism.shapes, strict=True)
    return torch.cat([one.expand(shape).flatten() for one, shape in pairs])


def nearest(
    values: NDArray[np.float64], dropped: NDArray[np.intp], others: NDArray[np.intp], generator: torch.Generator | None
) -> NDArray[np.intp] | None:
    """For each of some particles another one that is nearest to it in a value, none twice.

    Greedy, the largest value first, for it has the fewest that are like it; who is taken of several with the same value
    is drawn.

    Args:
        values: Of each particle, ``(N,)``.
        dropped: The places of the particles that are matched.
        others: The places of those that they may be matched with.
        generator: Where ties are drawn from; without one, torch's global generator.

    Returns:
        The places of the matches, as many as ``dropped``; None if there are too few others, or if a value is NaN.
    """
    if len(dropped) > len(others) or np.isnan(values[[*dropped, *others]]).any():
        return None
    shuffled = others[torch.randperm(len(others), generator=generator).numpy()]
    candidates = shuffled[values[shuffled].argsort(kind="stable")]
    known = values[candidates]
    # Which is the next that is free, upwards and, counted from 1, downwards: each itself, until it is taken.
    upwards, downwards = [*range(len(known) + 1)], [*range(len(known) + 1)]
    chosen = []
    for value in np.sort(values[dropped])[::-1]:
        place = int(np.searchsorted(known, value))
        taken, left = _free(upwards, place), _free(downwards, place) - 1
        if taken == len(known) or (left >= 0 and value - known[left] < known[taken] - value):
            taken = left
        chosen.append(taken)
        upwards[taken], downwards[taken + 1] = taken + 1, taken
    matches: NDArray[np.intp] = candidates[chosen]
    return matches


def _free(following: list[int], place: int) -> int:
    """Follow from place to place until one leads to itself, and shorten the way for those who come later."""
    while (after := following[place]) != place:
        following[place] = following[after]
        place = after
    return place
