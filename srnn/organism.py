"""A network whose every weight is a particle: the waist at which what lies below and what is asked above meet."""

from __future__ import annotations

import copy
import functools
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from srnn import fixpoints, replication
from srnn.bodies.particles import Choice, replaced
from srnn.errors import NotApplicableError
from srnn.particle import Particle
from srnn.shown import Rows, Shown
from srnn.swarm import Kind, Swarm, aligned

#: Particles that are classified to be shown: a few milliseconds.
_CHEAP = 20_000
#: A body holds the weights of one call at a time, whoever calls.
_CALLING = threading.RLock()


class Organism(Shown, Swarm):
    """A body whose every weight is a particle.

    Each weight tensor of the body (two dimensions or more) is replaced by particles, which are *drawn anew*: the values
    that the body has are lost (:meth:`from_dense` keeps them). Biases, norms, embeddings, frozen parameters and buffers
    stay ordinary. The forward pass computes what the particles are worth, views it in the body's shapes and calls the
    body with it, so that an organism is *exactly* the dense network :meth:`to_dense` returns.

    Args:
        body: Any module. It is copied, not changed.
        particle: What its weights become.
        generator: Where the particles are drawn from; without one, torch's global generator.
        only: The weight tensors that become particles: a collection of names as of ``named_parameters``, or of modules
            that hold them, or a function of name and tensor; without it, all that are trained and multiply something.
        exclude: Those that do not, likewise.

    Attributes:
        weights: The swarm, a parameter of shape ``(P, N)``: P weights of N particles. Of ``copies`` organisms side by
            side (:func:`stack`) it is ``(P, copies · N)``, one organism after the other.
        layers: For each replaced tensor ``L0``, ``L1`` …, in the body's order, the slice of its particles in N.
        shapes: The shape of each replaced tensor, in the same order.
        copies: How many organisms this is.
        body: The body, without the replaced weights; of several organisms, that of the first.

    Raises:
        ValueError: No weight tensor becomes particles, or a name is none of the body's.

    Example:
        >>> organism = Organism(MLP(64, 6, 3, 10), Particle(hidden=4))
        >>> organism(torch.zeros(5, 64)).shape
        torch.Size([5, 10])
    """

    def __init__(
        self,
        body: nn.Module,
        particle: Kind,
        generator: torch.Generator | None = None,
        *,
        only: Choice | None = None,
        exclude: Choice | None = None,
    ) -> None:
        emptied = copy.deepcopy(body)
        weights = replaced(emptied, only, exclude)
        if not weights:
            raise ValueError(
                "the body has no weight tensor of two dimensions or more to make of particles (frozen ones and "
                "embeddings become particles only where only= names them)"
            )
        super().__init__(particle, _newborn([weight.detach() for weight in weights.values()], particle, generator))
        self.body = emptied
        #: The bodies of the other organisms side by side, each with ordinary parameters and buffers of its own.
        self.beside = nn.ModuleList()
        self.shapes = [weight.shape for weight in weights.values()]
        # A weight that two modules share has one name and several places.
        self._places = [
            [
                (path, attribute)
                for path, module in self.body.named_modules()
                for attribute, candidate in module._parameters.items()
                if candidate is weight
            ]
            for weight in weights.values()
        ]
        self.layers: dict[str, slice] = {}
        start = 0
        for index, shape in enumerate(self.shapes):
            self.layers[f"L{index}"] = slice(start, start + shape.numel())
            start += shape.numel()
        self._put(self.body, [None] * len(self.shapes))

    @classmethod
    def from_dense(
        cls,
        network: nn.Module,
        particle: Particle,
        generator: torch.Generator | None = None,
        *,
        only: Choice | None = None,
        exclude: Choice | None = None,
    ) -> Organism:
        """A trained network as an organism of exact self-replicators, with the same outputs but for rounding.

        Args:
            network: Any module. It is copied, not changed.
            particle: What its weights become.
            generator: Where the particles are drawn from before they are lifted to the network's weights.
            only: As for :class:`Organism`.
            exclude: As for :class:`Organism`.

        Raises:
            ValueError: No weight tensor becomes particles, or a weight is not finite.

        Example:
            >>> organism = Organism.from_dense(network, Particle(hidden=4))  # doctest: +SKIP
            >>> fixpoints.classify(organism.weights, organism.particle).unique()  # doctest: +SKIP
            tensor([2], dtype=torch.int8)
        """
        organism = cls(network, particle, generator, only=only, exclude=exclude)
        parameters = dict(network.named_parameters(remove_duplicate=False))
        values = torch.cat([parameters[name].detach().flatten() for name, *_ in organism.parameters_replaced])
        values = values.to(organism.weights)
        organism.weights.data = replication.replicators(values, particle, generator)
        return organism

    @property
    def replicator(self) -> Particle:
        """The particle, of which one can ask what replication makes of it.

        Raises:
            NotApplicableError: The organism is made of plain numbers.
        """
        if not isinstance(self.particle, Particle):
            raise NotApplicableError("plain numbers do not replicate: there are no fixpoint types")
        return self.particle

    @property
    def names(self) -> list[str]:
        """Name of each particle of one organism, ``L0_C1_W2``: layer, cell (output unit), weight (input)."""
        return self.names_of(torch.arange(self.size))

    def names_of(self, particles: Tensor) -> list[str]:
        """The names of some particles, int64 ``(n,)``, by their places in the swarm.

        Raises:
            IndexError: There is no such particle.
        """
        odd = particles[(particles < 0) | (particles >= self.size)]
        if len(odd):
            raise IndexError(f"there is no particle {odd[0]}: this organism has {self.size:,}")
        layers, starts = [*self.layers], torch.tensor([part.start for part in self.layers.values()])
        inputs = torch.tensor([shape[1:].numel() for shape in self.shapes])
        layer = torch.searchsorted(starts, particles.cpu(), right=True) - 1
        inside, width = particles.cpu() - starts[layer], inputs[layer]
        places = zip(layer.tolist(), (inside // width).tolist(), (inside % width).tolist(), strict=True)
        return [f"{layers[one]}_C{cell}_W{weight}" for one, cell, weight in places]

    @property
    def parameters_replaced(self) -> list[list[str]]:
        """What the body calls each replaced tensor: one name, or all of them where modules share it."""
        return [[".".join(filter(None, place)) for place in places] for places in self._places]

    @property
    def bodies(self) -> list[nn.Module]:
        """The bodies of all organisms side by side."""
        return [self.body, *self.beside]

    def ordinary(self, place: int = 0) -> dict[str, nn.Parameter]:
        """What is trained beside the particles of one organism, such as biases and norms, by the body's names."""
        return {name: one for name, one in self.bodies[place].named_parameters() if one.requires_grad}

    def effective_weights(self) -> list[Tensor]:
        """The particles' effective weights in the body's shapes, one tensor a layer, differentiable."""
        return self.in_shape(self.gated(self.particle.worth(self.weights)))

    def in_shape(self, values: Tensor) -> list[Tensor]:
        """One value per particle, ``(copies · N,)``, in the body's shapes; a stack's have a leading ``copies``."""
        leading = () if self.copies == 1 else (self.copies,)
        parts = values.view(*leading, -1).split([shape.numel() for shape in self.shapes], dim=-1)
        return [part.view(*leading, *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        """What the body answers; of several organisms each is given its own part of every input's first dimension."""
        worth = self.gated(self.particle.worth(self.weights))
        if self.copies == 1:
            return self.call_with(worth, *inputs, **keywords)
        every = [torch.broadcast_to(one, (self.copies, *one.shape[1:])) for one in inputs]
        parts = zip(worth.view(self.copies, -1), *every, strict=True)
        answers = [
            self.call_with(aligned(own), *map(aligned, x), place=place, **keywords)
            for place, (own, *x) in enumerate(parts)
        ]
        return torch.stack(answers)

    def call_with(self, worth: Tensor, *inputs: Any, place: int = 0, **keywords: Any) -> Any:
        """Call the body of one organism with these weights in place of what its own particles are worth.

        The one way through a body: for training, measuring and every analysis.

        Args:
            worth: ``(N,)``, differentiable.
            inputs: As the body takes them.
            place: Which of the organisms side by side: its ordinary parameters and buffers are used.
            keywords: As the body takes them.
        """
        parts = worth.split([shape.numel() for shape in self.shapes])
        body = self.bodies[place] if place else self.body
        # What torch.func.functional_call does, without its bookkeeping, which costs as much as a small body.
        with nullcontext() if torch.compiler.is_compiling() else _CALLING:
            try:
                self._put(body, [part.view(shape) for part, shape in zip(parts, self.shapes, strict=True)])
                return body(*inputs, **keywords)
            finally:
                self._put(body, [None] * len(self.shapes))

    def single(self, place: int) -> Organism:
        """A copy of one of the organisms side by side, as it is now."""
        one = copy.deepcopy(self)
        one.copies, one.body, one.beside = 1, one.bodies[place], nn.ModuleList()
        columns = self.columns(place)
        one.weights = nn.Parameter(self.weights.detach()[:, columns].clone())
        one.opened = None if self.opened is None else self.opened[columns].clone()
        return one

    def to_dense(self, place: int = 0) -> nn.Module:
        """The same network as a plain dense one: a copy of the body filled with the effective weights."""
        dense = copy.deepcopy(self.bodies[place])
        columns = self.columns(place)
        # Computed anew, whoever has changed the weights, and however.
        worth = self.gated(self.on([place], self.particle.worth, self.weights.detach()))[columns]
        parts = worth.split([shape.numel() for shape in self.shapes])
        self._put(
            dense, [nn.Parameter(part.view(shape).clone()) for part, shape in zip(parts, self.shapes, strict=True)]
        )
        return dense

    def _put(self, body: nn.Module, tensors: Sequence[Tensor | None]) -> None:
        """Put a tensor into every place of each replaced weight; None where it waits for the next call."""
        for places, tensor in zip(self._places, tensors, strict=True):
            for path, attribute in places:
                module = body.get_submodule(path)
                module._parameters[attribute] = tensor  # type: ignore[assignment]
                if isinstance(module, nn.RNNBase):  # which has a list of its own, and computes with that
                    module._flat_weights[module._flat_weights_names.index(attribute)] = tensor

    def extra_repr(self) -> str:
        side = f", {self.copies} side by side" if self.copies > 1 else ""
        return f"{self.particle!r}, {self.size:,} of them: {', '.join(map(_product, self.shapes))}{side}"

    def _line(self) -> str:
        ordinary = self._ordinary_numbers()
        beside = f", {ordinary:,} ordinary numbers beside" if ordinary else ""
        return f"Organism({self._body_in_words()}, {self.extra_repr()}{beside})"

    def _shown(self) -> tuple[str, Rows]:
        types = self._census()
        layers = [
            (layer, f"{_product(shape)} particles" + (f": {types[layer]}" if layer in types else ""))
            for layer, shape in zip(self.layers, self.shapes, strict=True)
        ]
        rows = [("body", self._body_in_words()), ("particle", repr(self.particle)), *layers]
        rows.append(("total", f"{self.size:,} particles" + (f": {types['total']}" if types else "")))
        if self.copies > 1:
            rows.append(("side by side", f"{self.copies} organisms; the types are those of all"))
        if ordinary := self._ordinary_numbers():
            rows.append(("beside", f"{ordinary:,} ordinary numbers"))
        return "", rows

    def _body_in_words(self) -> str:
        count = sum(1 for name, _ in self.body.named_modules() if name)
        return type(self.body).__name__ + (f" of {count} modules" if count else "")

    def _ordinary_numbers(self) -> int:
        return sum(one.numel() for one in self.ordinary().values())

    def _census(self) -> dict[str, str]:
        """How many particles of each type there are, by layer; nothing where that takes long, or there are none."""
        weights = self.weights.detach()
        if not isinstance(self.particle, Particle) or weights.device.type != "cpu" or weights.shape[1] > _CHEAP:
            return {}
        # Not contiguous, so that torch computes: what is shown does not wait until kernels are compiled.
        types = fixpoints.classify(weights.T.contiguous().T, self.particle).view(self.copies, -1)
        found = {layer: types[:, own].flatten() for layer, own in self.layers.items()} | {"total": types.flatten()}
        return {layer: fixpoints.in_words(own) for layer, own in found.items()}


def _newborn(weights: Sequence[Tensor], particle: Kind, generator: torch.Generator | None) -> Tensor:
    """Particles in place of a body's weights, ``(P, N)``: as these are, be they doubles or on another device.

    Of shapes alone the shape: were anything computed with them, torch would import its compiler, which takes seconds.
    """
    if all(weight.is_meta for weight in weights):
        dtype = functools.reduce(torch.promote_types, (weight.dtype for weight in weights))
        return torch.empty(particle.size, sum(weight.numel() for weight in weights), dtype=dtype, device="meta")
    values = torch.cat([weight.flatten() for weight in weights])
    newborn = particle.newborn(values, generator)
    return newborn.to(values.dtype if newborn.is_meta else values)


def _product(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def stack(organisms: Sequence[Organism]) -> Organism:
    """Put organisms of the same kind side by side as one with more particles.

    ``(copies, batch, …)`` then gives ``(copies, batch, …)``. Particles are computed at once, bodies in turn, each with
    the ordinary parameters and buffers that it had.

    Raises:
        ValueError: The organisms differ in their particle or shapes.
    """
    first = organisms[0]
    if any((one.particle, one.shapes, one.copies) != (first.particle, first.shapes, 1) for one in organisms):
        raise ValueError("only single organisms of the same particle and the same shapes can be stacked")
    stacked = copy.deepcopy(first)
    stacked.copies = len(organisms)
    stacked.beside = nn.ModuleList(copy.deepcopy(one.body) for one in organisms[1:])
    stacked.weights = nn.Parameter(torch.cat([one.weights.detach() for one in organisms], dim=1))
    return stacked
