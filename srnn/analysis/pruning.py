"""Pruning: how many particles can be dropped, and in which order?

Dropping all particles of a type (:mod:`srnn.analysis.dropout`) says nothing about an organism that is all of one type,
as one of exact self-replicators is. So particles are dropped one share after the other, the least important first, by
the scores of :mod:`srnn.importance`. Where the type can tell, dropping self-replicators first should cost less than
dropping the smallest first; where all are self-replicators the two orders are one.

Zero fixpoints stay: to drop one costs nothing, and an order that begins with them would only tell how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from srnn import importance
from srnn.analysis.dropping import scores_without
from srnn.analysis.statistics import differences_over_seeds
from srnn.choices import Score
from srnn.errors import NotApplicableError
from srnn.fixpoints import FixpointType, classify
from srnn.organism import Organism
from srnn.tasks import Task

SMALLEST, RANDOM, REPLICATORS = "smallest first", "random", "self-replicators first"
#: In which order particles are dropped, and by which score: those that the question is about.
ORDERS: Final[Mapping[str, Score]] = {SMALLEST: "magnitude", REPLICATORS: "type", RANDOM: "random"}
#: All orders that there are.
ALL_ORDERS: Final[Mapping[str, Score]] = {
    **ORDERS,
    "replication error": "replication",
    "LAMP": "lamp",
    "magnitude increase": "magnitude_increase",
    "movement": "movement",
    "SNIP": "snip",
    "Fisher": "fisher",
    "quiet inputs first": "quiet_inputs",
}
#: Which shares of them.
SHARES: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: The part of the random repeats between Low and High.
_RANGE: Final = (0.025, 0.975)


def pruning(
    organism: Organism,
    task: Task,
    shares: Sequence[float] = SHARES,
    repeats: int = 20,
    generator: torch.Generator | None = None,
    orders: Mapping[str, Score] = ORDERS,
    birth: Tensor | None = None,
) -> pd.DataFrame:
    """The metric on test data after a share of the particles is dropped, in several orders.

    Args:
        organism: A single one; it is not changed.
        task: Its task.
        shares: Which shares of the particles that are no zero fixpoints, from 0 to 1.
        repeats: Random orders.
        generator: Where they are drawn from; without one, torch's global generator.
        orders: Name of each order → the score by which the least important are dropped first.
        birth: What the weights were worth at birth, ``(N,)``, for the scores that ask it.

    Returns:
        A row for each order and share; orders that cannot be asked of the organism are left out:

        - Order (str): such as ``smallest first`` (by the modulus of the effective weight), ``self-replicators first``
          (those of type identity, the smallest of them first, then all others, the smallest first; not of numbers) or
          ``random``.
        - Share (float), Dropped (int): the share asked for, and how many particles that is, rounded.
        - Metric (str): ``accuracy`` or ``mae``, on test data.
        - Score (float): the metric without them; of the random orders the mean.
        - Low, High (float): the range of 95 % of the random orders; of the others the score itself.

    Example:
        >>> curves = pruning(run.organism(), tasks.load(run.experiment.task))  # doctest: +SKIP
        >>> curves.pivot(index="Share", columns="Order", values="Score")  # doctest: +SKIP
        >>> save(plots.pruning.pruning(curves, "digits"), "pruning.png")  # doctest: +SKIP
    """
    there = torch.ones(organism.size, dtype=torch.bool)
    if organism.particle.has_types:
        there = classify(organism.weights.detach(), organism.replicator).cpu() != FixpointType.ZERO
    counts = [round(share * int(there.sum())) for share in shares]
    frames = []
    for name, score in orders.items():
        own: list[Tensor] = []
        with suppress(NotApplicableError):
            for _ in range(repeats if score == "random" else 1):
                values = importance.score(score, organism, task, birth, generator)
                own.append(importance.ranking(values, organism.worth()).cpu())
        if not own:
            continue
        dropped = torch.zeros(len(own), len(counts), organism.size, dtype=torch.bool)
        for masks, order in zip(dropped, own, strict=True):
            least_first = order[there[order]].flip(0)
            for mask, count in zip(masks, counts, strict=True):
                mask[least_first[:count]] = True
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
