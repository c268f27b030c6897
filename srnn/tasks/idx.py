"""IDX files, the format of MNIST: a magic number, the sizes of the dimensions, then the bytes; plain or gzipped.

The magic number is two zero bytes, the type (8 is unsigned byte, the only one read here) and the number of
dimensions; each size follows as a big-endian 32-bit integer.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from srnn.errors import UserError
from srnn.files import write_whole
from srnn.untrusted import require_file, require_plausible

#: No file is believed that promises more bytes than this: MNIST has 47 million.
_LIMIT = 2 * 1024**3
_UBYTE = 8
_CHUNK = 1024**2
_GZIP_MAGIC = b"\x1f\x8b"


def read(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read a file of unsigned bytes with ``dimensions`` dimensions (3 for images, 1 for labels).

    Whether it is gzipped is told from its first bytes, not from its name.

    Raises:
        UserError: The file cannot be read, is not such an IDX file, is empty, or its header promises more or less
            than it holds. Nothing is allocated on the word of the header alone.
    """
    try:
        size = require_file(path)
        with path.open("rb") as file:
            zipped = file.read(2) == _GZIP_MAGIC
            file.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=file) as unzipped:
                    return _parse(unzipped, dimensions, path, size)
            return _parse(file, dimensions, path, size)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: corrupt gzip: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error


def write(path: Path, array: NDArray[np.uint8]) -> None:
    """Write ``array`` as a gzipped IDX file. A reader sees the whole file or none.

    Raises:
        OSError: The file cannot be written.
    """
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, _UBYTE, array.ndim, *array.shape)
    # No time goes into the file: the same data give the same bytes.
    write_whole(path, gzip.compress(header + array.tobytes(), compresslevel=6, mtime=0))


def _parse(file: IO[bytes] | gzip.GzipFile, dimensions: int, path: Path, size: int) -> NDArray[np.uint8]:
    wanted = bytes((0, 0, _UBYTE, dimensions))
    length = len(wanted) + 4 * dimensions
    header = file.read(length)
    if not wanted.startswith(header[:4]):
        raise UserError(
            f"{path}: not an IDX file of bytes with {dimensions} dimension{'s' if dimensions > 1 else ''}: "
            f"it begins with {header[:4].hex(' ')}, expected {wanted.hex(' ')}"
        )
    if len(header) < length:
        raise UserError(f"{path}: truncated: the header takes {length} bytes, the file holds {len(header)}")
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", header[4:])
    promised = math.prod(shape)
    if promised == 0:
        raise UserError(f"{path}: empty: its dimensions are {' × '.join(map(str, shape))}")
    if promised > _LIMIT:
        raise UserError(f"{path}: the header promises {promised:,} bytes; more than {_LIMIT:,} are not read")
    if isinstance(file, gzip.GzipFile):
        require_plausible(path, "the array", size, promised)
    data = _read_at_most(file, promised + 1)
    if len(data) < promised:
        raise UserError(f"{path}: truncated: the header promises {promised:,} bytes, the file holds {len(data):,}")
    if len(data) > promised:
        raise UserError(f"{path}: trailing bytes: the header promises {promised:,} bytes, the file holds more")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _read_at_most(file: IO[bytes] | gzip.GzipFile, limit: int) -> bytearray:
    """Up to ``limit`` bytes, in chunks: one large ``read`` would allocate what a false header promises."""
    data = bytearray()
    while len(data) < limit and (chunk := file.read(min(_CHUNK, limit - len(data)))):
        data += chunk
    return data
