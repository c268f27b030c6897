"""The algebra of particles, fused: the one place where the way to compute is chosen.

A caller that has a fused counterpart asks first and is otherwise its own reference::

    if (fast := kernels.fast_path(weights, particle, buffer)) is not None:
        return fast.train(weights, particle, steps, lr, momentum, alpha, target, buffer)

``SRNN_KERNELS=torch`` in the environment turns the fused kernels off.
"""

from __future__ import annotations

import functools
import os
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import srnn.kernels.threads  # noqa: F401  before anything forks: a child must know that it is one

if TYPE_CHECKING:
    from srnn.particle import Particle

#: Beyond this many hidden units, straight-line code is long to compile and gains nothing over torch.
MAX_HIDDEN = 16


def fast_path(weights: Tensor, particle: Particle, *others: Tensor | None) -> ModuleType | None:
    """The module :mod:`srnn.kernels.cpu` if it can compute with these tensors, else ``None``: use torch.

    Args:
        weights: ``(P, N)``.
        particle: What the particles are.
        others: Further tensors of the call, say the momentum buffer: ``(P, N)`` or ``(N,)`` (any other shape is for
            torch to broadcast or to refuse); ``None`` is left out.
    """
    if not 1 <= getattr(particle, "hidden", 0) <= MAX_HIDDEN or os.environ.get("SRNN_KERNELS") == "torch":
        return None
    if weights.ndim != 2 or weights.shape[0] != particle.size or weights.shape[1] == 0:
        return None
    given = [weights, *(other for other in others if other is not None)]
    if not all(_plain(tensor) and tensor.shape in (weights.shape, weights.shape[1:]) for tensor in given):
        return None
    return _cpu()


def _plain(tensor: Tensor) -> bool:
    """Whether the tensor is ordinary float32 memory (no subclass, and no wrapper of torch.func)."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.dtype is torch.float32
        and tensor.is_contiguous()
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


@functools.cache
def _cpu() -> ModuleType | None:
    try:
        # Here and not above: Numba takes a while to import, and `srnn --help` does not need it.
        from srnn.kernels import cpu
    except ImportError:
        return None
    return cpu
