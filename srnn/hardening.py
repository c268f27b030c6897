r"""Self-replicators that come back from noise not only as self-replicators, but worth what they were.

A placed particle (:func:`srnn.replication.place`) that is left to its rule after noise ``δw`` ends, to first order, at
``w + Π δw`` with ``Π = I − B (J B)⁻¹ J``: ``B = [w, E]`` are the ways in which the rule moves it, J the derivative of
``v0 … v3``. What it is worth has changed by ``s · δw`` then, with the **sensitivity** ``s = Πᵀ ∂v4/∂w``. Neither
identity nor the response of a placed particle says anything about s, which is large at a place found by the smallest
change; but among the particles that are identity, of that worth and response, there are some whose s is next to
nothing. There the rule restores the worth along with the rest.

It is no free gift: s is also by how much less a particle must move to be worth something else. Where it is small a
particle has far to go to learn, so that hardening is for those that have learnt.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from srnn import replication
from srnn.particle import Particle, matrices, row_vector
from srnn.response import derivatives, jacobian, response

#: Of the norm, beside the sensitivity. With less it grows without end, and with it what repair does in second order.
_POWER: Final = 4
#: The length of the first step, in lengths of the particle; from there on steps become shorter to nothing.
_FIRST_STEP: Final = 0.1
#: Gauss–Newton steps of :func:`srnn.replication.place` after each of them.
_BACK: Final = 3
#: By how much v and the response of a hardened particle may deviate.
_IN_PLACE: Final = 1e-3


def sensitivity(weights: Tensor, particle: Particle) -> Tensor:
    """By how much noise on each weight changes what a particle is worth once its rule has repaired it.

    Args:
        weights: Placed particles, ``(P, N)``.
        particle: What they are.

    Returns:
        ``Πᵀ ∂v4/∂w``, ``(P, N)``; of a plain number the same is 1.
    """
    W1, W2, W3 = matrices(weights, particle)
    S = (W3[:, None] * W2).sum(0)
    # J B and ∂v4/∂w B, in the last row: along w by Euler's theorem, along the positions by derivatives().
    along = torch.cat([3 * row_vector(weights, particle)[:, None], derivatives(weights, particle)], 1)
    system, worth = along[:4].movedim(-1, 0), along[4].T[:, :, None]
    undone = torch.linalg.solve_ex(system.mT, worth)[0][:, :, 0].T
    # The gradient of v4 − undone · v₀₋₃, with undone held.
    g = torch.cat([-undone, torch.ones_like(undone[:1])])
    W1g = (W1 * g).sum(1)
    parts = (S[:, None] * g, W3[:, None] * W1g, (W2 * W1g).sum(1))
    return torch.cat([part.flatten(end_dim=-2) for part in parts])


@torch.no_grad()
def harden(weights: Tensor, particle: Particle, strength: float = 3.0, steps: int = 45) -> Tensor:
    """Move placed particles to where repair restores what they are worth, in place.

    By ``steps`` steps of descent on ``|s| |w|⁴``, so that the norm stays about what placing makes of it: the gradient's
    part along the set of equally placed particles of that worth, then back onto it by
    :func:`srnn.replication.place`. More steps than these hardly lead farther.

    Args:
        weights: ``(P, N)``, in place already, changed in place.
        particle: What the particles are.
        strength: Their response, as of :func:`srnn.replication.place`.
        steps: 1 or more.

    Returns:
        The length of s, ``(N,)``, in the end. A particle that would be lost on the way, or gain nothing, stays as it
        was.

    Example:
        >>> particle, worth = Particle(4), torch.linspace(-1, 1, 20)
        >>> weights = replication.replicators(worth, particle, torch.Generator().manual_seed(0))
        >>> _ = replication.place(weights, particle, worth)
        >>> before = sensitivity(weights, particle).norm(dim=0)
        >>> bool(harden(weights, particle).median() < 0.3 * before.median())
        True
    """
    worth = particle.worth(weights)
    moved = weights.detach().clone()
    for step in range(steps):
        with torch.enable_grad():
            leaf = moved.clone().requires_grad_()
            [gradient] = torch.autograd.grad(_height(leaf, particle).sum(), leaf)
        J = jacobian(moved, particle).movedim(-1, 0)
        off, _ = torch.linalg.solve_ex(J @ J.mT, J @ gradient.T[:, :, None])
        way = gradient - (J.mT @ off)[:, :, 0].T
        length = _FIRST_STEP * (1 - step / steps) * moved.norm(dim=0)
        moved -= way * (length / way.norm(dim=0).clamp(min=torch.finfo(way.dtype).tiny))
        replication.place(moved, particle, worth, strength, _BACK)
    # v to the last bits, where the set is so flat that placing stops before.
    replication.lift(moved, particle, worth, _BACK)
    left = (row_vector(moved, particle) - row_vector(weights, particle)).abs().amax(0)
    off_place = response(moved, particle) - response(weights, particle)
    there = torch.maximum(left, off_place.abs().amax((0, 1))) < _IN_PLACE
    better = there & (_height(moved, particle) < _height(weights, particle))
    weights.copy_(torch.where(better, moved, weights))
    return _norm(sensitivity(weights, particle))


def _height(weights: Tensor, particle: Particle) -> Tensor:
    """What is descended on, as a logarithm, ``(N,)``."""
    return _norm(sensitivity(weights, particle)).log() + _POWER * _norm(weights).log()


def _norm(columns: Tensor) -> Tensor:
    return columns.square().sum(0).sqrt()
