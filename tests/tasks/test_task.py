"""What every task is: its losses and scores, what is known without its data, and what is recorded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from task_files import LABELS, X, npz
from torch import Tensor

from srnn.errors import UserError
from srnn.experiment import Experiment, TaskConfig
from srnn.tasks import TASKS, Task, complete, load, shape


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

    def test_the_last_training_examples_can_be_held_back(self) -> None:
        for name in ("add", "digits"):
            whole, task = (load(TaskConfig(name=name, validation=count)) for count in (0, 100))
            assert whole.validation_x is None
            assert task.validation_x is not None
            assert torch.equal(torch.cat([task.train_x, task.validation_x]), whole.train_x)
            assert torch.equal(task.validation_y, whole.train_y[-100:])  # type: ignore[arg-type]
            assert torch.equal(task.train_y, whole.train_y[:-100])
            assert torch.equal(task.test_x, whole.test_x)
            assert shape(TaskConfig(name=name, validation=100)) == (task.inputs, task.outputs, len(task.train_x))
            assert task.to("meta").validation_x.device.type == "meta"  # type: ignore[union-attr]

    def test_some_must_be_left(self) -> None:
        line = "task.validation is 1,000; the task add has 1,000 training examples: set it to less than that"
        with pytest.raises(UserError, match=line):
            load(TaskConfig(name="add", validation=1_000))

    def test_an_unknown_name_is_answered_with_the_nearest(self) -> None:
        config: Any = SimpleNamespace(name="mnits")
        with pytest.raises(UserError, match=r"allowed: multiply, .*did you mean mnist"):
            load(config)
        with pytest.raises(UserError, match="did you mean mnist"):
            shape(config)


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
            own = {"size": None, "path": None, "factor": 1.0, "samples": 10, "validation": 0, "hold_back": True}
            config: Any = SimpleNamespace(name=name, **own)
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

    @pytest.mark.parametrize(("letters", "kept"), [(4, True), (20, True), (100, False)])
    def test_a_run_of_many_classes_can_be_read(self, tmp_path: Path, letters: int, kept: bool) -> None:
        names = [f"{number:0{letters}}" for number in range(900)]
        config = npz(tmp_path / "a.npz", X=np.arange(3_600).reshape(-1, 1), y=np.array(names * 4))
        recorded = complete(config, load(config))
        assert recorded.classes == (names if kept else None)
        Experiment(task=recorded).to_toml(tmp_path / "config.toml")
        again = Experiment.from_toml(tmp_path / "config.toml").task
        assert again == recorded
        assert load(again).outputs == 900

    @pytest.mark.parametrize("name", ["\x1b[31m", "y" * 4_001], ids=["command", "long"])
    def test_what_could_not_be_read_is_not_recorded(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "a.csv").write_text(f"a,{name}\n" + "1,b\n2,c\n" * 10)
        config = TaskConfig(path=str(tmp_path / "a.csv"))
        with pytest.raises(UserError, match=r"a\.csv: cannot be recorded: task\.target is '.*; allowed: text of up to"):
            complete(config, load(config))


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
