"""Files are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of ``path`` when the context ends without an error.

    Raises:
        OSError: As for :func:`write_whole`; it names ``path``, whatever failed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            temporary.touch()
            permissions = temporary.stat().st_mode
            yield temporary
            temporary.chmod(permissions)  # the user's own; some writers choose others
            _to_disk(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _to_disk(path.parent)
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


def _to_disk(path: Path) -> None:
    """Wait until a file or folder has reached the disk, not only the system's memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
