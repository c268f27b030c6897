"""A plain number as a particle of a single weight: a network of numbers is an ordinary dense network.

So dense networks are organisms like any other, trained, resumed, compared and analysed by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Number:
    """What a weight is when it is not made of a particle: P = 1, worth itself.

    Example:
        >>> dense = srnn.Organism(srnn.MLP(64, 6, 3, 10), Number())  # the body's own weights
    """

    @property
    def size(self) -> int:
        """One weight."""
        return 1

    @property
    def has_types(self) -> bool:
        """A number replicates nothing."""
        return False

    def newborn(self, values: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The body's own weights ``(N,)`` as ``(1, N)``."""
        return values.detach()[None].clone()

    def draw(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` zeros, ``(1, count)``: a number that was lost has no size to be drawn in."""
        return torch.zeros(1, count)

    def worth(self, weights: Tensor) -> Tensor:
        """The numbers themselves: ``(1, N) -> (N,)``."""
        return weights[0]

    def pull_back(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """The gradient itself: ``(N,) -> (1, N)``."""
        return gradient[None]
