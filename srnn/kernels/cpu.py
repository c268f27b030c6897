"""The fused kernels for the CPU, with the signatures of their torch references.

Tensors are float32, contiguous and on the CPU: :func:`srnn.kernels.fast_path` has looked. Weights are ``(P, N)``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srnn.choices import Target
from srnn.kernels import algebra, moments, particles, placing
from srnn.kernels.calls import kernel
from srnn.kernels.choice import UnusableError, give_up, plain, watched
from srnn.kernels.kind import Kind
from srnn.kernels.packets import Call, Paced, alone, call_of, slot


def train(
    weights: Tensor,
    particle: Kind,
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
    if steps == 0:
        return weights.new_zeros(weights.shape[1])
    losses = weights.new_empty(weights.shape[1])
    training(weights, particle, steps, lr, momentum, alpha, target, buffer, losses)()
    _changed(weights, buffer)
    return losses


def training(
    weights: Tensor,
    particle: Kind,
    steps: int,
    lr: float,
    momentum: float,
    alpha: float,
    target: Target,
    buffer: Tensor | None,
    losses: Tensor,
) -> Call:
    """The call of :func:`train`, at least one step, whose losses go to ``losses (N,)``."""
    constants = _constants(particle).clone()
    constants[:4] = torch.tensor([2 * alpha / particle.size, momentum, lr, 1 / (particle.size * steps)], device="cpu")
    arguments = weights, buffer, losses, constants, 1 if target == "live" else None, None if steps == 1 else steps
    work, paced = weights.numel() * (steps + 2), (_paced(constants, _LR),)
    return call_of(particles.train, particle.hidden, arguments, weights.shape[1], work, paced)


def effective_weight(weights: Tensor, particle: Kind) -> Tensor:
    """:func:`srnn.particle.effective_weight`: ``(P, N) -> (N,)``, differentiable; further derivatives are torch's."""
    result: Tensor = _EffectiveWeight.apply(weights, particle)  # type: ignore[no-untyped-call]
    return result


class _EffectiveWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, particle: Kind) -> Tensor:
        ctx.save_for_backward(weights)
        ctx.particle = particle
        out = weights.new_empty(weights.shape[1])
        weighing(weights, particle, out)()
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        # Derivatives of this one are wanted (create_graph), or several gradients at once (is_grads_batched).
        if not torch.is_grad_enabled() and plain(gradient.contiguous()) and not watched():
            with suppress(UnusableError):
                return pull_back(weights, ctx.particle, gradient), None
        return _differentiable_pull_back(weights, ctx.particle.hidden, gradient), None


def weighing(weights: Tensor, particle: Kind, out: Tensor) -> Call:
    """The call of :func:`effective_weight` for ``weights (P, N)`` to ``out (N,)``."""
    return call_of(particles.effective_weight, particle.hidden, (weights, out), out.numel(), work=weights.numel())


def _differentiable_pull_back(weights: Tensor, hidden: int, gradient: Tensor) -> Tensor:
    """:func:`pull_back` by torch, which can go on from it: of ``v4 = W3 W2 W1[:, 4]``."""
    W1, W2, W3 = weights.split([algebra.INPUTS * hidden, hidden * hidden, hidden])
    W1, W2 = W1.view(hidden, algebra.INPUTS, -1), W2.view(hidden, hidden, -1)
    S, U = (W3[:, None] * W2).sum(0), W1[:, 4] * gradient
    first = torch.nn.functional.pad((S * gradient)[:, None], (0, 0, algebra.INPUTS - 1, 0))
    second, third = W3[:, None] * U, (W2 * U).sum(1)
    return torch.cat([part.reshape(-1, weights.shape[1]) for part in (first, second, third)])


def pull_back(weights: Tensor, particle: Kind, gradient: Tensor) -> Tensor:
    """Chain rule from a gradient ``(N,)`` of the effective weights to one of the weights, ``(P, N)``."""
    out = torch.empty_like(weights, requires_grad=False)
    arrays = (weights, gradient.contiguous(), out)
    call_of(particles.effective_weight_gradient, particle.hidden, arrays, out.shape[1], work=2 * out.numel())()
    return out


