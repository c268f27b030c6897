"""The macro network: what an organism looks like, whoever its weights are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import torch
from torch import Tensor, nn

from srnn.choices import Activation, Birth, Residual

#: The name of an activation → its module.
ACTIVATIONS = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}


class MLP(nn.Module):
    """A stack of ``depth`` weight layers without biases, ``(batch, inputs) -> (batch, outputs)``.

    Args:
        inputs: Units of the input, at least 1.
        width: Units of each of the ``depth - 1`` hidden layers, or a sequence with those of each.
        depth: Weight layers, at least 1.
        outputs: Units of the output.
        residual: ``layer``: every layer whose input and output shapes agree adds its input. ``pair``: of two
            layers of equal shapes that follow on each other, the input of the first is added to the output of the
            second; the two after them are the next pair.
        activation: Applied to the output of every layer but the last, before a residual is added.
        dropout: Share of hidden units set to zero in training, in [0, 1).
        generator: Where the weights are drawn from; without one, torch's global generator.
        init: How: ``fan_in``, uniform in ±1/√fan_in; or from a normal distribution of mean 0 and variance
            2 / (fan_in + fan_out), ``xavier`` (Glorot & Bengio 2010), or 2 / fan_in, ``kaiming`` (He et al. 2015).

    Attributes:
        sizes: Units of the input, of each hidden layer and of the output.
        weights: The weight of each layer, ``(out, in)``.
        sources: For each layer, the index of the layer whose input is added to its output, or None.

    Raises:
        ValueError: A size is below 1, there are not as many widths as hidden layers, or ``residual``, ``activation``
            or ``init`` is not one of those above.
    """

    def __init__(
        self,
        inputs: int,
        width: int | Sequence[int],
        depth: int,
        outputs: int,
        residual: Residual = "none",
        activation: Activation = "none",
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
        init: Birth = "fan_in",
    ) -> None:
        super().__init__()
        hidden = [width] * (depth - 1) if isinstance(width, int) else [*width]
        if len(hidden) != max(0, depth - 1):
            raise ValueError(f"width is {hidden}; allowed: one for each of {depth - 1} hidden layers")
        widths = [("width", one) for one in ([width] if isinstance(width, int) else hidden)]
        for name, value in (("inputs", inputs), *widths, ("depth", depth), ("outputs", outputs)):
            if value < 1:
                raise ValueError(f"{name} is {value}; allowed: 1 or more")
        if residual not in get_args(Residual):
            raise ValueError(f"residual is {residual!r}; allowed: {', '.join(get_args(Residual))}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}; allowed: {', '.join(ACTIVATIONS)}")
        if init not in get_args(Birth):
            raise ValueError(f"init is {init!r}; allowed: {', '.join(get_args(Birth))}")
        self.sizes = sizes = [inputs, *hidden, outputs]
        self.weights = nn.ParameterList(torch.empty(sizes[i + 1], sizes[i]) for i in range(depth))
        for weight in self.weights:
            _draw(weight, init, generator)
        self.activation = ACTIVATIONS[activation]()
        self.dropout = Dropout(dropout)
        self.sources = _residual_sources(sizes, residual)

    def forward(self, x: Tensor) -> Tensor:
        # Units first, examples last: products with a narrow layer are several times as fast so, and sums as simple.
        signals = [x.mT]
        last = len(self.sources) - 1
        for index, weight in enumerate(self.weights):
            signal = weight @ signals[-1]
            if index < last:
                signal = self.dropout(self.activation(signal))
            if (source := self.sources[index]) is not None:
                signal = signal + signals[source]
            signals.append(signal)
        return signals[-1].mT


def _draw(weight: Tensor, init: Birth, generator: torch.Generator | None) -> None:
    """A newborn layer ``(out, in)``, in place."""
    match init:
        case "fan_in":
            bound = weight.shape[1] ** -0.5
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        case "xavier":
            nn.init.xavier_normal_(weight, generator=generator)
        case "kaiming":
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


class Dropout(nn.Module):
    """Dropout whose masks are drawn on the CPU, from torch's global generator, whatever computes.

    Args:
        share: Share of units set to zero in training, in [0, 1); the others are scaled by 1 / (1 − share).

    Attributes:
        given: What to multiply by instead, call by call, ``(units, batch)`` each: a training gives what its kernels
            have, too.

    Raises:
        ValueError: ``share`` is not in [0, 1).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"dropout is {share}; allowed: from 0 to below 1")
        self.share = share
        self.given: Iterator[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return x
        if self.given is not None:
            return x * next(self.given).to(x)
        return x * (torch.rand(x.shape) >= self.share).to(x) / (1 - self.share)


def _residual_sources(sizes: list[int], residual: Residual) -> list[int | None]:
    """For each layer, the index of the layer whose input is added to its output, or None."""
    sources: list[int | None] = [None] * (len(sizes) - 1)
    if residual == "layer":
        sources = [i if sizes[i] == sizes[i + 1] else None for i in range(len(sources))]
    elif residual == "pair":
        first = 0
        while first + 2 < len(sizes):
            if sizes[first] == sizes[first + 1] == sizes[first + 2]:
                sources[first + 1] = first
                first += 1
            first += 1
    return sources
