"""One particle's algebra, for a whole swarm at once.

A particle is a linear three-layer network without biases, ``W1 (H, 5)``, ``W2 (H, H)``, ``W3 (1, H)``, whose ``P``
weights are flattened in this order, row by row. A swarm of ``N`` particles is one matrix ``(P, N)``: row ``k`` holds
weight ``k`` of every particle, so that each operation below is a vector operation over particles.

Because a particle is linear it *is* one row vector ``v = W3 W2 W1`` of five numbers. Input ``k`` describes the
particle's own weight ``k`` as ``(value, layer, cell, index, task = 0)``, so that its self-output is
``out_k = w_k v0 + e_k · (v1, v2, v3)``; a task input ``x`` is fed as ``(0, 0, 0, 0, x)``, so that as the weight of a
larger network the particle is worth exactly ``v4``, its effective weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from srnn import kernels
from srnn.choices import Encoding, Init, Target
from srnn.shown import Rows, Shown

#: Inputs of a particle: value, layer, cell, index, task.
INPUTS = 5
#: Added to the divisor and to the quotient of every encoded position, as in the published code.
_SHIFT = 1e-8
#: The part of ``fan_in`` that newborns of ``copying`` have: with more some fall into zero (H = 2: one in twenty), with
#: less their effective weights are too much alike.
_COPYING = 1 / 3


@dataclass(frozen=True, repr=False)
class Particle(Shown):
    """What all particles of a swarm have in common.

    Args:
        hidden: Units ``H`` of both hidden layers, at least 1.
        encoding: How a weight's position (layer, cell, index) is put into numbers. ``max`` divides each column by its
            maximum, ``l2`` by its Euclidean norm over the ``P`` weights.
        init: Where weights are drawn from, per matrix: ``fan_in`` is uniform in ±1/√fan_in, ``xavier`` uniform in
            ±√(6 / (fan_in + fan_out)). Of either, descent on replication draws many into zero or lets them diverge;
            ``copying`` begins outside of both basins: a third of ``fan_in``, and a chain of units that hands the
            value on, so that ``v0`` is about 1, with effective weights spread as those of ``fan_in``.

    Raises:
        ValueError: ``hidden`` is below 1, or ``encoding`` or ``init`` is not one of the above.
    """

    hidden: int = 4
    encoding: Encoding = "max"
    init: Init = "xavier"

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise ValueError(f"hidden is {self.hidden}; a particle needs at least 1 hidden unit")
        if self.encoding not in ("max", "l2"):
            raise ValueError(f"encoding is {self.encoding!r}; allowed: max, l2")
        if self.init not in ("fan_in", "xavier", "copying"):
            raise ValueError(f"init is {self.init!r}; allowed: fan_in, xavier, copying")

    def _line(self) -> str:
        return f"Particle(hidden={self.hidden}, encoding={self.encoding!r}, init={self.init!r})"

    def __str__(self) -> str:
        return repr(self)

    def _shown(self) -> tuple[str, Rows]:
        rows = [
            ("hidden", f"{self.hidden} units in each of two layers"),
            ("encoding", self.encoding),
            ("init", self.init),
            ("weights", f"{self.size:,}"),
        ]
        return "", rows

    @property
    def shapes(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Shapes (rows, columns) of ``W1``, ``W2`` and ``W3``."""
        return (self.hidden, INPUTS), (self.hidden, self.hidden), (1, self.hidden)

    @property
    def size(self) -> int:
        """Weights ``P = 5H + H² + H`` of one particle."""
        return INPUTS * self.hidden + self.hidden**2 + self.hidden

    @cached_property
    def positions(self) -> Tensor:
        """Encoded (layer, cell, index) of each weight: float32 of shape ``(P, 3)``."""
        raw = torch.tensor(
            [
                (layer, cell, index)
                for layer, (rows, columns) in enumerate(self.shapes)
                for cell in range(rows)
                for index in range(columns)
            ],
            dtype=torch.float64,
        )
        scale = raw.amax(0) + _SHIFT if self.encoding == "max" else raw.norm(dim=0).clamp_min(_SHIFT)
        return (raw / scale + _SHIFT).float()

    def draw(
        self, count: int, generator: torch.Generator | None = None, law: Literal["uniform", "normal"] = "uniform"
    ) -> Tensor:
        """Draw ``count`` new particles: float32 of shape ``(P, count)`` on the generator's device.

        By the law ``normal`` their weights have the variance that they have by the other.
        """
        device = None if generator is None else generator.device

        def uniform(rows: int) -> Tensor:
            if law == "normal":
                return torch.randn(rows, count, generator=generator, device=device) / 3**0.5
            return 2 * torch.rand(rows, count, generator=generator, device=device) - 1

        blocks = []
        for rows, columns in self.shapes:
            bound = (6 / (rows + columns)) ** 0.5 if self.init == "xavier" else columns**-0.5
            blocks.append(uniform(rows * columns) * bound)
        weights = torch.cat(blocks)
        if self.init == "copying":
            weights *= _COPYING
            W1, W2, W3 = matrices(weights, self)
            first, second = (_unit(uniform(self.hidden)) for _ in range(2))
            W1[:, 0] += first
            W2 += second[:, None] * first
            W3 += second
        return weights

    @property
    def has_types(self) -> bool:
        """Whether it can be a fixpoint of self-application: it can."""
        return True

    def newborn(self, values: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Particles in place of a body's weights ``(N,)``, drawn anew whatever these are: ``(P, N)``."""
        return self.draw(len(values), generator)

    def worth(self, weights: Tensor) -> Tensor:
        """:func:`effective_weight`: ``(P, N) -> (N,)``, differentiable."""
        return effective_weight(weights, self)

    def pull_back(self, weights: Tensor, gradient: Tensor) -> Tensor:
        """:func:`pull_back_worth`: ``(P, N), (N,) -> (P, N)``."""
        return pull_back_worth(weights, self, gradient)


def _unit(vectors: Tensor) -> Tensor:
    """Vectors ``(H, N)`` of length one; their squares are added one by one, so that no library rounds otherwise."""
    square = torch.zeros_like(vectors[0])
    for row in vectors:
        square += row * row
    return vectors / square.clamp_min(torch.finfo(vectors.dtype).tiny).sqrt()


def matrices(weights: Tensor, particle: Particle) -> tuple[Tensor, Tensor, Tensor]:
    """View ``weights (P, N)`` as ``W1 (H, 5, N)``, ``W2 (H, H, N)`` and ``W3 (H, N)``.

    Raises:
        ValueError: ``weights`` does not have ``particle.size`` rows.
    """
    H = particle.hidden
    if weights.ndim != 2 or weights.shape[0] != particle.size:
        raise ValueError(
            f"weights have shape {tuple(weights.shape)}; a particle with hidden={H} needs ({particle.size}, N)"
        )
    first, second = INPUTS * H, INPUTS * H + H * H
    return weights[:first].view(H, INPUTS, -1), weights[first:second].view(H, H, -1), weights[second:]


def row_vector(weights: Tensor, particle: Particle) -> Tensor:
    """The particle as one linear map ``v = W3 W2 W1``: ``(P, N) -> (5, N)``."""
    W1, W2, W3 = matrices(weights, particle)
    S = (W3[:, None] * W2).sum(0)
    return (S[:, None] * W1).sum(0)


@kernels.or_by_torch
def effective_weight(weights: Tensor, particle: Particle) -> Tensor:
    """What each particle is worth as a weight of a larger network, ``v4``: ``(P, N) -> (N,)``.

    Differentiable, any number of times.
    """
    if (fast := kernels.fast_path(weights, particle)) is not None:
        worth: Tensor = fast.effective_weight(weights, particle)
        return worth
    W1, W2, W3 = matrices(weights, particle)
    S = (W3[:, None] * W2).sum(0)
    return (S * W1[:, 4]).sum(0)


def self_output(weights: Tensor, particle: Particle) -> Tensor:
    """Each particle's output for its own weights: ``(P, N) -> (P, N)``."""
    return _output(row_vector(weights, particle), weights, particle)


def replication_loss(weights: Tensor, particle: Particle, target: Target = "frozen") -> Tensor:
    """Squared error of self-replication, the mean over a particle's weights: ``(P, N) -> (N,)``.

    Differentiable. With target ``frozen`` the weights as data are constants, with ``live`` they are not.
    """
    data = weights.detach() if target == "frozen" else weights
    return (_output(row_vector(weights, particle), data, particle) - data).square().mean(0)


def replication_gradient(weights: Tensor, particle: Particle, target: Target = "frozen") -> tuple[Tensor, Tensor]:
    """Replication loss ``(N,)`` and its gradient ``(P, N)`` in closed form.

    With ``r_k = out_k − w_k``, ``g0 = 2/P Σ r_k w_k`` and ``gj = 2/P Σ r_k e_kj`` the gradients are
    ``∂L/∂W3 = (W2 W1 g)ᵀ``, ``∂L/∂W2 = W3ᵀ (W1 g)ᵀ`` and ``∂L/∂W1 = (W3 W2)ᵀ gᵀ``; a ``live`` target adds
    ``2/P r_k (v0 − 1)`` to the gradient of weight k.
    """
    with torch.no_grad():
        W1, W2, W3 = matrices(weights, particle)
        positions = particle.positions.to(weights)
        S = (W3[:, None] * W2).sum(0)
        v = (S[:, None] * W1).sum(0)
        residual = torch.addmm(weights * (v[0] - 1), positions, v[1:4])
        scaled = residual * (2 / particle.size)
        g = torch.zeros_like(v)
        torch.sum(scaled * weights, 0, out=g[0])
        torch.mm(positions.T, scaled, out=g[1:4])
        gradient = pull_back(weights, particle, S, g)
        if target == "live":
            gradient.addcmul_(scaled, v[0] - 1)
        return residual.square().mean(0), gradient


def pull_back(weights: Tensor, particle: Particle, S: Tensor, g: Tensor) -> Tensor:
    """Chain rule from a gradient ``g (5, N)`` of the row vector to one of the weights, ``(P, N)``.

    ``S = W3 W2 (H, N)`` is at hand wherever the row vector is.
    """
    W1, W2, W3 = matrices(weights, particle)
    W1g = (W1 * g).sum(1)
    gradient = torch.empty_like(weights)
    d1, d2, d3 = matrices(gradient, particle)
    torch.mul(S[:, None], g, out=d1)
    torch.mul(W3[:, None], W1g, out=d2)
    torch.sum(W2 * W1g, 1, out=d3)
    return gradient


@kernels.or_by_torch
def pull_back_worth(weights: Tensor, particle: Particle, gradient: Tensor) -> Tensor:
    """Chain rule from a gradient ``(N,)`` of the effective weights to one of the weights, ``(P, N)``."""
    if (fast := kernels.fast_path(weights, particle, gradient)) is not None:
        pulled: Tensor = fast.pull_back(weights, particle, gradient)
        return pulled
    _, W2, W3 = matrices(weights, particle)
    g = torch.zeros(INPUTS, weights.shape[1], dtype=weights.dtype, device=weights.device)
    g[4] = gradient
    return pull_back(weights, particle, (W3[:, None] * W2).sum(0), g)


def self_application(weights: Tensor, particle: Particle, times: int = 1) -> Tensor:
    """Replace every particle by its own output, ``times`` times over: ``(P, N) -> (P, N)``."""
    for _ in range(times):
        weights = attack(weights, weights, particle)
    return weights


def leak(weights: Tensor, particle: Particle, eta: float = -1 / 3, times: int = 1) -> Tensor:
    """Move every particle a part of the way to its own output, ``times`` times over: ``(P, N) -> (P, N)``.

    ``w ← w + η (F(w) − w)``, F being :func:`self_application`, which is ``η = 1``. Self-replicators stay. What
    is near one does not come to it with any ``η > 0``: an error along the particle grows by ``1 + 3η``. With a negative
    η, a relaxation *away* from its own output, it does if that is in the right place (:func:`srnn.replication.place`).

    Args:
        weights: ``(P, N)``.
        particle: What the particles are.
        eta: η; −1/3 takes away the error along the particle at once.
        times: How often.
    """
    for _ in range(times):
        weights = torch.lerp(weights, attack(weights, weights, particle), eta)
    return weights


@kernels.or_by_torch
def attack(attackers: Tensor, victims: Tensor, particle: Particle) -> Tensor:
    """What becomes of ``victims`` when each is rewritten by the attacker in the same column: ``(P, N) -> (P, N)``.

    The victim's weights become the attacker's output for the victim's inputs.
    """
    if (
        not _needs_gradient(attackers, victims)
        and (fast := kernels.fast_path(attackers, particle, victims)) is not None
    ):
        attacked: Tensor = fast.attack(attackers, victims, particle)
        return attacked
    return _output(row_vector(attackers, particle), victims, particle)


def melt(weights: Tensor, others: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Replace half (``P // 2``) of each particle's weights, chosen at random, by those of another: ``(P, N)``."""
    order = torch.rand(weights.shape, generator=generator).argsort(0).to(weights.device)
    return torch.where(order < weights.shape[0] // 2, others, weights)


def noise(weights: Tensor, level: float, generator: torch.Generator | None = None) -> Tensor:
    """Add ``± level · uniform(0, 1)`` to every weight, the sign at random: ``(P, N) -> (P, N)``."""
    shift = 2 * torch.rand(weights.shape, generator=generator) - 1
    return weights + level * shift.to(weights)


def _needs_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _output(v: Tensor, data: Tensor, particle: Particle) -> Tensor:
    """Output of particles ``v (5, N)`` for the weights ``data (P, N)`` at their positions."""
    return data * v[0] + particle.positions.to(data) @ v[1:4]
