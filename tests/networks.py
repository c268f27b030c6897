"""Networks of other people's making, for tests: what is not srnn's own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from srnn import MLP


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


class InPlace(nn.Linear):
    """It changes what it is given, as many a forward does that makes its input zero-mean."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x -= 0.5
        return super().forward(x.flatten(1))


class Doubled(nn.Linear):
    """Its weights are float64."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double()).float()


def make(inputs: int, outputs: int, width: int = 4) -> nn.Module:
    """A function that makes a module."""
    return nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, outputs))


class Residual(nn.Module):
    """A block of convolutions and norms beside which its input passes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm, self.norm2 = nn.BatchNorm2d(channels), nn.GroupNorm(1, channels)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = x + self.norm2(self.second(self.norm(self.first(x)).relu()))
        return output


class Recurrent(nn.Module):
    """The last state of an LSTM or GRU, and a linear layer."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell, self.leave = cell, nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.leave(self.cell(x)[0][:, -1])
        return output


def lazily(network: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The network, after it has learnt its sizes from an input of that shape."""
    network(torch.zeros(shape))
    return network


#: Bodies of every kind: how to make one, and the shape of what it takes.
KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "MLP": (lambda: MLP(6, 4, 4, 3, residual="pair", activation="relu"), (5, 6)),
    "convolutions, norms and biases": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3), nn.LayerNorm(3)
        ),
        (5, 1, 8, 8),
    ),
    "residual blocks": (
        lambda: nn.Sequential(nn.Conv2d(1, 3, 3), Residual(3), Residual(3), nn.Flatten(), nn.Linear(3 * 36, 3)),
        (5, 1, 8, 8),
    ),
    "LSTM": (lambda: lazily(Recurrent(nn.LSTM(4, 5, 2, batch_first=True)), (1, 7, 4)), (5, 7, 4)),
    "GRU": (lambda: lazily(Recurrent(nn.GRU(4, 5, batch_first=True)), (1, 7, 4)), (5, 7, 4)),
    "transformer layer": (
        lambda: nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(56, 3)),
        (5, 7, 8),
    ),
    "tied weights": (lambda: Tied(6, 3), (5, 6)),
}
