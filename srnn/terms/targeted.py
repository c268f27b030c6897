"""Targeted dropout (Gomez et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from srnn.section import Share
from srnn.terms.gate import Circumstances, Drawn, Gate

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Targeted(Gate):
    """Of every output unit's weights the smallest are targets: dropped by chance in every batch, and all at rest.

    What is left is not made larger for it.
    """

    has_numbers: ClassVar[bool] = False

    share: Share = 0.75
    """Share of a unit's weights that are targets; 1 − the density that is aimed at."""
    chance: Share = 0.66
    """Chance of each to be dropped in a batch."""
    ramp: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Epochs over which both grow from 0."""

    def born(self, worth: Tensor, generator: torch.Generator) -> Tensor:
        raise NotImplementedError

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        import torch

        return torch.rand(count, generator=generator)

    def draw(self, worth: Tensor, numbers: Tensor, noise: Tensor, at: Circumstances) -> Drawn:
        import torch

        kept = self.at_rest(worth, numbers, at)
        kept = torch.where(noise < self.chance * self._grown(at), kept, 1.0)
        return Drawn(worth * kept, noise, kept)

    def pull_back(
        self, gradient: Tensor, worth: Tensor, numbers: Tensor, drawn: Drawn, at: Circumstances
    ) -> tuple[Tensor, Tensor]:
        return gradient * drawn.moved, numbers

    def cost(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        return worth.new_zeros(())

    def at_rest(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        import torch

        parts, share = [], self.share * self._grown(at)
        for own, shape in zip(worth.split([shape.numel() for shape in at.shapes]), at.shapes, strict=True):
            size = own.abs().view(shape[0], -1)
            targets = int(share * size.shape[1])
            largest = size.kthvalue(targets, 1, keepdim=True).values if targets else -torch.ones_like(size[:, :1])
            parts.append((size > largest).to(worth).flatten())
        return torch.cat(parts)

    def score(self, worth: Tensor, numbers: Tensor) -> Tensor:
        return worth.abs()

    def _grown(self, at: Circumstances) -> float:
        return 1.0 if self.ramp == 0 else min(1.0, at.epoch / self.ramp)
