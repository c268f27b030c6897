"""Method ``placed``: as lifted, with particles that are where a self-replicator repairs itself."""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn import replication
from srnn.methods.lifted import Lifted

if TYPE_CHECKING:
    from srnn.kernels.cpu import Call

#: How far the response of a particle may be from what it is to be at the end of an epoch: repair is as quick there.
_NEAR = 1e-2


class Placed(Lifted):
    """An ordinary optimizer on plain numbers, which particles follow that undo noise under the leaky rule.

    They are born so, worth what they would be worth otherwise, and their matrices stay as they are scaled: balancing
    them would displace them.
    """

    def rest(self, places: Collection[int]) -> None:
        """At the end of an epoch all particles are in their places, however far it took them."""
        for place in places:
            if not float(self._project([place], self.replication.iterations).max()) < _NEAR:
                self._project([place], replication.NEWBORN)

    def newborn(self, drawn: Tensor, place: int) -> Tensor:
        self._follow(drawn, self.organism.particle.worth(drawn), replication.NEWBORN)
        return drawn

    def _follow(self, weights: Tensor, effective: Tensor, iterations: int) -> Tensor:
        kind, strength = self.organism.replicator, self.replication.strength
        return replication.place(weights, kind, effective, strength, iterations, worth=effective)

    def _following(self, fast: ModuleType, worth: Tensor) -> Call:
        weights, kind, strength = self.organism.weights.detach(), self.organism.replicator, self.replication.strength
        left = torch.empty_like(worth)
        call: Call = fast.placing_call(weights, kind, worth, strength, self.replication.iterations, worth, left)
        return call

    def _project(self, places: Collection[int], iterations: int) -> Tensor:
        def act(weights: Tensor) -> Tensor:
            return self._follow(weights, self.organism.particle.worth(weights), iterations)

        return self.organism.on(places, act, self.organism.weights.detach())

    def _balance(self, place: int) -> None:
        pass
