"""A stretch of batches in one call, where nothing has to look in between: to the bit what they are one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from srnn import kernels
from srnn.kernels import mlp
from srnn.training import learning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srnn.kernels.packets import Call
    from srnn.methods.descent import Calls, Descent
    from srnn.training.loop import Training


#: The calls of a method, and of the terms, by their names in :class:`srnn.methods.descent.Calls`.
_CALLS = ("prepare", "weigh", "cost", "push", "count", "move", "move_on", "settle")


class Done(NamedTuple):
    """How a stretch ended.

    Attributes:
        batches: How many are done.
        begun: Whether one more is prepared, and not gone on with since something is not finite.
        replicated: Of that one, each particle's replication loss ``(S · N,)``, if it has any.
        losses: Of the last one that is done, ``(S, B)``.
    """

    batches: int
    begun: bool
    replicated: Tensor | None
    losses: Tensor


class Stretch:
    """What is left of an epoch, batch after batch by kernels alone.

    Args:
        training: Whose batches they are.
        order: The examples of each, int64 ``(batches, S, B)``.
        worth: What the particles are worth, ``(S · N,)``; written in.
        batch: What is learnt from the first batch of the order.
        calls: What the method does.
        replicated: Where the replication losses are, ``(S · N,)``.
    """

    def __init__(
        self, training: Training, order: Tensor, worth: Tensor, batch: mlp.Batch, calls: Calls, replicated: Tensor
    ) -> None:
        from srnn.kernels import batches

        self._training, self._worth, self._replicated, self._batch = training, worth, replicated, batch
        self._prepares, self._lags = calls.prepare is not None, calls.lags
        self._address = training.weights.data_ptr()
        self._order, self._held, self._module = order, (calls, training.sums), batches
        packet = np.zeros(1, batches.RUN)
        self._packet, fields = packet, packet[0]
        fields["index_step"] = order[0].numel() * order.element_size()
        fields["particles"], fields["examples"] = worth.numel(), batch.losses.numel()
        fields["networks"] = training.organism.copies
        learner = mlp.learner().address
        fields["learn"], fields["learn_packet"] = learner, batch.packet.ctypes.data
        if batch.compound is not None and batch.unfold is not None:
            fields["compound"], fields["compound_packet"] = mlp.multiplier().address, batch.compound.ctypes.data
            fields["unfold"], fields["unfold_packet"] = learner, batch.unfold.ctypes.data
        done = [call for name in _CALLS if (call := getattr(calls, name)) is not None]
        for name in _CALLS:
            if (call := getattr(calls, name)) is not None:
                fields[name], fields[f"{name}_packet"] = call.kernel.address, call.packet.buffer_info()[0]
        every = training.experiment.replication.every
        fields["every"] = 0 if calls.settle is None or isinstance(every, str) else every
        fields["in_place"] = calls.in_place
        sums = training.sums
        numbers = {
            "worth": worth,
            "gradient": batch.gradient,
            "replicated": replicated,
            "losses": batch.losses,
            "scores": batch.scores,
        }
        numbers |= {"replicated_sums": sums.replication, "loss_sums": sums.task, "score_sums": sums.score}
        for name, tensor in numbers.items():
            fields[name] = tensor.data_ptr()
        if training.dropped is not None:
            self._dropped = training.dropped
            fields["dropped"] = training.dropped.data_ptr()
        fields["factor"] = learning.factor(training.task)
        self._slower: NDArray[np.float64] | None = None
        self._rows: NDArray[np.int32] | None = None
        if training.experiment.schedule.kind != "constant":
            before = training.batches.per_epoch - len(order)
            shares = np.array([training.pace(before + batch) for batch in range(len(order))])
            if training.experiment.schedule.scales == "task":
                self._slower = shares
            else:
                self._places, self._rows = _words(done, training.experiment.training.lr * shares)
                fields["words"], fields["places"] = len(self._places), self._places.ctypes.data

    @property
    def holds(self) -> bool:
        """Whether the weights are still where they were: who replaces them replaces what kernels write to."""
        return self._address == self._training.weights.data_ptr()

    def __call__(self, start: int, batches: int) -> Done:
        """Do so many batches, from that place in the order on, or as many as go well."""
        training, organism, fields = self._training, self._training.organism, self._packet[0]
        fields["batches"], fields["first"], behind = batches, training.batch, organism.ahead is not None
        if self._slower is not None:
            fields["slower"] = self._slower[start:].ctypes.data
        if self._rows is not None:
            fields["rows"] = self._rows[start:].ctypes.data
        self._batch.read_from(self._order[start])
        known = organism.worth()
        if known.data_ptr() != self._worth.data_ptr():
            self._worth.copy_(known)
        self._module.run(self._packet.ctypes.data)
        mlp.require_sound(self._batch)
        torch.autograd.graph.increment_version(organism.weights)
        done, begun = int(fields["done"]), bool(fields["prepared"])
        if done:
            behind = self._lags and not training.method.due(training.batch + done - 1)
        organism.remember(self._worth, ahead=behind)
        return Done(done, begun, self._replicated if begun and self._prepares else None, self._batch.losses)


@kernels.or_by_torch
def stretch(training: Training, order: Tensor) -> Stretch | None:
    """What is left of an epoch in one piece; None where something has to look in between, or no kernel can compute it.

    Args:
        training: At the beginning of what is left.
        order: The examples of each batch, int64 ``(batches, S, B)``.
    """
    organism, method, task = training.organism, training.method, training.task
    if (
        not training.terms.together
        or training.experiment.training.alters
        or training.steps is not None
        or not _only_dropped(training)
        or any(event.moment == "batch" for event in training.events)
        or any(event.due_inside(training.epoch, training.batches.per_epoch) for event in training.events)
    ):
        return None
    if training.divergence.policy == "stop" or len(order) == 0 or not kernels.fused() or not _own_calls(type(method)):
        return None
    numbers = organism.particle.size == 1
    worth = organism.weights.detach()[0] if numbers else organism.worth().clone()
    body = learning.fused_body(organism, task, worth)
    if body is None:
        return None
    replicated = torch.zeros_like(worth)
    dropped = learning.drop(organism, training.streams, training.batch)
    batch = mlp.batch(worth, body, task.train_x, task.train_y, order[0], dropped)
    calls = method.calls(worth, batch.gradient, replicated)
    if calls is None:
        return None
    terms = training.terms
    calls = replace(calls, cost=terms.call(worth, batch.gradient), push=terms.push(worth, batch.gradient))
    return Stretch(training, order, worth, batch, calls, replicated)


def _words(calls: Sequence[Call], rates: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """What follows the learning rate: the addresses of its words of 32 bits, and what they are in each batch, a row."""
    paced = [one for call in calls for one in call.paced]
    columns, places = [], []
    for one in paced:
        own = np.append(rates[1:], rates[-1:]) if one.next else rates
        words = np.array([one.of(float(lr)) for lr in own]).view(np.int32).reshape(len(rates), -1)
        columns.append(words)
        places += [one.address + words.itemsize * word for word in range(words.shape[1])]
    return np.array(places, np.int64), np.ascontiguousarray(np.hstack(columns))


def _only_dropped(training: Training) -> bool:
    """Whether no particles are kept as they are but those that a cleared gradient keeps at zero."""
    if training.frozen is None:
        return True
    dropped = training.dropped
    return dropped is not None and not training.method.exact and torch.equal(dropped, training.frozen)


def _own_calls(method: type[Descent]) -> bool:
    """Whether the calls that a method tells are of its own doing, and not of one that it is derived from."""

    def place(name: str) -> int:
        return next(place for place, kind in enumerate(method.__mro__) if name in vars(kind))

    return place("calls") <= min(place("prepare"), place("move"))
