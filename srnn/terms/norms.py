"""Costs by the size of the effective weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from srnn.terms.term import Term

Strength = Annotated[float, Field(ge=0, le=1e6)]


class L1(Term):
    """``strength · Σ |w|``: pulls every weight to zero with the same force."""

    strength: Strength = 1e-4
    """Factor of the cost."""

    def cost(self, worth: Tensor) -> Tensor:
        return self.strength * worth.abs().sum()


class L2(Term):
    """``strength / 2 · Σ w²``: pulls a weight to zero in proportion to itself, as weight decay does."""

    strength: Strength = 1e-4
    """Factor of the cost."""

    def cost(self, worth: Tensor) -> Tensor:
        return self.strength / 2 * worth.square().sum()
