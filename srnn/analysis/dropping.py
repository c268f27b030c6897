"""An organism without some of its particles: dropping a particle is setting its effective weight to zero."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from srnn.organism import Organism
from srnn.tasks import Task


def scorer(organism: Organism, task: Task) -> Callable[[Tensor], float]:
    """The metric on test data as a function of which particles are dropped, by their places in the swarm.

    Args:
        organism: A single one; it is not changed.
        task: Its task.
    """
    organism = copy.deepcopy(organism).eval()
    whole = organism.worth()

    @torch.no_grad()
    def score_without(dropped: Tensor) -> float:
        # Not a product: a divergent particle is worth NaN, and NaN · 0 is NaN.
        kept = whole.index_fill(0, dropped, 0)
        return float(task.score(organism.call_with(kept, task.test_x), task.test_y).mean())

    return score_without
