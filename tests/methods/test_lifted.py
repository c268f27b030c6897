"""Method ``lifted`` whose particles do not follow every batch: what the organism is meanwhile, and who sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import srnn
from srnn import Experiment, fixpoints, tasks
from srnn.errors import StoppedError
from srnn.events.event import Event
from srnn.fixpoints import FixpointType
from srnn.response import response
from srnn.runs import checkpoints
from srnn.tasks import Task
from srnn.training import loop
from srnn.training.loop import Training

SMALL: dict[str, Any] = {
    "body": {"depth": 3, "width": 4, "activation": "tanh"},
    "particle": {"hidden": 2},
    "replication": {"method": "lifted", "every": "epoch"},
    "training": {"epochs": 2, "batch_size": 70, "lr": 0.05},
}


def experiment(**sections: dict[str, Any]) -> Experiment:
    return Experiment.from_dict({**SMALL, **{name: SMALL.get(name, {}) | own for name, own in sections.items()}})


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


def trained(chosen: Experiment, task: Task, batches: int) -> Training:
    """After so many batches of the first epoch."""
    training = Training(chosen, task, [3])
    for _ in training.train_batches(training.batches.epoch(0)[:batches]):
        pass
    return training


def types(weights: Tensor, training: Training) -> Tensor:
    return fixpoints.classify(weights.detach(), training.organism.replicator)


@pytest.mark.usefixtures("each_path")
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_until_they_follow_it_is_trained_as_plain_numbers_are_to_the_bit(digits: Task, momentum: float) -> None:
    training = Training(experiment(training={"momentum": momentum}), digits, [3])
    particles, start = training.weights.detach().clone(), training.organism.worth().clone()
    plain = {"particle": {"kind": "number"}, "replication": {"method": "none", "every": 1}}
    numbers = Training(experiment(**plain, training={"momentum": momentum}), digits, [3])
    numbers.weights.detach()[0] = start
    order = training.batches.epoch(0)[:7]
    for one in (training, numbers):
        list(one.train_batches(order))
    assert torch.equal(training.organism.worth(), numbers.weights[0])
    assert not torch.equal(training.organism.worth(), start)
    assert torch.equal(training.weights, particles)


@pytest.mark.usefixtures("each_path")
def test_they_follow_to_what_the_numbers_are(digits: Task) -> None:
    training = trained(experiment(), digits, 20)
    goal = training.organism.worth().clone()
    training.method.rest(training.running)
    assert training.organism.ahead is None
    torch.testing.assert_close(training.organism.worth(), goal, rtol=0, atol=1e-5)
    assert (types(training.weights, training) == FixpointType.IDENTITY).all()


def test_at_the_end_of_an_epoch_they_follow_however_far(digits: Task) -> None:
    training = trained(experiment(), digits, 1)
    far = training.organism.worth() + torch.linspace(-30, 30, training.organism.size)
    far[0] = torch.nan  # what is no number is not followed
    before = training.organism.particle.worth(training.weights.detach())
    training.organism.remember(far.clone(), ahead=True)
    training.method.rest(training.running)
    torch.testing.assert_close(training.organism.worth()[1:], far[1:], rtol=1e-4, atol=1e-4)
    assert torch.isclose(training.organism.worth()[0], before[0])


def test_every_so_many_batches_it_is_as_if_they_followed_at_each_of_these(digits: Task) -> None:
    every = experiment(replication={"every": 5})
    ahead = [trained(every, digits, batches).organism.ahead is not None for batches in range(1, 11)]
    assert ahead == [True] * 4 + [False] + [True] * 4 + [False]


def test_before_an_event_they_follow(digits: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    training, found = Training(experiment(interactions={"attack": 0.05}), digits, [3]), []
    [meeting] = training.events

    def look(event: Event, training: Training, place: int) -> None:
        found.append(training.organism.particle.worth(training.weights.detach()))
        assert training.organism.ahead is None

    monkeypatch.setattr(type(meeting), "act", look)
    worth = [training.organism.worth().clone()]
    for _ in training.train_batches(training.batches.epoch(0)[:4]):
        assert training.organism.ahead is not None
        worth.append(training.organism.worth().clone())
    for was, then in zip(worth, found, strict=False):
        torch.testing.assert_close(then, was, rtol=0, atol=1e-6)
    assert len(found) == 4


@pytest.mark.usefixtures("each_path")
def test_frozen_particles_are_worth_what_they_are(digits: Task) -> None:
    training = Training(experiment(), digits, [3, 4])
    frozen = torch.arange(0, training.organism.size, 3)
    training.freeze(1, frozen)
    columns = training.columns(1).start + frozen
    worth = training.organism.worth().clone()
    list(training.train_batches(training.batches.epoch(0)[:5]))
    assert training.organism.ahead is not None
    assert torch.equal(training.organism.worth()[columns], worth[columns])
    assert (training.organism.worth() != worth).sum() > training.organism.size


def test_in_inference_mode_they_follow_every_batch(digits: Task) -> None:
    """Of its tensors nobody counts the changes, so nothing can be remembered of them."""
    with torch.inference_mode():
        training = trained(experiment(), digits, 3)
    every = trained(experiment(replication={"every": 1}), digits, 3)
    assert torch.equal(training.weights, every.weights)


@pytest.mark.parametrize(("method", "hidden"), [("lifted", 2), ("placed", 4)])
def test_whoever_reads_a_run_that_was_stopped_sees_them_where_they_are_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, hidden: int
) -> None:
    monkeypatch.setattr(loop, "_PATIENCE", 0.0)
    stops = iter([False] * 30)
    chosen = experiment(replication={"method": method}, particle={"hidden": hidden})
    with pytest.raises(StoppedError):
        srnn.run(chosen, tmp_path, image_format=None, stop=lambda: next(stops, True))
    [run] = srnn.runs.open_runs([tmp_path / "digits"])
    checkpoint = checkpoints.read(run.checkpoints[-1])
    organism, kind = run.organism(), run.organism().replicator
    assert not torch.equal(organism.weights, checkpoint.tensors["weights"])
    torch.testing.assert_close(organism.worth(), checkpoint.tensors["effective"], rtol=0, atol=1e-5)
    assert (fixpoints.classify(organism.weights, kind) == FixpointType.IDENTITY).all()
    if method == "placed":
        assert (response(organism.weights, kind) - 3 * torch.eye(3)[:, :, None]).abs().max() < 1e-2
