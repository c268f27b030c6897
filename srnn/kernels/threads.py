"""torch's own threads, to do what torch does not do.

Threads of our own would wait for them: after each operation they keep their cores busy for a while, waiting for the
next. (On a machine that is busy with other things they wait for each other, as they do within torch.)
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_MEMBER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_PARALLEL = ctypes.CFUNCTYPE(None, _MEMBER, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)


def _find() -> tuple[int, int]:
    # First where torch itself looks, so that a runtime that the user has preloaded is found.
    for library in (None, torch._C.__file__):
        try:
            runtime = ctypes.CDLL(library)
            own = runtime.GOMP_parallel, runtime.omp_get_thread_num
        except (AttributeError, OSError, TypeError):
            continue
        parallel, number = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in own)
        return parallel, number
    return 0, 0


_address, _number = _find()
#: Threads that our kernels may use while torch uses fewer.
_ours = 0


def count() -> int:
    """How many threads there are for a kernel: torch's, or those that :func:`keep` keeps for it."""
    return max(torch.get_num_threads(), _ours)


@contextmanager
def keep(threads: int) -> Iterator[None]:
    """Keep so many threads for the kernels inside this context, in which torch may be told to use fewer."""
    global _ours
    before, _ours = _ours, threads
    try:
        yield
    finally:
        _ours = before


def parallel() -> int:
    """Address of OpenMP's ``GOMP_parallel(function, data, threads, 0)``, which has threads call ``function(data)``.

    It is 0 where torch's threads cannot be reached: without such a runtime, or in a forked child.
    """
    return _address


def number() -> int:
    """Address of OpenMP's ``omp_get_thread_num()``: which of its team the thread is that calls it, from 0 on."""
    return _number


def on_every_thread(work: Callable[[], object]) -> None:
    """Call ``work`` on each thread that torch computes on, or on this one alone where others cannot be reached."""
    threads = torch.get_num_threads()
    if threads == 1 or not _address:
        work()
        return
    _PARALLEL(_address)(_MEMBER(lambda data: work()), None, threads, 0)


def _forget() -> None:
    global _address
    _address = 0


if hasattr(os, "register_at_fork"):  # threads do not survive into a forked child, where OpenMP would wait for them
    os.register_at_fork(after_in_child=_forget)
