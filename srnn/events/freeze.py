"""Particles are kept as they are from some epoch on, whoever moves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from srnn.events.event import Event, Moment
from srnn.section import Share

if TYPE_CHECKING:
    from srnn.training.loop import Training


class Freeze(Event):
    """A share of the particles of each seed is frozen: training, replication and interactions leave them alone."""

    moment: ClassVar[Moment] = "epoch"

    who: Literal["smallest", "largest", "random"] = "random"
    """By how much they are worth, or by chance."""
    share: Share = 0.5
    """Of all particles."""

    def act(self, training: Training, place: int) -> None:
        organism = training.organism
        size = organism.worth()[organism.columns(place)].abs()
        count = round(self.share * organism.size)
        if self.who == "random":
            order = torch.randperm(organism.size, generator=training.streams[place]["events"]).to(size.device)
        else:
            # Stable, so that ties do not hang on the machine.
            order = size.argsort(descending=self.who == "largest", stable=True)
        training.freeze(place, order[:count])
