"""Units become as a useful one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import Tensor

from srnn.events.changing import Inheriting, Level, Site

if TYPE_CHECKING:
    from srnn.training.loop import Training


class Copy(Inheriting):
    """A useful unit's particles, with noise."""

    noise: Level = 0.0
    """Its size, beside the root mean square of what is there."""
    outgoing: Literal["keep", "zero", "split"] = "keep"  # type: ignore[assignment]
    """What becomes of the weights that leave the unit: with ``zero``, and without noise with ``split``, by which it
    shares those of the copied unit, the network answers as if it were not there."""

    def changed(self, site: Site) -> Tensor:
        return site.noisy(site.donors[0], self.noise)

    def leave(self, training: Training, place: int, layer: int, cell: int, donors: list[int]) -> None:
        if self.outgoing != "split":
            super().leave(training, place, layer, cell, donors)
            return
        leaving, own = (training.past.places[layer + 1][:, one] for one in (donors[0], cell))
        self.reach(training, place, leaving, 0.5)
        halved = training.weights.detach()[:, training.columns(place).start + leaving]
        self.put(training, place, own, halved)
