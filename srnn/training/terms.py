"""The terms of an experiment in effect: what they add to the gradient at the waist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn.experiment import Experiment
from srnn.organism import Organism
from srnn.terms.decay import ParticleDecay
from srnn.terms.penalties import Penalty
from srnn.terms.term import Term

if TYPE_CHECKING:
    from srnn.kernels.packets import Call


class Terms:
    """The terms of an experiment, in effect on organisms side by side, each as it would be alone.

    Args:
        experiment: Whose terms.
        organism: The organisms as they are at birth.
    """

    def __init__(self, experiment: Experiment, organism: Organism) -> None:
        terms = [term for term in experiment.terms.values() if isinstance(term, Term)]
        self._organism, lr = organism, experiment.training.lr
        self._slopes = [term.slope(organism, lr) for term in terms if isinstance(term, Penalty)]
        self._kept = [1 - lr * term.strength for term in terms if isinstance(term, ParticleDecay)]
        self._costs = [term for term in terms if type(term).cost is not Term.cost]

    def through(self, worth: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of the loss at the waist, with that of the costs: all ``(S · N,)``; may be written in."""
        if self._costs:
            gradient = gradient + self._by_torch(worth)
        for slope in self._slopes:
            slope.add(worth, gradient)
        return gradient

    @torch.no_grad()
    def decay(self) -> None:
        """Shrink what the particles are made of, after a step."""
        for kept in self._kept:
            self._organism.weights.mul_(kept)

    def _by_torch(self, worth: Tensor) -> Tensor:
        """The gradient of what torch has to differentiate, one organism after the other."""
        gradients = []
        for own in worth.view(self._organism.copies, -1):
            leaf = own.detach().clone().requires_grad_()
            total = leaf.new_zeros(())
            for term in self._costs:
                if (cost := term.cost(leaf)) is not None:
                    total = total + cost
            if total.requires_grad:
                total.backward()
            gradients.append(torch.zeros_like(own) if leaf.grad is None else leaf.grad)
        return torch.cat(gradients)

    def call(self, worth: Tensor, gradient: Tensor) -> Call | None:
        """What :meth:`through` does as a call of a kernel; None for nothing, or if none can: see :attr:`together`."""
        call = None
        for slope in reversed(self._slopes):
            call = slope.call(worth, gradient, call)
        return call

    @property
    def together(self) -> bool:
        """Whether :meth:`call` does it all."""
        return not self._costs and not self._kept