def sgd_step(
    weights: Tensor,
    particle: Kind,
    effective_gradient: Tensor,
    buffer: Tensor | None,
    lr: float,
    momentum: float,
    all_move: bool = True,
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
        all_move: Whether the buffer may hold more than such steps leave in it: that is zero where the effective weight
            does not depend on a weight (at all but the last column of ``W1``), and not looked at there.

    Raises:
        ValueError: There is momentum but no buffer.
    """
    descending(weights, particle, effective_gradient, buffer, lr, momentum, None, all_move)()
    _changed(weights, buffer)


def descending(
    weights: Tensor,
    particle: Kind,
    effective_gradient: Tensor,
    buffer: Tensor | None,
    lr: float,
    momentum: float,
    worth: Tensor | None,
    all_move: bool,
) -> Call:
    """The call of :func:`sgd_step`, with what the particles are then worth in ``worth (N,)``, if that is given."""
    constants = _sgd_constants(weights, particle, buffer, lr, momentum)
    arguments = weights, effective_gradient.contiguous(), buffer, constants, 1 if all_move else None
    count, work, paced = weights.shape[1], 2 * weights.numel(), (_paced(constants, _LR),)
    if worth is None:
        return call_of(particles.sgd_step, particle.hidden, arguments, count, work, paced)
    return call_of(particles.sgd_step_and_weigh, particle.hidden, (*arguments, weights, worth), count, work, paced)


def descending_and_training(
    weights: Tensor,
    particle: Kind,
    effective_gradient: Tensor,
    task_buffer: Tensor | None,
    steps: int,
    lr: float,
    momentum: float,
    alpha: float,
    target: Target,
    buffer: Tensor | None,
    losses: Tensor,
    worth: Tensor,
) -> Call:
    """The call of :func:`sgd_step`, then :func:`train`, then :func:`effective_weight`, in one pass over the memory.

    Unless ``task_buffer``, the momentum of the step, is ``buffer``, that of the training, nothing else has driven it.
    """
    shared = task_buffer is not None and task_buffer is buffer
    step = descending(weights, particle, effective_gradient, task_buffer, lr, momentum, None, shared)
    replication = training(weights, particle, steps, lr, momentum, alpha, target, buffer, losses)
    arguments, work = (*step.held, *replication.held, weights, worth), weights.numel() * (steps + 4)
    # What is trained is the batch that follows.
    paced = (*step.paced, *(one._replace(next=True) for one in replication.paced))
    return call_of(particles.sgd_step_and_train, particle.hidden, arguments, weights.shape[1], work, paced)


def descending_and_projecting(
    weights: Tensor,
    particle: Kind,
    effective_gradient: Tensor,
    buffer: Tensor | None,
    lr: float,
    momentum: float,
    iterations: int,
    worth: Tensor,
) -> Call:
    """The call of :func:`sgd_step` and then :func:`srnn.replication.project`, in one pass over the memory.

    The buffer must be zero, and stays so, where the effective weight does not depend on a weight: at all but the last
    column of ``W1``. It is when nothing but this call and :func:`sgd_step` has ever changed it. What the particles are
    then worth goes to ``worth (N,)``.

    Raises:
        ValueError: There is momentum but no buffer.
    """
    constants = _sgd_constants(weights, particle, buffer, lr, momentum)
    arguments = weights, effective_gradient.contiguous(), buffer, constants, worth, iterations
    work, paced = (4 * iterations + 2) * weights.numel(), (_paced(constants, _LR),)
    return call_of(particles.sgd_and_project, particle.hidden, arguments, weights.shape[1], work, paced)


def number_step(numbers: Tensor, gradient: Tensor, buffer: Tensor | None, lr: float, momentum: float) -> None:
    """What :class:`torch.optim.SGD` does to plain numbers, in place.

    Args:
        numbers: Of any shape, changed in place.
        gradient: Of that shape.
        buffer: Momentum buffer of that shape, changed in place; None only without momentum.
        lr: Learning rate.
        momentum: Momentum, 0 for none.
    """
    descending_numbers(numbers, gradient, buffer, lr, momentum)()
    _changed(numbers, buffer)


def descending_numbers(numbers: Tensor, gradient: Tensor, buffer: Tensor | None, lr: float, momentum: float) -> Call:
    """The call of :func:`number_step`."""
    constants = torch.tensor([momentum, -lr], dtype=torch.float32, device="cpu")
    arguments, paced = (numbers, gradient, buffer, constants), (_paced(constants, 1, sign=-1),)
    return call_of(particles.number_step, 0, arguments, numbers.numel(), numbers.numel(), paced)


def _sgd_constants(weights: Tensor, particle: Kind, buffer: Tensor | None, lr: float, momentum: float) -> Tensor:
    if buffer is None and momentum:
        raise ValueError(f"momentum is {momentum} but there is no buffer; give one of shape {tuple(weights.shape)}")
    constants = _constants(particle).clone()
    constants[1:3] = torch.tensor([momentum, lr], device="cpu")
    return constants


def adam(
    moved: Tensor,
    gradient: Tensor,
    state: Mapping[str, Tensor],
    settings: Tensor,
    lr: float,
    particle: Kind | None = None,
    worth: Tensor | None = None,
    iterations: int | None = None,
) -> tuple[Call, Call]:
    """The calls of a step of Adam: one that counts it, and one that moves, in place.

    Args:
        moved: Plain numbers of any shape; or the weights ``(P, N)`` of particles.
        gradient: Of that shape; or of what the particles are worth, ``(N,)``.
        state: ``step``, a float32 number; ``exp_avg`` and ``exp_avg_sq`` of the shape of what is moved, zero where the
            effective weight does not depend on a weight: at all but the last column of ``W1``.
        settings: :func:`srnn.kernels.adam.settings`, where the one call puts what the other computes with.
        lr: Learning rate.
        particle: What the particles are; None of plain numbers.
        worth: Where goes what the particles are then worth, ``(N,)``; None for nowhere.
        iterations: Newton steps of the projection that follows; None for none, and only then without ``worth``.
    """
    packet = alone(1, *map(slot, (state["step"], settings, lr)))
    paced = (Paced(packet.buffer_info()[0] + (len(packet) - 1) * packet.itemsize, np.float64),)
    count = Call(kernel("count", moments.count), packet, (state, settings), paced)
    hidden, number = (0, moved.numel()) if particle is None else (particle.hidden, moved.shape[1])
    arguments = moved, gradient.contiguous(), state["exp_avg"], state["exp_avg_sq"], settings
    work = (4 * (iterations or 0) + 2) * moved.numel()
    if worth is None:
        return count, call_of(moments.adam, hidden, arguments, number, work)
    if iterations is None:
        return count, call_of(moments.adam_and_weigh, hidden, (*arguments, moved, worth), number, work)
    return count, call_of(moments.adam_and_project, hidden, (*arguments, worth, iterations), number, work)


def lift(
    weights: Tensor, particle: Kind, effective: Tensor, iterations: int = 1, worth: Tensor | None = None
) -> Tensor:
    """:func:`srnn.replication.lift`: in place; the deviation that is left, ``(N,)``."""
    left = weights.new_empty(weights.shape[1])
    worth = torch.empty_like(left) if worth is None else worth
    lifting(weights, particle, effective, iterations, worth, left)()
    _changed(weights, worth)
    return left


def lifting(weights: Tensor, particle: Kind, effective: Tensor, iterations: int, worth: Tensor, left: Tensor) -> Call:
    """The call of :func:`lift`, with the deviation that is left in ``left (N,)``."""
    arguments, work = (weights, effective, left, worth, iterations), 4 * iterations * weights.numel()
    return call_of(particles.lift, particle.hidden, arguments, left.numel(), work)


def place(
    weights: Tensor,
    particle: Kind,
    effective: Tensor,
    strength: float = 3.0,
    iterations: int = 100,
    worth: Tensor | None = None,
) -> Tensor:
    """:func:`srnn.replication.place`: in place; the deviation that is left, ``(N,)``."""
    left = weights.new_empty(weights.shape[1])
    worth = torch.empty_like(left) if worth is None else worth
    placing_call(weights, particle, effective, strength, iterations, worth, left)()
    _changed(weights, worth)
    return left


def placing_call(
    weights: Tensor,
    particle: Kind,
    effective: Tensor,
    strength: float,
    iterations: int,
    worth: Tensor,
    left: Tensor,
) -> Call:
    """The call of :func:`place`, with the deviation that is left in ``left (N,)``."""
    arguments = weights, effective, left, worth, _constants(particle), float(strength), iterations
    return call_of(placing.place, particle.hidden, arguments, left.numel(), work=12 * iterations * weights.numel())


def classify(weights: Tensor, particle: Kind, tolerance: float = 1e-5) -> Tensor:
    """:func:`srnn.fixpoints.classify`: ``(P, N) ->`` int8 ``(N,)``."""
    out = weights.new_empty(weights.shape[1], dtype=torch.int8)
    arrays = (weights, out, _constants(particle), float(tolerance))
    call_of(particles.classify, particle.hidden, arrays, out.numel(), work=weights.numel())()
    return out


def attack(attackers: Tensor, victims: Tensor, particle: Kind) -> Tensor:
    """:func:`srnn.particle.attack`: ``(P, N) -> (P, N)``."""
    out = torch.empty_like(victims, requires_grad=False)
    arrays = (attackers, victims, out, _constants(particle))
    call_of(particles.attack, particle.hidden, arrays, out.shape[1], work=2 * out.numel())()
    return out


def try_out() -> None:
    """Have one of the kernels compiled, and make a self-replicator worth 1 of the smallest of particles.

    Raises:
        UnusableError: It cannot be compiled, or computes something else.
    """
    weights = torch.ones(7, 1, dtype=torch.float32, device="cpu")
    left, worth = weights.new_empty(1), weights.new_empty(1)
    arrays = (weights, weights[0], left, worth, 10)
    call_of(particles.lift, 1, arrays, 1, work=0)()
    if not max(abs(float(x) - 1) for x in (left + 1, worth, weights[0] * weights[5] * weights[6])) < 1e-4:
        give_up("they do not compute what they should here")
        raise UnusableError


@functools.lru_cache
def _constants(particle: Kind) -> Tensor:
    """See :class:`srnn.kernels.algebra.Constants`; the settings of the call, the first four, are left at zero."""
    H, E = particle.hidden, particle.positions.double().numpy()
    gram = E.T @ E
    W1, W2, W3 = algebra.rows(H)
    longest = W1[0] if H < algebra.INPUTS else W2[0]
    values = [np.zeros(4), E[[W1[0][0], W2[0][0], W3[0]], 0], gram[np.triu_indices(3)], E[[row[0] for row in W2], 1]]
    return torch.from_numpy(np.concatenate([*values, E[longest, 2]]).astype(np.float32))


#: The place of the learning rate among the constants.
_LR = algebra.Constants.SETTINGS.index("lr")


def _paced(constants: Tensor, place: int, sign: int = 1) -> Paced:
    """Of constants, the number at that place: the learning rate, or its negative."""
    return Paced(constants.data_ptr() + constants.itemsize * place, lambda lr: np.float32(sign * lr))


def _changed(*tensors: Tensor | None) -> None:
    """Tell autograd what was overwritten behind its back."""
    for tensor in tensors:
        if tensor is not None:
            torch.autograd.graph.increment_version(tensor)
