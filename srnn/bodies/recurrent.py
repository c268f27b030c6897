"""A recurrent network: an LSTM or GRU over the rows of an image, or over steps; its last state to one linear layer."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.bodies.body import BodyConfig
from srnn.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn


class RecurrentConfig(BodyConfig):
    """The macro network: a recurrent network. Its biases are ordinary parameters."""

    name: Literal["recurrent"] = "recurrent"
    """An LSTM or GRU over the rows of an image, or over steps, and a linear layer from its last state."""
    cell: Literal["lstm", "gru"] = "lstm"
    """What it is made of."""
    width: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Units of its state."""
    layers: Annotated[int, Field(ge=1, le=20)] = 1
    """Recurrent layers, one upon the other."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Steps into which the numbers of an example are cut, in their order; without it, the rows of an image."""

    def build(
        self, inputs: int, outputs: int, image: tuple[int, ...] | None, generator: torch.Generator | None
    ) -> nn.Module:
        from torch import nn

        from srnn.bodies.parts import LastState, Rows
        from srnn.drawing import drawing_from

        steps, numbers = self._sequence(inputs, image)
        cell = {"lstm": nn.LSTM, "gru": nn.GRU}[self.cell]
        with drawing_from(generator):
            layers = OrderedDict(
                sequence=Rows(image) if self.steps is None and image else nn.Unflatten(1, (steps, numbers)),
                recurrent=cell(numbers, self.width, self.layers, batch_first=True),
                last=LastState(),
                linear=nn.Linear(self.width, outputs),
            )
        return nn.Sequential(layers)

    def describe(self) -> str:
        layers = f"{self.layers} layers of " if self.layers > 1 else ""
        over = "rows" if self.steps is None else f"{self.steps} steps"
        return f"{self.cell.upper()}, {layers}width {self.width}, over {over}"

    def count(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> tuple[int, int]:
        steps, numbers = self._sequence(inputs, image)
        gates = {"lstm": 4, "gru": 3}[self.cell]
        below = [numbers, *[self.width] * (self.layers - 1)]
        weights = sum(gates * self.width * (own + self.width) for own in below) + self.width * outputs
        return weights, steps * self.layers * gates * self.width + outputs

    @property
    def needs_image(self) -> bool:
        return self.steps is None

    def _sequence(self, inputs: int, image: tuple[int, ...] | None) -> tuple[int, int]:
        """How many steps an example has, and how many numbers a step."""
        if self.steps is not None:
            if inputs % self.steps:
                raise UserError(f"body.steps is {self.steps}; an example's {inputs:,} numbers are not cut evenly by it")
            return self.steps, inputs // self.steps
        if image is None or len(image) != 3:
            raise UserError(
                "body.name is 'recurrent', and the task has no images whose rows to read: set body.steps to the steps "
                "into which to cut an example"
            )
        channels, height, width = image
        return height, channels * width
