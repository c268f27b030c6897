"""The minima that organisms have been in, and what pushes them away from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srnn.organism import Organism
from srnn.terms.repulsion import Hills, Repulsion, distances

if TYPE_CHECKING:
    from srnn.kernels.packets import Call

#: What the state of training calls them.
NAME = "repulsion.minima"


class Minima:
    """The minima of organisms side by side, each as it would be alone.

    Args:
        term: What pushes.
        organism: The organisms.
        lr: The learning rate that training begins with.

    Attributes:
        found: What they were worth there, ``(M, S · N)``.
    """

    def __init__(self, term: Repulsion, organism: Organism, lr: float) -> None:
        self.term, self._organism, self._lr = term, organism, lr
        self.found = organism.worth().new_zeros(0, organism.copies * organism.size)
        self._hills: Hills | None = None

    def leave(self) -> None:
        """Make a minimum of what there is."""
        self._keep(torch.cat([self.found, self._organism.worth()[None]]))

    def _keep(self, found: Tensor) -> None:
        self.found = found
        self._hills = self.term.hills(found, self._organism.copies) if len(found) and self.term.strength else None

    def add(self, worth: Tensor, gradient: Tensor, lr: float) -> None:
        """Add what pushes to a gradient, in place, both ``(S · N,)``, at a learning rate."""
        if self._hills is not None:
            self._hills.add(worth, gradient, self.term.strength_at(lr, self._lr))

    def call(self, worth: Tensor, gradient: Tensor) -> Call | None:
        """The same as a call of a kernel; None for nothing."""
        if self._hills is None:
            return None
        from srnn.kernels.repulsion import pushing

        term, hills = self.term, self._hills
        paced = (lambda lr: term.strength_at(lr, self._lr)) if term.follow_lr else None
        settings = hills.kernel == "tanh", term.strength, paced
        return pushing(worth, gradient, hills.centres, hills.squares, *settings)

    def measure(self, place: int) -> dict[str, float]:
        """How far one organism is from its minima, in units of the first one's root mean square, and the cost of it."""
        if not len(self.found):
            return {}
        columns = self._organism.columns(place)
        worth, minima = self._organism.worth()[columns], self.found[:, columns]
        unit = distances(torch.zeros_like(worth), minima[:1], 1)[0, 0].clamp(min=1e-12)
        far = distances(worth, minima, 1)[:, 0] / unit
        last = minima[-1].double()
        cosine = (worth.double() @ last) / (worth.double().norm() * last.norm()).clamp(min=1e-300)
        found = {"last": far[-1], "first": far[0], "nearest": far.min()}
        return {f"distance_{name}": float(one) for name, one in found.items()} | {
            "cosine_last": float(cosine),
            "repulsion": float(self.term.hills(minima, 1).height(worth, self.term.strength)[0]),
        }

    def tensors(self, place: int) -> dict[str, Tensor]:
        """What is kept of one organism."""
        return {NAME: self.found[:, self._organism.columns(place)]} if len(self.found) else {}

    def load(self, place: int, tensors: Mapping[str, Tensor]) -> None:
        """Take one organism's to what :meth:`tensors` gave."""
        if (own := tensors.get(NAME)) is None:
            return
        if len(self.found) != len(own):
            self.found = self.found.new_zeros(len(own), self.found.shape[1])
        self.found[:, self._organism.columns(place)] = own.to(self.found)
        self._keep(self.found)
