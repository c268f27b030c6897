"""From the effective weights to what they answer, what that costs, and the gradient: one way for every body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srnn import kernels
from srnn.bodies.body import BodyConfig, MLPConfig
from srnn.bodies.mlp import MLP
from srnn.drawing import drawing_from
from srnn.kernels import mlp
from srnn.kernels.dropout import Drop
from srnn.methods.settings import TrainingConfig
from srnn.organism import Organism
from srnn.swarm import aligned
from srnn.tasks import Task
from srnn.training.altering import alter

Streams = Sequence[Mapping[str, torch.Generator]]

#: Examples that a body other than an MLP answers at once in evaluation: the units of a convolution are many.
_ROWS = 1_000


@dataclass(frozen=True)
class Lesson:
    """What one batch taught: losses and scores of its examples ``(S, B)``, the gradient at the waist ``(S · N,)``."""

    losses: Tensor
    scores: Tensor
    gradient: Tensor


@kernels.or_by_torch
def learn(
    organism: Organism,
    worth: Tensor,
    task: Task,
    index: Tensor,
    streams: Streams,
    batch: int,
    settings: TrainingConfig | None = None,
) -> Lesson:
    """Losses, scores and gradient of each seed's mean loss over its batch; ordinary parameters get their ``grad``.

    Of an MLP by one kernel, all seeds at once; of any other body, or without kernels, by torch.

    Args:
        organism: Whose bodies answer.
        worth: With which weights, ``(S · N,)``.
        task: Its training data.
        index: The examples of each seed, int64 ``(S, B)``.
        streams: The generators of each seed; what a body draws, such as the units it drops, comes from ``dropout``.
        batch: The number of the batch: which units an MLP drops is a function of it and of that stream's seed.
        settings: How examples are altered, which is drawn from ``augment``; as torch alone does it.
    """
    dropped = drop(organism, streams, batch)
    altering = settings if settings is not None and settings.alters else None
    if altering is None and (body := fused_body(organism, task, worth)) is not None:
        losses, scores, gradient = mlp.learn(worth, body, task.train_x, task.train_y, index, dropped)
        # What answers NaN has no score.
        return Lesson(losses, factor(task) * scores + 0 * losses, gradient)
    return _learn_by_torch(organism, worth, task, index, streams, dropped, altering)


def fused_body(organism: Organism, task: Task, worth: Tensor) -> MLP | None:
    """The body, if a kernel can learn the task with it."""
    # The kernel knows of no factor for each loss.
    if task.train_weight is not None:
        return None
    # One factor takes the errors of an answer back to the units of the data; several are for torch.
    if task.y_scaling is not None and len({*task.y_scaling.factor.tolist()}) > 1:
        return None
    return _fused(organism, task.kind, worth, task.train_x)


def factor(task: Task) -> float:
    """What takes the errors of an answer back to the units of the data, of a task for which it is the same for all."""
    return 1.0 if task.y_scaling is None else float(task.y_scaling.factor[0])


def _learn_by_torch(
    organism: Organism,
    worth: Tensor,
    task: Task,
    index: Tensor,
    streams: Streams,
    dropped: Drop | None,
    altering: TrainingConfig | None,
) -> Lesson:
    """One seed after the other: how torch computes a product or the end of a row may depend on what is beside it."""
    losses, scores, gradients = [], [], []
    for place, own in enumerate(worth.detach().view(organism.copies, -1)):
        x = task.train_x.index_select(0, index[place])
        y = task.train_y.index_select(0, index[place])
        altered = None if altering is None else alter(x, y, task, altering, streams[place]["augment"])
        leaf = aligned(own).requires_grad_()
        with drawing_from(streams[place]["dropout"]), _dropping(organism.bodies[place], dropped, place, len(x)):
            output = organism.call_with(leaf, x if altered is None else altered.x, place=place)
        loss = task.loss(output, y) if altered is None else altered.loss(output)
        if task.train_weight is not None:
            loss = loss * task.train_weight.index_select(0, index[place])
        # To give backward() the gradient to begin with would have torch import its symbolic algebra, for a second.
        torch.dot(loss, loss.new_full(loss.shape, 1 / len(loss))).backward()
        gradients.append(leaf.grad if leaf.grad is not None else torch.zeros_like(leaf))
        losses.append(loss.detach())
        scores.append(task.score(output.detach(), y))
    return Lesson(torch.stack(losses), torch.stack(scores), torch.cat(gradients))


@kernels.or_by_torch
def answers(organism: Organism, worth: Tensor, x: Tensor) -> Tensor:
    """What every organism answers to the same examples, in evaluation: ``(rows, …) -> (S, rows, outputs)``."""
    if (body := answering_body(organism, worth, x)) is not None:
        return mlp.answer(worth, body, x)
    parts = worth.view(organism.copies, -1)
    return torch.stack([answer_by_torch(organism, own, x, place) for place, own in enumerate(parts)])


def answer_by_torch(organism: Organism, worth: Tensor, x: Tensor, place: int = 0) -> Tensor:
    """What one organism answers with these weights ``(N,)``: ``(rows, …) -> (rows, outputs)``."""
    chunks = [x] if isinstance(organism.body, MLP) else x.split(_ROWS)
    own = aligned(worth)
    return torch.cat([organism.call_with(own, rows, place=place) for rows in chunks])


def answering_body(organism: Organism, worth: Tensor, x: Tensor) -> MLP | None:
    """The body, if a kernel can answer with it."""
    return _fused(organism, "classification", worth, x)


def rows_at_once(body: BodyConfig, rows: int) -> int:
    """How many of so many examples go through a body at once in evaluation: of an MLP all."""
    return rows if isinstance(body, MLPConfig) else min(rows, _ROWS)


def _fused(organism: Organism, kind: str, worth: Tensor, x: Tensor) -> MLP | None:
    """The body if it is an MLP with which the kernel can compute, and all that it weighs is made of particles."""
    body = organism.body
    # The class itself: one that is derived from it may compute something else.
    if type(body) is not MLP or len(organism.shapes) != len(body.sources):
        return None
    return body if mlp.learns(body, kind, worth, x) else None


def drop(organism: Organism, streams: Streams, batch: int) -> Drop | None:
    """Which units are dropped in a batch, if the bodies are MLPs that drop any."""
    body = organism.body
    if type(body) is not MLP or not body.training or body.dropout.share == 0:
        return None
    return Drop(body.dropout.share, [own["dropout"].initial_seed() for own in streams], batch)


@contextmanager
def _dropping(body: nn.Module, dropped: Drop | None, place: int, examples: int) -> Iterator[None]:
    """Have the body of that place drop those units, inside this context."""
    if dropped is None or not isinstance(body, MLP):
        yield
        return
    hidden = enumerate(body.sizes[1:-1])
    body.dropout.given = (dropped.factors(place, layer, units, examples) for layer, units in hidden)
    try:
        yield
    finally:
        body.dropout.given = None
