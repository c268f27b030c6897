"""Repulsion: hills at the minima that training has been in, so that it goes on to others.

Distances are of effective weights, ``d = |w − w_m| / √N``, so that they do not hang on how many there are. Where the
curvature along the way is h, training with ``rbf`` comes to rest at ``σ √(2 log(s / (h σ²)))`` if ``s > h σ²``, and
else does not leave at all: the width counts in proportion, the strength by the root of a logarithm.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from srnn import kernels
from srnn.section import Count
from srnn.terms.term import Term

#: Added to the square of a distance: the slope of its root is undefined at 0.
_SMALLEST = 1e-12
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
        each = minima.view(len(minima), copies, -1)
        squares = (self.width * _rms(each[0])).clamp(min=_NARROWEST).square()
        if self.against == "last":
            each = each[-1:]
        elif self.against == "merged":
            centre = each.double().mean(0).to(each)
            squares = squares + (each.double() - centre.double()).square().mean((0, 2))
            each = centre[None]
        return Hills(each.reshape(len(each), -1).contiguous(), squares, self.kernel)


class Hills(NamedTuple):
    """Hills at some weights of organisms side by side.

    Attributes:
        centres: ``(K, S · N)``, contiguous.
        squares: Those of their widths, float64 ``(S,)``.
        kernel: ``rbf`` or ``tanh``.
    """

    centres: Tensor
    squares: Tensor
    kernel: Literal["rbf", "tanh"]

    def height(self, worth: Tensor, strength: float = 1.0) -> Tensor:
        """What is added to the mean loss of each organism at weights ``(S · N,)``: float64 ``(S,)``."""
        x = (distances(worth, self.centres, len(self.squares)).square() + _SMALLEST).sqrt() / self.squares.sqrt()
        k = torch.exp(-x.square() / 2) if self.kernel == "rbf" else 1 - torch.tanh(x)
        return strength * k.mean(0)

    @kernels.or_by_torch
    def add(self, worth: Tensor, gradient: Tensor, strength: float) -> None:
        """Add the gradient of the height to another one, in place, both ``(S · N,)``."""
        if kernels.number_path(worth, gradient, self.centres) is not None:
            from srnn.kernels.repulsion import pushing

            pushing(worth, gradient, self.centres, self.squares, self.kernel == "tanh", strength)()
            return
        copies = len(self.squares)
        numbers, widths = worth.numel() // copies, self.squares.sqrt()
        for place, distance in zip(self.centres, distances(worth, self.centres, copies), strict=True):
            if self.kernel == "rbf":
                slope = strength / len(self.centres) * torch.exp(-distance.square() / (2 * self.squares))
                slope = slope / (numbers * self.squares)
            else:
                length = (distance.square() + _SMALLEST).sqrt()
                slope = strength / len(self.centres) / torch.cosh(length / widths).square()
                slope = slope / (widths * numbers * length)
            gradient -= ((worth - place).view(copies, -1) * slope.to(worth)[:, None]).view(-1)


def distances(worth: Tensor, minima: Tensor, copies: int) -> Tensor:
    """The root mean square of the differences of organisms side by side from minima: float64 ``(M, S)``.

    Args:
        worth: ``(S · N,)``.
        minima: ``(M, S · N)``.
        copies: S.
    """
    return _rms((worth - minima).view(len(minima), copies, -1))


def _rms(values: Tensor) -> Tensor:
    """The root mean square along the last dimension, one row after another, so that it does not hang on the others."""
    rows = values.double().square().reshape(-1, values.shape[-1])
    return torch.stack([row.mean() for row in rows]).sqrt().view(values.shape[:-1])
