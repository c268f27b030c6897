"""Which examples a batch holds: the order of an epoch, drawn anew for each seed."""

from __future__ import annotations

import torch
from torch import Tensor

from srnn.methods.settings import TrainingConfig
from srnn.training.learning import Streams


class Batches:
    """The batches of each epoch, whole ones only.

    Args:
        examples: How many there are.
        training: Examples of a batch, and the kind of order.
        streams: The generators of each seed; the order is drawn from ``order``.

    Attributes:
        per_epoch: How many batches an epoch has.
        weights: Of each seed, how likely each example is drawn, float64 ``(n,)``, of an epoch that is drawn with
            replacement; None where nothing is said of single examples.
    """

    def __init__(self, examples: int, training: TrainingConfig, streams: Streams) -> None:
        self._examples, self._size, self._kind, self._streams = examples, training.batch_size, training.order, streams
        self.per_epoch = examples // self._size
        self.weights: list[Tensor | None] = [None] * len(streams)
        #: The generators of the order as they were before this epoch's, to draw it again.
        self.before = self._states()

    def _states(self) -> list[Tensor]:
        return [one["order"].get_state() for one in self._streams]

    def epoch(self, done: int) -> Tensor:
        """The examples of each batch of an epoch from batch number ``done`` on, int64 ``(batches, S, B)``."""
        self.before = self._states()
        order = torch.stack([self._order(place, one["order"]) for place, one in enumerate(self._streams)])
        # An incomplete last batch is left out.
        order = order[:, done * self._size : self.per_epoch * self._size]
        return order.view(len(order), -1, self._size).transpose(0, 1).contiguous()

    def _order(self, place: int, generator: torch.Generator) -> Tensor:
        if (weights := self.weights[place]) is not None:
            return torch.multinomial(weights, self._examples, replacement=True, generator=generator)
        if self._kind == "replacement":
            return torch.randint(self._examples, (self._examples,), generator=generator)
        order = torch.randperm(self._examples, generator=generator)
        if self._kind == "fixed":
            generator.set_state(self.before[place])
        return order
