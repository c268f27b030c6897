"""From the effective weights to what they answer, what that costs, and the gradient: one way for every body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from srnn.drawing import drawing_from
from srnn.organism import Organism, aligned
from srnn.tasks import Task
from srnn.terms.term import Term

Streams = Sequence[Mapping[str, torch.Generator]]


@dataclass(frozen=True)
class Lesson:
    """What one batch taught: losses and scores of its examples ``(S, B)``, the gradient at the waist ``(S · N,)``."""

    losses: Tensor
    scores: Tensor
    gradient: Tensor


def learn(organism: Organism, worth: Tensor, task: Task, index: Tensor, streams: Streams) -> Lesson:
    """Losses, scores and gradient of each seed's mean loss over its batch; ordinary parameters get their ``grad``.

    One seed after the other: how torch computes a product or the end of a row may depend on what is beside it.

    Args:
        organism: Whose bodies answer.
        worth: With which weights, ``(S · N,)``.
        task: Its training data.
        index: The examples of each seed, int64 ``(S, B)``.
        streams: The generators of each seed; what a body draws, such as the units it drops, comes from ``dropout``.
    """
    losses, scores, gradients = [], [], []
    for place, own in enumerate(worth.detach().view(organism.copies, -1)):
        x = task.train_x.index_select(0, index[place])
        y = task.train_y.index_select(0, index[place])
        leaf = aligned(own).requires_grad_()
        with drawing_from(streams[place]["dropout"]):
            output = organism.call_with(leaf, x, place=place)
        loss = task.loss(output, y)
        # To give backward() the gradient to begin with would have torch import its symbolic algebra, for a second.
        torch.dot(loss, loss.new_full(loss.shape, 1 / len(loss))).backward()
        gradients.append(leaf.grad if leaf.grad is not None else torch.zeros_like(leaf))
        losses.append(loss.detach())
        scores.append(task.score(output.detach(), y))
    return Lesson(torch.stack(losses), torch.stack(scores), torch.cat(gradients))


def gated(terms: Sequence[Term], worth: Tensor, organism: Organism) -> Tensor:
    """With which weights ``(S · N,)`` the bodies are called: what the particles are worth, behind the terms' gates."""
    return torch.cat([_gated(terms, own) for own in worth.view(organism.copies, -1)])


def through(terms: Sequence[Term], worth: Tensor, gradient: Tensor, organism: Organism) -> Tensor:
    """Chain rule from behind the gates to the waist, and the gradient of the terms' costs: ``(S · N,)``."""
    gradients = []
    for own, behind in zip(*(one.view(organism.copies, -1) for one in (worth, gradient)), strict=True):
        leaf = own.detach().clone().requires_grad_()
        total = torch.dot(_gated(terms, leaf), behind)
        for term in terms:
            if (cost := term.cost(leaf)) is not None:
                total = total + cost
        total.backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    return torch.cat(gradients)


def _gated(terms: Sequence[Term], worth: Tensor) -> Tensor:
    for term in terms:
        worth = term.gate(worth)
    return worth
