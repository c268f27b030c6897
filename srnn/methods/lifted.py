"""Method ``lifted``: the optimizer moves the effective weights, and the particles follow as self-replicators."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srnn import replication
from srnn.methods.descent import Calls
from srnn.methods.newton import Newton
from srnn.methods.optimizers import SGD, Adam
from srnn.organism import Organism

if TYPE_CHECKING:
    from srnn.kernels.cpu import Call


class Lifted(Newton):
    """An ordinary optimizer on plain numbers, which self-replicators follow by the change of least norm."""

    @staticmethod
    def moved(organism: Organism) -> nn.Parameter:
        return nn.Parameter(organism.worth().clone())

    def move(self, gradient: Tensor, batch: int) -> Tensor | None:
        # It goes on from what the particles really are, not from a copy of its own.
        effective = self.organism.worth()
        self.trained.data, self.trained.grad = effective, gradient
        self.optimizer.step()

        def follow(weights: Tensor, effective: Tensor) -> Tensor:
            return self._follow(weights, effective, self.replication.iterations)

        self.organism.on(range(self.organism.copies), follow, self.organism.weights.detach(), effective)
        self.organism.remember(effective)
        return None

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        fast = self.organism.fused(worth)
        if not isinstance(self.optimizer, SGD | Adam) or len(self.places) != self.organism.copies or fast is None:
            return None
        return replace(self._step(fast, worth, gradient), settle=self._following(fast, worth))

    def _follow(self, weights: Tensor, effective: Tensor, iterations: int) -> Tensor:
        """Bring particles to these worths; to ``effective`` go those that they then have."""
        return replication.lift(weights, self.organism.replicator, effective, iterations, worth=effective)

    def _following(self, fast: ModuleType, worth: Tensor) -> Call:
        """:meth:`_follow` as a call of a kernel."""
        weights, iterations, left = self.organism.weights.detach(), self.replication.iterations, torch.empty_like(worth)
        call: Call = fast.lifting(weights, self.organism.replicator, worth, iterations, worth, left)
        return call

    def _rescaled(self) -> dict[str, Tensor]:
        return {}
