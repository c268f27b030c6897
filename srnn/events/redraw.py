"""Units are born again."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from srnn.events.changing import Changing, Site
from srnn.particle import Particle


class Redraw(Changing):
    """The particles that enter a unit are drawn anew; plain numbers from ±1/√(inputs of the unit)."""

    law: Literal["uniform", "normal"] = "uniform"
    """Evenly within bounds as newborns are, or normally with the same variance."""

    def changed(self, site: Site) -> Tensor:
        count = site.own.shape[1]
        if isinstance(site.particle, Particle):
            return site.particle.draw(count, site.generator, self.law).to(site.own)
        bound = site.inputs**-0.5
        if self.law == "normal":
            drawn: Tensor = torch.randn(1, count, generator=site.generator) / 3**0.5
        else:
            drawn = 2 * torch.rand(1, count, generator=site.generator) - 1
        return drawn.mul_(bound).to(site.own)
