"""Pruning: how many particles can be dropped, and in which order?

Dropping all particles of a type (:mod:`srnn.analysis.dropout`) says nothing about an organism that is all of one type,
as one of exact self-replicators is. So particles are dropped one share after the other, the least first. Where the type
can tell, dropping self-replicators first should cost less than dropping the smallest first; where all are
self-replicators the two orders are one.

Zero fixpoints stay: to drop one costs nothing, and an order that begins with them would only tell how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn.analysis.dropping import scores_without
from srnn.analysis.statistics import differences_over_seeds
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
        shares: Which shares of the particles that are no zero fixpoints, from 0 to 1.
        repeats: Random orders.
        generator: Where they are drawn from; without one, torch's global generator.

    Returns:
        A row for each order and share:

        - Order (str): ``smallest first`` (by the modulus of the effective weight), ``self-replicators first`` (those of
          type identity, the smallest of them first, then all others, the smallest first; not of numbers) or ``random``.
        - Share (float), Dropped (int): the share asked for, and how many particles that is, rounded.
        - Metric (str): ``accuracy`` or ``mae``, on test data.
        - Score (float): the metric without them; of the random orders the mean.
        - Low, High (float): the range of 95 % of the random orders; of the others the score itself.

    Example:
        >>> curves = pruning(run.organism(), tasks.load(run.experiment.task))  # doctest: +SKIP
        >>> curves.pivot(index="Share", columns="Order", values="Score")  # doctest: +SKIP
        >>> save(plots.pruning.pruning(curves, "digits"), "pruning.png")  # doctest: +SKIP
    """
    # Divergent particles, worth NaN, are dropped last.
    smallest = organism.worth().abs().argsort().cpu()
    orders: dict[str, list[Tensor]] = {SMALLEST: [smallest]}
    if organism.particle.has_types:
        types = classify(organism.weights, organism.replicator).cpu()
        smallest = smallest[types[smallest] != FixpointType.ZERO]
        later = (types[smallest] != FixpointType.IDENTITY).byte()
        orders = {SMALLEST: [smallest], REPLICATORS: [smallest[later.argsort(stable=True)]]}
    orders[RANDOM] = [smallest[torch.randperm(len(smallest), generator=generator)] for _ in range(repeats)]
    counts = [round(share * len(smallest)) for share in shares]
    frames = []
    for name, own in orders.items():
        dropped = torch.zeros(len(own), len(counts), organism.size, dtype=torch.bool)
        for masks, order in zip(dropped, own, strict=True):
            for mask, count in zip(masks, counts, strict=True):
                mask[order[:count]] = True
        scores = scores_without(organism, task, dropped.flatten(0, 1).to(organism.weights.device))
        found = scores.double().cpu().numpy().reshape(len(own), -1)
        low, high = np.quantile(found, _RANGE, axis=0)
        frame = pd.DataFrame({"Order": name, "Share": shares, "Dropped": counts, "Metric": task.metric})
        frames.append(frame.assign(Score=found.mean(0), Low=low, High=high))
    return pd.concat(frames, ignore_index=True)


def against_smallest(dropped: pd.DataFrame) -> pd.DataFrame:
    """What the other orders cost against the smallest first, at every share: over seeds, with 95 % t-intervals.

    Args:
        dropped: As :func:`pruning` gives it, of several seeds one after the other, with a column Seed.

    Returns:
        Columns Order, Share, Difference (the mean over the seeds of the metric in that order minus that with the
        smallest first), Low, High (float; NaN for a single seed) and Seeds (int).

    Example:
        >>> against_smallest(curves).query("Order == 'self-replicators first'")  # doctest: +SKIP
    """
    scores = dropped.pivot(index=["Seed", "Share"], columns="Order", values="Score")
    against = scores.drop(columns=SMALLEST).sub(scores[SMALLEST], axis=0)
    long = against.melt(ignore_index=False, value_name="Score").reset_index().assign(Metric=dropped["Metric"].iloc[0])
    return differences_over_seeds(long, by=["Order", "Share"]).reset_index()
