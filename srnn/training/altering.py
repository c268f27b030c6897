"""What is done to the examples of a batch before they are learnt: noise, mixing, and softer targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srnn.methods.settings import TrainingConfig
from srnn.tasks import Task


class Altered(NamedTuple):
    """The examples of a batch, ``(B, inputs)``, and the loss of answers ``(B, outputs)`` to them, ``(B,)``."""

    x: Tensor
    loss: Callable[[Tensor], Tensor]


def alter(x: Tensor, y: Tensor, task: Task, settings: TrainingConfig, generator: torch.Generator) -> Altered:
    """Alter the examples of a batch and what is to be answered to them.

    Args:
        x: The examples, ``(B, inputs)``.
        y: Their answers, as of the task.
        task: Its loss is taken.
        settings: Which alterations: mixup (Zhang et al. 2018) comes before noise.
        generator: What is drawn comes from it.
    """
    smoothing = settings.label_smoothing
    other, share = None, 1.0
    if settings.mixup:
        # torch draws no beta number from a generator of one's own.
        seed = int(torch.randint(2**62, (), generator=generator))
        share = float(np.random.default_rng(seed).beta(settings.mixup, settings.mixup))
        other = torch.randperm(len(x), generator=generator).to(x.device)
        x = share * x + (1 - share) * x[other]
    if settings.noise:
        x = x + settings.noise * torch.randn(x.shape, generator=generator).to(x)

    def loss(output: Tensor) -> Tensor:
        if other is None:
            return task.loss(output, y, smoothing)
        if task.kind == "regression":
            return task.loss(output, share * y + (1 - share) * y[other])
        return share * task.loss(output, y, smoothing) + (1 - share) * task.loss(output, y[other], smoothing)

    return Altered(x, loss)
