"""Particles meet others of their cell: the artificial chemistry inside an organism."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from srnn.events.event import Event, Moment
from srnn.section import Share

if TYPE_CHECKING:
    from srnn.training.loop import Training


class Meeting(Event):
    """Attacks and meltings before each batch, see :func:`srnn.chemistry.interact`."""

    moment: ClassVar[Moment] = "batch"

    attack: Share = 0.0
    """Chance of each particle to be attacked by another of its cell."""
    melt: Share = 0.0
    """Chance of each particle to take over half of another's weights."""

    def act(self, training: Training, place: int) -> None:
        from srnn import chemistry
        from srnn.particle import Particle

        organism = training.organism
        if isinstance(organism.particle, Particle):
            weights = organism.weights.detach()[:, organism.columns(place)]
            generator = training.streams[place]["chemistry"]
            chemistry.interact(weights, organism.particle, organism.shapes, self.attack, self.melt, generator)
