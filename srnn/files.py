"""Files are written whole or not at all."""

from __future__ import annotations

import os
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
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
