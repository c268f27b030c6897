"""Method ``none``: descent on the task alone. The others build on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from srnn import kernels, replication
from srnn.kernels import Kind
from srnn.methods.optimizers import SGD, Adam, build_optimizer
from srnn.methods.settings import ReplicationConfig, TrainingConfig
from srnn.organism import Organism

if TYPE_CHECKING:
    from srnn.kernels.cpu import Call


@dataclass(frozen=True)
class Calls:
    """A batch as calls of kernels, besides that which learns.

    Attributes:
        move: After the task.
        count: Before the move, what counts it.
        prepare: Before it.
        weigh: What the particles are then worth; None where that is always known.
        settle: What follows every so many batches.
        every: So many.
        in_place: Whether it is done in place of the move.
    """

    move: Call
    count: Call | None = None
    prepare: Call | None = None
    weigh: Call | None = None
    settle: Call | None = None
    every: int = 1
    in_place: bool = False


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
    """

    exact = False

    def __init__(self, organism: Organism, replication: ReplicationConfig, training: TrainingConfig) -> None:
        self.organism, self.replication, self.training = organism, replication, training
        self.replicating = [False] * organism.copies
        self.trained = self.moved(organism)
        self.optimizer = build_optimizer([self.trained], training)

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

    def newborn(self, drawn: Tensor, place: int) -> Tensor:
        """Make particles ``(P, n)`` that are drawn in place of lost ones such as the seed's others are."""
        if self.replication.birth == "exact":
            replication.project(drawn, self.organism.replicator, replication.NEWBORN)
            replication.balance(drawn, self.organism.replicator)
        return drawn

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
            settings = self.training
            fast.sgd_step(weights, particle, gradient, self._momentum, settings.lr, settings.momentum)

    def calls(self, worth: Tensor, gradient: Tensor, replicated: Tensor) -> Calls | None:
        """What :meth:`prepare` and :meth:`move` do in every batch, as calls of kernels; None where they cannot.

        Args:
            worth: What the particles are worth, ``(S · N,)``; of what knows, written there.
            gradient: Where the gradient at the waist will be, ``(S · N,)``.
            replicated: Where each particle's replication loss goes, ``(S · N,)``.
        """
        weights, particle = self.organism.weights.detach(), self.organism.particle
        if not isinstance(self.optimizer, SGD | Adam) or len(self.places) not in (0, self.organism.copies):
            return None
        if particle.size == 1:
            fast = kernels.number_path(weights, *Descent.buffers(self).values())
            return None if fast is None else self._step(fast, weights, gradient)
        if (fast := self._fused) is None:
            return None
        return replace(
            self._step(fast, weights, gradient, self.organism.replicator), weigh=fast.weighing(weights, particle, worth)
        )

    def _step(self, fast: ModuleType, moved: Tensor, gradient: Tensor, particle: Kind | None = None) -> Calls:
        """A step of SGD or Adam by kernels, of plain numbers or of particles."""
        if isinstance(self.optimizer, Adam):
            count, move = self.optimizer.calls(fast, self.trained, moved, gradient, particle)
            return Calls(move, count)
        settings = gradient, self._momentum, self.training.lr, self.training.momentum
        if particle is None:
            return Calls(fast.descending_numbers(moved, *settings))
        return Calls(fast.descending(moved, particle, *settings))

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
