"""One writer per folder: a lock that dies with its process.

The lock is the system's, on the file ``.lock`` in the folder, whose content names the process that holds it. The file
that a killed process leaves behind locks nothing.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from srnn.errors import UserError
from srnn.untrusted import require_file

NAME = ".lock"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Be the only one who writes to an existing folder, inside this context.

    Raises:
        UserError: Another process is; the message names it.
    """
    path = folder / NAME
    lock = FileLock(path)
    try:
        # Long enough for a reader that looks whether somebody writes, and short enough to be told at once.
        lock.acquire(timeout=0.3, poll_interval=0.02)
    except Timeout:
        who = _named(path) or "another process"
        raise UserError(f"{folder} is being written by {who}: wait for its end, or choose another --out") from None
    try:
        with suppress(OSError):  # only for the other's message
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        lock.release()


def writer(folder: Path) -> str:
    """Who writes to the folder now, ``process 123 on host``; empty if nobody does.

    Of a folder that may only be read, too: then the lock is only looked at.
    """
    path = folder / NAME
    if not path.exists():
        return ""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return _named(path) or "another process"
    except OSError as error:
        read_only = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
        return (_named(path) or "another process") if read_only and _held(path) else ""
    with suppress(OSError):
        path.unlink()
    lock.release()
    return ""


def _held(path: Path) -> bool:
    """Whether a lock that may only be read is held; where the system cannot tell, what it names counts."""
    try:
        import fcntl
    except ImportError:
        return bool(_named(path))
    try:
        require_file(path)
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _named(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""
