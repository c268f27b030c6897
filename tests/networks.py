"""Networks of other people's making, for tests: what is not srnn's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RowTransformer(nn.Module):
    """A transformer over the rows of an image, with a table of positions, an embedding and a frozen scale."""

    def __init__(self, outputs: int, width: int = 8, numbers: int = 8, rows: int = 8) -> None:
        super().__init__()
        self.enter = nn.Linear(numbers, width)
        self.position = nn.Parameter(torch.randn(1, rows, width) / 10)
        self.marks = nn.Embedding(2, width)
        self.scale = nn.Parameter(torch.full((width, 1), 0.5), requires_grad=False)
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.1, batch_first=True)
        self.leave = nn.Linear(width, outputs)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        # What many a published network does: on the device "meta" it cannot.
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 2)]

    def forward(self, rows: Tensor) -> Tensor:
        if self.training:
            self.seen += len(rows)
        marks = self.marks(torch.arange(rows.shape[1], device=rows.device) % 2)
        signal = self.layer(self.enter(rows) + self.position + marks)
        output: Tensor = self.leave(signal.mean(1) * self.scale[:, 0])
        return output


class Tied(nn.Module):
    """Two layers that share a weight, and two norms that share a bias."""

    def __init__(self, inputs: int, outputs: int, width: int = 5) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.second.weight = self.first.weight
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.norms[1].bias = self.norms[0].bias
        self.leave = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        signal = self.norms[0](self.enter(x)).relu()
        output: Tensor = self.leave(self.norms[1](self.second(self.first(signal).relu())))
        return output


class Pictures(nn.Module):
    """Convolutions of images, the first of which learns its size from its first input."""

    def __init__(self, outputs: int, channels: int = 3) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, channels, 3), nn.BatchNorm2d(channels)
        self.leave = nn.LazyLinear(outputs)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = self.leave(self.norm(self.conv(images)).relu().flatten(1))
        return output


class Narrow(nn.Module):
    """Answers with one number whatever it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.linear(x)
        return output


class Outer:
    """Holds a class."""

    class Inner(Narrow):
        """Has a path of two names."""


def make(inputs: int, outputs: int, width: int = 4) -> nn.Module:
    """A function that makes a module."""
    return nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, outputs))
