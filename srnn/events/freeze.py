"""Particles are kept as they are from some epoch on, whoever moves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from srnn.events.choosing import Choosing, Who
from srnn.section import Share

if TYPE_CHECKING:
    from srnn.training.loop import Training


class Freeze(Choosing):
    """A share of the particles of each seed is frozen: training, replication and interactions leave them alone."""

    of: Literal["unit", "particle"] = "particle"
    """Units are chosen in each hidden layer, and stand for the particles that enter them; particles among all."""
    who: Who = "random"
    """Which, of those that are not frozen yet."""
    share: Share = 0.5
    """Of each hidden layer, at least one unit; or of all particles."""

    def act(self, training: Training, place: int) -> None:
        training.freeze(place, self.particles(training, place))
