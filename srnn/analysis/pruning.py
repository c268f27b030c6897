"""Pruning: how many particles can be dropped, and in which order?

Dropping all particles of a type (:mod:`srnn.analysis.dropout`) says nothing about an organism that is all of one type,
as one of exact self-replicators is. So particles are dropped one share after the other, the least first. Where the type
can tell, dropping self-replicators first should cost less than dropping the smallest first; where all are
self-replicators the two orders are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import torch
from torch import Tensor

from srnn.analysis.dropping import scorer
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.tasks import Task

SMALLEST, RANDOM, REPLICATORS = "smallest first", "random", "self-replicators first"
#: In which order particles are dropped.
ORDERS: Final = (SMALLEST, REPLICATORS, RANDOM)
#: Which shares of them.
SHARES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: The part of the random repeats between Low and High.
_RANGE: Final = (0.025, 0.975)


@torch.no_grad()
def pruning(
    organism: Organism,
    task: Task,
    shares: Sequence[float] = SHARES,
    repeats: int = 20,
    generator: torch.Generator | None = None,
) -> pd.DataFrame:
    """The metric on test data after a share of the particles is dropped, in several orders.

    Args:
        organism: A single one; it is not changed.
        task: Its task.
        shares: Which shares of the particles, from 0 to 1.
        repeats: Random orders.
        generator: Where they are drawn from; without one, torch's global generator.

    Returns:
        A row for each order and share:

        - Order (str): ``smallest first`` (by the modulus of the effective weight), ``self-replicators first`` (those of
          type identity, the smallest of them first, then all others, the smallest first; not of numbers) or ``random``.
        - Share (float), Dropped (int): the share of the particles asked for, and how many that is, rounded.
        - Metric (str): ``accuracy`` or ``mae``, on test data.
        - Score (float): the metric without them; of the random orders the mean.
        - Low, High (float): the range of 95 % of the random orders; of the others the score itself.

    Example:
        >>> curves = pruning(run.organism(), tasks.load(run.experiment.task))  # doctest: +SKIP
        >>> curves.pivot(index="Share", columns="Order", values="Score")  # doctest: +SKIP
        >>> save(plots.pruning.pruning(curves, "digits"), "pruning.png")  # doctest: +SKIP
    """
    # Divergent particles, worth NaN, are dropped last.
    smallest = organism.worth().abs().argsort()
    counts = [round(share * len(smallest)) for share in shares]
    orders: dict[str, list[Tensor]] = {SMALLEST: [smallest]}
    if organism.particle.has_types:
        others = (classify(organism.weights, organism.replicator) != FixpointType.IDENTITY)[smallest]
        orders[REPLICATORS] = [smallest[others.byte().argsort(stable=True)]]
    orders[RANDOM] = [torch.randperm(len(smallest), generator=generator).to(smallest.device) for _ in range(repeats)]
    score_without = scorer(organism, task)
    frames = []
    for name, own in orders.items():
        found = pd.DataFrame([[score_without(order[:count]) for count in counts] for order in own])
        low, high = (found.quantile(end) for end in _RANGE)
        frame = pd.DataFrame({"Order": name, "Share": shares, "Dropped": counts, "Metric": task.metric})
        frames.append(frame.assign(Score=found.mean().to_numpy(), Low=low.to_numpy(), High=high.to_numpy()))
    return pd.concat(frames, ignore_index=True)
