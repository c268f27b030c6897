"""Weights with a variance that is learnt: variational dropout and Bayes by backprop are one gate with two priors."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.terms.gate import Circumstances, Drawn, Gate

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Molchanov, Ashukha & Vetrov's approximation to the divergence from the log-uniform prior.
_K1, _K2, _K3 = 0.63576, 1.87320, 1.48695
#: Within which log α is learnt, and above which a weight is noise.
_RANGE, _NOISE = 8.0, 3.0
_SMALLEST = 1e-8


class Gaussian(Gate):
    """``w + σ ε``, drawn for every batch, and the divergence of ``N(w, σ²)`` from the prior per training example.

    The weights are sampled once for a batch, not the activations for each example as in the papers: the gradient varies
    more, and sparsity comes more slowly.
    """

    prior: Literal["log_uniform", "normal"] = "log_uniform"
    """``log_uniform``: sparse variational dropout (Molchanov et al. 2017); at rest a weight with log α above 3, α =
    σ²/w², is 0. ``normal``: Bayes by backprop (Blundell et al. 2015); at rest all are as they are."""
    strength: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    """Factor of the divergence: 1 is the bound on the evidence."""
    scale: Annotated[float, Field(gt=0, le=1e6)] = 0.1
    """The deviation of the normal prior."""
    warmup: Annotated[int, Field(ge=0, le=1_000_000)] = 5
    """Epochs over which the divergence's factor grows from 0."""
    variance: Annotated[float, Field(ge=-100, le=10)] = -10.0
    """log σ² at birth."""

    def born(self, worth: Tensor, generator: torch.Generator) -> Tensor:
        import torch

        return torch.full((len(worth),), self.variance)

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        import torch

        return torch.randn(count, generator=generator)

    def draw(self, worth: Tensor, numbers: Tensor, noise: Tensor, at: Circumstances) -> Drawn:
        import torch

        added = torch.exp(numbers / 2) * noise
        return Drawn(worth + added, noise, added)

    def pull_back(
        self, gradient: Tensor, worth: Tensor, numbers: Tensor, drawn: Drawn, at: Circumstances
    ) -> tuple[Tensor, Tensor]:
        import torch

        factor, own = self._factor(at), gradient * drawn.moved / 2
        if self.prior == "normal":
            precision = 1 / self.scale**2
            return gradient + factor * precision * worth, own + factor / 2 * (numbers.exp() * precision - 1)
        log_alpha = _log_alpha(worth, numbers)
        s = torch.sigmoid(_K2 + _K3 * log_alpha)
        slope = -factor * (_K1 * _K3 * s * (1 - s) + torch.sigmoid(-log_alpha) / 2) * (log_alpha.abs() < _RANGE)
        return gradient - slope * 2 * worth / (worth.square() + _SMALLEST), own + slope

    def cost(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        return self._factor(at) * self.divergence(worth, numbers).sum()

    def divergence(self, worth: Tensor, numbers: Tensor) -> Tensor:
        """Kullback and Leibler's, of each weight from the prior: ``(N,)``."""
        import torch

        if self.prior == "normal":
            ratio = (numbers.exp() + worth.square()) / self.scale**2
            return log(self.scale) + (ratio - 1 - numbers) / 2
        log_alpha = _log_alpha(worth, numbers).clamp(-_RANGE, _RANGE)
        drift = torch.nn.functional.softplus(-log_alpha) / 2
        return _K1 - _K1 * torch.sigmoid(_K2 + _K3 * log_alpha) + drift

    def _factor(self, at: Circumstances) -> float:
        # The divergence is of all data: to add it in every batch of a mean loss is to divide it by their number.
        grown = 1.0 if self.warmup == 0 else min(1.0, at.epoch / self.warmup)
        return self.strength * grown / at.examples

    def at_rest(self, worth: Tensor, numbers: Tensor, at: Circumstances) -> Tensor:
        import torch

        if self.prior == "normal":
            return torch.ones_like(worth)
        return (_log_alpha(worth, numbers) <= _NOISE).to(worth)

    def score(self, worth: Tensor, numbers: Tensor) -> Tensor:
        """The logarithm of the squared ratio of signal to noise."""
        return -_log_alpha(worth, numbers)


def _log_alpha(worth: Tensor, numbers: Tensor) -> Tensor:
    import torch

    return numbers - torch.log(worth.square() + _SMALLEST)
