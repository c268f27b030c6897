"""By what the algebra is computed: by the fused kernels, or, where they cannot be had, by torch."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.autograd import forward_ad

from srnn.errors import one_line, shorten

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Features of a processor on which the last bits of a result depend.
_TELLING = ("avx2", "avx512f", "fma", "neon", "sve")
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


def cpu() -> ModuleType | None:
    """The module :mod:`srnn.kernels.cpu`; ``None`` where there are none, which is said once, or none wanted."""
    return None if _given_up or os.environ.get("SRNN_KERNELS") == "torch" else _import()


def fused() -> bool:
    """Whether this process has the fused kernels: Numba is there and on, and what it compiles computes."""
    return cpu() is not None


def give_up(reason: str) -> None:
    """From now on torch computes in this process."""
    global _given_up
    if not _given_up:
        say(f"computing by torch, without the fused kernels: {shorten(reason, 200)} (slower, other last bits)")
    _given_up = True


_given_up = False


@functools.cache
def _import() -> ModuleType | None:
    try:
        # Here and not above: Numba takes a while to import, and `srnn --help` does not need it.
        from numba.core import config
    except Exception as error:  # not only ImportError: it looks at its surroundings as it is imported
        give_up(f"Numba cannot be imported: {error or type(error).__name__}")
        return None
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        give_up("Numba's compilation is switched off (NUMBA_DISABLE_JIT)")
        return None
    try:
        from srnn.kernels import cpu

        cpu.try_out()
    except UnusableError:
        return None
    except Exception as error:
        give_up(f"Numba cannot be used: {type(error).__name__}: {error}")
        return None
    return cpu


def description() -> str:
    """By which kernels, and on which processor's features, this process computes: runs record it.

    Example:
        >>> description()  # doctest: +SKIP
        'fused (znver4 +avx2 +fma, torch AVX2)'
    """
    by_torch = torch.backends.cpu.get_cpu_capability()
    if not fused():
        return f"torch ({by_torch})"
    from srnn.kernels.cache import processor

    name, features = processor()
    there = [f"+{feature}" for feature in _TELLING if f"+{feature}" in features.split(",")]
    return f"fused ({' '.join([name, *there])}, torch {by_torch})"


def say(line: str) -> None:
    """Tell the user on stderr, if anyone listens."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"srnn: {one_line(line)}\n")
