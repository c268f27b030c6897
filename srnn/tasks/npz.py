"""Own data as ``.npz``: the arrays ``X`` and ``y``, as ``numpy.savez(path, X=..., y=...)`` writes them.

So do those that are divided already: ``X_train``, ``y_train``, ``X_test`` and ``y_test``.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from srnn.errors import UserError
from srnn.tasks.examples import LIMIT, Examples, explained, joined, line, named_arrays
from srnn.untrusted import require_file, require_plausible

#: NumPy refuses headers of more than 10,000 bytes, but only once it has read them.
_HEADER_LIMIT = 16 * 1024
#: NumPy reads 256 KB at a time; the table of contents of two arrays takes less than that, too.
_TABLE_LIMIT = 1024**2


def read(path: Path) -> Examples:
    """The arrays in the file.

    Raises:
        UserError: It is no such file, is damaged, or holds none that are X and y.
    """
    return joined(path, _pairs(path), lambda key: _read(path, key))


def outline(path: Path) -> Examples:
    """The same with an X of zeros that takes no memory: where only its shape is asked for, X is not unpacked.

    Raises:
        UserError: As for :func:`read`.
    """
    pairs = _pairs(path)
    if len(pairs) > 1:
        return read(path)
    [(X, y)] = pairs
    shape, dtype = _header(path, X)
    return Examples(np.broadcast_to(np.zeros((), dtype), shape), _read(path, y))


class _Archive(io.FileIO):
    """A file of which no single read is large: zipfile would read a whole table of contents, of any size, at once."""

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(_TABLE_LIMIT + 1 if size is None or not 0 <= size <= _TABLE_LIMIT else size)
        if len(content) > _TABLE_LIMIT:
            raise zipfile.BadZipFile(f"its table of contents takes more than {_TABLE_LIMIT:,} bytes")
        return content


def _pairs(path: Path) -> list[tuple[str, str]]:
    with _opened(path, "X") as archive:
        keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    return named_arrays(path, keys)


@contextmanager
def _opened(path: Path, key: str) -> Iterator[zipfile.ZipFile]:
    with explained(path, f"the array {key}"):
        try:
            require_file(path)
            with _Archive(path) as file, zipfile.ZipFile(file) as archive:
                yield archive
        except zipfile.BadZipFile as error:
            raise UserError(f"{path}: not an .npz file, or a damaged one: {line(error)}") from error


def _header(path: Path, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of one array, read from its header only.

    Raises:
        UserError: It is one that is not read: objects, too large, damaged.
    """
    with _opened(path, key) as archive:
        member = archive.getinfo(f"{key}.npy")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The others are unpacked without a bound, and NumPy writes neither.
            raise UserError(f"{path}: {key} is compressed in a way that is not read; save it with numpy.savez")
        with archive.open(member) as content:
            start = io.BytesIO(content.read(_HEADER_LIMIT))
        version = npy.read_magic(start)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        found, _, dtype = read_header(start)
    # Labels may be text.
    labels = key.startswith("y")
    if dtype.kind not in "iufb" and not (dtype.kind == "U" and labels):
        what = {"U": "text", "S": "bytes", "O": "Python objects", "c": "complex numbers"}.get(dtype.kind, str(dtype))
        hint = ""
        if dtype.kind == "S" and labels:
            hint = f"; save them by {key}.astype(str)"
        elif dtype.kind == "O":
            text = f", labels by {key}.astype(str)" if labels else ""
            hint = f"; nothing is unpickled: save numbers by {key}.astype(float){text}"
        elif dtype.kind == "U":
            hint = "; turn it into numbers, as pandas.get_dummies does"
        allowed = f"integers, floats and truth values{', and text' if labels else ''}"
        raise UserError(f"{path}: {key} holds {what}; allowed: {allowed}{hint}")
    promised = math.prod(found) * dtype.itemsize
    if (
        min(found, default=0) < 0 or promised > LIMIT
    ):  # the number itself may have thousands of digits: it is not printed
        raise UserError(f"{path}: the shape of {key} is not one of 0 to {LIMIT:,} bytes, the most that is read")
    held = member.file_size - start.tell()
    if held != promised:
        raise UserError(
            f"{path}: the array {key} is damaged: its shape promises {promised:,} bytes, the file holds {held:,}"
        )
    # Whatever its type, it becomes floats of 4 bytes, or classes of 8.
    require_plausible(path, key, member.compress_size, max(promised, 4 * math.prod(found)))
    return found, dtype


def _read(path: Path, key: str) -> NDArray[Any]:
    """One array, once its header has been found to promise nothing absurd."""
    _header(path, key)
    with explained(path, f"the array {key}"):
        try:
            with _Archive(path) as file, np.load(file, allow_pickle=False) as archive:
                # The member's full name: a member "X" beside "X.npy" would be another one, of which nothing is known.
                array: NDArray[Any] = archive[f"{key}.npy"]
                return array
        except zipfile.BadZipFile as error:
            raise UserError(f"{path}: not an .npz file, or a damaged one: {line(error)}") from error
