"""Hills at the minima that training has been in: how high they are, and how they push."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from srnn import kernels

#: Added to the square of a distance: the slope of its root is undefined at 0.
_SMALLEST = 1e-12


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
    return root_mean_square((worth - minima).view(len(minima), copies, -1))


def root_mean_square(values: Tensor) -> Tensor:
    """The root mean square along the last dimension, one row after another, so that it does not hang on the others."""
    rows = values.double().square().reshape(-1, values.shape[-1])
    return torch.stack([row.mean() for row in rows]).sqrt().view(values.shape[:-1])
