"""The user's own data: what they are taken for, and one line for everything that is wrong with them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from task_files import LABELS, X, assert_one_line, assert_sound, error_of, npz

from srnn.errors import UserError
from srnn.experiment import TaskConfig
from srnn.tasks import load, shape


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

    @pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, np.float64, np.float16])
    def test_one_hot_rows_are_classes(self, tmp_path: Path, dtype: Any) -> None:
        task = load(npz(tmp_path / "a.npz", X=LABELS[:, None], y=np.eye(4, dtype=dtype)[LABELS]))
        assert_sound(task)
        assert (task.kind, task.outputs) == ("classification", 4)
        assert torch.equal(task.train_y, task.train_x[:, 0].long())
        assert [note for note in task.notes if "y is one-hot: it is taken for classes" in note]

    @pytest.mark.parametrize("y", [2 * np.eye(4)[LABELS], np.eye(4)[LABELS] - 1, 1 + np.eye(4)[LABELS]])
    def test_what_is_nearly_one_hot_is_a_regression(self, tmp_path: Path, y: np.ndarray) -> None:
        task = load(npz(tmp_path / "a.npz", X=X, y=y))
        assert (task.kind, task.outputs) == ("regression", y.shape[1])

    def test_integers_that_are_nearly_one_hot_are_refused(self, tmp_path: Path) -> None:
        message = error_of(npz(tmp_path / "a.npz", X=X, y=np.eye(4, dtype=int)[LABELS] * (X[:, :1] > 0)))
        assert "y holds int64 in shape (40, 4); expected integers or text (n,) for classes, rows (n, cl" in message

    @pytest.mark.parametrize(
        ("y", "note"),
        [
            (
                LABELS.astype(float),
                "y holds whole numbers as floats, 4 different ones in 40 rows: they are taken for num",
            ),
            (np.eye(4)[LABELS] * 2, "y holds whole numbers as floats, 2 different ones"),
            (np.arange(40), "y holds integers, which are taken for 40 classes in 40 rows; if they are numbers"),
            (np.minimum(np.arange(40), 20), "taken for 21 classes in 40 rows"),
        ],
    )
    def test_what_is_doubtful_is_said_in_one_line(self, tmp_path: Path, y: np.ndarray, note: str) -> None:
        [found] = load(npz(tmp_path / "a.npz", X=X, y=y)).notes
        assert found.startswith(f"{tmp_path / 'a.npz'}: ")
        assert note in found
        assert len(found.splitlines()) == 1

    @pytest.mark.parametrize("y", [LABELS, LABELS > 1, np.arange(40) // 4, X[:, 0], X[:, :2], np.arange(40.0)])
    def test_what_is_not_doubtful_is_not(self, tmp_path: Path, y: np.ndarray) -> None:
        assert load(npz(tmp_path / "a.npz", X=X, y=y / 10 if y.dtype == float else y)).notes == ()

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

    @pytest.mark.parametrize(
        ("shape", "image"),
        [
            ((40, 5, 7), (1, 5, 7)),
            ((40, 5, 7, 1), (1, 5, 7)),
            ((40, 5, 7, 3), (3, 5, 7)),
            ((40, 3, 5, 7), (3, 5, 7)),
            ((40, 4, 5, 3), (3, 4, 5)),  # both would do: the last
            ((40, 5, 6, 7), None),
            ((40, 2, 3, 5, 7), None),
            ((40, 35), None),
        ],
    )
    def test_pictures_keep_their_shape(self, tmp_path: Path, shape: Any, image: Any) -> None:
        pictures = np.arange(np.prod(shape)).reshape(shape)
        task = load(npz(tmp_path / "a.npz", X=pictures, y=LABELS))
        assert task.image == image
        whole = torch.cat([task.train_x, task.test_x])
        first = whole[whole[:, 0].argsort()][0]
        if image is not None and shape[-1] == image[0]:  # channels last: they come first now
            first = first.view(image).permute(1, 2, 0).flatten()
        assert torch.equal(first, torch.arange(len(first)).float())
        assert ("pictures of" in "".join(task.notes)) == (image is not None)

    def test_a_run_of_an_older_srnn_has_its_data_as_it_had_them(self, tmp_path: Path) -> None:
        pictures = np.arange(40 * 30).reshape(40, 2, 5, 3)
        config = npz(tmp_path / "a.npz", X=pictures, y=np.eye(4)[LABELS])
        older = config.model_copy(update={"fingerprint": {}})
        task = load(older)
        assert (task.kind, task.outputs, task.image) == ("regression", 4, None)
        whole = torch.cat([task.train_x, task.test_x])
        assert torch.equal(whole[whole[:, 0].argsort()][0], torch.arange(30).float())
        assert shape(older) == shape(config) == (30, 4, 32)

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
            (
                {"images": X, "y": LABELS},
                "no array X; it holds 'images', 'y'; expected X and y, or X_train",
            ),
            (
                {"arr_0": X, "arr_1": LABELS},
                "it holds 'arr_0', 'arr_1', as numpy calls arrays that are saved without names; save them with: nu",
            ),
            (
                {"indices": LABELS, "indptr": LABELS, "format": b"csr", "shape": [40, 3], "data": X},
                "it holds a sparse matrix of scipy, which is not read; save it filled, with its labels: numpy",
            ),
            ({}, "no array X; it holds no arrays"),
            (
                {"X": X.astype(object), "y": LABELS},
                "X holds Python objects; allowed: integers, floats and truth values; nothing is unpickled: save "
                "numbers by X.astype(float)",
            ),
            ({"X": X.astype(str), "y": LABELS}, "X holds text; allowed: integers, floats and truth values; turn it"),
            (
                {"X": X, "y": LABELS.astype("S")},
                "y holds bytes; allowed: integers, floats and truth values, and text; save",
            ),
            ({"X": X, "y": np.where(LABELS > 1, "a", " ")}, "some rows of y have no label"),
            ({"X": X, "y": np.where(LABELS > 1, "a", "x" * 101)}, "y has the label 'xxx"),
            ({"X": X, "y": np.where(LABELS > 1, "a", "\x1b[2J")}, "y has the label"),
            ({"X": X, "y": np.full(40, "a")}, "y has only the class a; at least 2 classes are needed"),
            ({"X": X, "y": np.full(40, 2.5)}, "y is 2.5 in every row: there is nothing to learn"),
            ({"X": X, "y": np.full((40, 2), 2.5)}, "y is [2.5 2.5] in every row: there is nothing to learn"),
            ({"X": X, "y": np.eye(3)[0 * LABELS]}, "y has only the class 0; at least 2 classes are needed"),
            ({"X": X + 1j, "y": LABELS}, "X holds complex numbers; allowed: integers, floats and truth values"),
            ({"X": X.astype("M8[s]"), "y": LABELS}, "X holds datetime64[s]; allowed"),
            ({"X": np.where(X[3, 1] == X, np.inf, X), "y": LABELS}, "1 of the 120 values of X is NaN or infinite as"),
            (
                {"X": X[:, 0], "y": LABELS},
                "X has shape (40,); expected one row of at least 1 number per example: (n, inputs); of one number an "
                "example, it is X.reshape(-1, 1)",
            ),
            ({"X": X[:, :0], "y": LABELS}, "X has shape (40, 0); expected one row of at least 1 number"),
            (
                {"X": X, "y": np.stack([LABELS, LABELS], 1)},
                "y holds int64 in shape (40, 2); expected integers",
            ),
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

    def test_a_file_that_was_moved_is_found_by_its_name_in_the_data_folder(self, tmp_path: Path) -> None:
        config = npz(tmp_path / "a.npz", X=X, y=LABELS)
        known = dict(load(config).fingerprint)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "a.npz").rename(tmp_path / "elsewhere/a.npz")
        assert "no such file" in error_of(config, tmp_path / "elsewhere")  # a new run: it may be another one
        config = config.model_copy(update={"fingerprint": known})
        assert "no such file" in error_of(config)
        assert load(config, tmp_path / "elsewhere").source == str(tmp_path / "elsewhere/a.npz")

    def test_a_path_that_is_not_set(self) -> None:
        config: Any = SimpleNamespace(name="arrays", path=None, fingerprint=None)
        assert "task.path is not set" in error_of(config)

    @pytest.mark.parametrize("content", [b"X,y\n1,2\n", b"PK\x03\x04 and no more"])
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
