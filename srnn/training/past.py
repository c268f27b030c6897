"""What events know of the past of each seed: how useful its units were, and which particles were changed when."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from srnn import units
from srnn.bodies.mlp import MLP
from srnn.organism import Organism
from srnn.tasks import Task
from srnn.units import RECENT


class Past:
    """Measurements of the organisms in training, each seed by itself.

    Args:
        organism: The organisms of all seeds.
        task: Units are judged on its training data.

    Attributes:
        task: As given; it may be replaced between epochs.
        places: Of each weight in the body's shapes, its place in an organism: int64.
    """

    def __init__(self, organism: Organism, task: Task) -> None:
        self._organism, self.task = organism, task
        self.places = _shaped(organism, torch.arange(organism.size, device=organism.weights.device))
        #: ``(S, RECENT, units)``, the newest last and NaN where there was none yet; None if none was asked for.
        self._usefulness: Tensor | None = None
        #: The epoch in which each particle was changed last, ``(S · N,)``, −1 for never; None if none was.
        self._changed: Tensor | None = None

    @property
    def body(self) -> MLP:
        """The body of the first seed: its activation and links are those of all."""
        assert isinstance(self._organism.body, MLP)
        return self._organism.body

    def weights(self, place: int) -> list[Tensor]:
        """The effective weights of a seed in the body's shapes."""
        return _shaped(self._organism, self._organism.worth()[self._organism.columns(place)])

    def measure(self) -> None:
        """Take note of how useful the units of every seed are now."""
        copies = range(self._organism.copies)
        now = torch.stack([torch.cat(units.usefulness(self.body, self.weights(place), self.task)) for place in copies])[
            :, None
        ]
        if self._usefulness is None:
            self._usefulness = now.new_full((len(now), RECENT, now.shape[2]), torch.nan)
        self._usefulness = torch.cat([self._usefulness[:, 1:], now], 1)

    def usefulness(self, place: int, layer: int) -> Tensor:
        """The last measurements of a layer's units, float64 ``(k, units)``, the newest last, up to :data:`RECENT`."""
        assert self._usefulness is not None, "measured before it is asked for"
        sizes = [len(own) for own in self.places[:-1]]
        own = self._usefulness[place].split(sizes, dim=1)[layer]
        # Where one is NaN it was measured, of a network that has diverged.
        known: Tensor = own[-max(1, int((~own.isnan()).any(1).sum())) :]
        return known

    def change(self, place: int, particles: Tensor, epoch: int) -> None:
        """Take note that particles of a seed, by their places ``(n,)``, are changed in this epoch."""
        if self._changed is None:
            self._changed = torch.full_like(self._organism.weights[0], -1, dtype=torch.int64)
        self._changed[self._organism.columns(place).start + particles] = epoch

    def rested(self, place: int, epoch: int, epochs: int) -> Tensor:
        """Which particles of a seed were not changed in so many epochs before this one, bool ``(N,)``: a copy."""
        columns = self._organism.columns(place)
        if self._changed is None:
            return torch.ones_like(self._organism.weights[0, columns], dtype=torch.bool)
        changed = self._changed[columns]
        return (changed < 0) | (changed + epochs <= epoch)

    # -- what lasts from one batch to the next ------------------------------------------------------------------------

    def tensors(self, place: int) -> dict[str, Tensor]:
        """What there is of one seed: of :func:`layout`."""
        kept = {}
        if self._usefulness is not None:
            kept["event.usefulness"] = self._usefulness[place]
        if self._changed is not None:
            kept["event.changed"] = self._changed[self._organism.columns(place)]
        return kept

    def load(self, place: int, tensors: Mapping[str, Tensor]) -> None:
        """Take one seed to what :meth:`tensors` gave."""
        if (own := tensors.get("event.usefulness")) is not None:
            if self._usefulness is None:
                empty = torch.full((self._organism.copies, *own.shape), torch.nan, dtype=torch.float64)
                self._usefulness = empty.to(self.places[0].device)
            self._usefulness[place] = own
        if (own := tensors.get("event.changed")) is not None:
            self.change(place, torch.arange(0), -1)
            assert self._changed is not None
            self._changed[self._organism.columns(place)] = own.to(self._changed.device)


def layout(organism: Organism) -> dict[str, Tensor]:
    """What :meth:`Past.tensors` may give of a single organism, without its content."""
    size = sum(shape[0] for shape in organism.shapes[:-1])
    return {
        "event.usefulness": torch.empty(RECENT, size, dtype=torch.float64, device="meta"),
        "event.changed": torch.empty(organism.size, dtype=torch.int64, device="meta"),
    }


def _shaped(organism: Organism, values: Tensor) -> list[Tensor]:
    """One value per particle of a single organism, ``(N,)``, in the body's shapes."""
    parts = values.split([shape.numel() for shape in organism.shapes])
    return [part.view(shape) for part, shape in zip(parts, organism.shapes, strict=True)]
