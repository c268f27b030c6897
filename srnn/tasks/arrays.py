"""The user's own data: a file, or a folder of IDX files, in one of the :data:`_FORMS`.

``X`` has one example per row. One of shape ``(n, height, width)`` holds pictures, and so does ``(n, height, width,
channels)`` or ``(n, channels, height, width)`` with at most four channels; if both fit, the last are the channels. Of
any other shape each row is flattened.

``y`` is taken by its type: integers, truth values and text are classes, and so are rows of which one number is 1 and
all others 0; other floats are targets of a regression, whole ones, too. Where that is doubtful it is said.

Their settings: ``task.path``, the file or folder; ``task.target``, of a table the column that is y; ``task.scale``,
what X and the targets of a regression are brought to: without one pictures are ``unit`` and tables ``standard``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from srnn.choices import Scale
from srnn.errors import UserError, nearest
from srnn.files import is_file
from srnn.tasks import target
from srnn.tasks.examples import Examples, explained, require_shapes
from srnn.tasks.fingerprint import fingerprint
from srnn.tasks.split import split_80_20, training_rows
from srnn.untrusted import as_text, expanded, is_folder, require_file

if TYPE_CHECKING:
    from srnn.tasks.settings import TaskConfig
    from srnn.tasks.task import Task

_MOST_CHANNELS = 4
#: Endings of the files that are read; a folder is one of IDX files.
_TABLES = (".csv", ".tsv", ".parquet")
_FORMS = (".npz", ".safetensors", *_TABLES)
#: How a zip file begins; an .npz may be called otherwise.
_ZIP = b"PK\x03\x04"
#: What is to be done with files that are not read.
_PICKLED = "nothing is unpickled, as that runs whatever is in it: load it where you trust it and save its arrays by "
_TENSORS = "safetensors.torch.save_file({'X': X, 'y': y}, 'data.safetensors')"
_ARRAYS = "numpy.savez('data.npz', X=X, y=y)"
_TABLE = "frame.to_parquet('data.parquet')"
_CONVERT = {
    **dict.fromkeys((".pt", ".pth"), _PICKLED + _TENSORS),
    **dict.fromkeys((".pkl", ".pickle", ".joblib"), _PICKLED + _ARRAYS),
    ".npy": f"it holds one array: save X and y together by {_ARRAYS}",
    **dict.fromkeys((".mat", ".h5", ".hdf5"), f"load its arrays and save them by {_ARRAYS}"),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), "save the sheet as CSV"),
    **dict.fromkeys(
        (".json", ".jsonl", ".feather", ".arff", ".txt", ".dat"), f"read it with pandas and save it by {_TABLE}"
    ),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst"), "unpack it first"),
}


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """The data at ``config.path``, divided 80/20 unless they are divided already.

    Args:
        config: Its ``path``, ``target`` and ``scale`` are read, and its ``fingerprint``: if it is empty the run is of
            an srnn that knew neither pictures nor one-hot rows of floats; if it is there and ``classes`` is not, of one
            in which classes had no names.
        data_dir: Where the file or folder of a run is looked for by its name if it is not at its path any more.

    Returns:
        The task. Labels are renumbered 0 … C − 1 in ascending order.

    Raises:
        UserError: No path is set, what is there cannot be read, or it cannot be learnt from.
    """
    import torch

    from srnn.tasks.scaling import scaled
    from srnn.tasks.task import Task

    path = _path(config)
    if config.fingerprint and data_dir is not None and not _there(path):
        moved = expanded(data_dir) / path.name
        path = moved if _there(moved) else path
    older = config.fingerprint == {}
    found = _read(path, config.target)
    X, y = found.X, found.y
    require_shapes(path, X.shape, y.shape, y.dtype)
    target.require_finite(path, "X", X)
    described = fingerprint(found.arrays)
    rows, image = _rows(X, older)
    wanted = target.of(path, y, found.names, older)
    scale: Scale = config.scale or ("standard" if image is None else "unit")
    if found.training is None:
        train, test = split_80_20(wanted.y, None if wanted.classes is None else len(wanted.classes))
    else:
        train, test = np.split(np.arange(len(X)), [found.training])
    unseen = target.unseen(path, wanted, train, test, told=found.training is not None)
    train_x, test_x, x_scaling = scaled(scale, rows[train], rows[test], image and image[0])
    if wanted.classes is None:
        train_y, test_y, y_scaling = scaled(scale, wanted.y[train], wanted.y[test])
    else:
        train_y, test_y, y_scaling = torch.from_numpy(wanted.y[train]), torch.from_numpy(wanted.y[test]), None
    scaling = _of_range(path, rows[train], None if wanted.classes else wanted.y[train], scale, image)
    numbered = wanted.classes is None or wanted.classes == tuple(map(str, range(len(wanted.classes))))
    return Task(
        config.name,
        "regression" if wanted.classes is None else "classification",
        train_x,
        train_y,
        test_x,
        test_y,
        wanted.y.shape[1] if wanted.classes is None else len(wanted.classes),
        # An older run goes on with the metrics that it has.
        classes=None if numbered or (config.fingerprint is not None and not config.classes) else wanted.classes,
        target=found.target,
        image=image,
        scale=scale,
        x_scaling=x_scaling,
        y_scaling=y_scaling,
        fingerprint=described,
        source=str(path),
        notes=(*found.notes, *wanted.notes, *unseen, *scaling),
    )


def shape(config: TaskConfig) -> tuple[int, int, int] | None:
    """Inputs, outputs and training examples; None if the data cannot be learnt from."""
    try:
        path = _path(config)
        asked = path, config.target, config.fingerprint == {}
        return _shape(*asked, _stamp(path)) if is_file(path) else _shape.__wrapped__(*asked, ())
    except UserError:
        return None


def complete(config: TaskConfig) -> TaskConfig:
    """With an absolute path: the run may be looked at from elsewhere."""
    return config if config.path is None else config.model_copy(update={"path": as_text(_path(config).absolute())})


def _path(config: TaskConfig) -> Path:
    if config.path is None:
        raise UserError("task.path is not set; the task arrays needs the path of a file or folder of data")
    return expanded(config.path)


def _there(path: Path) -> bool:
    from srnn.tasks import idx_folder

    return is_file(path) or idx_folder.there(path)


def _read(path: Path, column: str | None, outline: bool = False) -> Examples:
    """What is at that path, in whatever form.

    Raises:
        UserError: It is in none that is read, or is wrong in itself.
    """
    from srnn.tasks import idx_folder, npz, tables, tensors

    ending = path.suffix.lower()
    if column is not None and (ending not in _TABLES or is_folder(path)):
        raise UserError(
            f"{path}: task.target is {column!r}, and only tables ({', '.join(_TABLES)}) have columns to name"
        )
    if not is_file(path) and idx_folder.there(path):
        return idx_folder.read(path)
    with explained(path, "it"):
        empty = require_file(path) == 0
        if ending not in _CONVERT and ending not in _FORMS:
            with path.open("rb") as file:
                ending = ".npz" if file.read(len(_ZIP)) == _ZIP else ending
    if ending not in _FORMS:
        otherwise = f"save it by {_ARRAYS}, or a table by {_TABLE}{nearest(ending, _FORMS)}"
        convert = _CONVERT.get(ending, otherwise)
        raise UserError(f"{path}: {ending or 'a file without an ending'} is not read: {convert}")
    if empty:
        raise UserError(f"{path}: the file is empty")
    if ending in _TABLES:
        return tables.read(path, column)
    if ending == ".safetensors":
        return tensors.read(path)
    return npz.outline(path) if outline else npz.read(path)


# Asked for each run of several seeds; most forms have no other way to tell than to be read.
@lru_cache(maxsize=8)
def _shape(path: Path, column: str | None, older: bool, stamp: tuple[int, ...]) -> tuple[int, int, int]:
    found = _read(path, column, outline=True)
    X, y = found.X, found.y
    require_shapes(path, X.shape, y.shape, y.dtype)
    outputs = math.prod(y.shape[1:])
    if y.dtype.kind != "f" or outputs > 1:  # classes, or rows that may be one-hot
        classes = target.of(path, y, found.names, older).classes
        outputs = outputs if classes is None else len(classes)
    return math.prod(X.shape[1:]), outputs, training_rows(len(X)) if found.training is None else found.training


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when the file does."""
    with explained(path, "it"):
        status = path.stat()
        return (status.st_mtime_ns, status.st_size, status.st_ino)


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


def _of_range(
    path: Path, X: NDArray[Any], y: NDArray[Any] | None, scale: Scale, image: tuple[int, int, int] | None
) -> list[str]:
    """What is to be known of the scale of X and, if it holds numbers, of y: what was done, or what had better be."""
    taken = ""
    if image is None and X.dtype.kind != "f":
        taken = f"X holds {X.dtype}, which is converted to float32"
    elif image is not None:
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
