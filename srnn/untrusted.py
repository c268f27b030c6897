"""Files from strangers: what one claims is checked against what it holds, before memory is set aside for it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from urllib.parse import unquote_to_bytes

from srnn.errors import UserError, shorten

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


def expanded(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> Path:
    """What a user calls a path, as one: with ``~`` replaced by the user's folder, where there is one.

    A ``file://`` address stands for the path that it is of: so is one written that is not text (:func:`as_text`).

    Raises:
        UserError: It is ``~`` and nobody knows where that is, or it holds a zero byte, which no path does.
    """
    name = os.fsdecode(path)
    if name.startswith("file:///"):
        name = os.fsdecode(unquote_to_bytes(name.removeprefix("file://")))
    if "\0" in name:
        raise UserError(f"{shorten(repr(name))} holds a zero byte: no path does")
    try:
        return Path(name).expanduser()
    except RuntimeError:
        if name == "~" or name.startswith("~/"):
            raise UserError(
                f"{name} is in your home folder, and nobody knows where that is: set HOME, or write the path out"
            ) from None
        # There is no such user: then it is the name of a file.
        return Path(name)


def is_text(path: Path) -> bool:
    """Whether a path is text, as those libraries ask for that take no others: all of its bytes are UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """A path as text that can be written down: one that cannot be printed as a ``file://`` address."""
    name = os.fsdecode(path)
    # Nor would a configuration take a name that commands the terminal.
    return name if name.isprintable() else expanded(path).absolute().as_uri()
