"""scikit-learn's digits."""

from __future__ import annotations

import sklearn.datasets
import torch
from task_files import assert_sound

from srnn.experiment import TaskConfig
from srnn.tasks import load
from srnn.tasks.digits import _pictures
from srnn.tasks.split import split_80_20


class TestDigits:
    def test_the_embedded_data(self) -> None:
        task = load(TaskConfig(name="digits"))
        assert_sound(task)
        assert (task.inputs, task.outputs, task.image) == (64, 10, (1, 8, 8))
        assert (len(task.train_x), len(task.test_x)) == (1_437, 360)
        assert (float(task.train_x.min()), float(task.train_x.max())) == (0, 1)

    def test_at_their_own_size_they_are_only_scaled(self) -> None:
        task = load(TaskConfig(name="digits", size=8))
        original = sklearn.datasets.load_digits()
        rows = {(tuple(image.tolist()), label) for image, label in zip(original.data, original.target, strict=True)}
        found = {
            (tuple((16 * x).tolist()), int(y))
            for part in ((task.train_x, task.train_y), (task.test_x, task.test_y))
            for x, y in zip(*part, strict=True)
        }
        assert found == rows

    def test_the_recorded_split_is_that_of_all_data_without_one(self) -> None:
        original = sklearn.datasets.load_digits()
        train, test = split_80_20(original.target, 10)
        task = load(TaskConfig(name="digits"))
        assert torch.equal(task.train_y, torch.from_numpy(original.target[train]))
        assert torch.equal(16 * task.train_x, torch.from_numpy(original.data[train]).float())
        assert torch.equal(16 * task.test_x, torch.from_numpy(original.data[test]).float())

    def test_they_are_read_as_scikit_learn_reads_them(self) -> None:
        images, labels = _pictures()
        original = sklearn.datasets.load_digits()
        for found, wanted in ((images, original.images), (labels, original.target)):
            assert found.dtype == wanted.dtype
            assert (found == wanted).all()

    def test_every_class_keeps_its_share(self) -> None:
        task = load(TaskConfig(name="digits"))
        train, test = task.train_y.bincount(), task.test_y.bincount()
        assert ((test / (train + test) - 0.2).abs() < 0.01).all()

    def test_the_split_does_not_depend_on_the_size(self) -> None:
        assert torch.equal(load(TaskConfig(name="digits")).test_y, load(TaskConfig(name="digits", size=5)).test_y)

    def test_seeds_share_one_reading(self) -> None:
        config = TaskConfig(name="digits", size=6)
        assert load(config).train_x is load(config).train_x
