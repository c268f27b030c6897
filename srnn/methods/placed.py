"""Method ``placed``: as lifted, with particles that are where a self-replicator repairs itself."""

from __future__ import annotations

from collections.abc import Collection
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn import replication
from srnn.methods.lifted import Lifted
from srnn.methods.settings import ReplicationConfig
from srnn.particle import Particle

if TYPE_CHECKING:
    from srnn.kernels.packets import Call


class Placed(Lifted):
    """An ordinary optimizer on plain numbers, which particles follow that undo noise under the leaky rule.

    They are born so, worth what they would be worth otherwise, and their matrices stay as they are scaled: balancing
    them would displace them.
    """

    #: Of the response: repair is as quick there.
    near = 1e-2

    def newborn(self, drawn: Tensor, place: int) -> Tensor:
        self._take(drawn, replication.NEWBORN)
        return drawn

    def reach(self, weights: Tensor, worth: Tensor, place: int) -> Tensor:
        replication.place(weights, self.organism.replicator, worth, self.replication.strength, replication.NEWBORN)
        return weights

    @staticmethod
    def take(
        weights: Tensor, particle: Particle, effective: Tensor, settings: ReplicationConfig, iterations: int
    ) -> Tensor:
        return replication.place(weights, particle, effective, settings.strength, iterations, worth=effective)

    def _following(self, fast: ModuleType, worth: Tensor) -> Call:
        weights, kind, strength = self.organism.weights.detach(), self.organism.replicator, self.replication.strength
        left = torch.empty_like(worth)
        call: Call = fast.placing_call(weights, kind, worth, strength, self.replication.iterations, worth, left)
        return call

    def _project(self, places: Collection[int], iterations: int) -> Tensor:
        def act(weights: Tensor) -> Tensor:
            return self._take(weights, iterations)

        return self.organism.on(places, act, self.organism.weights.detach())

    def _take(self, weights: Tensor, iterations: int) -> Tensor:
        """:meth:`take` to what they are worth."""
        particle = self.organism.replicator
        return self.take(weights, particle, particle.worth(weights), self.replication, iterations)

    def _balance(self, place: int) -> None:
        pass
