"""Data for the tests of tasks, good ones and bad ones, and what holds for all."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from platformdirs import user_cache_dir

from srnn.errors import UserError
from srnn.experiment import TaskConfig
from srnn.tasks import Task, load

FILES = {
    "train-images-idx3-ubyte": (12, 28, 28),
    "train-labels-idx1-ubyte": (12,),
    "t10k-images-idx3-ubyte": (5, 28, 28),
    "t10k-labels-idx1-ubyte": (5,),
}


def error_of(config: TaskConfig, data_dir: Path | None = None) -> str:
    """The message of the UserError that loading ends in; it must be one line."""
    with pytest.raises(UserError) as caught:
        load(config, data_dir)
    assert_one_line(caught.value)
    return str(caught.value)


def assert_one_line(error: UserError) -> None:
    assert len(str(error).splitlines()) == 1


def cache(name: str) -> Path:
    return Path(user_cache_dir("srnn", appauthor=False)) / name


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_files(folder: Path, zipped: bool = True) -> Path:
    """Four small IDX files: random pictures, labels 0, 1, 2 …"""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in FILES.items():
        generator = np.random.default_rng(len(name) + size[0])
        array = generator.integers(0, 256, size) if len(size) == 3 else np.arange(size[0]) % 10
        data = idx_bytes(array)
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(data) if zipped else data)
    return folder


def npz(path: Path, scale: Any = "none", **arrays: Any) -> TaskConfig:
    np.savez(path, **arrays)
    return TaskConfig(name="arrays", path=str(path), scale=scale)


def assert_sound(task: Task) -> None:
    """What holds for every task."""
    for x, y in ((task.train_x, task.train_y), (task.test_x, task.test_y)):
        assert x.dtype == torch.float32
        assert x.shape == (len(y), task.inputs)
        assert torch.isfinite(x).all()
        if task.kind == "classification":
            assert y.dtype == torch.int64
            assert y.ndim == 1
            assert int(y.min()) >= 0
            assert int(y.max()) < task.outputs
        else:
            assert y.dtype == torch.float32
            assert y.shape == (len(x), task.outputs)
    output = torch.zeros(len(task.test_x), task.outputs)
    assert task.loss(output, task.test_y).shape == task.test_x.shape[:1]
    assert task.score(output, task.test_y).shape == task.test_x.shape[:1]


def good_labels(count: int) -> bytes:
    return idx_bytes(np.arange(count))


X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.arange(40) % 4
