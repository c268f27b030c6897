"""A small convolutional network: convolutions with biases, batch norm and pooling, then one linear layer."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.bodies.body import BodyConfig
from srnn.choices import Activation
from srnn.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn


class ConvConfig(BodyConfig):
    """The macro network: a small convolutional network. Its biases and norms are ordinary parameters."""

    name: Literal["conv"] = "conv"
    """Convolutions that keep the image's size, each with batch norm, an activation and pooling; then a linear layer."""
    channels: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(min_length=1, max_length=20)] = [8, 16]
    """Channels of each convolution."""
    kernel: Annotated[int, Field(ge=1, le=15)] = 3
    """Side of the convolutions' kernels, odd."""
    pooling: Annotated[int, Field(ge=1, le=28)] = 2
    """Side of the squares of which each convolution's maximum is passed on; 1 for all."""
    norm: bool = True
    """Whether each convolution has batch norm."""
    activation: Activation = "relu"
    """Applied to each convolution."""

    def build(
        self, inputs: int, outputs: int, image: tuple[int, ...] | None, generator: torch.Generator | None
    ) -> nn.Module:
        from torch import nn

        from srnn.bodies.mlp import ACTIVATIONS
        from srnn.drawing import drawing_from

        channels, *_ = sides = self._require_image(image)
        layers: OrderedDict[str, nn.Module] = OrderedDict(image=nn.Unflatten(1, sides))
        with drawing_from(generator):
            for index, width in enumerate(self.channels):
                layers[f"conv{index}"] = nn.Conv2d(channels, width, self.kernel, padding=self.kernel // 2)
                if self.norm:
                    layers[f"norm{index}"] = nn.BatchNorm2d(width)
                layers[f"act{index}"] = ACTIVATIONS[self.activation]()
                layers[f"pool{index}"] = nn.MaxPool2d(self.pooling)
                channels = width
            layers["flatten"] = nn.Flatten()
            layers["linear"] = nn.Linear(self._features(sides), outputs)
        return nn.Sequential(layers)

    def describe(self) -> str:
        settings = [f"kernel {self.kernel}", f"pooling {self.pooling}", *(["batch norm"] if self.norm else [])]
        return f"convolutions of {'-'.join(map(str, self.channels))} channels, {', '.join(settings)}, {self.activation}"

    def count(self, inputs: int, outputs: int, image: tuple[int, ...] | None = None) -> tuple[int, int]:
        # Without torch, for the list of presets.
        sides = self._require_image(image)
        channels, height, width = sides
        weights = units = 0
        for own in self.channels:
            weights += own * channels * self.kernel**2
            units += own * height * width
            channels, height, width = own, height // self.pooling, width // self.pooling
        return weights + outputs * self._features(sides), units + outputs

    @property
    def needs_image(self) -> bool:
        return True

    def _require_image(self, image: tuple[int, ...] | None) -> tuple[int, int, int]:
        """``(channels, height, width)``; UserError unless they are there and there is room for every pooling."""
        if self.kernel % 2 == 0:
            raise UserError(f"body.kernel is {self.kernel}; allowed: odd numbers, so that a kernel has a middle")
        if image is None or len(image) != 3:
            raise UserError("body.name is 'conv', which needs images, and the task has none: choose another body")
        channels, height, width = image
        if min(height, width) // self.pooling ** len(self.channels) < 1:
            raise UserError(
                f"body.pooling is {self.pooling}, after each of {len(self.channels)} convolutions: nothing is left of "
                f"{height} × {width}: set it to 1, or take fewer body.channels or larger images"
            )
        return channels, height, width

    def _features(self, image: tuple[int, int, int]) -> int:
        """Numbers that are left of an image for the linear layer."""
        _, height, width = image
        for _ in self.channels:
            height, width = height // self.pooling, width // self.pooling
        return self.channels[-1] * height * width
