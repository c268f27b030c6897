"""How replication is trained: gradient descent on the replication loss."""

from __future__ import annotations

import torch
from torch import Tensor

from srnn import kernels
from srnn.particle import Particle, Target, replication_gradient


def train(
    weights: Tensor,
    particle: Particle,
    steps: int,
    lr: float,
    momentum: float,
    alpha: float = 1.0,
    target: Target = "frozen",
    buffer: Tensor | None = None,
) -> Tensor:
    """Take ``steps`` steps of SGD on ``alpha · Σ replication loss`` over the particles, in place.

    The update is that of :class:`torch.optim.SGD`: ``buffer ← momentum · buffer + gradient``, then
    ``weights ← weights − lr · buffer``.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        steps: Number of steps, 0 or more.
        lr: Learning rate.
        momentum: Momentum, 0 for none.
        alpha: Factor of the replication loss.
        target: Whether the weights as data are constants (``frozen``) or differentiated through (``live``).
        buffer: Momentum buffer ``(P, N)``, changed in place; without one it starts at zero and is not kept.

    Returns:
        The replication loss of each particle before each step, its mean over the steps, ``(N,)``.
    """
    weights = weights.detach()
    if (fast := kernels.fast_path(weights, particle, buffer)) is not None:
        loss: Tensor = fast.train(weights, particle, steps, lr, momentum, alpha, target, buffer)
        return loss
    if buffer is None and momentum:
        buffer = torch.zeros_like(weights)
    total = weights.new_zeros(weights.shape[1])
    for _ in range(steps):
        loss, gradient = replication_gradient(weights, particle, target)
        total += loss
        if buffer is None:
            weights.sub_(gradient, alpha=lr * alpha)
        else:
            buffer.mul_(momentum).add_(gradient, alpha=alpha)
            weights.sub_(buffer, alpha=lr)
    return total / max(steps, 1)
