"""Method ``lifted``: the optimizer moves the effective weights, and the particles follow as self-replicators."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srnn import replication
from srnn.methods.descent import Calls
from srnn.methods.newton import Newton
from srnn.methods.optimizers import SGD, Adam
from srnn.methods.settings import ReplicationConfig
from srnn.organism import Organism
from srnn.particle import Particle

if TYPE_CHECKING:
    from srnn.kernels.packets import Call


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
            self._catch_up(range(self.organism.copies), effective)
        else:
            self.organism.remember(effective, ahead=True)
        return None

    def due(self, batch: int) -> bool:
        # Of inference tensors nobody knows whether they have changed.
        return super().due(batch) or self.organism.weights.is_inference()

    def follow(self, places: Collection[int]) -> None:
        if (effective := self.organism.ahead) is not None and places:
            self._catch_up(places, effective)

    def rest(self, places: Collection[int]) -> None:
        """At the end of an epoch they follow, however far it takes them."""
        organism = self.organism
        if (effective := organism.ahead) is not None:

            def act(weights: Tensor, effective: Tensor) -> Tensor:
                return self.take_far(weights, organism.replicator, effective, self.replication)

            organism.on(range(organism.copies), act, organism.weights.detach(), effective)
        super().rest(places)

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        fast, every = self.organism.fused(worth), self.replication.every
        if not isinstance(self.optimizer, SGD | Adam) or len(self.places) != self.organism.copies or fast is None:
            return None
        if every != 1 and self.organism.weights.is_inference():
            return None
        return replace(self._step(fast, worth, gradient), settle=self._following(fast, worth), lags=every != 1)

    def _catch_up(self, places: Collection[int], effective: Tensor) -> None:
        """Have these seeds follow to what they are to be worth, ``(S · N,)``, overwritten with what they are then."""
        organism, behind = self.organism, self.organism.ahead is not None

        def act(weights: Tensor, effective: Tensor) -> Tensor:
            return self.take(weights, organism.replicator, effective, self.replication, self.replication.iterations)

        organism.on(places, act, organism.weights.detach(), effective)
        organism.remember(effective, ahead=behind and len(places) < organism.copies)

    @staticmethod
    def take(
        weights: Tensor, particle: Particle, effective: Tensor, settings: ReplicationConfig, iterations: int
    ) -> Tensor:
        """Take particles ``(P, N)`` in place to these worths ``(N,)``, where then are those that they have.

        Returns:
            How far each still is from what it is to be, ``(N,)``.
        """
        return replication.lift(weights, particle, effective, iterations, worth=effective)

    @classmethod
    def take_far(cls, weights: Tensor, particle: Particle, effective: Tensor, settings: ReplicationConfig) -> Tensor:
        """Take particles ``(P, N)`` in place to these worths ``(N,)``, which stay, however far it takes them.

        Returns:
            How far each was still after the settings' iterations, ``(N,)``: those that were not there got as many as
            newborns.
        """
        left = cls.take(weights, particle, effective.clone(), settings, settings.iterations)
        far = ~(left < cls.near) & effective.isfinite()
        if far.any():
            part = weights[:, far].contiguous()
            cls.take(part, particle, effective[far], settings, replication.NEWBORN)
            weights[:, far] = part
        return left

    def _following(self, fast: ModuleType, worth: Tensor) -> Call:
        """:meth:`take` in every batch that is due, as a call of a kernel."""
        weights, iterations, left = self.organism.weights.detach(), self.replication.iterations, torch.empty_like(worth)
        call: Call = fast.lifting(weights, self.organism.replicator, worth, iterations, worth, left)
        return call

    def _rescaled(self) -> dict[str, Tensor]:
        return {}
