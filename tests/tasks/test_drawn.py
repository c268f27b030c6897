"""Tasks that are drawn: multiply and add."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from task_files import assert_sound

from srnn.experiment import TaskConfig
from srnn.tasks import load


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
