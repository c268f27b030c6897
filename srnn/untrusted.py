"""Files from strangers: what one claims is checked against what it holds, before memory is set aside for it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from srnn.errors import UserError

#: Bytes that any file may unpack to: MNIST takes 188 million.
_UNNOTICED = 256 * 1024**2
#: How many times smaller than its content a larger file may be.
_MOST_PACKED = 100


def require_file(path: Path) -> int:
    """The size in bytes of a file, which must be an ordinary one: reading a pipe or a device may never end.

    Raises:
        OSError: There is no such file, or it is a folder, a pipe, a device, or no path at all.
    """
    try:
        status = path.stat()
    except ValueError:
        # A zero byte, or characters that no file system has.
        raise OSError(errno.EINVAL, "Not the name of a file", str(path)) from None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a file but a pipe, a socket or a device", str(path))
    return status.st_size


def require_plausible(path: Path, what: str, packed: int, unpacked: int) -> None:
    """Refuse a bomb: a small file that would become much memory.

    Args:
        path: The file, for the message.
        what: What in it is unpacked, for the message.
        packed: Bytes that it takes in the file.
        unpacked: Bytes that it would take in memory.

    Raises:
        UserError: It is more than a hundred times smaller, and not small in memory either.
    """
    if unpacked > max(_UNNOTICED, _MOST_PACKED * packed):
        raise UserError(
            f"{path}: {what} would unpack from {packed:,} to {unpacked:,} bytes, more than {_MOST_PACKED} times as "
            "many; if that is meant, save it uncompressed"
        )


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; no for what cannot be a path, such as a name that is too long."""
    try:
        return path.is_dir()
    except OSError:
        return False


def own_folder(path: Path) -> Path:
    """A folder to write into, made if need be; not a link, by which a stranger's run would lead out of itself.

    Raises:
        UserError: It is a link.
    """
    if path.is_symlink():
        raise UserError(f"{path} is a link; results are written only into the folder of the run itself: remove it")
    path.mkdir(exist_ok=True)
    return path


def expanded(path: str | Path) -> Path:
    """The path with ``~`` replaced by the user's folder, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        # There is no such user: then it is the name of a file.
        return Path(path)
