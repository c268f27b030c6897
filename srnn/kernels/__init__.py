"""The algebra of particles, fused: the one place where the way to compute is chosen.

A caller that has a fused counterpart asks first and is otherwise its own reference::

    @kernels.or_by_torch
    def train(weights, particle, …):
        if (fast := kernels.fast_path(weights, particle, buffer)) is not None:
            return fast.train(weights, particle, steps, lr, momentum, alpha, target, buffer)

``SRNN_KERNELS=torch`` in the environment turns the fused kernels off.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

import srnn.kernels.threads  # noqa: F401  before anything forks: a child must know that it is one
from srnn.kernels import available, choice
from srnn.kernels.available import description, fused
from srnn.kernels.choice import or_by_torch
from srnn.kernels.kind import Kind

__all__ = ["MAX_HIDDEN", "Kind", "description", "fast_path", "fused", "number_path", "or_by_torch"]

#: Beyond this many hidden units, straight-line code is long to compile and gains nothing over torch.
MAX_HIDDEN = 16


def fast_path(weights: Tensor, particle: Kind, *others: Tensor | None) -> ModuleType | None:
    """The module :mod:`srnn.kernels.cpu` if it can compute with these tensors, else ``None``: use torch.

    Args:
        weights: ``(P, N)``.
        particle: What the particles are.
        others: Further tensors of the call, say the momentum buffer: ``(P, N)`` or ``(N,)`` (any other shape is for
            torch to broadcast or to refuse); ``None`` is left out.
    """
    if torch.compiler.is_compiling():  # first: the compiler reads no further
        return None
    if not 1 <= particle.hidden <= MAX_HIDDEN:
        return None
    if weights.ndim != 2 or weights.shape[0] != particle.size or weights.shape[1] == 0:
        return None
    if not all(other is None or other.shape in (weights.shape, weights.shape[1:]) for other in others):
        return None
    return number_path(weights, *others)


def number_path(*tensors: Tensor | None) -> ModuleType | None:
    """The module :mod:`srnn.kernels.cpu` if it can compute with these tensors as with plain numbers, else ``None``."""
    if torch.compiler.is_compiling():
        return None
    if not all(tensor is None or choice.plain(tensor) for tensor in tensors):
        return None
    return None if choice.watched() else available.cpu()
