"""The user's own data: an ``.npz`` file with the arrays ``X`` and ``y``, as ``numpy.savez(path, X=..., y=...)`` writes.

``X`` has one example per row. One of shape ``(n, height, width)`` holds pictures, and so does ``(n, height, width,
channels)`` or ``(n, channels, height, width)`` with at most four channels; if both fit, the last are the channels. Of
any other shape each row is flattened.

``y`` is taken by its type: integers and truth values are classes, and so are rows of which one number is 1 and all
others 0; other floats are targets of a regression, whole ones, too. Where that is doubtful it is said.

Their settings: ``task.path``, the file; ``task.scale``, what X and the targets of a regression are brought to: without
one pictures are ``unit`` and tables ``standard``.
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
from numpy.lib import format as npy
from numpy.typing import NDArray

from srnn.choices import Scale
from srnn.errors import UserError, shorten
from srnn.files import is_file
from srnn.tasks.fingerprint import fingerprint
from srnn.tasks.split import split_80_20, training_rows
from srnn.untrusted import as_text, expanded, require_file, require_plausible

if TYPE_CHECKING:
    from srnn.tasks.settings import TaskConfig
    from srnn.tasks.task import Task

#: A small zip file can promise any amount of memory: more than this is not unpacked per array.
_LIMIT = 4 * 1024**3
#: NumPy refuses headers of more than 10,000 bytes, but only once it has read them.
_HEADER_LIMIT = 16 * 1024
#: NumPy reads 256 KB at a time; the table of contents of two arrays takes less than that, too.
_TABLE_LIMIT = 1024**2
_FEWEST_ROWS = 10
_MOST_CHANNELS = 4


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """The data in the file ``config.path``, split 80/20.

    Args:
        config: Its ``path`` and ``scale`` are read, and whether its ``fingerprint`` is empty: then the run is of an
            srnn that knew neither pictures nor one-hot rows of floats.
        data_dir: Where the file of a run is looked for by its name if it is not at its path any more.

    Returns:
        The task. Integer labels are renumbered 0 … C − 1 in ascending order.

    Raises:
        UserError: No path is set, the file cannot be read as .npz, X or y is missing, or they cannot be learnt from.
    """
    import torch

    from srnn.tasks.scaling import scaled
    from srnn.tasks.task import Task

    path = _path(config)
    if config.fingerprint and data_dir is not None and not is_file(path):
        moved = expanded(data_dir) / path.name
        path = moved if is_file(moved) else path
    older = config.fingerprint == {}
    X, y = _read(path, "X"), _read(path, "y")
    _check_shapes(path, X.shape, y.shape, y.dtype)
    _require_finite(path, "X", X)
    described = fingerprint({"X": X, "y": y})
    rows, image = _rows(X, older)
    y, classes, notes = _target(path, y, older)
    scale: Scale = config.scale or ("standard" if image is None else "unit")
    train, test = split_80_20(y, classes)
    train_x, test_x, x_scaling = scaled(scale, rows[train], rows[test], image and image[0])
    if classes is None:
        train_y, test_y, y_scaling = scaled(scale, y[train], y[test])
    else:
        train_y, test_y, y_scaling = torch.from_numpy(y[train]), torch.from_numpy(y[test]), None
    return Task(
        config.name,
        "regression" if classes is None else "classification",
        train_x,
        train_y,
        test_x,
        test_y,
        classes or y.shape[1],
        image=image,
        scale=scale,
        x_scaling=x_scaling,
        y_scaling=y_scaling,
        fingerprint=described,
        source=str(path),
        notes=(*notes, *_of_range(path, rows[train], None if classes else y[train], scale, image)),
    )


def shape(config: TaskConfig) -> tuple[int, int, int] | None:
    """Inputs, outputs and training examples, without unpacking ``X``; None if the file cannot be learnt from."""
    try:
        path = _path(config)
        (X_shape, _), (y_shape, y_dtype) = _header(path, "X"), _header(path, "y")
        _check_shapes(path, X_shape, y_shape, y_dtype)
        outputs = math.prod(y_shape[1:])
        if y_dtype.kind != "f" or outputs > 1:  # classes, or rows that may be one-hot
            outputs = _target(path, _read(path, "y"), config.fingerprint == {})[1] or outputs
    except UserError:
        return None
    return math.prod(X_shape[1:]), outputs, training_rows(X_shape[0])


def complete(config: TaskConfig) -> TaskConfig:
    """With an absolute path: the run may be looked at from elsewhere."""
    return config if config.path is None else config.model_copy(update={"path": as_text(_path(config).absolute())})


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
    if y_dtype.kind != "f" and len(y) not in (1, 2):
        raise UserError(_no_target(path, y, y_dtype))
    if len(y) not in (1, 2) or 0 in y[1:]:
        raise UserError(f"{path}: y has shape {y}; expected (n,), or (n, outputs) with at least 1 output")
    if X[0] != y[0]:
        raise UserError(f"{path}: X has {X[0]:,} rows, y has {y[0]:,}; they must have the same number")
    if X[0] < _FEWEST_ROWS:
        raise UserError(f"{path}: X has {X[0]} rows; at least {_FEWEST_ROWS} are needed to train and test")


def _no_target(path: Path, y: tuple[int, ...], y_dtype: np.dtype[Any]) -> str:
    return (
        f"{path}: y holds {y_dtype} in shape {y}; expected integers (n,) for classes, rows (n, classes) of which one "
        "number is 1 and all others 0, or floats (n,) or (n, outputs) for regression"
    )


def _require_finite(path: Path, key: str, array: NDArray[Any]) -> None:
    """Refuse what becomes NaN or infinite as float32; a value too large for that counts as infinite."""
    if array.dtype.kind != "f":
        return
    with np.errstate(over="ignore"):
        bad = array.size - int(np.isfinite(array.astype(np.float32, copy=False)).sum())
    if bad:
        raise UserError(
            f"{path}: {bad:,} of the {array.size:,} values of {key} are NaN or infinite as float32; "
            f"remove or replace them"
        )


def _rows(X: NDArray[Any], older: bool) -> tuple[NDArray[Any], tuple[int, int, int] | None]:
    """The examples as rows ``(n, inputs)``, and, if they are pictures, their channels, height and width."""
    shape, image = X.shape[1:], None
    if len(shape) == 2:
        image = (1, *shape)
    elif len(shape) == 3 and not older:
        if shape[-1] <= _MOST_CHANNELS:
            X = np.moveaxis(X, -1, 1)
        if X.shape[1] <= _MOST_CHANNELS:
            image = X.shape[1:]
    return X.reshape(len(X), -1), image


def _target(path: Path, y: NDArray[Any], older: bool) -> tuple[NDArray[Any], int | None, list[str]]:
    """What is to be put out: classes int64 ``(n,)`` and how many, or numbers ``(n, outputs)`` and None.

    The notes tell where it is doubtful which of the two it is.
    """
    notes = []
    numbers = y.dtype.kind == "f"
    if y.ndim == 2 and y.shape[1] > 1 and not (numbers and older) and _one_hot(y):
        y, numbers = y.argmax(1), False
        notes.append(f"{path}: y is one-hot: it is taken for classes, one for each column that holds a 1")
    if numbers:
        _require_finite(path, "y", y)
        different = len(np.unique(y))
        if different <= len(y) / 2 and (y == np.rint(y)).all():
            notes.append(
                f"{path}: y holds whole numbers as floats, {different:,} different ones in {len(y):,} rows: they are "
                f"taken for numbers, as a regression; if they are classes, save them as integers"
            )
        return y.reshape(len(y), -1), None, notes
    if y.ndim != 1:
        raise UserError(_no_target(path, y.shape, y.dtype))
    found, labels = np.unique(y, return_inverse=True)
    if len(found) < 2:
        raise UserError(f"{path}: y has only the class {found[0]}; at least 2 classes are needed")
    if len(found) > len(y) / 2:
        notes.append(
            f"{path}: y holds integers, which are taken for {len(found):,} classes in {len(y):,} rows; if they are "
            f"numbers, as of a regression, save them as floats"
        )
    return labels.reshape(-1).astype(np.int64, copy=False), len(found), notes


def _one_hot(y: NDArray[Any]) -> bool:
    return bool(((y == 0) | (y == 1)).all() and ((y == 1).sum(1) == 1).all())


def _of_range(
    path: Path, X: NDArray[Any], y: NDArray[Any] | None, scale: Scale, image: tuple[int, int, int] | None
) -> list[str]:
    """What is to be known of the scale of X and, if it holds numbers, of y: what was done, or what had better be."""
    taken = ""
    if image is not None:
        taken = f"X is taken for pictures of {image[0]} channel{'s' * (image[0] > 1)}, {image[1]} × {image[2]}"
    from srnn.tasks.scaling import wide

    if scale == "none":
        notes = [f"{path}: {taken}"] if taken else []
        for name, values in (("X", X), ("y", y)):
            if values is not None and (how := wide(name, values)):
                notes.append(
                    f"{path}: {how}, and task.scale is 'none': training may diverge; set task.scale to "
                    f"'{'standard' if image is None else 'unit'}'"
                )
        return notes
    what = {"standard": "mean 0 and standard deviation 1 in each column", "unit": "0 … 1"}[scale]
    which = "it" if taken else "X"
    which += " is" if y is None else " and y are"
    done = f"{which} scaled to {what}, as fitted on the training data (task.scale is '{scale}')"
    return [f"{path}: {taken}; {done}" if taken else f"{path}: {done}"]


def _line(error: Exception) -> str:
    """The message of a foreign error, which may quote what the file holds."""
    return shorten(str(error), 200) or type(error).__name__
