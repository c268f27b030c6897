"""A network whose every weight is a particle."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srnn.particle import Particle, effective_weight


class Organism(nn.Module):
    """A body whose every weight is a particle.

    Each weight tensor of the body (two dimensions or more) is replaced by particles; biases and norms stay ordinary
    parameters. The forward pass computes the particles' effective weights, views them in the body's shapes and calls
    the body with them, so that an organism is *exactly* the dense network :meth:`to_dense` returns.

    Args:
        body: Any module. It is copied, not changed.
        particle: What its weights become.
        generator: Where the particles are drawn from; without one, torch's global generator.

    Attributes:
        weights: The swarm, a parameter of shape ``(P, N)``: P weights of N particles. Of ``copies`` organisms side by
            side (:func:`stack`) it is ``(P, copies · N)``, one organism after the other.
        layers: For each replaced tensor ``L0``, ``L1`` …, in the body's order, the slice of its particles in N.
        shapes: The shape of each replaced tensor, in the same order.
        copies: How many organisms this is.

    Raises:
        ValueError: The body has no weight tensor.

    Example:
        >>> organism = Organism(MLP(64, 6, 3, 10), Particle(hidden=4))
        >>> organism(torch.zeros(5, 64)).shape
        torch.Size([5, 10])
    """

    def __init__(self, body: nn.Module, particle: Particle, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.particle = particle
        self.copies = 1
        self.body = copy.deepcopy(body)
        replaced = {name: weight for name, weight in self.body.named_parameters() if weight.ndim >= 2}
        if not replaced:
            raise ValueError("the body has no weight tensor of two dimensions or more to make of particles")
        self.shapes = [weight.shape for weight in replaced.values()]
        # A weight that two modules share has one name and several places.
        self._places = [
            [
                (module, attribute)
                for module in self.body.modules()
                for attribute, candidate in module._parameters.items()
                if candidate is weight
            ]
            for weight in replaced.values()
        ]
        self.layers: dict[str, slice] = {}
        start = 0
        for index, shape in enumerate(self.shapes):
            self.layers[f"L{index}"] = slice(start, start + shape.numel())
            start += shape.numel()
        self.weights = nn.Parameter(particle.draw(start, generator))
        for module, attribute in self._all_places():
            # An empty place, which the forward pass fills with the particles' effective weights.
            del module._parameters[attribute]
            module.register_buffer(attribute, None, persistent=False)

    @property
    def size(self) -> int:
        """Number N of particles of one organism."""
        return sum(shape.numel() for shape in self.shapes)

    @property
    def names(self) -> list[str]:
        """Name of each particle of one organism, ``L0_C1_W2``: layer, cell (output unit), weight (input)."""
        return [self.name(particle) for particle in range(self.size)]

    def name(self, particle: int) -> str:
        """The name of one particle, by its place in the swarm."""
        for (layer, particles), shape in zip(self.layers.items(), self.shapes, strict=True):
            if particle < particles.stop:
                cell, weight = divmod(particle - particles.start, shape[1:].numel())
                return f"{layer}_C{cell}_W{weight}"
        raise IndexError(f"there is no particle {particle}: this organism has {self.size:,}")

    def effective_weights(self) -> list[Tensor]:
        """The particles' effective weights in the body's shapes, one tensor a layer, differentiable."""
        return self.in_shape(effective_weight(self.weights, self.particle))

    def in_shape(self, values: Tensor) -> list[Tensor]:
        """One value per particle, ``(copies · N,)``, in the body's shapes; a stack's have a leading ``copies``."""
        leading = () if self.copies == 1 else (self.copies,)
        parts = values.view(*leading, -1).split([shape.numel() for shape in self.shapes], dim=-1)
        return [part.view(*leading, *shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def out_of_shape(self, tensors: Sequence[Tensor]) -> Tensor:
        """The reverse of :meth:`in_shape`: one value per particle, ``(copies · N,)``, from the body's shapes."""
        leading = 0 if self.copies == 1 else 1
        return torch.cat([tensor.flatten(leading) for tensor in tensors], dim=-1).flatten()

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call_with(self.effective_weights(), *inputs)

    def call_with(self, tensors: Sequence[Tensor], *inputs: Tensor) -> Tensor:
        """Call the body with these weights, shaped as :meth:`in_shape` gives them, in place of the particles' own."""
        # What torch.func.functional_call does, without its bookkeeping, which costs as much as a small body.
        try:
            for places, tensor in zip(self._places, tensors, strict=True):
                for module, attribute in places:
                    module._buffers[attribute] = tensor
            output: Tensor = self.body(*inputs)
        finally:
            for module, attribute in self._all_places():
                module._buffers[attribute] = None
        return output

    def to_dense(self) -> nn.Module:
        """The same network as a plain dense one: a copy of the body filled with the effective weights."""
        filled = copy.deepcopy(self)
        for places, weight in zip(filled._places, self.effective_weights(), strict=True):
            parameter = nn.Parameter(weight.detach().clone())
            for module, attribute in places:
                del module._buffers[attribute]
                module.register_parameter(attribute, parameter)
        return filled.body

    def _all_places(self) -> list[tuple[nn.Module, str]]:
        return [place for places in self._places for place in places]


def stack(organisms: Sequence[Organism]) -> Organism:
    """Put organisms of the same kind side by side as one with more particles, so that they are computed at once.

    The body must accept weights and inputs with a leading dimension, as :class:`srnn.MLP` does, and have no
    parameters but its weight tensors. ``(copies, batch, inputs)`` then gives ``(copies, batch, outputs)``.

    Raises:
        ValueError: The organisms differ in their particle or shapes, or have ordinary parameters.
    """
    first = organisms[0]
    if any((one.particle, one.shapes, one.copies) != (first.particle, first.shapes, 1) for one in organisms):
        raise ValueError("only single organisms of the same particle and the same shapes can be stacked")
    if len(list(first.parameters())) > 1:
        raise ValueError("an organism whose body has biases or other ordinary parameters cannot be stacked")
    stacked = copy.deepcopy(first)
    stacked.copies = len(organisms)
    stacked.weights = nn.Parameter(torch.cat([one.weights.detach() for one in organisms], dim=1))
    return stacked


def unstack(stacked: Organism) -> list[Organism]:
    """The single organisms of a stack, as copies."""
    organisms = []
    for weights in stacked.weights.detach().chunk(stacked.copies, dim=1):
        one = copy.deepcopy(stacked)
        one.copies = 1
        one.weights = nn.Parameter(weights.clone())
        organisms.append(one)
    return organisms
