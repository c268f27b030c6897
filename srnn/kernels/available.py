"""By what this process computes: by the fused kernels, or, where they cannot be had, by torch."""

from __future__ import annotations

import functools
import os
from types import ModuleType

import torch

from srnn.kernels.choice import UnusableError, give_up, given_up

#: Features of a processor on which the last bits of a result depend.
_TELLING = ("avx2", "avx512f", "fma", "neon", "sve")


def cpu() -> ModuleType | None:
    """The module :mod:`srnn.kernels.cpu`; ``None`` where there are none, which is said once, or none wanted."""
    return None if given_up() or os.environ.get("SRNN_KERNELS") == "torch" else _import()


def fused() -> bool:
    """Whether this process has the fused kernels: Numba is there and on, and what it compiles computes."""
    return cpu() is not None


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
