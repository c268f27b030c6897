"""Pictures to tell apart, ten classes each: ``digits``, ``mnist`` and ``fashion_mnist``.

``digits`` comes inside scikit-learn. The other two are four IDX files, looked for in the folder the user names
(``--data-dir``, else the environment variable ``SRNN_DATA_DIR``), else in srnn's cache, which is filled from OpenML
once.
"""

from __future__ import annotations

import os
import socket
import warnings
from dataclasses import replace
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_dir
from torch import Tensor
from torch.nn.functional import interpolate

from srnn.errors import UserError
from srnn.files import is_file
from srnn.tasks import idx
from srnn.tasks.task import Task, split_80_20
from srnn.untrusted import expanded, is_folder, require_file, require_plausible

if TYPE_CHECKING:
    from srnn.experiment import TaskConfig

CLASSES = 10
#: Side of the pictures where the preset names none.
DEFAULT_SIZE = {"digits": 8, "mnist": 15, "fashion_mnist": 15}
#: Official numbers of examples; scikit-learn's for ``digits``.
DIGITS = 1_797
MNIST_TRAIN, MNIST_TEST = 60_000, 10_000

_OPENML = {"mnist": "mnist_784", "fashion_mnist": "Fashion-MNIST"}
_TRAIN_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_FILES = _TRAIN_FILES + _TEST_FILES
#: Seconds without a byte after which the network counts as absent.
_PATIENCE = 10.0
#: Pictures resized at a time: as floats 13 MB of MNIST, not 190.
_CHUNK = 4_096


def side(config: TaskConfig) -> int:
    """Side of the pictures after resizing."""
    return config.size or DEFAULT_SIZE[config.name]


