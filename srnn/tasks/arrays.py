"""The user's own data: an ``.npz`` file with the arrays ``X`` and ``y``, as ``numpy.savez(path, X=..., y=...)`` writes.

``X`` has one example per row (further dimensions are flattened) and is taken as it is, not scaled. Integers in ``y``
are classes; floats are targets of a regression, so numbers that happen to be whole must be saved as floats.

Its settings: ``task.path``, the file.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from srnn.errors import UserError, shorten
from srnn.tasks.task import Task, split_80_20, training_rows
from srnn.untrusted import expanded, require_file, require_plausible

if TYPE_CHECKING:
    from srnn.experiment import TaskConfig

#: A small zip file can promise any amount of memory: more than this is not unpacked per array.
_LIMIT = 4 * 1024**3
#: NumPy refuses headers of more than 10,000 bytes, but only once it has read them.
_HEADER_LIMIT = 16 * 1024
#: NumPy reads 256 KB at a time; the table of contents of two arrays takes less than that, too.
_TABLE_LIMIT = 1024**2
_FEWEST_ROWS = 10


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """The data in the file ``config.path``, split 80/20. ``data_dir`` is not used.

    Integer labels are renumbered 0 … C − 1 in ascending order.

    Raises:
        UserError: No path is set, the file cannot be read as .npz, X or y is missing, or they cannot be learnt from.
    """
    path = _path(config)
    X, y = _read(path, "X"), _read(path, "y")
    _check_shapes(path, X.shape, y.shape, y.dtype)
    inputs = torch.from_numpy(_finite(path, "X", X).reshape(len(X), -1))
    if y.dtype.kind == "f":
        targets = torch.from_numpy(_finite(path, "y", y).reshape(len(y), -1))
        return split_80_20("arrays", "regression", inputs, targets, targets.shape[1])
    labels = np.unique(y, return_inverse=True)[1]
    return split_80_20("arrays", "classification", inputs, torch.from_numpy(labels).long(), _classes(path, y))


def shape(config: TaskConfig) -> tuple[int, int, int] | None:
    """Inputs, outputs and training examples, without unpacking ``X``; None if the file cannot be learnt from."""
    try:
        path = _path(config)
        (X_shape, _), (y_shape, y_dtype) = _header(path, "X"), _header(path, "y")
        _check_shapes(path, X_shape, y_shape, y_dtype)
        outputs = math.prod(y_shape[1:]) if y_dtype.kind == "f" else _classes(path, _read(path, "y"))
    except UserError:
        return None
    return math.prod(X_shape[1:]), outputs, training_rows(X_shape[0])


def complete(config: TaskConfig) -> TaskConfig:
    """With an absolute path: the run may be looked at from elsewhere."""
    return config if config.path is None else config.model_copy(update={"path": str(_path(config).absolute())})


def _path(config: TaskConfig) -> Path:
    if config.path is None:
        raise UserError("task.path is not set; the task arrays needs the path of an .npz file with X and y")
    return expanded(config.path)


class _Archive(io.FileIO):
    """A file of which no single read is large: zipfile would read a whole table of contents, of any size, at once."""

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(_TABLE_LIMIT + 1 if size is None or not 0 <= size <= _TABLE_LIMIT else size)
        if len(content) > _TABLE_LIMIT:
            raise zipfile.BadZipFile(f"its table of contents takes more than {_TABLE_LIMIT:,} bytes")
        return content


def _header(path: Path, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of one array, read from its header only.

    Raises:
        UserError: There is no such array, or it is one that is not read: objects, text, too large, damaged.
    """
    with _explained(path, key):
        require_file(path)
        with _Archive(path) as file, zipfile.ZipFile(file) as archive:
            keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            if key not in keys:
                known = ", ".join(repr(name) for name in keys[:10]) or "no arrays"
                raise UserError(f"{path}: no array {key}; it holds {shorten(known, 200)}")
            member = archive.getinfo(f"{key}.npy")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # The others are unpacked without a bound, and NumPy writes neither.
                raise UserError(f"{path}: {key} is compressed in a way that is not read; save it with numpy.savez")
            with archive.open(member) as content:
                start = io.BytesIO(content.read(_HEADER_LIMIT))
        version = npy.read_magic(start)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        found, _, dtype = read_header(start)
    if dtype.kind not in "iufb":
        raise UserError(f"{path}: {key} has dtype {dtype}; allowed: integers, floats and bool")
    promised = math.prod(found) * dtype.itemsize
    if (
        min(found, default=0) < 0 or promised > _LIMIT
    ):  # the number itself may have thousands of digits: it is not printed
        raise UserError(f"{path}: the shape of {key} is not one of 0 to {_LIMIT:,} bytes, the most that is read")
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
    with _explained(path, key), _Archive(path) as file, np.load(file, allow_pickle=False) as archive:
        # The member's full name: a member "X" beside "X.npy" would be another one, of which nothing is known.
        array: NDArray[Any] = archive[f"{key}.npy"]
        return array


@contextmanager
def _explained(path: Path, key: str) -> Iterator[None]:
    """Turn whatever a damaged file makes zipfile, zlib, lzma, tokenize or NumPy raise into one line."""
    try:
        yield
    except UserError:
        raise
    except zipfile.BadZipFile as error:
        raise UserError(f"{path}: not an .npz file, or a damaged one: {_line(error)}") from error
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the task arrays needs an .npz file with X and y") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or _line(error)}") from error
    except Exception as error:
        raise UserError(f"{path}: the array {key} cannot be read: {_line(error)}") from error


def _check_shapes(path: Path, X: tuple[int, ...], y: tuple[int, ...], y_dtype: np.dtype[Any]) -> None:
    if len(X) < 2 or math.prod(X[1:]) == 0:
        raise UserError(f"{path}: X has shape {X}; expected one row of at least 1 number per example: (n, inputs)")
    if y_dtype.kind != "f" and len(y) != 1:
        raise UserError(
            f"{path}: y holds {y_dtype} in shape {y}; expected integers (n,) for classes, or floats (n,) or "
            f"(n, outputs) for regression"
        )
    if len(y) not in (1, 2) or 0 in y[1:]:
        raise UserError(f"{path}: y has shape {y}; expected (n,), or (n, outputs) with at least 1 output")
    if X[0] != y[0]:
        raise UserError(f"{path}: X has {X[0]:,} rows, y has {y[0]:,}; they must have the same number")
    if X[0] < _FEWEST_ROWS:
        raise UserError(f"{path}: X has {X[0]} rows; at least {_FEWEST_ROWS} are needed to train and test")


def _finite(path: Path, key: str, array: NDArray[Any]) -> NDArray[np.float32]:
    """The array as float32, C order; a value too large for that counts as infinite."""
    with np.errstate(over="ignore"):
        single = np.ascontiguousarray(array, dtype=np.float32)
    bad = single.size - int(np.isfinite(single).sum())
    if bad:
        raise UserError(
            f"{path}: {bad:,} of the {single.size:,} values of {key} are NaN or infinite as float32; "
            f"remove or replace them"
        )
    return single


def _classes(path: Path, y: NDArray[Any]) -> int:
    classes = len(np.unique(y))
    if classes < 2:
        raise UserError(f"{path}: y has only the class {y[0]}; at least 2 classes are needed")
    return classes


def _line(error: Exception) -> str:
    """The message of a foreign error, which may quote what the file holds."""
    return shorten(str(error), 200) or type(error).__name__
