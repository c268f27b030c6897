"""L0 regularisation by hard-concrete gates (Louizos, Welling & Kingma 2018)."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from srnn.terms.gate import Circumstances, Drawn, Gate

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: β, the temperature; γ and ζ, the ends to which the concrete distribution is stretched before it is clipped.
_TEMPERATURE, _LOW, _HIGH = 2 / 3, -0.1, 1.1
#: No number is further from 0: beyond, nothing is learnt.
_FURTHEST = log(100)


class HardConcrete(Gate):
    """``w z`` with gates z in [0, 1], drawn for every batch, and the cost ``strength · Σ P(z ≠ 0)``."""

    strength: Annotated[float, Field(ge=0, le=1e6)] = 1e-5
    """λ, the cost of a gate that is open, beside the mean task loss."""
    closed: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """About the share of the gates that are closed at birth."""

    def born(self, worth: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        return log((1 - self.closed) / self.closed) + 0.01 * torch.randn(len(worth), generator=generator)

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        import torch

        return torch.rand(count, generator=generator)

    def draw(self, worth: Tensor, numbers: Tensor, noise: Tensor, at: Circumstances) -> Drawn:
        open_ = _stretched(_concrete(numbers, noise)).clamp_(0, 1)
        return Drawn(worth * open_, noise, open_)

    def pull_back(
        self, gradient: Tensor, worth: Tensor, numbers: Tensor, drawn: Drawn, at: Circumstances
    ) -> tuple[Tensor, Tensor]:
        s = _concrete(numbers, drawn.noise)
        # A gate that is clipped does not follow.
        free = (drawn.moved > 0) & (drawn.moved < 1)
        slope = s * (1 - s) * ((_HIGH - _LOW) / _TEMPERATURE) * free
        chance = _chance(numbers)
        return gradient * drawn.moved, gradient * worth * slope + self.strength * chance * (1 - chance)

    def cost(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        return self.strength * _chance(numbers).sum()

    def at_rest(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        import torch

        return _stretched(torch.sigmoid(numbers)).clamp_(0, 1)

    def score(self, worth: Tensor, numbers: Tensor) -> Tensor:
        return numbers

    def bound(self, numbers: Tensor) -> None:
        numbers.clamp_(-_FURTHEST, _FURTHEST)


def _concrete(numbers: Tensor, noise: Tensor) -> Tensor:
    import torch

    return torch.sigmoid((torch.logit(noise) + numbers) / _TEMPERATURE)


def _stretched(s: Tensor) -> Tensor:
    return s * (_HIGH - _LOW) + _LOW


def _chance(numbers: Tensor) -> Tensor:
    """P(z ≠ 0)."""
    import torch

    return torch.sigmoid(numbers - _TEMPERATURE * log(-_LOW / _HIGH))
