"""Which examples a batch holds: the order of an epoch, drawn anew for each seed."""

from __future__ import annotations

import torch
from torch import Tensor

from srnn.training.learning import Streams


class Batches:
    """The batches of each epoch, whole ones only.

    Args:
        examples: How many there are.
        size: Examples of a batch.
        streams: The generators of each seed; the order is drawn from ``order``.

    Attributes:
        per_epoch: How many batches an epoch has.
    """

    def __init__(self, examples: int, size: int, streams: Streams) -> None:
        self._examples, self._size, self._streams = examples, size, streams
        self.per_epoch = examples // size
        #: The generators of the order as they were before this epoch's, to draw it again.
        self.before = self._states()

    def _states(self) -> list[Tensor]:
        return [one["order"].get_state() for one in self._streams]

    def epoch(self, done: int) -> Tensor:
        """The examples of each batch of an epoch from batch number ``done`` on, int64 ``(batches, S, B)``."""
        self.before = self._states()
        order = torch.stack([torch.randperm(self._examples, generator=one["order"]) for one in self._streams])
        # An incomplete last batch is left out.
        order = order[:, done * self._size : self.per_epoch * self._size]
        return order.view(len(order), -1, self._size).transpose(0, 1).contiguous()
