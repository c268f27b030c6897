"""Units are made as large as useful ones."""

from __future__ import annotations

import torch
from torch import Tensor

from srnn.events.changing import Inheriting, Site
from srnn.particle import Particle


class Scale(Inheriting):
    """What a unit weighs is multiplied so that its norm is the mean of the donors'; a unit of zeros stays."""

    def changed(self, site: Site) -> Tensor:
        own = site.particle.worth(site.own).norm()
        wanted = torch.stack([site.particle.worth(one).norm() for one in site.donors]).mean()
        factor = float(wanted / own) if own > 0 else 1.0
        scaled = site.own.clone()
        # What a particle is worth is linear in its last matrix.
        scaled[-(site.particle.hidden if isinstance(site.particle, Particle) else 1) :] *= factor
        return scaled
