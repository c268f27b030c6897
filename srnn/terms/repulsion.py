"""Repulsion: hills at the minima that training has been in, so that it goes on to others.

Distances are of effective weights, ``d = |w − w_m| / √N``, so that they do not hang on how many there are. Where the
curvature along the way is h, training with ``rbf`` comes to rest at ``σ √(2 log(s / (h σ²)))`` if ``s > h σ²``, and
else does not leave at all: the width counts in proportion, the strength by the root of a logarithm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.section import Count
from srnn.terms.term import Term

if TYPE_CHECKING:
    from torch import Tensor

    from srnn.terms.hills import Hills

#: No hill is narrower.
_NARROWEST = 1e-6


class Repulsion(Term):
    """``strength · mean over minima of k(d / σ)``; σ is ``width`` times the root mean square of the first minimum."""

    kernel: Literal["rbf", "tanh"] = "rbf"
    """k: ``rbf`` is exp(−x²/2), which does not push right at a minimum; ``tanh`` is 1 − tanh x, which does."""
    strength: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """Height of a hill beside the mean task loss. 0 only measures distances: the control, for plain training moves away
    from where it was, too."""
    width: Annotated[float, Field(gt=0, le=1e3)] = 0.5
    """Of a hill. Networks that have nothing to do with each other are about 1.4 apart."""
    every: Count = 50
    """Epochs after which the weights become a minimum, again and again."""
    against: Literal["last", "all", "merged"] = "all"
    """The last minimum, all of them, or one hill at their mean, as much wider as they are far from it."""
    start: Literal["clone", "fresh"] = "clone"
    """Training goes on from the minimum that it leaves, or with newborn weights."""
    follow_lr: bool = False
    """Whether the strength is larger and smaller with the learning rate of the schedule."""

    def due(self, epoch: int) -> bool:
        """Whether what there is after so many epochs becomes a minimum."""
        return epoch > 0 and epoch % self.every == 0

    def strength_at(self, lr: float, first: float) -> float:
        """The strength at a learning rate, of one that began with another."""
        return self.strength * (lr / first) if self.follow_lr else self.strength

    def hills(self, minima: Tensor, copies: int) -> Hills:
        """The hills of organisms side by side that have been in minima ``(M, S · N)``."""
        from srnn.terms.hills import Hills, root_mean_square

        each = minima.view(len(minima), copies, -1)
        squares = (self.width * root_mean_square(each[0])).clamp(min=_NARROWEST).square()
        if self.against == "last":
            each = each[-1:]
        elif self.against == "merged":
            centre = each.double().mean(0).to(each)
            squares = squares + (each.double() - centre.double()).square().mean((0, 2))
            each = centre[None]
        return Hills(each.reshape(len(each), -1).contiguous(), squares, self.kernel)