def digits(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """scikit-learn's 1,797 handwritten digits of 8 × 8, split 80/20. ``data_dir`` is not used."""
    return _digits(side(config))


def mnist(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """MNIST or, by the name in ``config``, Fashion-MNIST: 60,000 pictures of 28 × 28 to train on, 10,000 to test.

    Args:
        config: Its ``name`` and ``size`` are read.
        data_dir: The folder of the four files, or its parent with a folder named like the task.

    Raises:
        UserError: The files are not there and cannot be fetched, or one of them is damaged.
    """
    named = os.environ.get("SRNN_DATA_DIR")
    if data_dir is not None:
        folder = _named_folder(config.name, data_dir, "--data-dir")
    elif named:
        folder = _named_folder(config.name, Path(named), "SRNN_DATA_DIR")
    else:
        folder = _cache_folder(config.name)
    return _read(config.name, folder.resolve(), side(config))


def resize(images: NDArray[Any], size: int, white: float) -> Tensor:
    """Pictures ``(n, height, width)`` with values 0 … white as rows in [0, 1]: float32 ``(n, size²)``.

    Bilinear with antialiasing; pictures that have the size already are only scaled.
    """
    rows = torch.empty(len(images), size * size)
    for start in range(0, len(images), _CHUNK):
        chunk = torch.from_numpy(images[start : start + _CHUNK]).float()[:, None] / white
        if chunk.shape[2:] != (size, size):
            chunk = interpolate(chunk, (size, size), mode="bilinear", antialias=True)
        # The weights of a pixel add up to 1 only up to rounding.
        rows[start : start + _CHUNK] = chunk.flatten(1).clamp(0, 1)
    return rows


# Several seeds in one process share one reading and resizing. What changes on disk meanwhile is not seen.
@lru_cache(maxsize=2)
def _digits(size: int) -> Task:
    from sklearn.datasets import load_digits  # slow to import, and not needed by every task

    data = load_digits()
    images, labels = resize(data.images, size, white=16), torch.from_numpy(data.target).long()
    return replace(split_80_20("digits", "classification", images, labels, CLASSES), image=(1, size, size))


@lru_cache(maxsize=2)
def _read(name: str, folder: Path, size: int) -> Task:
    train_x, train_y = _read_pair(folder, _TRAIN_FILES, size)
    test_x, test_y = _read_pair(folder, _TEST_FILES, size)
    return Task(name, "classification", train_x, train_y, test_x, test_y, CLASSES, image=(1, size, size))


def _read_pair(folder: Path, files: tuple[str, str], size: int) -> tuple[Tensor, Tensor]:
    images_path, labels_path = (_find(folder, file) or folder / file for file in files)
    images, labels = idx.read(images_path, dimensions=3), idx.read(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise UserError(f"{labels_path}: holds {len(labels):,} labels for {len(images):,} images in {images_path.name}")
    if labels.max() >= CLASSES:
        raise UserError(f"{labels_path}: holds the label {labels.max()}; allowed: 0 to {CLASSES - 1}")
    # Pictures of a single pixel would grow by size².
    floats = 4 * len(images) * size**2
    require_plausible(images_path, f"the pictures at {size} × {size}", require_file(images_path), floats)
    return resize(images, size, white=255), torch.from_numpy(labels).long()


def _find(folder: Path, file: str) -> Path | None:
    """The file, plain or gzipped, if it is there."""
    return next((path for path in (folder / file, folder / f"{file}.gz") if is_file(path)), None)


def _named_folder(name: str, folder: Path, option: str) -> Path:
    """The folder that the user named, or the folder of this task in it; it must have all four files.

    Raises:
        UserError: A file is missing, or the folder is by its name that of the other data set.
    """
    folder = expanded(folder)
    if is_folder(folder / name):
        folder = folder / name
    elif is_folder(folder) and folder.resolve().name in _OPENML.keys() - {name}:
        # Both data sets name their files alike: nothing else would tell that these are the wrong pictures.
        raise UserError(f"{option}: {folder} is by its name not {name}; name the folder of {name} or its parent")
    missing = [file for file in _FILES if _find(folder, file) is None]
    if missing:
        raise UserError(
            f"{option}: no {missing[0]} (plain or .gz) in {folder}; {name} needs {', '.join(_FILES)}, "
            f"in this folder or in {name}/ below it; without {option} it is fetched once from OpenML"
        )
    return folder


def _cache_folder(name: str) -> Path:
    """The folder of this task in srnn's cache, filled from OpenML if a file is missing.

    Raises:
        UserError: OpenML is out of reach or sends something else, or the cache cannot be written.
    """
    folder = Path(user_cache_dir("srnn", appauthor=False)) / name
    if any(_find(folder, file) is None for file in _FILES):
        images, labels = _fetch(name)
        train, test = slice(MNIST_TRAIN), slice(MNIST_TRAIN, None)
        arrays = images[train], labels[train], images[test], labels[test]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, array in zip(_FILES, arrays, strict=True):
                idx.write(folder / f"{file}.gz", array)
        except OSError as error:
            raise UserError(
                f"{name}: the cache {folder} cannot be written: {error.strerror or error}; make it writable, or "
                f"put the four IDX files in a folder and name it with --data-dir or SRNN_DATA_DIR"
            ) from error
    return folder


def _fetch(name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All images ``(70000, 28, 28)`` and labels ``(70000,)`` from OpenML, the training examples first."""
    from sklearn import datasets

    patience = socket.getdefaulttimeout()
    # fetch_openml sets no timeout: behind a wall that swallows packets it would wait for minutes.
    socket.setdefaulttimeout(_PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "A network error occurred. Retrying...": our error says it
            fetched = datasets.fetch_openml(
                _OPENML[name], version=1, as_frame=False, cache=False, n_retries=1, delay=0.1
            )
    except (OSError, HTTPException, EOFError, ValueError) as error:
        raise UserError(
            f"{name}: not in the cache, and not to be had from OpenML ({' '.join(str(error).split())}); put the four "
            f"IDX files {', '.join(_FILES)} (plain or .gz) in a folder and name it with --data-dir or SRNN_DATA_DIR, "
            f"or connect to the network once so that they are fetched from OpenML"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
    images, labels = np.asarray(fetched.data), np.asarray(fetched.target).astype(np.int64)  # labels come as strings
    rows = MNIST_TRAIN + MNIST_TEST
    if images.shape != (rows, 784) or labels.shape != (rows,) or not 0 <= labels.min() <= labels.max() < CLASSES:
        raise UserError(
            f"{name}: OpenML sent images of shape {images.shape} and labels of shape {labels.shape}, not {rows:,} "
            f"pictures of 28 × 28 in {CLASSES} classes; put the IDX files in a folder and name it with --data-dir"
        )
    return images.astype(np.uint8).reshape(rows, 28, 28), labels.astype(np.uint8)
