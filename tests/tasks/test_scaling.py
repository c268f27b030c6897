"""Data brought to a common range: scikit-learn's, fitted on the training data; errors stay in the user's units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from task_files import LABELS, X, assert_sound, error_of, npz

from srnn.experiment import TaskConfig
from srnn.tasks import complete, load, scaling

WIDE = 1_000 * X * np.array([1, 1e-5, 1e6]) + [5, 0, -1e9]
SCALERS: dict[str, Any] = {"standard": StandardScaler, "unit": MinMaxScaler}


@pytest.mark.parametrize("scale", SCALERS)
def test_tables_are_scaled_as_by_scikit_learn_fitted_on_the_training_rows(tmp_path: Path, scale: str) -> None:
    raw = load(npz(tmp_path / "raw.npz", X=np.arange(40)[:, None], y=LABELS))
    train, test = raw.train_x[:, 0].int(), raw.test_x[:, 0].int()
    task = load(npz(tmp_path / "a.npz", scale, X=WIDE, y=LABELS))
    assert_sound(task)
    scaler = SCALERS[scale]().fit(WIDE[train])
    torch.testing.assert_close(task.train_x, torch.from_numpy(scaler.transform(WIDE[train])).float())
    torch.testing.assert_close(task.test_x, torch.from_numpy(scaler.transform(WIDE[test])).float())
    assert torch.equal(task.train_y, raw.train_y)
    assert task.scale == scale


@pytest.mark.parametrize("scale", SCALERS)
def test_targets_are_scaled_and_errors_are_not(tmp_path: Path, scale: str) -> None:
    y = np.stack([100 * X[:, 0], 1e-3 * X[:, 1]], 1)
    raw, task = load(npz(tmp_path / "a.npz", X=X, y=y)), load(npz(tmp_path / "a.npz", scale, X=X, y=y))
    scaler = SCALERS[scale]().fit(raw.train_y.numpy())
    torch.testing.assert_close(task.test_y, torch.from_numpy(scaler.transform(raw.test_y.numpy())).float())
    answer = torch.randn(len(raw.test_y), 2, generator=torch.Generator().manual_seed(0))
    unscaled = torch.from_numpy(scaler.inverse_transform(answer.numpy())).float()
    torch.testing.assert_close(task.score(answer, task.test_y), raw.score(unscaled, raw.test_y), rtol=1e-3, atol=1e-3)
    assert task.to("meta").y_scaling is task.y_scaling


def test_pixels_of_a_channel_have_one_range_where_columns_would_not(tmp_path: Path) -> None:
    pictures = np.zeros((40, 2, 4, 3), np.uint8)
    pictures[:, 0, 0] = np.arange(40)[:, None] * [6, 3, 1]
    pictures[:, 0, 1] = pictures[:, 0, 0] // 3
    task = load(npz(tmp_path / "a.npz", "unit", X=pictures, y=LABELS))
    assert task.image == (3, 2, 4)
    assert task.x_scaling is not None
    assert task.x_scaling.factor.tolist() == np.repeat(task.x_scaling.factor[::8], 8).tolist()
    channels = task.train_x.view(-1, 3, 8)
    assert channels.amax((0, 2)).tolist() == [1, 1, 1]
    torch.testing.assert_close(channels[:, 0, 1], channels[:, 0, 0] / 3)
    # Of a table each column has its own range:
    table = load(npz(tmp_path / "b.npz", "unit", X=pictures.reshape(40, -1), y=LABELS))
    assert (table.image, table.train_x[:, 3].max()) == (None, 1)


def test_a_column_that_does_not_vary_becomes_zero(tmp_path: Path) -> None:
    for scale in SCALERS:
        task = load(npz(tmp_path / "a.npz", scale, X=np.full((40, 2), 1e6), y=np.c_[np.full(40, 3.5), X[:, 0]]))
        for part in (task.train_x, task.test_x, task.train_y[:, 0], task.test_y[:, 0]):
            assert (part == 0).all()


def test_many_rows_are_scaled_in_parts_that_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load(npz(tmp_path / "a.npz", "standard", X=WIDE, y=X[:, 0]))
    monkeypatch.setattr(scaling, "_CHUNK", 7)
    parts = load(npz(tmp_path / "a.npz", "standard", X=WIDE, y=X[:, 0]))
    torch.testing.assert_close(whole.train_x, parts.train_x)
    torch.testing.assert_close(whole.train_y, parts.train_y)


class TestDefault:
    @pytest.mark.parametrize(("shape", "scale"), [((40, 6), "standard"), ((40, 2, 3), "unit"), ((40, 2, 3, 3), "unit")])
    def test_tables_are_standard_and_pictures_unit_and_it_is_said(self, tmp_path: Path, shape: Any, scale: str) -> None:
        config = npz(tmp_path / "a.npz", None, X=np.random.default_rng(0).integers(0, 256, shape), y=LABELS)
        task = load(config)
        assert task.scale == scale
        assert f"task.scale is '{scale}'" in task.notes[-1]
        assert complete(config).scale is None
        assert complete(config, task).scale == scale
        again = load(complete(config, task))
        assert torch.equal(again.train_x, task.train_x)

    @pytest.mark.parametrize("name", ["digits", "multiply", "add"])
    def test_other_tasks_are_as_they_are(self, name: Any) -> None:
        config = TaskConfig(name=name)
        assert (load(config).scale, load(config).notes) == ("none", ())
        assert complete(config, load(config)).scale == "none"

    def test_pictures_of_a_data_set_can_be_scaled(self) -> None:
        task = load(TaskConfig(name="digits", scale="standard"))
        assert_sound(task)
        assert float(task.train_x.mean().abs()) < 1e-6
        assert load(TaskConfig(name="digits")).scale == "none"

    @pytest.mark.parametrize("name", ["multiply", "add"])
    def test_what_is_drawn_is_not_scaled(self, name: Any) -> None:
        message = error_of(TaskConfig(name=name, scale="unit"))
        assert message.startswith(f"task.scale is 'unit'; the numbers of the task {name} are drawn")


class TestWide:
    @pytest.mark.parametrize(
        ("arrays", "notes"),
        [
            ({"X": WIDE, "y": LABELS}, ["column 3 of X reaches from -"]),
            ({"X": X[:, :1] + 400, "y": LABELS}, ["X reaches from 39"]),
            ({"X": X, "y": 150 + 50 * X[:, 0]}, ["y reaches from "]),
            ({"X": WIDE, "y": WIDE[:, :2]}, ["column 3 of X reaches", "column 1 of y reaches"]),
            ({"X": X * 3, "y": X[:, 0]}, []),
        ],
    )
    def test_unscaled_it_is_told_with_what_to_do(self, tmp_path: Path, arrays: Any, notes: list[str]) -> None:
        found = load(npz(tmp_path / "a.npz", **arrays)).notes
        assert len(found) == len(notes)
        for told, note in zip(found, notes, strict=True):
            assert note in told
            assert told.endswith("task.scale is 'none': training may diverge; set task.scale to 'standard'")

    def test_of_pictures(self, tmp_path: Path) -> None:
        pictures = np.random.default_rng(0).integers(0, 256, (40, 2, 2))
        shape, told = load(npz(tmp_path / "a.npz", X=pictures, y=LABELS)).notes
        assert shape.endswith("X is taken for pictures of 1 channel, 2 × 2")
        assert told.endswith("set task.scale to 'unit'")
