"""Method ``newton``: after task steps every particle is put back onto the set of self-replicators."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn import kernels, replication
from srnn.fixpoints import TOLERANCE
from srnn.methods.descent import Calls, Descent
from srnn.methods.optimizers import Adam
from srnn.methods.settings import TrainingConfig
from srnn.particle import INPUTS, self_output

if TYPE_CHECKING:
    from srnn.kernels.packets import Call

#: Where matrices are rescaled, gradients are by the inverse: how an optimizer's buffers follow, as powers of it.
SCALING = {"momentum_buffer": 1, "exp_avg": 1, "exp_inf": 1, "exp_avg_sq": 2, "square_avg": 2, "sum": 2}


def scaling(training: TrainingConfig, name: str) -> int:
    """The power by which a buffer of that name follows the inverse of a rescaling."""
    # RMSprop's is of steps, in which the gradient is divided by its own size.
    return 0 if (training.optimizer, name) == ("rmsprop", "momentum_buffer") else SCALING[name]


class Newton(Descent):
    """Descent on the task, and a Newton step of least norm back to the self-replicators of the same worth."""

    exact = True
    #: How far a particle may be from what it is to be at the end of an epoch.
    near = TOLERANCE

    def begin(self, places: Collection[int]) -> None:
        """Make self-replicators of particles that are far from it, worth the same, with balanced matrices."""
        super().begin(places)
        for place in places:
            self._project([place], replication.NEWBORN)
            self._balance(place)

    @kernels.or_by_torch
    def move(self, gradient: Tensor, batch: int) -> Tensor | None:
        if not self.places or not self.due(batch):
            return super().move(gradient, batch)
        if (fast := self._fused) is not None and all(self.replicating):
            # Both in one pass over the memory.
            weights = self.organism.weights.detach()
            worth = torch.empty_like(weights[0])
            for call in self._step_and_projection(fast, gradient, worth):
                call()
            torch.autograd.graph.increment_version(weights)
            self.organism.remember(worth)
        else:
            super().move(gradient, batch)
            self._project(self.places, self.replication.iterations)
        return None

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        calls = super().calls(worth, gradient, replicated)
        if calls is None or not self.places or (fast := self._fused) is None:
            return calls
        *_, settle = self._step_and_projection(fast, gradient, worth)
        return replace(calls, settle=settle, in_place=True)

    def _step_and_projection(self, fast: ModuleType, gradient: Tensor, worth: Tensor) -> tuple[Call, ...]:
        """A step of the optimizer and a projection in one pass; what the particles are then worth goes to ``worth``."""
        weights, particle, iterations = (
            self.organism.weights.detach(),
            self.organism.replicator,
            self.replication.iterations,
        )
        if isinstance(self.optimizer, Adam):
            return self.optimizer.calls(fast, self.trained, weights, gradient, particle, worth, iterations)
        step = weights, particle, gradient, self._momentum, self.lr, self.training.momentum
        return (fast.descending_and_projecting(*step, iterations, worth),)

    def rest(self, places: Collection[int]) -> None:
        """At the end of an epoch all particles are self-replicators, however far it took them, and balanced."""
        for place in places:
            if not self.replicating[place]:
                continue
            if not float(self._project([place], self.replication.iterations).max()) < self.near:
                self._project([place], replication.NEWBORN)
            self._balance(place)

    def newborn(self, drawn: Tensor, place: int) -> Tensor:
        if self.replicating[place]:
            replication.project(drawn, self.organism.replicator, replication.NEWBORN)
        return drawn

    def worthless(self, weights: Tensor, place: int) -> Tensor:
        """Self-replicators that are worth nothing: only ``v4`` depends on the first matrix's column for the task."""
        freed = weights.clone()
        freed[INPUTS - 1 : INPUTS * self.organism.replicator.hidden : INPUTS] = 0
        return freed

    def reach(self, weights: Tensor, worth: Tensor, place: int) -> Tensor:
        if not self.replicating[place]:
            return super().reach(weights, worth, place)
        replication.lift(weights, self.organism.replicator, worth, replication.NEWBORN)
        replication.balance(weights, self.organism.replicator)
        return weights

    @torch.no_grad()
    def measure(self, place: int) -> dict[str, float]:
        """``replication_error``: the largest deviation of any weight from its particle's output for it."""
        weights = self.organism.weights.detach()[:, self.organism.columns(place)].clone()
        return {"replication_error": float((self_output(weights, self.organism.replicator) - weights).abs().max())}

    def _project(self, places: Collection[int], iterations: int) -> Tensor:
        """Project these seeds; how far each particle still is, ``(S · N,)``."""

        def act(weights: Tensor) -> Tensor:
            return replication.project(weights, self.organism.replicator, iterations)

        return self.organism.on(places, act, self.organism.weights.detach())

    def _balance(self, place: int) -> None:
        buffers = self._rescaled()

        def act(weights: Tensor, *parts: Tensor) -> Tensor:
            scale = replication.balance(weights, self.organism.replicator)
            for name, part in zip(buffers, parts, strict=True):
                part /= scale ** scaling(self.training, name)
            return scale

        self.organism.on([place], act, self.organism.weights.detach(), *buffers.values())

    def _rescaled(self) -> dict[str, Tensor]:
        """The buffers that belong to the particles' matrices."""
        return self.buffers()
