"""MNIST and, told by ``task.name``, Fashion-MNIST: 70,000 pictures of 28 × 28 in ten classes each.

They are four IDX files, looked for in the folder the user names (``--data-dir``, else the environment variable
``SRNN_DATA_DIR``), else in srnn's cache, which is filled from OpenML once.

All data sets of this family name their files alike: official ones are known by their checksums.

Their settings: ``task.size``, the side that pictures are resized to, 15 without one; ``task.scale``, ``none`` without
one.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_dir

from srnn.choices import Scale
from srnn.errors import UserError, option
from srnn.files import is_file
from srnn.tasks.images import CLASSES, resize
from srnn.untrusted import expanded, is_folder, require_file, require_plausible

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from srnn.tasks.settings import TaskConfig
    from srnn.tasks.task import Task

#: Side of the pictures where none is set.
SIZE = 15
#: Official numbers of examples.
_TRAIN, _TEST = 60_000, 10_000

_TRAIN_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
_TEST_FILES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_FILES = _TRAIN_FILES + _TEST_FILES


@dataclass(frozen=True)
class _DataSet:
    """One of the two: what it is called here and there, and what its files hold."""

    title: str
    #: Folders it is known to lie in: this package's, torchvision's, the publisher's.
    folders: tuple[str, ...]
    openml: str
    #: SHA-256 of the arrays in the official files, without their headers.
    official: Mapping[str, str]


_DATA_SETS = {
    "mnist": _DataSet(
        "MNIST",
        ("mnist", "MNIST"),
        "mnist_784",
        {
            "train-images-idx3-ubyte": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "train-labels-idx1-ubyte": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
            "t10k-images-idx3-ubyte": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "t10k-labels-idx1-ubyte": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        },
    ),
    "fashion_mnist": _DataSet(
        "Fashion-MNIST",
        ("fashion_mnist", "FashionMNIST", "fashion-mnist", "Fashion-MNIST"),
        "Fashion-MNIST",
        {
            "train-images-idx3-ubyte": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
            "train-labels-idx1-ubyte": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
            "t10k-images-idx3-ubyte": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
            "t10k-labels-idx1-ubyte": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        },
    ),
}
#: Seconds without a byte after which the network counts as absent.
_PATIENCE = 10.0


def load(config: TaskConfig, data_dir: Path | None = None) -> Task:
    """MNIST or, by the name in ``config``, Fashion-MNIST: 60,000 pictures of 28 × 28 to train on, 10,000 to test.

    Args:
        config: Its ``name`` and ``size`` are read.
        data_dir: The folder of the four files, or one above it, as torchvision lays it out (``MNIST/raw``) or with a
            folder named like the task.

    Raises:
        UserError: The files are not there and cannot be fetched, one of them is damaged, or they are known to be those
            of the other data set.
    """
    named = os.environ.get("SRNN_DATA_DIR")
    if data_dir is not None:
        folder = _named_folder(config.name, data_dir, option("data-dir"))
    elif named:
        folder = _named_folder(config.name, Path(named), "SRNN_DATA_DIR")
    else:
        folder = _cache_folder(config.name)
    folder = folder.resolve()
    paths = tuple(_find(folder, file) or folder / file for file in _FILES)
    return _read(config.name, paths, _stamps(paths), config.size or SIZE, config.scale or "none")


def shape(config: TaskConfig) -> tuple[int, int, int]:
    """Pixels, classes and training examples, as officially."""
    return (config.size or SIZE) ** 2, CLASSES, _TRAIN


def image(config: TaskConfig) -> tuple[int, int, int]:
    """Grey pictures."""
    side = complete(config).size
    assert side is not None
    return 1, side, side


def complete(config: TaskConfig) -> TaskConfig:
    """With the size as a number."""
    return config.model_copy(update={"size": config.size or SIZE})


# Several seeds in one process share one reading and resizing, as long as the files stay the same.
@lru_cache(maxsize=2)
def _read(name: str, paths: tuple[Path, ...], stamps: tuple[object, ...], size: int, scale: Scale) -> Task:
    import torch

    from srnn.tasks.fingerprint import fingerprint
    from srnn.tasks.scaling import scaled
    from srnn.tasks.task import Task

    train_images, train_labels = _read_pair(paths[0], paths[1], size)
    test_images, test_labels = _read_pair(paths[2], paths[3], size)
    found = fingerprint(dict(zip(_FILES, (train_images, train_labels, test_images, test_labels), strict=True)))
    note = _of_origin(name, paths, found)
    train_x, test_x, scaling = scaled(
        scale, resize(train_images, size, white=255).numpy(), resize(test_images, size, white=255).numpy(), channels=1
    )
    train_y, test_y = torch.from_numpy(train_labels).long(), torch.from_numpy(test_labels).long()
    return Task(
        name,
        "classification",
        train_x,
        train_y,
        test_x,
        test_y,
        CLASSES,
        image=(1, size, size),
        scale=scale,
        x_scaling=scaling,
        fingerprint=found,
        source=str(paths[0].parent),
        notes=(note,) if note else (),
    )


def _stamps(paths: Iterable[Path]) -> tuple[object, ...]:
    """What changes when one of the files does; nothing for one that is not there, of which reading it tells."""
    stamps: list[object] = []
    for path in paths:
        with suppress(OSError):
            status = path.stat()
            stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(stamps)


def _of_origin(name: str, paths: Iterable[Path], found: Mapping[str, str]) -> str:
    """Whether the files are the official ones of this data set: a note if they are nobody's, else nothing.

    Raises:
        UserError: One of them is officially that of the other data set: all of the family name their files alike.
    """
    own, odd = _DATA_SETS[name], []
    for path, (file, described) in zip(paths, found.items(), strict=True):
        checksum = described.rpartition(" ")[2]
        for other, data_set in _DATA_SETS.items():
            if other != name and checksum == data_set.official[file]:
                right = f"name the folder of {own.title} by {option('data-dir')}, or set task.name to {other}"
                raise UserError(f"{path} is of {data_set.title}, not of {own.title}: {right}")
        if checksum != own.official[file]:
            odd.append(path.name)
    if not odd:
        return ""
    which = "its four files are" if len(odd) == len(_FILES) else f"{', '.join(odd)} {'is' if len(odd) == 1 else 'are'}"
    return (
        f"{path.parent}: {which} not officially of {own.title} (another checksum): taken for a part of it, or for data "
        "of your own in its place"
    )


def _read_pair(images_path: Path, labels_path: Path, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    from srnn.tasks import idx

    images, labels = idx.read(images_path, dimensions=3), idx.read(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise UserError(f"{labels_path}: holds {len(labels):,} labels for {len(images):,} images in {images_path.name}")
    if labels.max() >= CLASSES:
        raise UserError(f"{labels_path}: holds the label {labels.max()}; allowed: 0 to {CLASSES - 1}")
    # Pictures of a single pixel would grow by size².
    floats = 4 * len(images) * size**2
    require_plausible(images_path, f"the pictures at {size} × {size}", require_file(images_path), floats)
    return images, labels


def _find(folder: Path, file: str) -> Path | None:
    """The file, plain or gzipped, with a dash or a dot in its name, if it is there."""
    names = (file, f"{file}.gz", file.replace("-idx", ".idx"), f"{file.replace('-idx', '.idx')}.gz")
    return next((path for path in (folder / name for name in names) if is_file(path)), None)


def _named_folder(name: str, folder: Path, option: str) -> Path:
    """The folder that the user named, or the folder of this task in it; it must have all four files.

    Raises:
        UserError: A file is missing, or the folder is by its name that of the other data set.
    """
    folder = expanded(folder)
    own = [folder / known for known in _DATA_SETS[name].folders]
    places = [place for above in (*own, folder) for place in (above, above / "raw")]
    inside = next((place for place in places if any(_find(place, file) for file in _FILES)), None)
    if inside is None and is_folder(folder / name):
        inside = folder / name
    folder = folder if inside is None else inside
    for other, data_set in _DATA_SETS.items():
        if other != name and is_folder(folder) and _data_set_folder(folder) in data_set.folders:
            # Both data sets name their files alike: of parts of them nothing else would tell.
            raise UserError(f"{option}: {folder} is by its name not {name}; name the folder of {name} or its parent")
    missing = [file for file in _FILES if _find(folder, file) is None]
    if missing:
        raise UserError(
            f"{option}: no {missing[0]} (plain or .gz) in {folder}; {name} needs {', '.join(_FILES)}, "
            f"in this folder or below it in {name}/ or {_DATA_SETS[name].folders[1]}/raw/; without {option} it is "
            "fetched once from OpenML"
        )
    return folder


def _data_set_folder(folder: Path) -> str:
    """The name of the folder, or of the one above where torchvision put the files into ``raw``."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "raw" else folder.name


