"""Units become as something between two useful ones."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from srnn.events.changing import Inheriting, Level, Site


class Mix(Inheriting):
    """``λ w_a + (1 − λ) w_b`` of two useful units, with noise."""

    weights: Literal["half", "drawn"] = "half"
    """λ: a half, or drawn from 0 to 1 for each unit."""
    noise: Level = 0.0
    """Its size, beside the root mean square of what is there."""

    def changed(self, site: Site) -> Tensor:
        one, two = site.pair
        share = 0.5 if self.weights == "half" else float(site.uniform())
        return site.noisy(share * one + (1 - share) * two, self.noise)
