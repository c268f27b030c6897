"""Units that are changed: other particles enter them, and training goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from srnn.errors import UserError
from srnn.events.choosing import Choosing
from srnn.section import Share

if TYPE_CHECKING:
    from srnn.swarm import Kind
    from srnn.training.loop import Training

#: How large noise is, beside what is there.
Level = Annotated[float, Field(ge=0, le=1e6)]


class Site(NamedTuple):
    """What an action on a unit starts from.

    Attributes:
        own: The particles that enter it, ``(P, n)``.
        donors: Those that enter useful units of its layer, in an order that is drawn, ``(D, P, n)``.
        particle: What they are.
        inputs: How many weights enter a unit of the layer.
        generator: Where numbers are drawn from.
    """

    own: Tensor
    donors: Tensor
    particle: Kind
    inputs: int
    generator: torch.Generator

    @property
    def pair(self) -> tuple[Tensor, Tensor]:
        """Two donors, the same if there is but one."""
        return self.donors[0], self.donors[min(1, len(self.donors) - 1)]

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 to 1."""
        return torch.rand(shape, generator=self.generator).to(self.own)

    def noisy(self, weights: Tensor, level: float) -> Tensor:
        """``weights + level · rms · U(−1, 1)``, where the root mean square is that of them all."""
        if not level:
            return weights
        return weights + level * weights.square().mean().sqrt() * (2 * self.uniform(*weights.shape) - 1)


class Changing(Choosing):
    """Other particles replace those that enter a unit, or those that are chosen.

    Of what moved them nothing is left, and under a method that keeps particles self-replicators these are made so
    again, worth the same: a mixture of two self-replicators is none.
    """

    outgoing: Literal["keep", "zero"] = "keep"
    """What becomes of the weights that leave the unit: with ``zero`` the network answers as if it were not there."""

    def require_fitting(self, training: Training, name: str) -> None:
        super().require_fitting(training, name)
        if self.of == "particle" and self.outgoing != "keep":
            raise UserError(f"{name}.outgoing is '{self.outgoing}'; only a unit has outgoing weights: set it to 'keep'")

    def changed(self, site: Site) -> Tensor:
        """What enters it then, ``(P, n)``."""
        raise NotImplementedError

    def act(self, training: Training, place: int) -> None:
        with training.organism.still(training.frozen):
            if self.of == "particle":
                self._change_particles(training, place)
            else:
                self._change_units(training, place)

    def _change_particles(self, training: Training, place: int) -> None:
        organism, particles = training.organism, self.particles(training, place)
        for shape, layer in zip(organism.shapes, organism.layers.values(), strict=True):
            own = particles[(particles >= layer.start) & (particles < layer.stop)]
            self.put(training, place, own, self._made(training, place, own, [], shape[1:].numel()))

    def _change_units(self, training: Training, place: int) -> None:
        chosen = self.units(training, place)
        for unit in chosen:
            donors = self.donors_of(
                training, place, unit.layer, [one.cell for one in chosen if one.layer == unit.layer]
            )
            if donors is None:
                continue
            inputs = [training.past.places[unit.layer][cell] for cell in donors]
            new = self._made(training, place, unit.entering, inputs, len(unit.entering))
            self.put(training, place, unit.entering, new)
            self.leave(training, place, unit.layer, unit.cell, donors)

    def donors_of(self, training: Training, place: int, layer: int, chosen: list[int]) -> list[int] | None:
        """Other units of the layer that give theirs, in an order that is drawn; None if there is none to ask."""
        return []

    def leave(self, training: Training, place: int, layer: int, cell: int, donors: list[int]) -> None:
        """What becomes of the weights that leave a unit."""
        if self.outgoing == "zero":
            leaving = training.past.places[layer + 1][:, cell]
            self.reach(training, place, leaving, 0.0)

    def reach(self, training: Training, place: int, particles: Tensor, factor: float) -> None:
        """Have particles of a seed be worth so many times what they are."""
        columns = training.columns(place).start + particles
        worth = factor * training.organism.worth()[columns]
        own = training.weights.detach()[:, columns].clone()
        self.put(training, place, particles, training.method.reach(own, worth, place))

    def _made(self, training: Training, place: int, own: Tensor, donors: list[Tensor], inputs: int) -> Tensor:
        """The particles in place of these of a seed, such as its others are, ``(P, n)``."""
        weights = training.weights.detach()[:, training.columns(place)]
        given = torch.stack([weights[:, one] for one in donors]) if donors else weights[None, :, :0]
        stream = training.streams[place]["events"]
        new = self.changed(Site(weights[:, own], given, training.organism.particle, inputs, stream))
        return training.method.newborn(new, place)

    def put(self, training: Training, place: int, particles: Tensor, new: Tensor) -> None:
        """Have particles of a seed be those ``(P, n)``, with nothing that moves them yet."""
        columns = training.columns(place).start + particles
        with training.organism.only(columns):
            training.weights.detach()[:, columns] = new.to(training.weights.device)
        for buffer in training.method.buffers().values():
            buffer[..., columns] = 0
        training.past.change(place, particles, training.epoch)


class Inheriting(Changing):
    """Others of the same layer, among the most useful on training data, give theirs."""

    donors: Share = 0.2
    """The share of the layer that gives."""

    @property
    def recalls(self) -> bool:
        return True

    def require_fitting(self, training: Training, name: str) -> None:
        super().require_fitting(training, name)
        if self.of == "particle":
            raise UserError(f"{name}.of is 'particle'; a unit inherits from units of its layer: set it to 'unit'")

    def donors_of(self, training: Training, place: int, layer: int, chosen: list[int]) -> list[int] | None:
        useful = training.past.usefulness(place, layer)[-1].argsort(descending=True, stable=True).tolist()
        others = [cell for cell in useful if cell not in chosen]
        giving = others[: max(1, round(self.donors * len(useful)))]
        order = torch.randperm(len(giving), generator=training.streams[place]["events"])
        return [giving[one] for one in order.tolist()] or None
