"""Whether a kernel may compute: with these tensors, here, and in this process; else torch does, and it is said."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.autograd import forward_ad

from srnn.errors import one_line, shorten

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: What torch itself takes several gradients back with at once.
_SEVERAL_AT_ONCE = torch._C._dispatch_key_parse("VmapMode")


class UnusableError(Exception):
    """A kernel cannot be compiled. Nothing has been computed, and from now on there are no kernels in this process."""


def or_by_torch(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator of a function that asks for a kernel before it changes anything: called again if there is none."""

    @functools.wraps(function)
    def called(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except UnusableError:
            return function(*args, **kwargs)

    return called


def plain(tensor: Tensor) -> bool:
    """Whether the tensor is ordinary float32 memory (no subclass, and no wrapper of torch.func)."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.dtype is torch.float32
        and tensor.is_contiguous()
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


def watched() -> bool:
    """Whether torch follows each operation, and would miss what a kernel does.

    So it is within ``torch.func`` and ``vmap``, while a graph or a trace is made, with fake tensors, and in
    forward-mode differentiation.
    """
    return (
        torch._C._are_functorch_transforms_active()
        or torch._C._dispatch_tls_is_dispatch_key_included(_SEVERAL_AT_ONCE)
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._is_tracing()
        or forward_ad._current_level >= 0
    )


def give_up(reason: str) -> None:
    """From now on torch computes in this process."""
    global _given_up
    if not _given_up:
        say(f"computing by torch, without the fused kernels: {shorten(reason, 200)} (slower, other last bits)")
    _given_up = True


def given_up() -> bool:
    """Whether torch computes in this process because a kernel could not."""
    return _given_up


_given_up = False


def say(line: str) -> None:
    """Tell the user on stderr, if anyone listens."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"srnn: {one_line(line)}\n")
