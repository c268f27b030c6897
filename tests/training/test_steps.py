"""Plain numbers that take the step which the worth of a self-replicator would."""

from __future__ import annotations

import pytest
import torch

import srnn
from srnn import tasks
from srnn.errors import UserError
from srnn.tasks import Task
from srnn.training.birth import steps
from srnn.training.loop import Training

EXACT = ("replication.method=none", "replication.birth=exact")
NUMBERS = ("particle.kind=number", "particle.values=particles", "replication.method=none")


def small(*changes: str) -> srnn.Experiment:
    few = ("task.size=4", "body.width=3", "body.depth=3", "training.epochs=1", "training.lr=1e-3")
    return srnn.load_preset("digits").override([*few, *changes])


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(small().task)


def moved(experiment: srnn.Experiment, task: Task, seeds: tuple[int, ...] = (0,), batches: int = 1) -> torch.Tensor:
    """By how much the worth of every weight changes in so many batches, ``(S · N,)``."""
    training = Training(experiment, task, seeds)
    before = training.organism.worth().clone()
    for _ in training.train_batches(training.batches.epoch(0)[:batches]):
        pass
    return training.organism.worth() - before


def test_a_number_moves_as_the_worth_of_its_newborn_particle(digits: Task) -> None:
    particles, own, alike = (
        moved(small(*changes), digits) for changes in (EXACT, (*NUMBERS, "particle.step=particles"), NUMBERS)
    )
    largest = particles.abs().max()
    assert largest > 0
    # To first order in the learning rate.
    assert (own - particles).abs().max() < 0.02 * largest
    assert (alike - particles).abs().max() > 0.2 * largest


def test_the_mean_is_the_same_for_all() -> None:
    own, mean = (steps(small(*NUMBERS, f"particle.step={step}"), 50, seed=1) for step in ("particles", "mean"))
    assert own is not None
    assert own.std() > 0.1
    assert mean is not None
    assert torch.equal(mean, own.mean().expand(50))
    assert steps(small(*NUMBERS), 50, seed=1) is None


def test_seeds_side_by_side_take_the_steps_they_take_alone(digits: Task) -> None:
    chosen = small(*NUMBERS, "particle.step=particles")
    together = moved(chosen, digits, (0, 1), batches=3)
    assert torch.equal(together, torch.cat([moved(chosen, digits, (seed,), batches=3) for seed in (0, 1)]))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (("particle.step=mean",), "particle.step is 'mean', which needs particle.kind 'number'"),
        ((*NUMBERS, "particle.step=mean", "training.optimizer=adam"), "needs training.optimizer 'sgd', not 'adam'"),
    ],
)
def test_what_has_no_such_step_is_refused(changes: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        small(*changes)
