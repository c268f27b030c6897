"""Placed particles follow what they are worth, as lifted ones do, and repair themselves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from srnn import Experiment, replication, tasks
from srnn.fixpoints import FixpointType, classify
from srnn.particle import leak, noise
from srnn.response import response
from srnn.tasks import Task
from srnn.training import Training


def trained(task: Task, method: str, **replicating: Any) -> Training:
    chosen = Experiment.from_dict(
        {
            "body": {"depth": 3, "width": 4, "activation": "tanh"},
            "training": {"epochs": 1, "batch_size": 70, "lr": 0.05},
            "replication": {"method": method, **replicating},
        }
    )
    training = Training(chosen, task, [0, 1])
    list(training.run())
    return training


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


@pytest.mark.usefixtures("each_path")
def test_they_learn_what_lifted_ones_learn(digits: Task) -> None:
    ours, theirs = (trained(digits, method).organism for method in ("placed", "lifted"))
    torch.testing.assert_close(ours.worth(), theirs.worth(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("strength", [3.0, -1.0])
def test_they_are_in_their_places_when_born_when_trained_and_when_drawn_anew(digits: Task, strength: float) -> None:
    settings = {"method": "placed", "strength": strength}
    newborn = Training(Experiment.from_dict({"replication": settings}), digits, [0])
    drawn = newborn.organism.particle.draw(50, torch.Generator().manual_seed(0))
    renewed = newborn.method.newborn(drawn, 0)
    kind, eye = newborn.organism.replicator, strength * torch.eye(3)[:, :, None]
    later = trained(digits, "placed", strength=strength).weights
    for weights in (newborn.weights.detach(), renewed, later.detach()):
        assert (classify(weights, kind) == FixpointType.IDENTITY).all()
        torch.testing.assert_close(
            response(weights, kind) - eye, torch.zeros(3, 3, weights.shape[1]), rtol=0, atol=1e-2
        )


@pytest.mark.usefixtures("each_path")
def test_they_may_follow_at_the_end_of_an_epoch_only(digits: Task) -> None:
    training = trained(digits, "placed", every="epoch")
    weights, kind = training.weights.detach(), training.organism.replicator
    goal = training.organism.worth() + torch.linspace(-1, 1, weights.shape[1])
    training.organism.remember(goal.clone(), ahead=True)
    training.method.rest([0, 1])
    torch.testing.assert_close(training.organism.worth(), goal, rtol=0, atol=1e-5)
    assert (classify(weights, kind) == FixpointType.IDENTITY).all()
    assert (response(weights, kind) - 3 * torch.eye(3)[:, :, None]).abs().max() < 1e-2


def test_an_organism_of_them_repairs_itself(digits: Task) -> None:
    organism = trained(digits, "placed").organism
    noisy = noise(organism.weights.detach(), 0.01, torch.Generator().manual_seed(0))
    back = classify(leak(noisy, organism.replicator, times=10), organism.replicator)
    assert (back == FixpointType.IDENTITY).float().mean() >= 0.99


def test_what_was_displaced_is_put_back_at_the_end_of_an_epoch(digits: Task) -> None:
    training = trained(digits, "placed")
    weights, kind = training.weights.detach(), training.organism.replicator
    replication.lift(weights, kind, training.organism.worth() + 0.5, 10)
    assert (response(weights, kind) - 3 * torch.eye(3)[:, :, None]).abs().max() > 0.1
    training.method.rest([0])
    assert (response(weights, kind)[..., training.columns(0)] - 3 * torch.eye(3)[:, :, None]).abs().max() < 1e-2
    assert (response(weights, kind)[..., training.columns(1)] - 3 * torch.eye(3)[:, :, None]).abs().max() > 0.1
