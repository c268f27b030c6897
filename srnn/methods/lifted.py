"""Method ``lifted``: the optimizer moves the effective weights, and the particles follow as self-replicators."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from srnn import replication
from srnn.fixpoints import TOLERANCE
from srnn.methods.descent import Calls
from srnn.methods.newton import Newton
from srnn.organism import Organism
from srnn.particle import Particle


class Lifted(Newton):
    """An ordinary optimizer on plain numbers, which self-replicators follow by the change of least norm.

    Between the batches after which they follow, the organism is worth the plain numbers: :attr:`Organism.ahead`.
    """

    @staticmethod
    def moved(organism: Organism) -> nn.Parameter:
        return nn.Parameter(organism.worth().clone())

    def move(self, gradient: Tensor, batch: int) -> Tensor | None:
        # It goes on from what the particles really are, not from a copy of its own.
        effective = self.organism.worth()
        self.trained.data, self.trained.grad = effective, gradient
        self.optimizer.step()
        if self.due(batch):
            self._lift(range(self.organism.copies), effective)
        else:
            self.organism.remember(effective, ahead=True)
        return None

    def due(self, batch: int) -> bool:
        # Of inference tensors nobody knows whether they have changed.
        return super().due(batch) or self.organism.weights.is_inference()

    def follow(self, places: Collection[int]) -> None:
        if (effective := self.organism.ahead) is not None and places:
            self._lift(places, effective)

    def rest(self, places: Collection[int]) -> None:
        """At the end of an epoch they follow, however far it takes them."""
        organism = self.organism
        if (effective := organism.ahead) is not None:

            def act(weights: Tensor, effective: Tensor) -> Tensor:
                return catch_up(weights, organism.replicator, effective, self.replication.iterations)

            organism.on(range(organism.copies), act, organism.weights.detach(), effective)
        super().rest(places)

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        weights, settings, buffer = self.organism.weights.detach(), self.training, self._momentum
        fast, every = self.organism.fused(worth), self.replication.every
        if settings.optimizer != "sgd" or len(self.places) != self.organism.copies or fast is None:
            return None
        if every != 1 and weights.is_inference():
            return None
        move = fast.descending_numbers(worth, gradient, buffer, settings.lr, settings.momentum)
        replicator, iterations = self.organism.replicator, self.replication.iterations
        settle = fast.lifting(weights, replicator, worth, iterations, worth, torch.empty_like(worth))
        return Calls(move, settle=settle, lags=every != 1)

    def _lift(self, places: Collection[int], effective: Tensor) -> None:
        """Have these seeds follow to what they are to be worth, ``(S · N,)``, overwritten with what they are then."""
        organism, behind = self.organism, self.organism.ahead is not None

        def act(weights: Tensor, effective: Tensor) -> Tensor:
            return replication.lift(
                weights, organism.replicator, effective, self.replication.iterations, worth=effective
            )

        organism.on(places, act, organism.weights.detach(), effective)
        organism.remember(effective, ahead=behind and len(places) < organism.copies)

    def _rescaled(self) -> dict[str, Tensor]:
        return {}


def catch_up(weights: Tensor, particle: Particle, effective: Tensor, iterations: int) -> Tensor:
    """Lift particles ``(P, N)`` in place to what they are to be worth, ``(N,)``, however far it takes them.

    Returns:
        How far each was still after so many iterations, ``(N,)``: those that were not there got as many as newborns.
    """
    left = replication.lift(weights, particle, effective, iterations)
    far = ~(left < TOLERANCE) & effective.isfinite()
    if far.any():
        part = weights[:, far].contiguous()
        replication.lift(part, particle, effective[far], replication.NEWBORN)
        weights[:, far] = part
    return left
