"""What every body is, and the settings of the one that an experiment has by default."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from srnn.choices import Activation, Birth, Residual
from srnn.errors import UserError
from srnn.section import Section

if TYPE_CHECKING:
    import torch
    from torch import nn

_Width = Annotated[int, Field(ge=1, le=10_000)]
#: Weights, or numbers in the units of all examples, that are trained at once: each 4 GB, of which training needs a few.
MOST_NUMBERS = 1_000_000_000


class BodyConfig(Section):
    """The macro network. What else it says depends on its name."""

    name: str
    """Which kind of network: one of :data:`srnn.bodies.BODIES`."""

    def build(
        self, inputs: int, outputs: int, image: tuple[int, ...] | None, generator: torch.Generator | None
    ) -> nn.Module:
        """The network for examples of so many numbers, ``(batch, inputs) -> (batch, outputs)``.

        Args:
            inputs: Numbers of an example.
            outputs: Numbers of an answer.
            image: What they are as an image, ``(channels, height, width)``; None if they are none.
            generator: Where its weights are drawn from; without one, torch's global generator.

        Raises:
            UserError: It cannot be built for such examples.
        """
        raise NotImplementedError

    def describe(self) -> str:
        """What it looks like, in a few words."""
        return self.name

    def outline(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> nn.Module:
        """The same network for its shapes: without content, on torch's device ``meta``, where that is possible."""
        import torch

        with torch.device("meta"):
            return self.build(inputs, outputs, image, None)

    def count(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> tuple[int, int]:
        """How many weights become particles, and about how many numbers an example takes on its way through."""
        from srnn.bodies.particles import replaced

        weights = replaced(self.outline(inputs, outputs, image), **self.choice).values()
        return sum(one.numel() for one in weights), sum(one.shape[0] for one in weights)

    @property
    def needs_image(self) -> bool:
        """Whether it must be told what an example is as an image."""
        return False

    @property
    def choice(self) -> dict[str, Any]:
        """Which weights become particles: the arguments ``only`` and ``exclude`` of :class:`srnn.Organism`."""
        return {}

    def inherit(self, other: BodyConfig) -> None:
        """Take over what no file can hold from the settings that these were made of: a class that may be called."""


class MLPConfig(BodyConfig):
    """The macro network: a stack of layers without biases."""

    name: Literal["mlp"] = "mlp"
    """A stack of layers without biases; see the docs for other networks."""
    depth: Annotated[int, Field(ge=1, le=100)] = 4
    """Weight layers."""
    width: _Width | Annotated[list[_Width], Field(min_length=1, max_length=99)] = 8
    """Units of each hidden layer; or a list, of each its own: one less than ``depth``."""
    residual: Residual = "layer"
    """``layer``: every layer whose input and output shapes agree adds its input. ``pair``: so does every second one,
    with the input of the one before."""
    activation: Activation = "none"
    """Applied to the output of every layer but the last."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of hidden units set to zero in training."""
    init: Birth = "fan_in"
    """Where the weights of a dense network are drawn from: uniform in ±1/√fan_in, or from a normal distribution as
    ``xavier``, of variance 2 / (fan_in + fan_out), or ``kaiming``, of variance 2 / fan_in."""

    @model_validator(mode="after")
    def _has_a_width_for_each_hidden_layer(self) -> Self:
        if isinstance(self.width, list) and len(self.width) != self.depth - 1:
            raise ValueError(
                f"depth is {self.depth}, and width is of {len(self.width)} hidden layers: set depth to "
                f"{len(self.width) + 1}"
            )
        return self

    def build(
        self, inputs: int, outputs: int, image: tuple[int, ...] | None, generator: torch.Generator | None
    ) -> nn.Module:
        from srnn.bodies.mlp import MLP

        return MLP(
            inputs,
            self.width,
            self.depth,
            outputs,
            residual=self.residual,
            activation=self.activation,
            dropout=self.dropout,
            generator=generator,
            init=self.init,
        )

    def describe(self) -> str:
        layers = "1 layer" if self.depth == 1 else f"{self.depth} layers"
        activation = "" if self.activation == "none" else f", {self.activation}"
        return f"{layers} of width {self._widths}, residual {self.residual}{activation}"

    @property
    def _widths(self) -> str:
        return f"{self.width:,}" if isinstance(self.width, int) else "-".join(map(str, self.width))

    def sizes(self, inputs: int, outputs: int) -> list[int]:
        """Units of the input and of every layer."""
        hidden = [self.width] * (self.depth - 1) if isinstance(self.width, int) else self.width
        return [inputs, *hidden, outputs]

    def count(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> tuple[int, int]:
        sizes = self.sizes(inputs, outputs)
        return sum(a * b for a, b in pairwise(sizes)), sum(sizes[1:])


def require_affordable(
    body: BodyConfig,
    particle_size: int,
    inputs: int = 1,
    outputs: int = 1,
    rows: int = 1,
    copies: int = 1,
    image: tuple[int, ...] | None = None,
) -> None:
    """Make sure that a network can be held in memory, before any of it is.

    Args:
        body: What it looks like.
        particle_size: Weights P of each of its particles; 1 for a dense network.
        inputs: Units of the input, as far as known.
        outputs: Units of the output, as far as known.
        rows: Examples that go through it at once.
        copies: Networks side by side, one for each seed.
        image: What the inputs are as an image, see :meth:`BodyConfig.build`.

    Raises:
        UserError: Its weights, or the units of all examples, are more than :data:`MOST_NUMBERS`.
    """
    weights, units = body.count(inputs, outputs, image)
    counts = {
        "weights": copies * particle_size * weights,
        # The inputs are there already; other bodies than MLPs are computed in turn.
        "numbers in the units of all examples": (copies if isinstance(body, MLPConfig) else 1) * rows * units,
    }
    what = f"the body {body.name}"
    if isinstance(body, MLPConfig):
        what = f"body.depth {body.depth} and body.width {body._widths}"
    what += f" with {particle_size:,} weights a particle" if particle_size > 1 else ""
    what += f", for {copies:,} seeds side by side," if copies > 1 else ""
    for kind, number in counts.items():
        if number > MOST_NUMBERS:
            raise UserError(
                f"{what} make {number:,} {kind}; at most {MOST_NUMBERS:,} are trained at once: choose smaller ones"
            )
