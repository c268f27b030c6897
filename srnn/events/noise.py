"""Units are shaken."""

from __future__ import annotations

from torch import Tensor

from srnn.events.changing import Changing, Level, Site


class Noise(Changing):
    """Noise on the particles that enter a unit, ``level · rms · U(−1, 1)``."""

    level: Level = 0.1
    """Its size, beside the root mean square of what is there."""

    def changed(self, site: Site) -> Tensor:
        return site.noisy(site.own, self.level) if site.own.numel() else site.own
