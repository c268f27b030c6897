"""Interactions between the particles of one cell: the artificial chemistry inside an organism."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from srnn.particle import Particle, attack, melt


def interact(
    weights: Tensor,
    particle: Particle,
    shapes: Sequence[torch.Size],
    attack_rate: float,
    melt_rate: float,
    generator: torch.Generator,
) -> None:
    """Let particles of an organism meet others of their cell, the unit whose inputs they weigh; in place.

    All attacks happen at once, then all meltings; a particle alone in its cell meets nobody.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        shapes: The organism's layers, as :attr:`srnn.Organism.shapes` has them.
        attack_rate: Chance of each particle to be attacked by another.
        melt_rate: Chance of each particle to take over half of another's weights.
        generator: A CPU generator.
    """
    start, size = _cells(shapes)
    for rate, meet in ((attack_rate, _attacked), (melt_rate, _melted)):
        if rate:
            met = ((torch.rand(len(size), generator=generator) < rate) & (size > 1)).nonzero().flatten()
            offset = (torch.rand(len(met), generator=generator) * (size[met] - 1)).long() + 1
            other = start[met] + (met - start[met] + offset) % size[met]
            met, other = met.to(weights.device), other.to(weights.device)
            weights[:, met] = meet(weights[:, met], weights[:, other], particle, generator)


def _attacked(victims: Tensor, attackers: Tensor, particle: Particle, generator: torch.Generator) -> Tensor:
    return attack(attackers, victims, particle)


def _melted(weights: Tensor, others: Tensor, particle: Particle, generator: torch.Generator) -> Tensor:
    return melt(weights, others, generator)


def _cells(shapes: Sequence[torch.Size]) -> tuple[Tensor, Tensor]:
    """First particle and number of particles of each particle's cell: two int64 tensors ``(N,)``."""
    sizes = torch.cat([torch.full((shape[0],), shape[1:].numel()) for shape in shapes])
    starts = sizes.cumsum(0) - sizes
    return starts.repeat_interleave(sizes), sizes.repeat_interleave(sizes)
