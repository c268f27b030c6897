"""What can be learnt: every task's data, and one line for everything that is wrong with them."""

from __future__ import annotations

import gzip
import inspect
import io
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from platformdirs import user_cache_dir
from torch import Tensor

from srnn.errors import UserError
from srnn.experiment import TaskConfig
from srnn.tasks import TASKS, Task, complete, idx, load, shape
from srnn.tasks.images import resize

FILES = {
    "train-images-idx3-ubyte": (12, 28, 28),
    "train-labels-idx1-ubyte": (12,),
    "t10k-images-idx3-ubyte": (5, 28, 28),
    "t10k-labels-idx1-ubyte": (5,),
}


@pytest.fixture(autouse=True)
def _no_data_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing on the machine of whoever runs the tests is read or written."""
    monkeypatch.delenv("SRNN_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


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


def npz(path: Path, **arrays: Any) -> TaskConfig:
    np.savez(path, **arrays)
    return TaskConfig(name="arrays", path=str(path))


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


class TestTask:
    def test_classification_is_measured_by_cross_entropy_and_accuracy(self) -> None:
        task = load(TaskConfig(name="digits"))
        output, y = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 1, 1])
        by_hand = -output.log_softmax(1)[[0, 1, 2], y].mean()
        assert task.metric == "accuracy"
        torch.testing.assert_close(task.loss(output, y).mean(), by_hand)
        torch.testing.assert_close(task.score(output, y).mean(), torch.tensor(2 / 3))

    def test_regression_is_measured_by_squared_and_absolute_error(self) -> None:
        task = load(TaskConfig(name="add"))
        output, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [5.0]])
        assert task.metric == "mae"
        assert task.loss(output, y).mean() == 5
        assert task.score(output, y).mean() == 2

    def test_regression_does_not_broadcast_a_forgotten_dimension(self) -> None:
        task = load(TaskConfig(name="add"))
        with pytest.raises(ValueError, match=r"\(4, 1\).*\(4,\)"):
            task.loss(torch.zeros(4, 1), torch.zeros(4))

    def test_the_loss_is_differentiable(self) -> None:
        for name in ("digits", "multiply"):
            task = load(TaskConfig(name=name))
            output = torch.zeros(len(task.test_y), task.outputs, requires_grad=True)
            task.loss(output, task.test_y).sum().backward()
            assert output.grad is not None
            assert output.grad.abs().sum() > 0

    def test_to_moves_all_data_and_keeps_the_rest(self) -> None:
        task = load(TaskConfig(name="add"))
        moved = task.to("meta")
        assert {t.device.type for t in (moved.train_x, moved.train_y, moved.test_x, moved.test_y)} == {"meta"}
        assert (moved.name, moved.kind, moved.outputs) == (task.name, task.kind, task.outputs)
        assert task.train_x.device.type == "cpu"

    def test_an_unknown_name_is_answered_with_the_nearest(self) -> None:
        config: Any = SimpleNamespace(name="mnits")
        with pytest.raises(UserError, match=r"allowed: multiply, .*did you mean mnist"):
            load(config)
        with pytest.raises(UserError, match="did you mean mnist"):
            shape(config)


class TestSynthetic:
    def test_multiply(self) -> None:
        task = load(TaskConfig(name="multiply", factor=0.03, samples=8_000))
        assert_sound(task)
        assert (task.kind, task.inputs, task.outputs) == ("regression", 1, 1)
        assert (len(task.train_x), len(task.test_x)) == (8_000, 1_000)
        torch.testing.assert_close(task.train_y, 0.03 * task.train_x)
        torch.testing.assert_close(task.test_y, 0.03 * task.test_x)

    def test_add(self) -> None:
        task = load(TaskConfig(name="add", samples=1_000))
        assert_sound(task)
        assert (task.kind, task.inputs, task.outputs) == ("regression", 2, 1)
        assert (len(task.train_x), len(task.test_x)) == (1_000, 1_000)
        torch.testing.assert_close(task.train_y, task.train_x[:, :1] + task.train_x[:, 1:])
        torch.testing.assert_close(task.test_y, task.test_x[:, :1] + task.test_x[:, 1:])

    @pytest.mark.parametrize("name", ["multiply", "add"])
    def test_x_is_standard_normal_and_test_data_are_other_data(self, name: Any) -> None:
        task = load(TaskConfig(name=name, samples=20_000))
        assert abs(float(task.train_x.mean())) < 0.03
        assert abs(float(task.train_x.std()) - 1) < 0.03
        assert not torch.isin(task.test_x, task.train_x).all()

    @pytest.mark.parametrize("name", ["multiply", "add"])
    def test_data_depend_on_nothing_but_the_config(self, name: Any) -> None:
        torch.manual_seed(1)
        first = load(TaskConfig(name=name, samples=100))
        state = torch.get_rng_state()
        second = load(TaskConfig(name=name, samples=100))
        assert torch.equal(state, torch.get_rng_state())
        assert torch.equal(first.train_x, second.train_x)
        assert torch.equal(first.test_x, load(TaskConfig(name=name, samples=77)).test_x)


class TestDigits:
    def test_the_embedded_data(self) -> None:
        task = load(TaskConfig(name="digits"))
        assert_sound(task)
        assert (task.inputs, task.outputs) == (64, 10)
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

    def test_every_class_keeps_its_share(self) -> None:
        task = load(TaskConfig(name="digits"))
        train, test = task.train_y.bincount(), task.test_y.bincount()
        assert ((test / (train + test) - 0.2).abs() < 0.01).all()

    def test_the_split_does_not_depend_on_the_size(self) -> None:
        assert torch.equal(load(TaskConfig(name="digits")).test_y, load(TaskConfig(name="digits", size=5)).test_y)

    def test_seeds_share_one_reading(self) -> None:
        config = TaskConfig(name="digits", size=6)
        assert load(config).train_x is load(config).train_x


class TestResize:
    def test_a_uniform_picture_stays_uniform(self) -> None:
        images = np.stack([np.zeros((28, 28)), np.full((28, 28), 51), np.full((28, 28), 255)]).astype(np.uint8)
        rows = resize(images, 15, white=255)
        torch.testing.assert_close(rows, torch.tensor([[0.0], [0.2], [1.0]]).expand(3, 225))

    def test_antialiasing_sees_every_pixel(self) -> None:
        """Plain bilinear interpolation from 28 to 4 would look at 2 × 2 of each 7 × 7 pixels."""
        for row, column in ((0, 0), (3, 17), (13, 13), (27, 27)):
            image = np.zeros((1, 28, 28), dtype=np.uint8)
            image[0, row, column] = 255
            assert resize(image, 4, white=255).sum() > 0

    def test_rows_and_columns_keep_their_places(self) -> None:
        image = np.zeros((1, 28, 28), dtype=np.uint8)
        image[0, :14, 14:] = 255  # the upper right quarter
        assert resize(image, 2, white=255).view(2, 2).argmax() == 1

    def test_chunks_do_not_show(self) -> None:
        images = np.random.default_rng(0).integers(0, 256, (4_100, 4, 4)).astype(np.uint8)
        torch.testing.assert_close(resize(images, 3, 255)[4_090:], resize(images[4_090:], 3, 255))

    def test_rounding_makes_nothing_whiter_than_white(self) -> None:
        assert resize(np.full((1, 28, 28), 255, dtype=np.uint8), 15, white=255).max() == 1

    @settings(max_examples=50, deadline=None)
    @given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))), st.integers(1, 12))
    def test_values_stay_between_black_and_white(self, images: np.ndarray, size: int) -> None:
        rows = resize(images, size, white=255)
        assert rows.shape == (len(images), size**2)
        assert rows.dtype == torch.float32
        assert 0 <= rows.min() <= rows.max() <= 1


class TestIdx:
    @settings(max_examples=50, deadline=None)
    @given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)))
    def test_what_is_written_is_read(self, tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
        folder = tmp_path_factory.mktemp("idx")
        idx.write(folder / "a.gz", array)
        (folder / "a").write_bytes(idx_bytes(array))
        for name in ("a", "a.gz"):
            found = idx.read(folder / name, array.ndim)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, array)
        assert sorted(path.name for path in folder.iterdir()) == ["a", "a.gz"]

    def test_the_same_data_give_the_same_file(self, tmp_path: Path) -> None:
        for name in ("a.gz", "b.gz"):
            idx.write(tmp_path / name, np.arange(6, dtype=np.uint8))
        assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()

    def test_a_failed_write_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a.gz").mkdir()  # cannot be replaced by a file
        with pytest.raises(OSError, match=r"a\.gz"):
            idx.write(tmp_path / "a.gz", np.arange(6, dtype=np.uint8))
        assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]

    good = idx_bytes(np.arange(24).reshape(2, 3, 4))

    @pytest.mark.parametrize(
        ("data", "complaint"),
        [
            (b"", "truncated: the header takes 16 bytes, the file holds 0"),
            (good[:9], "truncated: the header takes 16 bytes, the file holds 9"),
            (good[:-1], "truncated: the header promises 24 bytes, the file holds 23"),
            (good[:16], "truncated: the header promises 24 bytes, the file holds 0"),
            (good + b"\0", "trailing bytes: the header promises 24 bytes, the file holds more"),
            (b"\x89PNG" + good, "not an IDX file of bytes with 3 dimensions: it begins with 89 50 4e 47, expected 00 "),
            (b"\0\0\x0d\x03" + good[4:], "begins with 00 00 0d 03, expected 00 00 08 03"),  # floats
            (idx_bytes(np.arange(5)), "begins with 00 00 08 01, expected 00 00 08 03"),  # labels for images
            (idx_bytes(np.zeros((0, 28, 28))), "empty: its dimensions are 0 × 28 × 28"),
            (
                good[:4] + struct.pack(">III", 2**32 - 1, 2**32 - 1, 2**32 - 1),
                "bytes; more than 2,147,483,648 are not read",
            ),
        ],
    )
    @pytest.mark.parametrize("zipped", [False, True])
    def test_a_damaged_file_is_named_with_what_is_wrong(
        self, tmp_path: Path, data: bytes, complaint: str, zipped: bool
    ) -> None:
        path = tmp_path / "images"
        path.write_bytes(gzip.compress(data) if zipped else data)
        with pytest.raises(UserError) as caught:
            idx.read(path, 3)
        assert str(caught.value).startswith(f"{path}: ")
        assert complaint in str(caught.value)

    def test_a_false_header_allocates_nothing(self, tmp_path: Path) -> None:
        """Two gigabytes promised, one byte held: read as what it is."""
        import tracemalloc

        data = struct.pack(">BBBBI", 0, 0, 8, 1, 2 * 1024**3) + b"\0"
        complaints = {
            "plain": (data, "truncated: the header promises 2,147,483,648 bytes, the file holds 1"),
            "zipped.gz": (
                gzip.compress(data),
                r"would unpack from \d+ to 2,147,483,648 bytes, more than 100 times as many",
            ),
        }
        for name, (content, complaint) in complaints.items():
            (tmp_path / name).write_bytes(content)
            tracemalloc.start()
            with pytest.raises(UserError, match=complaint):
                idx.read(tmp_path / name, 1)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 10_000_000

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path) -> None:
        (tmp_path / "a.gz").write_bytes(gzip.compress(good_labels(3) + bytes(50_000_000), compresslevel=1))
        with pytest.raises(UserError, match="trailing bytes"):
            idx.read(tmp_path / "a.gz", 1)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: data[:-12],  # ends within the stream
            lambda data: data[:-8] + b"\0\0\0\0" + data[-4:],  # checksum
            lambda data: data[:12] + b"\xff\xff\xff\xff" + data[16:],  # stream
            lambda data: data + b"junk",
            lambda data: data[:2],
        ],
    )
    def test_a_corrupt_gzip_is_named(self, tmp_path: Path, damage: Any) -> None:
        (tmp_path / "a.gz").write_bytes(damage(gzip.compress(self.good)))
        with pytest.raises(UserError, match=r"a\.gz: corrupt gzip: ") as caught:
            idx.read(tmp_path / "a.gz", 3)
        assert "\n" not in str(caught.value)

    def test_a_folder_or_nothing_in_place_of_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="cannot be read: Is a directory"):
            idx.read(tmp_path, 3)
        with pytest.raises(UserError, match="cannot be read: No such file"):
            idx.read(tmp_path / "absent", 3)

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_no_damage_ends_in_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        path = tmp_path_factory.mktemp("fuzz") / "a"
        content = bytearray(data.draw(st.sampled_from([self.good, gzip.compress(self.good)])))
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            assert idx.read(path, 3).ndim == 3
        except UserError as error:
            assert_one_line(error)


def good_labels(count: int) -> bytes:
    return idx_bytes(np.arange(count))


class TestMnist:
    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_four_files_in_a_folder(self, tmp_path: Path, name: Any, zipped: bool) -> None:
        task = load(TaskConfig(name=name), write_files(tmp_path / "files", zipped))
        assert_sound(task)
        assert (task.name, task.inputs, task.outputs) == (name, 225, 10)
        assert task.train_y.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
        assert task.test_y.tolist() == [0, 1, 2, 3, 4]

    def test_at_their_own_size_the_pixels_are_those_of_the_file(self, tmp_path: Path) -> None:
        folder = write_files(tmp_path / "files")
        task = load(TaskConfig(name="mnist", size=28), folder)
        pixels = idx.read(folder / "t10k-images-idx3-ubyte.gz", 3).reshape(5, 784)
        torch.testing.assert_close(task.test_x * 255, torch.from_numpy(pixels).float())

    def test_the_folder_above_will_do(self, tmp_path: Path) -> None:
        write_files(tmp_path / "mnist")
        assert len(load(TaskConfig(name="mnist"), tmp_path).train_x) == 12

    def test_the_environment_names_the_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SRNN_DATA_DIR", str(write_files(tmp_path / "mnist").parent))
        assert len(load(TaskConfig(name="mnist")).train_x) == 12

    def test_data_dir_goes_before_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SRNN_DATA_DIR", str(tmp_path / "absent"))
        assert len(load(TaskConfig(name="mnist"), write_files(tmp_path / "files")).train_x) == 12

    def test_the_cache_is_read_where_no_folder_is_named(self) -> None:
        write_files(cache("mnist"))
        assert len(load(TaskConfig(name="mnist")).train_x) == 12

    def test_seeds_share_one_reading(self, tmp_path: Path) -> None:
        folder = write_files(tmp_path / "files")
        assert load(TaskConfig(name="mnist"), folder) is load(TaskConfig(name="mnist", size=15), folder)

    @pytest.mark.parametrize("file", FILES)
    def test_a_missing_file_is_named_and_nothing_else_is_tried(self, tmp_path: Path, file: str) -> None:
        write_files(cache("mnist"))
        folder = write_files(tmp_path / "files")
        (folder / f"{file}.gz").unlink()
        assert f"--data-dir: no {file} (plain or .gz) in {folder}; " in error_of(TaskConfig(name="mnist"), folder)

    def test_a_wrong_folder_in_the_environment_is_an_error_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_files(cache("mnist"))
        monkeypatch.setenv("SRNN_DATA_DIR", str(tmp_path / "absent"))
        message = error_of(TaskConfig(name="mnist"))
        assert f"SRNN_DATA_DIR: no train-images-idx3-ubyte (plain or .gz) in {tmp_path / 'absent'}; " in message

    def test_the_folder_of_the_other_data_set_is_refused(self, tmp_path: Path) -> None:
        message = error_of(TaskConfig(name="fashion_mnist"), write_files(tmp_path / "mnist"))
        assert "is by its name not fashion_mnist" in message

    def test_images_and_labels_must_agree(self, tmp_path: Path) -> None:
        folder = write_files(tmp_path / "files", zipped=False)
        (folder / "t10k-labels-idx1-ubyte").write_bytes(good_labels(4))
        message = error_of(TaskConfig(name="mnist"), folder)
        assert message == f"{folder / 't10k-labels-idx1-ubyte'}: holds 4 labels for 5 images in t10k-images-idx3-ubyte"

    def test_there_are_ten_classes(self, tmp_path: Path) -> None:
        folder = write_files(tmp_path / "files", zipped=False)
        (folder / "train-labels-idx1-ubyte").write_bytes(good_labels(12))
        message = error_of(TaskConfig(name="mnist"), folder)
        assert message == f"{folder / 'train-labels-idx1-ubyte'}: holds the label 11; allowed: 0 to 9"


class TestFetching:
    def test_without_network_one_line_says_both_ways(self) -> None:
        """A proxy on a closed port is a network that is really absent, wherever the tests run."""
        program = (
            "from srnn.experiment import TaskConfig\n"
            "from srnn.errors import UserError\n"
            "from srnn.tasks import load\n"
            "try:\n    load(TaskConfig(name='mnist'))\n"
            "except UserError as error:\n    print(error)\n"
        )
        closed = "http://127.0.0.1:9"
        proxies = {"http_proxy": closed, "https_proxy": closed, "no_proxy": "", "NO_PROXY": ""}
        done = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **proxies}, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        assert len(done.stdout.splitlines()) == 1
        assert "urlopen error" in done.stdout  # the network, not a call that fetch_openml refuses
        for words in (*FILES, "--data-dir", "SRNN_DATA_DIR", "connect to the network once"):
            assert words in done.stdout
        assert not cache("mnist").exists()

    def test_what_is_fetched_is_kept_as_idx_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        images = np.zeros((70_000, 784), dtype=np.int16)
        images[0, 0], images[60_000, 783] = 255, 51
        labels = (np.arange(70_000) % 10).astype(str).astype(object)
        real, calls = inspect.signature(sklearn.datasets.fetch_openml), []

        def stand_in(*args: Any, **kwargs: Any) -> SimpleNamespace:
            calls.append(real.bind(*args, **kwargs).arguments)
            return SimpleNamespace(data=images, target=labels)

        monkeypatch.setattr(sklearn.datasets, "fetch_openml", stand_in)
        config = TaskConfig(name="fashion_mnist", size=28)
        task = load(config)
        assert_sound(task)
        assert (calls[0]["name"], calls[0]["version"]) == ("Fashion-MNIST", 1)
        assert (len(task.train_x), len(task.test_x)) == (60_000, 10_000)
        assert (task.train_x[0, 0], task.test_x[0, 783]) == (1, 0.2)
        assert task.train_y[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]

        assert {path.name for path in cache("fashion_mnist").iterdir()} == {f"{name}.gz" for name in FILES}
        again = load(TaskConfig(name="fashion_mnist", size=2))
        assert len(again.train_x) == 60_000
        assert len(calls) == 1
        by_hand = load(config, cache("fashion_mnist"))
        assert torch.equal(by_hand.train_y, task.train_y)

    def test_something_else_from_openml_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = SimpleNamespace(data=np.zeros((3, 784)), target=np.array(["1", "2", "3"]))
        monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: sent)
        assert "OpenML sent images of shape (3, 784)" in error_of(TaskConfig(name="mnist"))
        assert not cache("mnist").exists()

    def test_a_cache_that_cannot_be_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = SimpleNamespace(data=np.zeros((70_000, 784), dtype=np.uint8), target=np.zeros(70_000, dtype=np.uint8))
        monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: sent)
        cache("mnist").parent.parent.mkdir(parents=True, exist_ok=True)
        cache("mnist").parent.write_text("a file where the folder should be")
        message = error_of(TaskConfig(name="mnist"))
        assert f"the cache {cache('mnist')} cannot be written" in message
        assert "--data-dir" in message


X = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.arange(40) % 4


class TestArrays:
    def test_integers_are_classes(self, tmp_path: Path) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=LABELS))
        assert_sound(task)
        assert (task.kind, task.inputs, task.outputs) == ("classification", 3, 4)
        assert (len(task.train_x), len(task.test_x)) == (32, 8)
        assert task.test_y.bincount().tolist() == [2, 2, 2, 2]

    @pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.dtype(">i4")])
    def test_any_integers_are_renumbered_in_order(self, tmp_path: Path, dtype: Any) -> None:
        values = np.array([7, 3, 100, 12], dtype=dtype)
        task = load(npz(tmp_path / "a.npz", X=LABELS[:, None], y=values[LABELS]))
        rank = torch.tensor([1, 0, 3, 2])
        assert torch.equal(task.train_y, rank[task.train_x[:, 0].long()])
        assert task.outputs == 4

    def test_truth_values_are_two_classes(self, tmp_path: Path) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=LABELS > 1))
        assert (task.kind, task.outputs) == ("classification", 2)

    @pytest.mark.parametrize(("y", "outputs"), [(X[:, 0], 1), (X[:, :2], 2), (X.astype(np.float16), 3)])
    def test_floats_are_targets(self, tmp_path: Path, y: np.ndarray, outputs: int) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=y))
        assert_sound(task)
        assert (task.kind, task.outputs) == ("regression", outputs)

    def test_rows_stay_together(self, tmp_path: Path) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=2 * X))
        torch.testing.assert_close(task.train_y, 2 * task.train_x)
        torch.testing.assert_close(task.test_y, 2 * task.test_x)

    def test_further_dimensions_are_flattened(self, tmp_path: Path) -> None:
        pictures = np.arange(40 * 6).reshape(40, 2, 3)
        task = load(npz(tmp_path / "a.npz", X=np.asfortranarray(pictures), y=LABELS))
        assert task.inputs == 6
        whole = torch.cat([task.train_x, task.test_x])
        assert torch.equal(whole[whole[:, 0].argsort()], torch.arange(240).view(40, 6).float())

    def test_a_class_too_small_to_share_is_no_obstacle(self, tmp_path: Path) -> None:
        y = np.zeros(40, dtype=int)
        y[5] = 1
        assert_sound(load(npz(tmp_path / "once.npz", X=X, y=y)))
        assert_sound(load(npz(tmp_path / "many.npz", X=X, y=np.arange(40) // 2)))

    def test_compressed_files_are_read(self, tmp_path: Path) -> None:
        np.savez_compressed(tmp_path / "a.npz", X=X, y=LABELS)
        assert_sound(load(TaskConfig(name="arrays", path=str(tmp_path / "a.npz"))))

    @pytest.mark.parametrize(
        ("arrays", "complaint"),
        [
            ({"X": X, "labels": LABELS}, "no array y; it holds 'X', 'labels'"),
            ({"x": X, "y": LABELS}, "no array X; it holds 'x', 'y'"),
            ({}, "no array X; it holds no arrays"),
            ({"X": X.astype(object), "y": LABELS}, "X has dtype object; allowed: integers, floats and bool"),
            ({"X": X, "y": LABELS.astype(str)}, "y has dtype <U"),
            ({"X": X + 1j, "y": LABELS}, "X has dtype complex128"),
            ({"X": X[:, 0], "y": LABELS}, "X has shape (40,); expected one row"),
            ({"X": X[:, :0], "y": LABELS}, "X has shape (40, 0); expected one row of at least 1 number"),
            ({"X": X, "y": LABELS[:, None]}, "y holds int64 in shape (40, 1); expected integers (n,)"),
            ({"X": X, "y": np.int64(3)}, "y holds int64 in shape ()"),
            ({"X": X, "y": X[:, :, None]}, "y has shape (40, 3, 1); expected (n,), or (n, outputs)"),
            ({"X": X, "y": X[:, :0]}, "y has shape (40, 0)"),
            ({"X": X, "y": LABELS[:-1]}, "X has 40 rows, y has 39"),
            ({"X": X[:9], "y": LABELS[:9]}, "X has 9 rows; at least 10 are needed"),
            ({"X": X, "y": 0 * LABELS + 7}, "y has only the class 7; at least 2"),
            ({"X": np.where(X > 1, np.nan, X), "y": LABELS}, "of the 120 values of X are NaN or infinite"),
            ({"X": X, "y": np.where(X > 1, np.inf, X)}, "of the 120 values of y are NaN or infinite"),
            ({"X": X * 1e300, "y": LABELS}, "120 of the 120 values of X are NaN or infinite as float32"),
        ],
    )
    def test_what_cannot_be_learnt_from_is_said(self, tmp_path: Path, arrays: dict[str, Any], complaint: str) -> None:
        message = error_of(npz(tmp_path / "a.npz", **arrays))
        assert message.startswith(f"{tmp_path / 'a.npz'}: ")
        assert complaint in message

    def test_a_missing_file(self, tmp_path: Path) -> None:
        path = tmp_path / "absent.npz"
        assert error_of(TaskConfig(name="arrays", path=str(path))).startswith(f"{path}: no such file")

    def test_a_path_that_is_not_set(self) -> None:
        config: Any = SimpleNamespace(name="arrays", path=None)
        assert "task.path is not set" in error_of(config)

    @pytest.mark.parametrize("content", [b"", b"X,y\n1,2\n", b"PK\x03\x04 and no more"])
    def test_a_file_that_is_no_npz(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.npz").write_bytes(content)
        assert "a.npz: not an .npz file" in error_of(TaskConfig(name="arrays", path=str(tmp_path / "a.npz")))

    def test_a_flipped_byte_is_noticed(self, tmp_path: Path) -> None:
        config = npz(tmp_path / "a.npz", X=X, y=LABELS)
        content = bytearray((tmp_path / "a.npz").read_bytes())
        content[400] ^= 1
        (tmp_path / "a.npz").write_bytes(content)
        assert "damaged one: Bad CRC-32" in error_of(config)

    def test_an_array_that_is_not_there_is_not_allocated(self, tmp_path: Path) -> None:
        forged_file = forged(tmp_path / "a.npz", "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000, 3)}")
        assert "X is damaged: its shape promises 2,400,000,000 bytes, the file holds 0" in error_of(forged_file)

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path) -> None:
        bomb = forged(tmp_path / "a.npz", f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**12}, 3)}}")
        assert "the shape of X is not one of 0 to 4,294,967,296 bytes" in error_of(bomb)
        assert shape(bomb) is None

    @pytest.mark.parametrize(
        "header",
        [
            "{'descr': '<f8', 'fortran_order': False, 'shape': (40, 3)}",  # and no data
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-40, 3)}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "999999999," * 900 + ")}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1," + "999999999," * 900 + ")}",
            "{'descr': '<f8', 'fortran_order': False, 'shape': ('a',)}",
            "{'descr': '|O', 'fortran_order': False, 'shape': (40, 3)}",
            "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (40, 3)}",
            "{'descr': 'nonsense'}",
            "(((((",
            "(" * 5_000,
            "'''",
            "",
        ],
    )
    def test_a_forged_header_is_one_line(self, tmp_path: Path, header: str) -> None:
        assert "X" in error_of(forged(tmp_path / "a.npz", header))

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_no_damage_ends_in_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        path = tmp_path_factory.mktemp("fuzz") / "a.npz"
        config = npz(path, X=X[:12, :1], y=LABELS[:12])
        content = bytearray(path.read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
        shape(config)
        try:
            assert_sound(load(config))
        except UserError as error:
            assert_one_line(error)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 70), st.sampled_from("0179(){}[],:'\"<>fiOU8\n xT-")), max_size=3))
    def test_no_forged_header_ends_in_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, str]]
    ) -> None:
        header = list("{'descr': '<f8', 'fortran_order': False, 'shape': (12, 3), }".ljust(71))
        for place, character in changes:
            header[place] = character
        message = error_of(forged(tmp_path_factory.mktemp("fuzz") / "a.npz", "".join(header)))
        assert "a.npz: " in message


def forged(path: Path, header: str) -> TaskConfig:
    """An .npz whose X has this header and no data."""
    good = io.BytesIO()
    np.save(good, LABELS)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("latin1"))
        archive.writestr("y.npy", good.getvalue())
    return TaskConfig(name="arrays", path=str(path))


class TestShape:
    @pytest.mark.parametrize("name", ["multiply", "add", "digits"])
    @pytest.mark.parametrize("size", [None, 6])
    def test_it_is_that_of_the_loaded_task(self, name: Any, size: int | None) -> None:
        config = TaskConfig(name=name, size=size, samples=123)
        task = load(config)
        assert shape(config) == (task.inputs, task.outputs, len(task.train_x))

    def test_it_needs_no_pictures(self) -> None:
        assert shape(TaskConfig(name="mnist")) == (225, 10, 60_000)
        assert shape(TaskConfig(name="fashion_mnist", size=28)) == (784, 10, 60_000)

    @pytest.mark.parametrize("rows", [10, 11, 12, 13, 14, 37, 40])
    @pytest.mark.parametrize("y", [LABELS, X[:, 0], X[:, :2]])
    def test_it_is_that_of_the_users_arrays(self, tmp_path: Path, rows: int, y: np.ndarray) -> None:
        config = npz(tmp_path / "a.npz", X=X[:rows], y=y[:rows])
        task = load(config)
        assert shape(config) == (task.inputs, task.outputs, len(task.train_x))

    def test_arrays_that_cannot_be_read_have_none(self, tmp_path: Path) -> None:
        assert shape(TaskConfig(name="arrays", path=str(tmp_path / "absent.npz"))) is None
        assert shape(npz(tmp_path / "a.npz", X=X)) is None

    def test_every_task_has_one(self) -> None:
        assert list(TASKS) == ["multiply", "add", "digits", "mnist", "fashion_mnist", "arrays"]
        for name in TASKS:
            config: Any = SimpleNamespace(name=name, size=None, path=None, factor=1.0, samples=10)
            assert shape(config) is None or len(shape(config) or ()) == 3


class TestComplete:
    @pytest.mark.parametrize(("name", "size"), [("digits", 8), ("mnist", 15), ("fashion_mnist", 15)])
    def test_the_size_of_pictures_becomes_a_number(self, name: Any, size: int) -> None:
        assert complete(TaskConfig(name=name)) == TaskConfig(name=name, size=size)
        assert complete(TaskConfig(name=name, size=20)) == TaskConfig(name=name, size=20)

    def test_the_users_path_becomes_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert complete(TaskConfig(name="arrays", path="a.npz")).path == str(tmp_path.resolve() / "a.npz")

    def test_there_is_nothing_to_add_to_what_is_drawn(self) -> None:
        for config in (TaskConfig(name="multiply"), TaskConfig(name="add", samples=7)):
            assert complete(config) == config


def classification(classes: int) -> Task:
    x, y = torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64)
    return Task("classes", "classification", x, y, x, y, classes)


def loss_and_gradient(output: Tensor, y: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    losses = classification(output.shape[-1]).loss(output.requires_grad_(), y)
    return losses, torch.autograd.grad(losses, output, share)[0]


@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 200), st.integers(1, 12), st.integers(0, 2**31 - 1))
def test_cross_entropy_is_that_of_torch(networks: list[int], n: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (*networks, n)
    output = 5 * torch.randn(*shape, classes, generator=generator)
    y = torch.randint(0, classes, shape, generator=generator)
    share = torch.rand(shape, generator=generator)
    losses, gradient = loss_and_gradient(output, y, share)
    expected = torch.nn.functional.cross_entropy(output.flatten(0, -2), y.flatten(), reduction="none").view(shape)
    torch.testing.assert_close(losses, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, output, share)[0])


def test_cross_entropy_of_what_diverged_is_nan() -> None:
    output = torch.tensor([[0.0, float("nan")], [float("inf"), 0.0], [1.0, 2.0]])
    losses = classification(2).loss(output, torch.tensor([0, 1, 1]))
    assert losses.isnan().tolist() == [True, True, False]


@given(st.integers(2, 12), st.integers(1, 200), st.integers(1, 12), st.booleans(), st.integers(0, 2**31 - 1))
def test_a_loss_does_not_depend_on_how_many_networks_there_are(
    networks: int, n: int, classes: int, units_first: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    output = 5 * torch.randn(networks, n, classes, generator=generator)
    if units_first:  # as an MLP answers
        output = output.mT.contiguous().mT
    y = torch.randint(0, classes, (networks, n), generator=generator)
    share = torch.rand(networks, n, generator=generator)
    together = loss_and_gradient(output, y, share)
    for place in range(networks):
        alone = loss_and_gradient(output.detach()[place], y[place], share[place])
        assert all(torch.equal(one, other[place]) for one, other in zip(alone, together, strict=True))
