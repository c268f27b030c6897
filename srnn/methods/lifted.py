"""Method ``lifted``: the optimizer moves the effective weights, and the particles follow as self-replicators."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from srnn import replication
from srnn.methods.descent import Calls
from srnn.methods.newton import Newton
from srnn.methods.optimizers import SGD, Adam
from srnn.organism import Organism


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
            return replication.lift(
                weights, self.organism.replicator, effective, self.replication.iterations, worth=effective
            )

        self.organism.on(range(self.organism.copies), follow, self.organism.weights.detach(), effective)
        self.organism.remember(effective)
        return None

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        weights, fast = self.organism.weights.detach(), self.organism.fused(worth)
        if not isinstance(self.optimizer, SGD | Adam) or len(self.places) != self.organism.copies or fast is None:
            return None
        replicator, iterations = self.organism.replicator, self.replication.iterations
        settle = fast.lifting(weights, replicator, worth, iterations, worth, torch.empty_like(worth))
        return replace(self._step(fast, worth, gradient), settle=settle)

    def _rescaled(self) -> dict[str, Tensor]:
        return {}
