"""What zeros cost: plain numbers without them from birth on."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from torch import Tensor

from srnn import Experiment, Organism, tasks
from srnn.analysis import masks as module
from srnn.analysis.masks import MASKS, masks
from srnn.errors import NotApplicableError
from srnn.tasks import Task
from srnn.training.loop import Training

EXPERIMENT = Experiment.from_dict(
    {
        "body": {"depth": 3, "width": 4},
        "particle": {"hidden": 2},
        "training": {"epochs": 3, "batch_size": 100},
        "log": {"every": 3},
        "seed": 4,
    }
)


@pytest.fixture(scope="module")
def task() -> Task:
    return tasks.load(EXPERIMENT.task)


def organisms(task: Task) -> tuple[Organism, Organism]:
    """A newborn and a trained one: of the first layer every third particle is zero, of the others every second."""
    newborn, trained = (Training(EXPERIMENT, task, [4]).organism for _ in range(2))
    weights = trained.weights.detach()
    for layer, columns in trained.layers.items():
        weights[:, columns.start : columns.stop : 3 if layer == "L0" else 2] = 0
    return newborn, trained


def test_masked_weights_are_zero_from_birth_to_the_end(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    newborn, trained = organisms(task)
    seen: list[Training] = []
    begin = module._begin

    def begun(training: Training, worth: Tensor, chosen: list[Tensor]) -> None:
        begin(training, worth, chosen)
        seen.append(training)

    monkeypatch.setattr(module, "_begin", begun)
    frame = masks(newborn, trained, EXPERIMENT, task, torch.Generator().manual_seed(0)).set_index("Mask")
    [training] = seen
    ends = training.weights.detach()[0].view(len(MASKS), -1)
    worths = trained.worth()
    zero = worths == 0
    without = {name: own == 0 for name, own in zip(MASKS, ends, strict=True)}
    assert not without["none"].any()
    assert torch.equal(without["zeros"], zero)
    assert not torch.equal(without["random"], zero)
    for name, columns in trained.layers.items():
        assert without["random"][columns].sum() == zero[columns].sum()
        assert torch.equal(without["first layer"][columns], zero[columns] & (name == "L0"))
    assert frame["Masked"].to_list() == pd.Series({k: float(v.float().mean()) for k, v in without.items()}).to_list()
    # As many weights as there are, at the same batches, reach more.
    assert frame.at["none", "Score"] > frame.at["zeros", "Score"]


def test_without_a_mask_it_is_the_dense_network_from_the_same_start(task: Task) -> None:
    newborn, trained = organisms(task)
    frame = masks(newborn, trained, EXPERIMENT, task, torch.Generator().manual_seed(0)).set_index("Mask")
    dense = Training(EXPERIMENT.override(["particle.kind=number", "replication.method=none"]), task, [4])
    dense.weights.detach()[0] = newborn.worth()
    *_, last = dense.run()
    assert frame.at["none", "Score"] == last.scores[0]["test_accuracy"]
    assert frame.at["none", "Metric"] == "test_accuracy"


def test_numbers_have_no_zeros_to_be_masked(task: Task) -> None:
    numbers = EXPERIMENT.override(["particle.kind=number", "replication.method=none"])
    dense = Training(numbers, task, [4]).organism
    with pytest.raises(NotApplicableError, match="plain numbers have no zero fixpoints"):
        masks(dense, dense, numbers, task, torch.Generator())
