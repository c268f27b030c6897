"""Method ``none``: descent on the task alone. The others build on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srnn import kernels, replication
from srnn.kernels import Kind
from srnn.methods.optimizers import SGD, Adam, build_optimizer, set_rate
from srnn.methods.settings import ReplicationConfig, TrainingConfig
from srnn.organism import Organism
from srnn.particle import Particle

if TYPE_CHECKING:
    from srnn.kernels.packets import Call


@dataclass(frozen=True)
class Calls:
    """A batch as calls of kernels, besides that which learns. After each it is known what the particles are worth.

    Attributes:
        move: After the task.
        count: Before the move, what counts it.
        prepare: Before it.
        weigh: What the particles are then worth.
        cost: After the task, what adds the gradient of costs on what the particles are worth.
        push: After that, what pushes them away from what others are worth.
        move_on: The three in a row, where another batch follows and a kernel does them in one pass.
        settle: What follows the batches that are due.
        in_place: Whether it is done in place of the move.
        lags: Whether particles are behind what they are worth until what settles.
    """

    move: Call
    count: Call | None = None
    prepare: Call | None = None
    weigh: Call | None = None
    cost: Call | None = None
    push: Call | None = None
    move_on: Call | None = None
    settle: Call | None = None
    in_place: bool = False
    lags: bool = False


class Descent:
    """The optimizer moves the particles, or plain numbers, down the gradient of the task.

    A method owns what lies below the effective weights: it is asked at fixed moments of the loop, and nothing else
    moves a particle for the task's or for replication's sake. Seeds are told by their places in the organism.

    Args:
        organism: What it moves.
        replication: How replication is to be trained.
        training: How the task is.

    Attributes:
        replicating: Of each seed, whether replication is trained by now.
        exact: Whether the particles of those seeds are kept self-replicators.
        trained: What the optimizer moves, ``(P, S · N)`` or, lifted, ``(S · N,)``.
        lr: The learning rate of task and replication in the batch at hand.
    """

    exact = False

    def __init__(self, organism: Organism, replication: ReplicationConfig, training: TrainingConfig) -> None:
        self.organism, self.replication, self.training = organism, replication, training
        self.lr = training.lr
        self.replicating = [False] * organism.copies
        self.trained = self.moved(organism)
        self.optimizer = build_optimizer([self.trained], training)

    def set_rate(self, lr: float) -> None:
        """Take the steps to come, on the task and on replication, at that learning rate."""
        self.lr = lr
        set_rate(self.optimizer, lr)

    @staticmethod
    def moved(organism: Organism) -> nn.Parameter:
        """What the optimizer moves of such an organism."""
        return organism.weights

    @property
    def places(self) -> list[int]:
        """The seeds that train replication."""
        return [place for place, on in enumerate(self.replicating) if on]

    def begin(self, places: Collection[int]) -> None:
        """Begin with replication in these seeds: at birth, or once the task is learnt as far as it waits for."""
        for place in places:
            self.replicating[place] = True

    def prepare(self, batch: int) -> Tensor | None:
        """What is done before the forward pass of a batch; each particle's replication loss ``(S · N,)``, if any."""
        return None

    def move(self, gradient: Tensor, batch: int) -> Tensor | None:
        """Take the gradient at the waist, ``(S · N,)``, to what lies below; returns as :meth:`prepare`."""
        self._descend(gradient)
        return None

    def rest(self, places: Collection[int]) -> None:
        """What is done after an epoch, in these seeds."""

    def due(self, batch: int) -> bool:
        """Whether that is one of the batches after which the particles are made what they are to be again."""
        every = self.replication.every
        return not isinstance(every, str) and (batch + 1) % every == 0

    def follow(self, places: Collection[int]) -> None:
        """Have the particles of these seeds become what they are worth, where they are behind: for who looks at them.

        It is part of training, so it must be done at the same batches wherever training is cut off.
        """

    def newborn(self, drawn: Tensor, place: int) -> Tensor:
        """Make particles ``(P, n)`` that are drawn in place of lost ones such as the seed's others are."""
        if self.replication.birth == "exact":
            replication.project(drawn, self.organism.replicator, replication.NEWBORN)
            replication.balance(drawn, self.organism.replicator)
        return drawn

    def worthless(self, weights: Tensor, place: int) -> Tensor:
        """What particles of a seed ``(P, n)`` become to be worth exactly 0 for good: zero fixpoints."""
        return torch.zeros_like(weights)

    def reach(self, weights: Tensor, worth: Tensor, place: int) -> Tensor:
        """Have particles of a seed ``(P, n)``, such as the method has them, be worth ``(n,)``; changed in place."""
        if isinstance(particle := self.organism.particle, Particle):
            if self.replication.birth == "exact":
                replication.lift(weights, particle, worth, replication.NEWBORN)
            else:
                replication.reach(weights, particle, worth)
            return weights
        return weights.copy_(worth)

    def at_rest(self, steps: int) -> Tensor | None:
        """What becomes of the particles by so many steps of replication alone, ``(P, S · N)``; None if nothing."""
        return None

    def measure(self, place: int) -> dict[str, float]:
        """What the method itself has to say of a seed, by metric."""
        return {}

    @kernels.or_by_torch
    def _descend(self, gradient: Tensor) -> None:
        """One step of the optimizer."""
        fast, weights, particle = self._fused, self.organism.weights.detach(), self.organism.particle
        if fast is None:
            self.organism.weights.grad = self.organism.pull_back(gradient)
            self.optimizer.step()
        # A kernel takes the gradient on to the particles as it steps.
        elif isinstance(self.optimizer, Adam):
            for call in self.optimizer.calls(fast, self.trained, weights, gradient, self.organism.replicator):
                call()
            torch.autograd.graph.increment_version(weights)
        else:
            step = weights, particle, gradient, self._momentum, self.lr, self.training.momentum
            fast.sgd_step(*step, self._all_move)

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        """What :meth:`prepare` and :meth:`move` do in every batch, as calls of kernels; None where they cannot.

        Args:
            worth: What the particles are worth, ``(S · N,)``; of what knows, written there.
            gradient: Where the gradient at the waist will be, ``(S · N,)``.
            replicated: Where each particle's replication loss goes, ``(S · N,)``.
        """
        weights = self.organism.weights.detach()
        if not isinstance(self.optimizer, SGD | Adam) or len(self.places) not in (0, self.organism.copies):
            return None
        if self.organism.particle.size == 1:
            fast = kernels.number_path(weights, *Descent.buffers(self).values())
            return None if fast is None else self._step(fast, weights, gradient)
        if (fast := self._fused) is None:
            return None
        return self._step(fast, weights, gradient, self.organism.replicator, worth)

    def _step(
        self,
        fast: ModuleType,
        moved: Tensor,
        gradient: Tensor,
        particle: Kind | None = None,
        worth: Tensor | None = None,
    ) -> Calls:
        """A step of SGD or Adam by kernels, of plain numbers or of particles; these are then worth ``worth``."""
        if isinstance(self.optimizer, Adam):
            count, move = self.optimizer.calls(fast, self.trained, moved, gradient, particle, worth)
            return Calls(move, count)
        settings = gradient, self._momentum, self.lr, self.training.momentum
        if particle is None:
            return Calls(fast.descending_numbers(moved, *settings))
        return Calls(fast.descending(moved, particle, *settings, worth, self._all_move))

    @property
    def _all_move(self) -> bool:
        """Whether the optimizer's momentum is driven by anything but the task."""
        return False

    @property
    def _momentum(self) -> Tensor | None:
        return self.optimizer.state[self.trained].get("momentum_buffer")

    @property
    def _fused(self) -> ModuleType | None:
        """The kernels, where they can take a step of the optimizer."""
        return self.organism.fused(*Descent.buffers(self).values()) if isinstance(self.optimizer, SGD | Adam) else None

    # -- what lasts from one batch to the next ------------------------------------------------------------------------

    def buffers(self) -> dict[str, Tensor]:
        """What the next step depends on besides the particles, by name: ``(…, S · N)``."""
        own = self.optimizer.state[self.trained].items()
        return {name: value for name, value in own if isinstance(value, Tensor) and value.shape == self.trained.shape}

    def counters(self) -> dict[str, Tensor]:
        """What the optimizer keeps for all seeds alike, such as Adam's count of steps: scalars."""
        own = self.optimizer.state[self.trained].items()
        return {name: value for name, value in own if isinstance(value, Tensor) and value.ndim == 0}

    def load(self, place: int, buffers: Mapping[str, Tensor], counters: Mapping[str, Tensor]) -> None:
        """Take the buffers ``(…, N)`` of one seed, and what is kept for all, to what they were."""
        for name, value in buffers.items():
            self.buffer(name)[..., self.organism.columns(place)] = value.to(self.trained.device)
        for name, value in counters.items():
            self.optimizer.state[self.trained][name] = value.clone()

    def buffer(self, name: str) -> Tensor:
        """A buffer, made if need be: Adam has none before its first step."""
        buffer: Tensor = self.optimizer.state[self.trained].setdefault(name, torch.zeros_like(self.trained))
        return buffer
