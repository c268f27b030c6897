"""Hidden units of an MLP: what enters each layer, and what is known of each unit that an event may choose by.

Nothing is drawn and nothing dropped at random here: the same examples and weights give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from torch import Tensor

from srnn.bodies.mlp import MLP
from srnn.organism import Organism
from srnn.tasks import Task

#: Over how many training examples units are judged in training, the first ones: never over test data.
EXAMPLES: Final = 1000
#: How many measurements of usefulness are remembered.
RECENT: Final = 3
#: Numbers of a block of networks that each lack one unit.
_BLOCK: Final = 2**22


def has_units(organism: Organism) -> bool:
    """Whether the body is an MLP made of particles alone, of more than one layer."""
    body = organism.body
    return isinstance(body, MLP) and len(organism.shapes) == len(body.sources) > 1


def names(organism: Organism) -> list[list[str]]:
    """The names of the hidden units, ``L0_C3``, a list for each layer but the last."""
    pairs = [*zip(organism.layers, organism.shapes, strict=True)][:-1]
    return [[f"{layer}_C{cell}" for cell in range(shape[0])] for layer, shape in pairs]


def walk(body: MLP, weights: Sequence[Tensor], x: Tensor) -> Iterator[Tensor]:
    """The signals of :meth:`srnn.MLP.forward`, without dropout: ``depth + 1`` of ``(n, units)``, the first ``x``."""
    seen = [x]
    yield x
    for layer in range(len(weights)):
        seen.append(_next(body, weights, layer, seen))
        yield seen[-1]


def _next(body: MLP, weights: Sequence[Tensor], layer: int, seen: Sequence[Tensor]) -> Tensor:
    """What a layer puts out, of the signals up to it."""
    x = seen[layer] @ weights[layer].mT
    if layer < len(weights) - 1:
        x = body.activation(x)
    source = body.sources[layer]
    return x if source is None else x + seen[source]


@torch.no_grad()
def usefulness(body: MLP, weights: Sequence[Tensor], task: Task) -> list[Tensor]:
    """By how much the mean training loss rises without each hidden unit: float64 ``(units,)`` for each layer.

    What a unit adds to its layer's signal is set to zero; what a residual link passes on stays.

    Args:
        body: Its activation and links.
        weights: The effective weights in its shapes.
        task: Its first :data:`EXAMPLES` training examples are asked.
    """
    x, y = task.train_x[:EXAMPLES], task.train_y[:EXAMPLES]
    seen = [*walk(body, weights, x)]
    whole = task.loss(seen[-1], y).double().mean()
    found = []
    for layer in range(len(weights) - 1):
        units = torch.arange(len(weights[layer]), device=x.device)
        parts = units.split(max(1, _BLOCK // seen[layer + 1].numel()))
        outputs = (output for part in parts for output in _without(body, weights, seen, layer, part))
        found.append(torch.stack([task.loss(output, y).double().mean() - whole for output in outputs]))
    return found


def _without(body: MLP, weights: Sequence[Tensor], seen: Sequence[Tensor], layer: int, units: Tensor) -> Tensor:
    """What the networks put out that each lack one unit of a layer, ``(units, n, outputs)``."""
    source = body.sources[layer]
    signal = seen[layer + 1].expand(len(units), -1, -1).clone()
    signal[torch.arange(len(units)), :, units] = 0.0 if source is None else seen[source][:, units].mT
    after = [*seen[: layer + 1], signal]
    for later in range(layer + 1, len(weights)):
        after.append(_next(body, weights, later, after))
    return after[-1]


@torch.no_grad()
def activity(body: MLP, weights: Sequence[Tensor], task: Task) -> list[Tensor]:
    """The mean absolute value of what each hidden unit puts out over the training examples, ``(units,)`` each."""
    return [signal.abs().mean(0) for signal in [*walk(body, weights, task.train_x[:EXAMPLES])][1:-1]]


@torch.no_grad()
def contribution(body: MLP, weights: Sequence[Tensor], task: Task) -> list[Tensor]:
    """Activity times the sum of the absolute weights that leave the unit (Dohare et al. 2024), ``(units,)`` each."""
    active = activity(body, weights, task)
    return [own * leaving.abs().sum(0) for own, leaving in zip(active, weights[1:], strict=True)]
