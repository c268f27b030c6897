"""What the zeros of an organism cost: its body as plain numbers, without those weights from birth on."""

from __future__ import annotations

from typing import Final

import pandas as pd
import torch
from torch import Tensor

from srnn.errors import NotApplicableError
from srnn.experiment import Experiment
from srnn.fixpoints import FixpointType, classify
from srnn.kernels.arithmetic import fast_arithmetic
from srnn.organism import Organism
from srnn.tasks import Task
from srnn.training.loop import Training

#: What is trained, in the order of tables: all weights, those that are no zeros of the organism, as many in each layer
#: at random, and those that are no zeros in the first layer alone.
MASKS: Final = ("none", "zeros", "random", "first layer")
_ALONE: Final = (
    "particle.kind=number",
    "particle.values=body",
    "particle.step=alike",
    "replication.method=none",
    "replication.birth=drawn",
)
_WITHOUT: Final = ("replication.start_accuracy=0.0", "interactions={}", "events={}", "terms={}")


def masks(
    newborn: Organism, trained: Organism, experiment: Experiment, task: Task, generator: torch.Generator
) -> pd.DataFrame:
    """Train the body as plain numbers from what the newborn particles were worth, without some of its weights.

    All see the batches of the organism, in their order. A weight that is masked is 0 from birth to the end.

    Args:
        newborn: A single organism as it was before training.
        trained: The same after it.
        experiment: How it was trained, with its seed.
        task: On what.
        generator: Draws the random mask.

    Returns:
        A row for each of :data:`MASKS`: Mask (str), Masked (share of the weights), Metric (str) and Score (float: on
        test data, at the end).

    Raises:
        NotApplicableError: Its weights are no particles.
    """
    if not trained.particle.has_types:
        raise NotApplicableError("plain numbers have no zero fixpoints: nothing is to be masked")
    zero = classify(trained.weights.detach(), trained.replicator) == FixpointType.ZERO
    first = torch.zeros_like(zero)
    first[: trained.shapes[0].numel()] = True
    random = torch.zeros_like(zero)
    for columns in trained.layers.values():
        order = torch.randperm(columns.stop - columns.start, generator=generator)
        random[columns.start + order[: int(zero[columns].sum())]] = True
    chosen = dict(zip(MASKS, (torch.zeros_like(zero), zero, random, zero & first), strict=True))

    numbers = experiment.override([*_ALONE, *_WITHOUT])
    training = Training(numbers, task, [experiment.seed] * len(chosen))
    with newborn.behind(None):
        worth = newborn.worth()
    _begin(training, worth, [*chosen.values()])
    with fast_arithmetic(training.organism.size * experiment.training.batch_size):
        *_, last = training.run()
    metric = f"test_{task.metric}"
    rows = [
        (name, float(mask.float().mean()), metric, last.scores[place][metric])
        for place, (name, mask) in enumerate(chosen.items())
    ]
    return pd.DataFrame(rows, columns=["Mask", "Masked", "Metric", "Score"])


def _begin(training: Training, worth: Tensor, masks: list[Tensor]) -> None:
    for place, mask in enumerate(masks):
        training.weights.detach()[0, training.columns(place)] = worth.detach().masked_fill(mask, 0)
        training.freeze(place, mask.nonzero().flatten())
