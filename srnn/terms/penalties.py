"""Penalties: costs that are a sum over the effective weights, ``strength · Σ φ(w / scale)``.

Each is one function φ, the negative logarithm of a prior's density but for a constant. Its slope is
:math:`λ w ω(w)`, a weight decay ω that depends on the weight; of a scale mixture of normals, w ~ N(0, τ²ψ),
:math:`ω(w) = E[1/ψ | w] / τ²`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from srnn.terms.term import Term

if TYPE_CHECKING:
    from torch import Tensor

    from srnn.organism import Organism
    from srnn.terms.slope import Slope

Strength = Annotated[float, Field(ge=0, le=1e6)]
Positive = Annotated[float, Field(gt=0, le=1e6)]
Scale = Positive | Literal["birth"]
#: Where log ψ is summed over. The integrands are smooth and end on both sides: such a sum is exact.
_LOG_PSI = (-60.0, 60.0, 1_201)
#: Numbers whose densities are summed up at a time.
_AT_ONCE = 256


class Penalty(Term):
    """A cost ``strength · Σ φ(w / scale)`` on the effective weights.

    No slope is larger than what takes its weight to 0 in one step of gradient descent without momentum: near 0 many
    would be infinite. Adam scales what it is given, a penalty too, so that with it L2 is not weight decay.
    """

    strength: Strength = 1e-5
    """λ, the factor of the cost beside the mean task loss; 1 / (number of training examples) makes of the loss and a
    prior the posterior."""
    scale: Scale = "birth"
    """What weights are divided by: a number, or ``birth``, the standard deviation of the layer's newborn weights."""

    @abstractmethod
    def density(self, x: Tensor) -> Tensor:
        """φ, the negative logarithm of the density, of each ``x = |w| / scale``, float64 ``(n,)``, differentiable."""

    def slope(self, organism: Organism, lr: float) -> Slope:
        """The slope of the cost, for all weights of organisms as they are at birth.

        Args:
            organism: They.
            lr: The learning rate.
        """
        import torch

        worth = organism.worth()
        scale = _deviations(organism, worth) if self.scale == "birth" else torch.full_like(worth, self.scale)
        from srnn.terms.slope import Slope, lines

        return Slope(lines(self.density).to(worth.device), 1 / scale, self.strength / scale, 1 / lr)


def _deviations(organism: Organism, worth: Tensor) -> Tensor:
    """The standard deviation of its layer, for each weight ``(S · N,)``; 1 of a layer of equal weights."""
    import numpy as np
    import torch

    own = worth.cpu().double().numpy().reshape(organism.copies, -1)
    scale = np.ones_like(own)
    for layer in organism.layers.values():
        # One seed at a time, so that it has the bits that it has alone.
        deviations = np.array([one.std() for one in own[:, layer]])
        scale[:, layer] = np.where(deviations > 0, deviations, 1.0)[:, None]
    return torch.from_numpy(scale.reshape(-1)).to(worth)


class L1(Penalty):
    """``Σ |w|``, of Laplace's prior: pulls every weight to zero with the same force."""

    strength: Strength = 1e-4
    """λ, the factor of the cost beside the mean task loss."""
    scale: Scale = 1.0
    """b, what weights are divided by: a number, or ``birth``, the standard deviation of the layer's newborn weights."""

    def density(self, x: Tensor) -> Tensor:
        return x


class L2(Penalty):
    """``Σ w² / 2``, of a normal prior: pulls a weight to zero in proportion to itself, as weight decay does."""

    strength: Strength = 1e-4
    """λ, the factor of the cost beside the mean task loss."""
    scale: Scale = 1.0
    """What weights are divided by: a number, or ``birth``, the standard deviation of the layer's newborn weights."""

    def density(self, x: Tensor) -> Tensor:
        return x.square() / 2


class Lp(Penalty):
    """``Σ (w² + ε²)^(p/2)``, of a generalised normal prior with p below 1."""

    shape: Annotated[float, Field(gt=0, le=2)] = 0.5
    """p, the power of the modulus."""
    smoothing: Annotated[float, Field(ge=0, le=1)] = 0.01
    """ε, in terms of the scale."""

    def density(self, x: Tensor) -> Tensor:
        return (x.square() + self.smoothing**2) ** (self.shape / 2)


class StudentT(Penalty):
    """``Σ (ν + 1)/2 · log(1 + w²/ν)``, of Student's t; ν = 1 is Cauchy's."""

    shape: Positive = 3.0
    """ν, the degrees of freedom."""

    def density(self, x: Tensor) -> Tensor:
        import torch

        return (self.shape + 1) / 2 * torch.log1p(x.square() / self.shape)


class LogUniform(Penalty):
    """``Σ log(w² + ε²) / 2``, of the log-uniform (normal–Jeffreys) prior, which has no scale but its smoothing."""

    smoothing: Annotated[float, Field(ge=0, le=1)] = 0.01
    """ε, in terms of the scale."""

    def density(self, x: Tensor) -> Tensor:
        import torch

        return torch.log(x.square() + self.smoothing**2) / 2


class CappedL1(Penalty):
    """``Σ min(|w|, 1)``: what is larger than the scale costs no more and is left alone."""

    def density(self, x: Tensor) -> Tensor:
        return x.clamp(max=1.0)


class Mixture(Penalty):
    """A scale mixture of normals, w ~ N(0, ψ), with some density of ψ."""

    @abstractmethod
    def mixing(self, log_psi: Tensor) -> Tensor:
        """The logarithm of the density of log ψ, but for a constant, ``(n,) -> (n,)``."""

    def density(self, x: Tensor) -> Tensor:
        import torch

        first, last, count = _LOG_PSI
        t = torch.linspace(first, last, count, dtype=torch.float64)
        weight = self.mixing(t) - t / 2
        return torch.cat(
            [-torch.logsumexp(weight - part[:, None] ** 2 / (2 * t.exp()), 1) for part in x.split(_AT_ONCE)]
        )


class Horseshoe(Mixture):
    """The horseshoe: ψ is the square of a half-Cauchy number (Carvalho, Polson & Scott 2010)."""

    def mixing(self, log_psi: Tensor) -> Tensor:
        import torch

        return log_psi / 2 - torch.nn.functional.softplus(log_psi)


class HorseshoePlus(Mixture):
    """Horseshoe+: ψ is the square of a product of two half-Cauchy numbers (Bhadra et al. 2017)."""

    def mixing(self, log_psi: Tensor) -> Tensor:
        # t / sinh t is 1 at 0.
        import torch

        t = torch.where(log_psi == 0, 1e-9, log_psi / 2)
        return torch.log(t / torch.sinh(t))


class InverseGammaGamma(Mixture):
    """Inverse gamma–gamma: ψ is beta prime, β′(b, a) (Bai & Ghosh 2019); the horseshoe where both are ½."""

    a: Positive = 0.5
    """How heavy the tails are: the heavier, the smaller."""
    b: Positive = 0.5
    """How high the peak at 0 is: the higher, the smaller."""

    def mixing(self, log_psi: Tensor) -> Tensor:
        import torch

        return self.b * log_psi - (self.a + self.b) * torch.nn.functional.softplus(log_psi)
