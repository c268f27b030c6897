"""Own data as a folder of four IDX files, plain or gzipped: any set that is laid out as MNIST is.

So are Kuzushiji-MNIST, whose files are called as those of MNIST, and EMNIST, where the name of the set comes first:
``emnist-letters-train-images-idx3-ubyte``. Of a folder with several sets one is named by how its files begin:
``task.path=emnist/emnist-letters``. What the labels of EMNIST stand for is in its ``emnist-letters-mapping.txt``.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import numpy as np

from srnn.errors import UserError, shorten
from srnn.tasks import idx
from srnn.tasks.examples import Examples, explained
from srnn.untrusted import is_folder, require_file

#: Such as ``emnist-letters-train-images-idx3-ubyte.gz`` or ``t10k-labels.idx1-ubyte``.
_NAME = re.compile(r"(?P<set>.*?)[-_.]?(?P<part>train|test|t10k)-(?P<what>images|labels)[-.]idx[13]-ubyte(\.gz)?")
_FILES = ("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels")
#: Bytes of a mapping: 62 lines of a dozen characters.
_MOST_MAPPING = 64 * 1024


def there(path: Path) -> bool:
    """Whether that is a folder, or how the files of a set in one begin."""
    with suppress(OSError):  # a folder that may not be looked into
        return is_folder(path) or bool(path.name and _sets(path.parent).get(path.name))
    return False


def read(path: Path) -> Examples:
    """The pictures ``(n, height, width)``, those to train on first, and their labels, all bytes.

    Args:
        path: The folder, or how the names of the set's files in it begin.

    Raises:
        UserError: There is no such set, or several, or one of its files is missing or damaged.
    """
    with explained(path, "the folder"):
        files = _files(path)
    parts = []
    for images, labels in ((files[0], files[1]), (files[2], files[3])):
        X, y = idx.read(images, dimensions=3), idx.read(labels, dimensions=1)
        if len(X) != len(y):
            raise UserError(f"{labels}: holds {len(y):,} labels for {len(X):,} images in {images.name}")
        parts.append((X, y))
    (train_x, train_y), (test_x, test_y) = parts
    if train_x.shape[1:] != test_x.shape[1:]:
        raise UserError(
            f"{files[2]}: its pictures have shape {test_x.shape[1:]}, those to train on {train_x.shape[1:]}"
        )
    X, y = np.concatenate([train_x, test_x]), np.concatenate([train_y, test_y])
    return Examples(X, y, training=len(train_x), names=_mapping(files[0]))


def _files(path: Path) -> list[Path]:
    folder, name = (path, None) if is_folder(path) else (path.parent, path.name)
    sets = _sets(folder) or _sets(folder / "raw")
    if not sets:
        raise UserError(
            f"{path}: no IDX files in this folder; expected pictures and labels as of MNIST, such as "
            "train-images-idx3-ubyte and train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, "
            "plain or .gz"
        )
    if name is None and len(sets) > 1:
        raise UserError(
            f"{path}: files of {len(sets)} sets ({shorten(', '.join(sorted(sets)), 200)}); name one by how they begin: "
            f"task.path={path / min(sets)}"
        )
    found = sets[name] if name is not None else next(iter(sets.values()))
    if missing := [f"{part} {what}" for part, what in _FILES if (part, what) not in found]:
        raise UserError(
            f"{path}: no file of {missing[0]}; four are needed, as of MNIST: train-images-idx3-ubyte, "
            "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, plain or .gz"
        )
    return [found[file] for file in _FILES]


def _sets(folder: Path) -> dict[str, dict[tuple[str, str], Path]]:
    """The sets in a folder by how the names of their files begin, each with its files."""
    sets: dict[str, dict[tuple[str, str], Path]] = {}
    if not is_folder(folder):
        return sets
    for path in sorted(folder.iterdir()):
        if (match := _NAME.fullmatch(path.name)) and path.is_file():
            part = "train" if match["part"] == "train" else "test"
            sets.setdefault(match["set"], {}).setdefault((part, match["what"]), path)
    return sets


def _mapping(images: Path) -> dict[int, str]:
    """What labels stand for, of a set that says so: a line for each, with its number and those of its characters."""
    match = _NAME.fullmatch(images.name)
    path = images.with_name(f"{match['set']}-mapping.txt") if match and match["set"] else None
    if path is None or not path.is_file():
        return {}
    with explained(path, "it"):
        if require_file(path) > _MOST_MAPPING:
            raise UserError(f"{path}: more than {_MOST_MAPPING:,} bytes are no mapping of labels")
        rows = [list(map(int, line.split())) for line in path.read_text("ascii").splitlines() if line.strip()]
        names = {label: chr(code) for label, code, *_ in rows}
    if len({*names.values()}) < len(names) or not all(map(str.isprintable, names.values())):
        raise UserError(f"{path}: its labels do not stand for different characters that can be printed")
    return names
