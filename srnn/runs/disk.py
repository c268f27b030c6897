"""The disk is waited for in a thread of its own, while training goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from srnn.files import write_whole

#: Bytes that may wait to be written: beyond, training waits for the disk.
_MOST = 64 * 1024**2


class Disk:
    """Does what is handed over to it, one after the other, in that order, inside this context.

    What follows one that failed is left out: a checkpoint is there only if all that was measured until then is.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "disk")
        self._left = deque[tuple[Future[None], int]]()
        self._error: BaseException | None = None

    def write(self, path: Path, content: bytes) -> None:
        """Have a file written, whole or not at all.

        Raises:
            OSError: One before it could not be written.
        """
        self.do(partial(write_whole, path, content), len(content))

    def do(self, act: Callable[[], None], size: int = 0) -> None:
        """Have something done that changes files, and keeps that many bytes in memory until then.

        Raises:
            OSError: What was to be done before it could not be.
        """
        while self._left and (self._left[0][0].done() or sum(own for _, own in self._left) + size > _MOST):
            self._left.popleft()[0].result()
        self._raise()
        self._left.append((self._thread.submit(self._try, act), size))

    def wait(self) -> None:
        """Wait until all is on the disk.

        Raises:
            OSError: Not all could be written.
        """
        while self._left:
            self._left.popleft()[0].result()
        self._raise()

    def _try(self, act: Callable[[], None]) -> None:
        if self._error is None:
            try:
                act()
            except BaseException as error:
                self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if error is None:
            self.wait()
