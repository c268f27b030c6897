"""Method ``sgd``: descent on the replication loss, in alternation with the task or jointly."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from srnn import replication
from srnn.methods.descent import Calls, Descent
from srnn.methods.optimizers import SGD
from srnn.methods.settings import ReplicationConfig, TrainingConfig
from srnn.organism import Organism
from srnn.particle import replication_gradient


class Replicating(Descent):
    """Steps of SGD on ``α · Σ`` replication loss before each step on the task, or one step on the sum of both."""

    def __init__(self, organism: Organism, replication: ReplicationConfig, training: TrainingConfig) -> None:
        super().__init__(organism, replication, training)
        self._joint = replication.objective == "joint"
        #: The momentum of replication: the optimizer's own, one for itself, or none that lasts.
        self._buffer: Tensor | None = None
        match replication.momentum:
            case "shared":
                # There from the start: replication drives it before the first task step.
                self._buffer = self._momentum
            case "separate" if training.momentum:
                self._buffer = torch.zeros_like(organism.weights)

    def prepare(self, batch: int) -> Tensor | None:
        if self._joint or not self.places:
            return None
        return self._replicate(self.replication.steps, self.organism.weights.detach(), self._buffer, self.lr)

    def at_rest(self, steps: int) -> Tensor | None:
        if not self.places:
            return None
        weights = self.organism.weights.detach().clone()
        # Without the momentum that there is: the task has a share in it, and would go on.
        self._replicate(steps, weights, None, self.training.lr)
        return weights

    def _replicate(self, steps: int, weights: Tensor, buffer: Tensor | None, lr: float) -> Tensor:
        settings, training = self.replication, self.training

        def act(weights: Tensor, buffer: Tensor | None) -> Tensor:
            return replication.train(
                weights,
                self.organism.replicator,
                steps,
                lr,
                training.momentum,
                settings.alpha,
                settings.target,
                buffer,
            )

        return self.organism.on(self.places, act, weights, buffer)

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        settings, training = self.replication, self.training
        calls, weights = super().calls(worth, gradient, replicated), self.organism.weights.detach()
        if calls is None or not self.places:
            return calls
        fast = self.organism.fused(self._buffer)
        if fast is None or self._joint or settings.steps == 0:
            return None
        how = settings.steps, self.lr, training.momentum, settings.alpha, settings.target, self._buffer, replicated
        particle = self.organism.replicator
        prepare, weigh = fast.training(weights, particle, *how), fast.weighing(weights, particle, worth)
        calls = replace(calls, prepare=prepare, weigh=weigh)
        if not isinstance(self.optimizer, SGD):
            return calls
        move_on = fast.descending_and_training(weights, particle, gradient, self._momentum, *how, worth)
        return replace(calls, move_on=move_on)

    def move(self, gradient: Tensor, batch: int) -> Tensor | None:
        if not self._joint or not self.places:
            return super().move(gradient, batch)
        alpha, target = self.replication.alpha, self.replication.target

        def add(weights: Tensor, total: Tensor) -> Tensor:
            loss, own = replication_gradient(weights, self.organism.replicator, target)
            total.add_(own, alpha=alpha)
            return loss

        organism = self.organism
        total = organism.pull_back(gradient)
        # Seed by seed: the closed form is torch's.
        losses = [organism.on([place], add, organism.weights.detach(), total) for place in self.places]
        organism.weights.grad = total
        self.optimizer.step()
        return torch.stack(losses).sum(0)

    @property
    def _all_move(self) -> bool:
        return self._joint or self.replication.momentum == "shared"

    def buffers(self) -> dict[str, Tensor]:
        own = (
            {}
            if self._buffer is None or self.replication.momentum == "shared"
            else {"replication_buffer": self._buffer}
        )
        return super().buffers() | own

    def buffer(self, name: str) -> Tensor:
        if name == "replication_buffer" and self._buffer is not None:
            return self._buffer
        return super().buffer(name)
