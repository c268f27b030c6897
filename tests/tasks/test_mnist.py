"""MNIST and Fashion-MNIST: found, read and fetched."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
import torch
from task_files import FILES, assert_sound, cache, error_of, good_labels, idx_bytes, write_files

from srnn.experiment import TaskConfig
from srnn.tasks import idx, load, mnist


class TestMnist:
    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_four_files_in_a_folder(self, tmp_path: Path, name: Any, zipped: bool) -> None:
        task = load(TaskConfig(name=name), write_files(tmp_path / "files", zipped))
        assert_sound(task)
        assert (task.name, task.inputs, task.outputs, task.image) == (name, 225, 10, (1, 15, 15))
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
        assert f"data_dir: no {file} (plain or .gz) in {folder}; " in error_of(TaskConfig(name="mnist"), folder)

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

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
    @pytest.mark.parametrize("where", ["", "raw", "FOLDER", "FOLDER/raw"])
    @pytest.mark.parametrize("zipped", [True, False])
    def test_it_is_found_as_torchvision_lays_it_out(self, tmp_path: Path, name: Any, where: str, zipped: bool) -> None:
        own, other = ("MNIST", "FashionMNIST") if name == "mnist" else ("FashionMNIST", "MNIST")
        data = write_files(tmp_path / f"data/{own}/raw", zipped)
        write_files(tmp_path / f"data/{other}/raw", zipped)
        for file in (tmp_path / f"data/{other}/raw").iterdir():
            file.write_bytes(b"not looked at")
        named = {"": data, "raw": data.parent, "FOLDER": data.parents[1], "FOLDER/raw": data.parent / "raw"}[where]
        assert load(TaskConfig(name=name), named).source == str(data)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_dotted_names_are_read(self, tmp_path: Path, zipped: bool) -> None:
        folder = write_files(tmp_path / "files", zipped)
        for path in list(folder.iterdir()):
            path.rename(folder / path.name.replace("-idx", ".idx"))
        assert len(load(TaskConfig(name="mnist"), folder).train_x) == 12

    @pytest.mark.parametrize(("folder", "name"), [("FashionMNIST/raw", "mnist"), ("MNIST/raw", "fashion_mnist")])
    def test_torchvisions_folder_of_the_other_is_refused(self, tmp_path: Path, folder: str, name: Any) -> None:
        assert f"is by its name not {name}" in error_of(TaskConfig(name=name), write_files(tmp_path / folder))

    def test_what_changes_on_disk_is_seen(self, tmp_path: Path) -> None:
        folder = write_files(tmp_path / "files", zipped=False)
        assert load(TaskConfig(name="mnist"), folder).test_y.tolist() == [0, 1, 2, 3, 4]
        (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(5, 7)))
        assert load(TaskConfig(name="mnist"), folder).test_y.tolist() == [7] * 5

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


class TestOfficial:
    """Whose files they are is told by their checksums."""

    @pytest.fixture
    def fashion(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder whose files shall be the official ones of Fashion-MNIST."""
        folder = write_files(tmp_path / "files", zipped=False)
        found = load(TaskConfig(name="mnist"), folder).fingerprint
        official = {file: described.rpartition(" ")[2] for file, described in found.items()}
        changed = replace(mnist._DATA_SETS["fashion_mnist"], official=official)
        monkeypatch.setitem(mnist._DATA_SETS, "fashion_mnist", changed)
        mnist._read.cache_clear()
        return folder

    def test_official_files_are_taken_without_a_word(self, fashion: Path) -> None:
        assert load(TaskConfig(name="fashion_mnist"), fashion).notes == ()

    def test_those_of_the_other_data_set_are_refused(self, fashion: Path) -> None:
        message = error_of(TaskConfig(name="mnist"), fashion)
        assert message == (
            f"{fashion / 'train-images-idx3-ubyte'} is of Fashion-MNIST, not of MNIST: name the folder of MNIST by "
            "data_dir, or set task.name to fashion_mnist"
        )

    @pytest.mark.parametrize("file", FILES)
    def test_one_of_them_is_enough(self, fashion: Path, file: str) -> None:
        for other in FILES.keys() - {file}:
            content = bytearray((fashion / other).read_bytes())
            content[-1] ^= 1
            (fashion / other).write_bytes(content)
        assert error_of(TaskConfig(name="mnist"), fashion).startswith(f"{fashion / file} is of Fashion-MNIST")

    @pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
    def test_of_nobodys_files_it_is_said_in_one_line(self, tmp_path: Path, name: Any) -> None:
        [note] = load(TaskConfig(name=name), write_files(tmp_path / "files")).notes
        title = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}[name]
        assert f"{tmp_path / 'files'}: its four files are not officially of {title} (another checksum)" in note
        assert len(note.splitlines()) == 1

    def test_of_a_part_it_is_said_which(self, fashion: Path) -> None:
        (fashion / "t10k-labels-idx1-ubyte").write_bytes(good_labels(5)[:-1] + b"\0")
        [note] = load(TaskConfig(name="fashion_mnist"), fashion).notes
        assert f"{fashion}: t10k-labels-idx1-ubyte is not officially of Fashion-MNIST" in note


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
        for words in (*FILES, "data_dir", "SRNN_DATA_DIR", "connect to the network once"):
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
        assert "data_dir" in message
