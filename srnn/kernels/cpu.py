"""The fused kernels for the CPU, with the signatures of their torch references.

Tensors are float32, contiguous and on the CPU: :func:`srnn.kernels.fast_path` has looked. Weights are ``(P, N)``.
"""

from __future__ import annotations

import functools
import struct
import sys
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from srnn.choices import Target
from srnn.kernels import algebra, moments, particles, placing, threads
from srnn.kernels.calls import Kernel, kernel
from srnn.kernels.choice import UnusableError, give_up, plain, watched
from srnn.kernels.kind import Kind
from srnn.kernels.team import HEAD

#: Weight updates for which other threads are worth calling: each takes about 0.15 ns, to call them some 10 µs.
_WORTH_THREADS = 100_000
#: Claims for each thread of a team, and the most particles in one.
_CLAIMS, _LARGEST_CLAIM = 8, 512


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
    arguments = weights, buffer, losses, constants, 1 if target == "live" else None, steps
    return _call(particles.train, particle.hidden, arguments, weights.shape[1], work=weights.numel() * (steps + 2))


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
    return _call(particles.effective_weight, particle.hidden, (weights, out), out.numel(), work=weights.numel())


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
    _call(particles.effective_weight_gradient, particle.hidden, arrays, out.shape[1], work=2 * out.numel())()
    return out


def sgd_step(
    weights: Tensor, particle: Kind, effective_gradient: Tensor, buffer: Tensor | None, lr: float, momentum: float
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
    descending(weights, particle, effective_gradient, buffer, lr, momentum)()
    _changed(weights, buffer)


def descending(
    weights: Tensor, particle: Kind, effective_gradient: Tensor, buffer: Tensor | None, lr: float, momentum: float
) -> Call:
    """The call of :func:`sgd_step`."""
    constants = _sgd_constants(weights, particle, buffer, lr, momentum)
    arguments = weights, effective_gradient.contiguous(), buffer, constants
    return _call(particles.sgd_step, particle.hidden, arguments, weights.shape[1], work=2 * weights.numel())


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
    work = (4 * iterations + 2) * weights.numel()
    return _call(particles.sgd_and_project, particle.hidden, arguments, weights.shape[1], work)


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
    arguments = numbers, gradient, buffer, constants
    return _call(particles.number_step, 0, arguments, numbers.numel(), work=numbers.numel())


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
    iterations: int = 0,
    worth: Tensor | None = None,
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
        iterations: Newton steps of the projection that follows.
        worth: What the particles are then worth, ``(N,)``; None for no projection.
    """
    slots = map(_slot, (state["step"], settings, lr))
    count = Call(kernel("count", moments.count), array("q", (*[0] * len(HEAD), *slots)), (state, settings))
    hidden, number = (0, moved.numel()) if particle is None else (particle.hidden, moved.shape[1])
    arguments = moved, gradient.contiguous(), state["exp_avg"], state["exp_avg_sq"], settings, worth, iterations
    return count, _call(moments.adam, hidden, arguments, number, work=(4 * iterations + 2) * moved.numel())


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
    return _call(particles.lift, particle.hidden, arguments, left.numel(), work)


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
    return _call(placing.place, particle.hidden, arguments, left.numel(), work=12 * iterations * weights.numel())


def classify(weights: Tensor, particle: Kind, tolerance: float = 1e-5) -> Tensor:
    """:func:`srnn.fixpoints.classify`: ``(P, N) ->`` int8 ``(N,)``."""
    out = weights.new_empty(weights.shape[1], dtype=torch.int8)
    arrays = (weights, out, _constants(particle), float(tolerance))
    _call(particles.classify, particle.hidden, arrays, out.numel(), work=weights.numel())()
    return out


def attack(attackers: Tensor, victims: Tensor, particle: Kind) -> Tensor:
    """:func:`srnn.particle.attack`: ``(P, N) -> (P, N)``."""
    out = torch.empty_like(victims, requires_grad=False)
    arrays = (attackers, victims, out, _constants(particle))
    _call(particles.attack, particle.hidden, arrays, out.shape[1], work=2 * out.numel())()
    return out


def try_out() -> None:
    """Have one of the kernels compiled, and make a self-replicator worth 1 of the smallest of particles.

    Raises:
        UnusableError: It cannot be compiled, or computes something else.
    """
    weights = torch.ones(7, 1, dtype=torch.float32, device="cpu")
    left, worth = weights.new_empty(1), weights.new_empty(1)
    arrays = (weights, weights[0], left, worth, 10)
    _call(particles.lift, 1, arrays, 1, work=0)()
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


def _changed(*tensors: Tensor | None) -> None:
    """Tell autograd what was overwritten behind its back."""
    for tensor in tensors:
        if tensor is not None:
            torch.autograd.graph.increment_version(tensor)


class Call(NamedTuple):
    """A kernel and what it computes with, to be called as often as one likes.

    Attributes:
        kernel: What is called.
        packet: Its packet.
        held: What the packet has the addresses of.
    """

    kernel: Kernel
    packet: array[int]
    held: tuple[Any, ...]

    def __call__(self) -> None:
        self.kernel.call(self.packet.buffer_info()[0])


def _call(make: Callable[..., int], hidden: int, arguments: tuple[Any, ...], count: int, work: int) -> Call:
    """The call of a kernel for all particles: on torch's threads, if it is worth it.

    A particle's result does not depend on which thread computes it.
    """
    parallel = threads.parallel() if work > _WORTH_THREADS else 0
    # A team of other sizes than torch's or ours would have OpenMP end threads, and start them again.
    team = threads.count() if parallel else 1
    # Several for each thread, since not all are equally fast; but neighbours should not share their cache lines.
    claim = min(_LARGEST_CLAIM, -(-count // (_CLAIMS * team * particles.BLOCK)) * particles.BLOCK)
    packet = array("q", (0, count, claim, parallel, team, *map(_slot, filter(_given, arguments))))
    return Call(kernel_of(make, hidden, arguments), packet, arguments)


def kernel_of(make: Callable[..., int], hidden: int, arguments: tuple[Any, ...]) -> Kernel:
    """A kernel for so many hidden units and arguments of these types."""

    def compile_it() -> int:
        examples = tuple(one.detach().numpy() if isinstance(one, Tensor) else one for one in arguments)
        return make((0,) * hidden, examples)

    return kernel((make, hidden, *map(_given, arguments)), compile_it)


def _given(argument: Any) -> bool:
    return argument is not None


def _slot(argument: Any) -> int:
    """What stands for an argument in a packet."""
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    if isinstance(argument, float):
        return int.from_bytes(struct.pack("=d", argument), sys.byteorder, signed=True)
    return int(argument)
