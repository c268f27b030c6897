"""Units become as the children of two useful ones."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from srnn.events.changing import Inheriting, Level, Site
from srnn.section import Share


class Cross(Inheriting):
    """Each weight is that of one or the other of two useful units, and some mutate: a genetic step."""

    by: Literal["weight", "particle"] = "weight"
    """What is handed on as one: each weight of a particle, or the particle."""
    pick: Literal["coin", "smaller", "larger"] = "coin"
    """Whose is taken: by chance, or that of the smaller or larger modulus (of particles: of what they are worth)."""
    mutation: Share = 0.05
    """The share of the weights that mutate."""
    noise: Level = 0.1
    """How far, beside the root mean square of what is there."""

    def changed(self, site: Site) -> Tensor:
        one, two = site.pair
        sizes = [one.abs(), two.abs()]
        if self.by == "particle":
            sizes = [site.particle.worth(parent)[None].abs() for parent in (one, two)]
        if self.pick == "coin":
            first = site.uniform(*sizes[0].shape) < 0.5
        else:
            first = sizes[0] <= sizes[1] if self.pick == "smaller" else sizes[0] >= sizes[1]
        child = torch.where(first, one, two)
        return torch.where(site.uniform(*child.shape) < self.mutation, site.noisy(child, self.noise), child)
