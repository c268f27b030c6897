"""Where jobs are done: in processes of this machine, by loky, or in the workers of a Dask scheduler."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from srnn.garbage import collect_rarely, spare_all

#: What is sent to all processes of a job; SIGTERM is not, by which they are ended.
_FOR_ALL = {
    getattr(signal, name) for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU") if hasattr(signal, name)
}
#: By which libraries are told how many threads to use.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Workers(Protocol):
    """Where jobs are done, a context manager; an error ends what is still being done.

    Attributes:
        folder: Where files are made that all workers can read; None: anywhere on this machine.
    """

    folder: Path | None

    def room(self) -> int:
        """How many jobs there is room for, beside each other."""

    def submit(self, function: Callable[..., None], *arguments: Any) -> Future[None]:
        """Have a function called by a worker that has nothing to do."""

    def release(self, future: Future[None]) -> None:
        """What was submitted has ended."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def cores() -> int:
    """The cores that this process may use: on a cluster or in a container, fewer than the machine has."""
    import loky

    return int(loky.cpu_count())


class Processes:
    """Processes of this machine, which share its cores. One that is ended from outside takes no other with it.

    Args:
        count: How many.
    """

    folder: Path | None = None

    def __init__(self, count: int) -> None:
        self._count = count
        # One executor for each process: loky ends all processes of an executor of which one has died.
        self._idle: list[Any] = []
        self._at_work: dict[Future[None], Any] = {}

    def start(self) -> None:
        """Begin them now, as many as there are cores for, each with all that a run imports: to be called early."""
        for _ in range(min(self._count, cores())):
            executor = self._executor()
            _submit(executor, _import_all)
            self._idle.append(executor)

    def room(self) -> int:
        return self._count

    def submit(self, function: Callable[..., None], *arguments: Any) -> Future[None]:
        executor = self._idle.pop() if self._idle else self._executor()
        try:
            future = _submit(executor, function, *arguments)
        except BrokenExecutor:  # it was ended while it had nothing to do
            executor.shutdown(wait=False, kill_workers=True)
            executor = self._executor()
            future = _submit(executor, function, *arguments)
        self._at_work[future] = executor
        return future

    def _executor(self) -> Any:
        from loky import ProcessPoolExecutor

        share = str(max(1, cores() // self._count))
        threads = {name: os.environ.get(name, share) for name in _THREADS}
        return ProcessPoolExecutor(1, initializer=_begin, initargs=(os.getpid(),), env=threads)

    def release(self, future: Future[None]) -> None:
        executor = self._at_work.pop(future)
        if not future.cancelled() and isinstance(future.exception(), BrokenExecutor | CancelledError):
            executor.shutdown(wait=False, kill_workers=True)
        else:
            self._idle.append(executor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for executor in (*self._idle, *self._at_work.values()):
            # Without an error they have nothing left to do, and would take seconds to end by themselves.
            executor.shutdown(wait=True, kill_workers=True)
        self._idle.clear()
        self._at_work.clear()


def _submit(executor: Any, function: Callable[..., None], *arguments: Any) -> Future[None]:
    # A new process inherits what is blocked: what a terminal or a cluster sends to all is for this one to handle.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_ALL)
    try:
        future: Future[None] = executor.submit(function, *arguments)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return future


# What follows runs in the workers.


def _import_all() -> None:
    """Import what a run of a sweep needs."""
    import srnn.laboratory.job
    import srnn.sweeps.point  # noqa: F401
    from srnn import kernels

    kernels.fused()
    spare_all()


def _begin(parent: int) -> None:
    """Make ready a process that ends when its parent has ended, however that was."""
    collect_rarely()
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
