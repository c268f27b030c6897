"""Own data in forms that are no table: tensors, arrays that are divided already, folders of IDX files; and in none."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy import sparse
from task_files import FILES, LABELS, X, assert_sound, error_of, idx_bytes, npz, write_files

from srnn.experiment import TaskConfig
from srnn.tasks import complete, load, shape

PARTS = {"x_train": X[:30], "y_train": LABELS[:30] * 2, "x_test": X[30:], "y_test": LABELS[30:] * 2}


def tensors(path: Path, **arrays: Any) -> TaskConfig:
    save_file({name: torch.as_tensor(array) for name, array in arrays.items()}, path)
    return TaskConfig(path=str(path), scale="none")


class TestLabels:
    def test_text_is_classes_in_alphabetical_order(self, tmp_path: Path) -> None:
        names = np.array(["b", "zero", "a", "ä"])
        config = npz(tmp_path / "a.npz", X=LABELS[:, None], y=names[LABELS])
        task = load(config)
        assert_sound(task)
        assert task.classes == ("a", "b", "zero", "ä")
        assert torch.equal(task.train_y, torch.tensor([1, 2, 0, 3])[task.train_x[:, 0].long()])
        assert shape(config) == (1, 4, 32)

    @pytest.mark.parametrize(
        ("y", "classes"),
        [
            (LABELS, None),
            (LABELS.astype(np.uint8), None),
            (LABELS[:, None], None),
            (np.eye(4)[LABELS], None),
            (LABELS > 1, ("False", "True")),
            (LABELS * 10 - 10, ("-10", "0", "10", "20")),
            (np.eye(6)[LABELS + 2], ("2", "3", "4", "5")),
        ],
    )
    def test_numbers_have_names_where_they_are_not_counted(self, tmp_path: Path, y: np.ndarray, classes: Any) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=y))
        assert task.classes == classes
        assert task.outputs == len(np.unique(task.train_y))

    def test_recalls_are_called_by_them(self, tmp_path: Path) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=np.array(["Iris setosa", "<=50K", "zero", "other"])[LABELS]))
        found = task.metrics(torch.eye(4)[task.test_y], task.test_y)
        recalls = ["recall_<=50K", "recall_Iris_setosa", "recall_other", "recall_zero"]
        assert found == dict.fromkeys(["accuracy", "balanced_accuracy", *recalls], 1)

    def test_names_that_would_be_the_same_are_numbers(self, tmp_path: Path) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=np.array(["a b", "a,b", "c", "d"])[LABELS]))
        assert "recall_3" in task.metrics(torch.eye(4)[task.test_y], task.test_y)

    def test_a_run_without_names_goes_on_without(self, tmp_path: Path) -> None:
        config = npz(tmp_path / "a.npz", X=X, y=LABELS * 10)
        recorded = complete(config, load(config))
        assert load(recorded).classes == ("0", "10", "20", "30")
        assert load(recorded.model_copy(update={"classes": None})).classes is None

    def test_a_class_for_the_test_alone_is_told(self, tmp_path: Path) -> None:
        every = [load(npz(tmp_path / "a.npz", X=X, y=np.arange(40) == place)).notes for place in range(40)]
        told = [notes for notes in every if notes]
        assert len(told) == 8  # a fifth
        assert told[0][0].endswith(
            "the fifth that is held back for testing has a class of which there is no example to train on: True; two "
            "examples of each would be divided"
        )


class TestDivided:
    @pytest.mark.parametrize("save", [npz, tensors])
    def test_the_parts_stay_as_they_are(self, tmp_path: Path, save: Any) -> None:
        config = save(tmp_path / f"a.{'npz' if save is npz else 'safetensors'}", **PARTS)
        task = load(config)
        assert_sound(task)
        torch.testing.assert_close(task.train_x, torch.from_numpy(X[:30]).float())
        torch.testing.assert_close(task.test_x, torch.from_numpy(X[30:]).float())
        assert torch.equal(task.test_y, torch.from_numpy(LABELS[30:]))
        assert list(task.fingerprint) == ["X", "y", "X_test", "y_test"]
        assert task.classes == ("0", "2", "4", "6")
        assert shape(config) == (3, 4, 30)

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            (
                {"y_test": LABELS[30:] * 3},
                "the test part has classes of which there is no example to train on: 3, 9; add some, or leave them out",
            ),
            ({"y_test": LABELS[31:]}, "x_test has 10 rows, y_test has 9; they must have the same number"),
            (
                {"x_test": X[30:, :2]},
                "x_test is float64 (10, 2), that to train on float64 (30, 3): they may differ in rows only",
            ),
            ({"x_test": X[30:, 0]}, "x_test has shape (10,); expected one row"),
            ({"x_test": X[:0], "y_test": LABELS[:0]}, "x_test has 0 rows; at least 1 are needed"),
            ({"y_test": LABELS[30:].astype(str)}, "y_test is <U21 (10,), that to train on int64 (30,)"),
        ],
    )
    def test_parts_that_do_not_fit_are_refused(self, tmp_path: Path, changes: Any, complaint: str) -> None:
        config = npz(tmp_path / "a.npz", **{**PARTS, **changes})
        assert complaint in error_of(config)


class TestTensors:
    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.bool])
    def test_of_any_type(self, tmp_path: Path, dtype: torch.dtype) -> None:
        x = torch.from_numpy(LABELS[:, None] * np.ones((1, 3))).to(dtype)
        config = tensors(tmp_path / "a.safetensors", X=x, y=torch.from_numpy(LABELS))
        task = load(config)
        assert_sound(task)
        assert torch.equal(task.train_x[:, 0], task.train_y.to(dtype).float())
        assert shape(config) == (3, 4, 32)
        assert bool(task.notes) == (not dtype.is_floating_point)

    def test_pictures(self, tmp_path: Path) -> None:
        assert load(tensors(tmp_path / "a.safetensors", X=torch.rand(40, 3, 4, 5), y=LABELS)).image == (3, 4, 5)

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"", "the file is empty"),
            (b"X,y\n1,2", "it is not a .safetensors file, or a damaged one; it cannot be read: "),
            (b"\xff" * 100, "it is not a .safetensors file, or a damaged one; it cannot be read: "),
            ({"X": X}, "no array y; it holds 'X'; expected X and y, or"),
            ({"X": (X + 1j).astype(np.complex64), "y": LABELS}, "X holds complex numbers; allowed"),
            ({"X": X[:, 0].copy(), "y": LABELS}, "X has shape (40,); expected one row of at least 1 number"),
        ],
    )
    def test_what_is_none_is_one_line(self, tmp_path: Path, content: Any, complaint: str) -> None:
        path = tmp_path / "a.safetensors"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            tensors(path, **content)
        message = error_of(TaskConfig(path=str(path)))
        assert message.startswith(f"{path}: {complaint}")


def emnist(folder: Path, name: str, first: int = 1, mapping: str = "") -> Path:
    """Four small files called as those of EMNIST."""
    folder.mkdir(exist_ok=True)
    for part, count in (("train", 12), ("test", 6)):
        pictures = np.random.default_rng(count).integers(0, 256, (count, 5, 4))
        for what, array in (("images-idx3", pictures), ("labels-idx1", np.arange(count) % 3 + first)):
            (folder / f"{name}-{part}-{what}-ubyte.gz").write_bytes(gzip.compress(idx_bytes(array)))
    if mapping:
        (folder / f"{name}-mapping.txt").write_text(mapping)
    return folder


class TestFolders:
    @pytest.mark.parametrize("zipped", [True, False])
    @pytest.mark.parametrize("dotted", [True, False])
    def test_of_files_called_as_those_of_mnist(self, tmp_path: Path, zipped: bool, dotted: bool) -> None:
        folder = write_files(tmp_path / "kuzushiji", zipped)
        for path in list(folder.iterdir()) if dotted else []:
            path.rename(path.with_name(path.name.replace("-idx", ".idx")))
        config = TaskConfig(path=str(folder))
        task = load(config)
        assert_sound(task)
        assert (task.inputs, task.image, task.scale, task.classes) == (784, (1, 28, 28), "unit", None)
        assert (len(task.train_x), len(task.test_x)) == (12, 5)
        assert shape(config) == (784, 10, 12)

    def test_letters_are_called_by_their_mapping(self, tmp_path: Path) -> None:
        folder = emnist(tmp_path / "emnist", "emnist-letters", mapping="1 65 97 \n2 66 98 \n3 67 99 \n")
        task = load(TaskConfig(path=str(folder)))
        assert (task.image, task.classes) == ((1, 5, 4), ("A", "B", "C"))
        emnist(folder, "emnist-letters", mapping="1 65 97\n2 65 98")
        assert "its labels do not stand for different characters" in error_of(TaskConfig(path=str(folder)))
        emnist(folder, "emnist-letters", mapping="letters")
        assert "emnist-letters-mapping.txt: it cannot be read: " in error_of(TaskConfig(path=str(folder)))

    def test_of_several_sets_one_is_named(self, tmp_path: Path) -> None:
        folder = emnist(emnist(tmp_path / "emnist", "emnist-letters"), "emnist-digits", first=0)
        told = (
            f"{folder}: files of 2 sets (emnist-digits, emnist-letters); name one by how they begin: task.path={folder}"
        )
        assert error_of(TaskConfig(path=str(folder))) == f"{told}/emnist-digits"
        config = TaskConfig(path=str(folder / "emnist-letters"))
        assert load(config).classes == ("1", "2", "3")
        assert load(TaskConfig(path=str(folder / "emnist-digits"))).classes is None
        assert "no such file" in error_of(TaskConfig(path=str(folder / "emnist-letter")))
        recorded = complete(config, load(config))
        folder.rename(tmp_path / "moved")
        assert load(recorded, tmp_path / "moved").fingerprint == recorded.fingerprint

    def test_as_torchvision_lays_it_out(self, tmp_path: Path) -> None:
        write_files(tmp_path / "KMNIST" / "raw")
        assert len(load(TaskConfig(path=str(tmp_path / "KMNIST"))).train_x) == 12

    @pytest.mark.parametrize("file", FILES)
    def test_a_missing_file_is_named(self, tmp_path: Path, file: str) -> None:
        folder = write_files(tmp_path / "files")
        (folder / f"{file}.gz").unlink()
        part, what = ("test" if "t10k" in file else "train"), ("images" if "images" in file else "labels")
        assert f"{folder}: no file of {part} {what}; four are needed" in error_of(TaskConfig(path=str(folder)))

    def test_what_is_wrong_is_one_line(self, tmp_path: Path) -> None:
        config = TaskConfig(path=str(tmp_path / "files"))
        (tmp_path / "files").mkdir()
        assert "files: no IDX files in this folder; expected pictures and labels as of MNIST" in error_of(config)
        write_files(tmp_path / "files")
        (tmp_path / "files/t10k-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.array([0, 1, 10, 2, 11])))
        told = "the test part has classes of which there is no example to train on: 10, 11; add some, or leave them out"
        assert told in error_of(config)
        (tmp_path / "files/t10k-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.arange(4)))
        assert "holds 4 labels for 5 images in t10k-images-idx3-ubyte.gz" in error_of(config)
        (tmp_path / "files/t10k-labels-idx1-ubyte.gz").write_bytes(b"\x1f\x8b and no more")
        assert "t10k-labels-idx1-ubyte.gz: corrupt gzip" in error_of(config)
        write_files(tmp_path / "files")
        (tmp_path / "files/t10k-images-idx3-ubyte.gz").write_bytes(idx_bytes(np.zeros((5, 3, 3))))
        assert "its pictures have shape (3, 3), those to train on (28, 28)" in error_of(config)


class TestNoForm:
    @pytest.mark.parametrize(
        ("name", "told"),
        [
            (
                "a.pt",
                ".pt is not read: nothing is unpickled, as that runs whatever is in it: load it where you trust it ",
            ),
            ("a.pth", "and save its arrays by safetensors.torch.save_file({'X': X, 'y': y}, 'data.safetensors')"),
            ("a.pkl", ".pkl is not read: nothing is unpickled, as that runs whatever is in it"),
            ("a.joblib", "and save its arrays by numpy.savez('data.npz', X=X, y=y)"),
            (
                "a.npy",
                ".npy is not read: it holds one array: save X and y together by numpy.savez('data.npz', X=X, y=y)",
            ),
            ("b.parqet", "or a table by frame.to_parquet('data.parquet'); did you mean .parquet?"),
            ("a.xlsx", ".xlsx is not read: save the sheet as CSV"),
            ("a.csv.gz", ".gz is not read: unpack it first"),
            ("a.h5", "load its arrays and save them by numpy.savez('data.npz', X=X, y=y)"),
            ("a.json", "read it with pandas and save it by frame.to_parquet('data.parquet')"),
            (
                "a.parqet",
                ".parqet is not read: save it by numpy.savez('data.npz', X=X, y=y), or a table by frame.to_parq",
            ),
            ("a", "a file without an ending is not read"),
        ],
    )
    def test_it_is_said_what_to_do(self, tmp_path: Path, name: str, told: str) -> None:
        (tmp_path / name).write_bytes(b"something")
        message = error_of(TaskConfig(path=str(tmp_path / name)))
        assert message.startswith(f"{tmp_path / name}: ")
        assert told in message

    def test_a_sparse_matrix_of_scipy(self, tmp_path: Path) -> None:
        sparse.save_npz(tmp_path / "a.npz", sparse.csr_matrix(X))
        assert (
            "it holds a sparse matrix of scipy, which is not read; save it filled, with its labels: numpy.savez("
            in (error_of(TaskConfig(path=str(tmp_path / "a.npz"))))
        )

    def test_arrays_need_not_be_called_so(self, tmp_path: Path) -> None:
        npz(tmp_path / "a.npz", X=X, y=LABELS)
        (tmp_path / "a.npz").rename(tmp_path / "mine.data")
        assert load(TaskConfig(path=str(tmp_path / "mine.data"))).outputs == 4

    def test_only_tables_have_columns(self, tmp_path: Path) -> None:
        config = npz(tmp_path / "a.npz", X=X, y=LABELS).model_copy(update={"target": "kind"})
        assert "task.target is 'kind', and only tables (.csv, .tsv, .parquet) have columns to name" in error_of(config)
