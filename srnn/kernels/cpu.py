"""The fused kernels for the CPU, with the signatures of their torch references.

Tensors are float32, contiguous and on the CPU: :func:`srnn.kernels.fast_path` has looked. Weights are ``(P, N)``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from srnn.choices import Target
from srnn.kernels import compiled, threads
from srnn.particle import Particle

#: Weight updates for which other threads are worth calling: each takes about 0.15 ns, to call them some 30 µs.
_WORTH_THREADS = 500_000
#: Claims for each thread of a team, and the most particles in one.
_CLAIMS, _LARGEST_CLAIM = 8, 512


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
    """:func:`srnn.replication.train`: ``steps`` steps in one pass over the memory, in place.

    Returns:
        The replication loss of each particle, its mean over the steps, ``(N,)``. It is computed from moments, with an
        absolute error of about 1e-7 times the particle's mean squared weight.
    """
    losses = torch.zeros(weights.shape[1])
    if steps == 0:
        return losses
    constants = _constants(particle).copy()
    constants[:4] = 2 * alpha / particle.size, momentum, lr, 1 / (particle.size * steps)
    _run(
        compiled.train,
        particle,
        (_array(weights), _array(buffer), losses.numpy(), constants, True if target == "live" else None, steps),
        weights.shape[1],
        work=weights.numel() * (steps + 2),
    )
    _changed(weights, buffer)
    return losses


def effective_weight(weights: Tensor, particle: Particle) -> Tensor:
    """:func:`srnn.particle.effective_weight`: ``(P, N) -> (N,)``, differentiable once."""
    result: Tensor = _EffectiveWeight.apply(weights, particle)  # type: ignore[no-untyped-call]
    return result


class _EffectiveWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, particle: Particle) -> Tensor:
        ctx.save_for_backward(weights)
        ctx.particle = particle
        out = torch.empty(weights.shape[1])
        _run(compiled.effective_weight, particle, (_array(weights), out.numpy()), out.numel(), work=weights.numel())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        return pull_back(weights, ctx.particle, gradient), None


def pull_back(weights: Tensor, particle: Particle, gradient: Tensor) -> Tensor:
    """Chain rule from a gradient ``(N,)`` of the effective weights to one of the weights, ``(P, N)``."""
    out = torch.empty_like(weights, requires_grad=False)
    arrays = (_array(weights), _array(gradient.contiguous()), out.numpy())
    _run(compiled.effective_weight_gradient, particle, arrays, out.shape[1], work=2 * out.numel())
    return out


def sgd_step(
    weights: Tensor, particle: Particle, effective_gradient: Tensor, buffer: Tensor | None, lr: float, momentum: float
) -> None:
    """What :class:`torch.optim.SGD` does to ``weights`` for a gradient of the effective weights, in place.

    The gradient of the weights is never stored.

    Args:
        weights: ``(P, N)``, changed in place.
        particle: What the particles are.
        effective_gradient: Gradient of the loss in the effective weights, ``(N,)``.
        buffer: Momentum buffer ``(P, N)``, changed in place; zeros before the first step; None only without momentum.
        lr: Learning rate.
        momentum: Momentum, 0 for none.

    Raises:
        ValueError: There is momentum but no buffer.
    """
    constants = _sgd_constants(weights, particle, buffer, lr, momentum)
    arrays = (_array(weights), _array(effective_gradient.contiguous()), _array(buffer), constants)
    _run(compiled.sgd_step, particle, arrays, weights.shape[1], work=2 * weights.numel())
    _changed(weights, buffer)


def sgd_and_project(
    weights: Tensor,
    particle: Particle,
    effective_gradient: Tensor,
    buffer: Tensor | None,
    lr: float,
    momentum: float,
    iterations: int = 1,
) -> Tensor:
    """:func:`sgd_step` and then :func:`srnn.replication.project`, in one pass over the memory.

    The buffer must be zero, and stays so, where the effective weight does not depend on a weight: at all but the last
    column of ``W1``. It is when nothing but this function and :func:`sgd_step` has ever changed it.

    Returns:
        What the particles are then worth, ``(N,)``.

    Raises:
        ValueError: There is momentum but no buffer.
    """
    worth = torch.empty(weights.shape[1])
    constants = _sgd_constants(weights, particle, buffer, lr, momentum)
    arrays = (_array(weights), _array(effective_gradient.contiguous()), _array(buffer), constants, _array(worth))
    _run(
        compiled.sgd_and_project,
        particle,
        (*arrays, iterations),
        weights.shape[1],
        work=(4 * iterations + 2) * weights.numel(),
    )
    _changed(weights, buffer)
    return worth


def _sgd_constants(
    weights: Tensor, particle: Particle, buffer: Tensor | None, lr: float, momentum: float
) -> NDArray[np.float32]:
    if buffer is None and momentum:
        raise ValueError(f"momentum is {momentum} but there is no buffer; give one of shape {tuple(weights.shape)}")
    constants = _constants(particle).copy()
    constants[1:3] = momentum, lr
    return constants


def lift(
    weights: Tensor, particle: Particle, effective: Tensor, iterations: int = 1, worth: Tensor | None = None
) -> Tensor:
    """:func:`srnn.replication.lift`: in place; the deviation that is left, ``(N,)``."""
    left = torch.empty(weights.shape[1])
    worth = torch.empty_like(left) if worth is None else worth
    arrays = (_array(weights), _array(effective), _array(left), _array(worth), iterations)
    _run(compiled.lift, particle, arrays, left.numel(), work=4 * iterations * weights.numel())
    _changed(weights, worth)
    return left


def classify(weights: Tensor, particle: Particle, tolerance: float = 1e-5) -> Tensor:
    """:func:`srnn.fixpoints.classify`: ``(P, N) ->`` int8 ``(N,)``."""
    out = torch.empty(weights.shape[1], dtype=torch.int8)
    arrays = (_array(weights), out.numpy(), _constants(particle), float(tolerance))
    _run(compiled.classify, particle, arrays, out.numel(), work=weights.numel())
    return out


def self_application(weights: Tensor, particle: Particle, times: int = 1) -> Tensor:
    """:func:`srnn.particle.self_application`: ``(P, N) -> (P, N)``."""
    for _ in range(times):
        weights = attack(weights, weights, particle)
    return weights


def attack(attackers: Tensor, victims: Tensor, particle: Particle) -> Tensor:
    """:func:`srnn.particle.attack`: ``(P, N) -> (P, N)``."""
    out = torch.empty_like(victims, requires_grad=False)
    arrays = (_array(attackers), _array(victims), out.numpy(), _constants(particle))
    _run(compiled.attack, particle, arrays, out.shape[1], work=2 * out.numel())
    return out


def operations(particle: Particle, target: Target = "frozen") -> int:
    """Floating-point operations of one replication step of one particle; a fused multiply-add counts two."""
    return compiled.operations(particle.hidden, target == "live")


@functools.lru_cache
def _constants(particle: Particle) -> NDArray[np.float32]:
    """See :class:`srnn.kernels.compiled.Constants`; the settings of the call, the first four, are left at zero."""
    H, E = particle.hidden, particle.positions.double().numpy()
    gram = E.T @ E
    W1, W2, W3 = compiled.rows(H)
    longest = W1[0] if H < compiled.INPUTS else W2[0]
    values = [np.zeros(4), E[[W1[0][0], W2[0][0], W3[0]], 0], gram[np.triu_indices(3)], E[[row[0] for row in W2], 1]]
    return np.concatenate([*values, E[longest, 2]]).astype(np.float32)


def _array(tensor: Tensor | None) -> NDArray[np.float32] | None:
    return None if tensor is None else tensor.detach().numpy()


def _changed(*tensors: Tensor | None) -> None:
    """Tell autograd what was overwritten behind its back."""
    for tensor in tensors:
        if tensor is not None:
            torch.autograd.graph.increment_version(tensor)


def _run(kernel: Callable[..., None], particle: Particle, arguments: tuple[Any, ...], count: int, work: int) -> None:
    """Call the kernel on all particles, on torch's threads if it is worth it.

    A particle's result does not depend on which thread computes it.
    """
    parallel = threads.parallel() if work > _WORTH_THREADS else 0
    # A team of fewer threads than torch's would have OpenMP end the others, and start them again for torch.
    team = torch.get_num_threads() if parallel else 1
    # Several for each thread, since not all are equally fast; but neighbours should not share their cache lines.
    claim = min(_LARGEST_CLAIM, -(-count // (_CLAIMS * team * compiled.BLOCK)) * compiled.BLOCK)
    kernel((0,) * particle.hidden, arguments, count, claim, parallel, team)
