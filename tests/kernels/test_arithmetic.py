"""How torch computes inside the context that training runs in, and that it is as before afterwards."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from srnn import Experiment, tasks
from srnn.analysis.baselines import train, variants
from srnn.kernels.arithmetic import fast_arithmetic

pytestmark = pytest.mark.usefixtures("four_threads")


@pytest.mark.parametrize(("products", "threads"), [(1_000, 1), (10_000_000, 4)])
def test_only_large_products_are_worth_several_threads(products: int, threads: int) -> None:
    with fast_arithmetic(products):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 4


def test_what_is_nearly_nothing_is_nothing_inside() -> None:
    tiny = torch.tensor([1e-30])
    with fast_arithmetic(1):
        assert float(tiny * 1e-10) == 0
    assert float(tiny * 1e-10) > 0


def test_it_is_so_on_every_thread() -> None:
    tiny = torch.full((4_000_000,), 1e-30)
    tiny.add(1)  # the threads are there before
    with fast_arithmetic(10_000_000):
        assert (tiny * 1e-10 == 0).all()
    assert (tiny * 1e-10 > 0).all()


def test_a_dense_body_does_not_depend_on_the_number_of_threads() -> None:
    experiment = Experiment().override(["training.epochs=1", "training.batch_size=400", "body.width=150"])
    task = tasks.load(experiment.task)
    dense = variants(experiment, task.inputs, task.outputs)["same units"]
    several = train(dense, task, [0])
    torch.set_num_threads(1)
    pd.testing.assert_frame_equal(several, train(dense, task, [0]), check_exact=True)