def _cache_folder(name: str) -> Path:
    """The folder of this task in srnn's cache, filled from OpenML if a file is missing.

    Raises:
        UserError: OpenML is out of reach or sends something else, or the cache cannot be written.
    """
    from srnn.tasks import idx

    folder = Path(user_cache_dir("srnn", appauthor=False)) / name
    if any(_find(folder, file) is None for file in _FILES):
        images, labels = _fetch(name)
        train, test = slice(_TRAIN), slice(_TRAIN, None)
        arrays = images[train], labels[train], images[test], labels[test]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for file, array in zip(_FILES, arrays, strict=True):
                idx.write(folder / f"{file}.gz", array)
        except OSError as error:
            raise UserError(
                f"{name}: the cache {folder} cannot be written: {error.strerror or error}; make it writable, or "
                f"put the four IDX files in a folder and name it with {option('data-dir')} or SRNN_DATA_DIR"
            ) from error
    return folder


def _fetch(name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All images ``(70000, 28, 28)`` and labels ``(70000,)`` from OpenML, the training examples first."""
    from http.client import HTTPException

    import numpy as np
    from sklearn import datasets

    patience = socket.getdefaulttimeout()
    # fetch_openml sets no timeout: behind a wall that swallows packets it would wait for minutes.
    socket.setdefaulttimeout(_PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "A network error occurred. Retrying...": our error says it
            fetched = datasets.fetch_openml(
                _DATA_SETS[name].openml, version=1, as_frame=False, cache=False, n_retries=1, delay=0.1
            )
    except (OSError, HTTPException, EOFError, ValueError) as error:
        raise UserError(
            f"{name}: not in the cache, and not to be had from OpenML ({' '.join(str(error).split())}); put the four "
            f"IDX files {', '.join(_FILES)} (plain or .gz) in a folder and name it with {option('data-dir')} or "
            f"SRNN_DATA_DIR, "
            f"or connect to the network once so that they are fetched from OpenML"
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
    images, labels = np.asarray(fetched.data), np.asarray(fetched.target).astype(np.int64)  # labels come as strings
    rows = _TRAIN + _TEST
    if images.shape != (rows, 784) or labels.shape != (rows,) or not 0 <= labels.min() <= labels.max() < CLASSES:
        raise UserError(
            f"{name}: OpenML sent images of shape {images.shape} and labels of shape {labels.shape}, not {rows:,} "
            f"pictures of 28 × 28 in {CLASSES} classes; put the IDX files in a folder and name it with "
            f"{option('data-dir')}"
        )
    return images.astype(np.uint8).reshape(rows, 28, 28), labels.astype(np.uint8)
