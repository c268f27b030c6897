"""The schedules by hand, and that a learning rate which changes is the learning rate of everything."""

from __future__ import annotations

from math import cos, pi
from typing import Any

import pytest
import torch

from srnn import Experiment, UserError, tasks
from srnn.methods.settings import ScheduleConfig
from srnn.tasks import Task
from srnn.training.loop import Training
from srnn.training.stretch import stretch

SMALL: dict[str, Any] = {
    "body": {"depth": 3, "width": 4, "activation": "tanh"},
    "particle": {"hidden": 2},
    "training": {"epochs": 2, "batch_size": 400},
    "log": {"every": 1, "rest": 0},
}
NUMBERS = {"particle": {"kind": "number"}, "replication": {"method": "none"}}
HALVED = {"kind": "step", "every": 1, "factor": 0.5, "scales": "all"}


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


def test_by_hand() -> None:
    warm = ScheduleConfig(kind="cosine", every=10, growth=2)
    assert [0.1 * warm.share(epoch) for epoch in (0, 5, 10, 20, 30)] == pytest.approx([0.1, 0.05, 0.1, 0.05, 0.1])
    assert warm.bottoms(100) == [10, 30, 70]
    steps = ScheduleConfig(kind="step", every=50)
    assert [steps.share(epoch) for epoch in (0, 49, 50, 100)] == pytest.approx([1, 1, 0.1, 0.01])
    cycle = ScheduleConfig(kind="cyclic", every=8, floor=0.2)
    assert [cycle.share(epoch) for epoch in (0, 2, 4, 6, 8, 12)] == pytest.approx([1, 0.6, 0.2, 0.6, 1, 0.2])
    assert cycle.bottoms(20) == [4, 12, 20]
    assert ScheduleConfig(kind="cosine", every=5, floor=0.5).share(4.999) == pytest.approx(0.5, abs=1e-4)
    assert (ScheduleConfig().share(7.5), ScheduleConfig().bottoms(99), steps.bottoms(99)) == (1, [], [])


def test_snapshots_as_published() -> None:
    """Huang et al.: lr / 2 · (cos(π (t − 1 mod ⌈T/M⌉) / ⌈T/M⌉) + 1) in batch t = 1 … of T."""
    schedule, per_epoch = ScheduleConfig(kind="cosine", every=4), 11
    for t in range(1, 12 * per_epoch + 1):
        published = 0.5 * (cos(pi * ((t - 1) % (4 * per_epoch)) / (4 * per_epoch)) + 1)
        assert schedule.share((t - 1) / per_epoch) == pytest.approx(published, abs=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"replication": {"momentum": "separate", "steps": 2}},
        {"replication": {"objective": "joint"}},
        {"replication": {"method": "newton"}},
        {"replication": {"method": "lifted"}, "training": {"optimizer": "adamw"}},
        NUMBERS,
        {"terms": {"particle_decay": {"strength": 0.1}}},
        NUMBERS | {"body": {"name": "conv", "channels": [2], "kernel": 3}, "training": {"optimizer": "nadam"}},
    ],
    ids=str,
)
def test_a_rate_that_falls_is_another_rate_of_everything(digits: Task, changes: dict[str, Any]) -> None:
    """The second epoch is to the bit that of an experiment whose learning rate is half from the start."""
    values = {**SMALL, **changes, "training": {**SMALL["training"], **changes.get("training", {})}}
    falling = Training(Experiment.from_dict(values | {"schedule": HALVED}), digits, [3])
    constant = Experiment.from_dict(values).override(f"training.lr={falling.experiment.training.lr / 2}")
    slow = Training(constant, digits, [3])
    for report in falling.run():
        if report.epoch == 1:
            tensors, plain = falling.state(0)
            slow.load_state(0, {name: one.detach().clone() for name, one in tensors.items()}, plain)
    for _ in slow.run():
        pass
    ends = [training.state(0)[0] for training in (falling, slow)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert (slow.epoch, falling.batch) == (2, slow.batch)


def test_in_each_batch_another_rate(digits: Task) -> None:
    """Of plain numbers without momentum, by torch."""
    values = SMALL | NUMBERS | {"training": {"epochs": 2, "batch_size": 400, "momentum": 0.0, "lr": 0.05}}
    wave = {"kind": "cosine", "every": 2, "scales": "all", "per": "batch"}
    chosen = Experiment.from_dict(values | {"schedule": wave})
    training, by_hand = Training(chosen, digits, [0]), Training(chosen, digits, [0])
    assert stretch(training, training.batches.epoch(0)) is not None
    training = Training(chosen, digits, [0])
    for _ in training.run():
        pass
    weights, organism, batch = by_hand.organism.worth(), by_hand.organism, 0
    for _ in range(2):
        for index in by_hand.batches.epoch(0):
            leaf = weights.clone().requires_grad_()
            digits.loss(organism.call_with(leaf, digits.train_x[index[0]]), digits.train_y[index[0]]).mean().backward()
            assert leaf.grad is not None
            weights = weights - 0.05 * (0.5 + 0.5 * cos(pi * batch / (2 * by_hand.batches.per_epoch))) * leaf.grad
            batch += 1
    assert batch == training.batch > 4
    assert torch.allclose(training.weights.detach()[0], weights, atol=1e-6)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"needs training\.optimizer 'sgd', not 'adam', where schedule\.scales is 'task'"
    ):
        Experiment.from_dict({**NUMBERS, "schedule": {"kind": "step"}, "training": {"optimizer": "adam"}})
    with pytest.raises(UserError, match=r"growth is 0\.5"):
        ScheduleConfig(kind="cosine", growth=0.5)
