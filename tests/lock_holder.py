"""A process that holds the lock of a folder until it is killed, for tests of the others."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from pathlib import Path


def lack_locks(number: int) -> None:
    """Have the system know no locks, in this process from now on, and say so by this error."""
    import fcntl

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    fcntl.flock = flock  # type: ignore[assignment]


def hold(folder: Path, number: int | None, held: Connection) -> None:
    """Take the lock and say so."""
    if number is not None:
        lack_locks(number)
    from srnn.runs.lock import only_writer

    with only_writer(folder):
        held.send(True)
        time.sleep(300)
