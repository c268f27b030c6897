"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

#: What the system answers where something is not known or not allowed: there, what only makes a file safer, such as
#: waiting until it is on the disk, is done without.
NOT_KNOWN = frozenset(
    number
    for name in ("EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "EPERM", "EACCES", "EROFS", "EBADF", "EISDIR", "ENOTTY")
    if (number := getattr(errno, name, None)) is not None
)
#: What is never done without: the file would not be there.
LOST = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT})
#: Characters of a name that stand in that of its temporary file, which is longer and must not become too long.
_KEPT = 40


def is_file(path: Path) -> bool:
    """Whether there is such a file; no for what cannot be a path, such as a name that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` so that a reader sees the file before or the file after, never a part of it.

    Raises:
        OSError: The folder is missing, full or not writable; ``path`` is then as it was.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of ``path`` when the context ends without an error.

    Raises:
        OSError: As for :func:`write_whole`; it names ``path``, whatever failed.
    """
    # Not by the process alone: in two containers, or on two machines, it may have the same number.
    temporary = path.with_name(f".{path.name[:_KEPT]}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                with _if_known():
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # what is told is what failed first
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno:  # not one that some writer made up
            error.filename, error.filename2 = str(path), None
            error.strerror = os.strerror(error.errno)
        raise


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes have left in the folder and below.

    Only for whoever alone writes there: the files of a process that is still writing would go, too.
    """
    for pattern in (".*.tmp", ".*.part"):
        for path in folder.rglob(pattern):
            path.unlink(missing_ok=True)


@contextmanager
def _if_known() -> Iterator[None]:
    """Do without what the file system does not know."""
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_KNOWN:
            raise


def _sync_folder(path: Path) -> None:
    """Wait until the names in a folder have reached the disk, where that can be had: the file itself has."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return  # one that may be written to and not be read, or, as on Windows, no folder is opened
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in LOST:
            raise
    finally:
        os.close(descriptor)
