"""A stretch of batches in one call gives the bits of the batches one by one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from srnn import Experiment, tasks
from srnn.kernels import mlp
from srnn.methods.descent import Descent
from srnn.tasks import Task
from srnn.training import loop
from srnn.training.loop import Training
from srnn.training.measuring import Report
from srnn.training.stretch import Stretch, stretch

SMALL: dict[str, Any] = {
    "body": {"depth": 3, "width": 4, "activation": "tanh"},
    "particle": {"hidden": 2},
    "training": {"epochs": 2, "batch_size": 70},
    "log": {"every": 1},
}
NUMBERS = {"particle": {"kind": "number"}, "replication": {"method": "none"}}
ADAM = {"training": {"optimizer": "adam"}}
WILD = {"training": {"lr": 0.3}, "particle": {"init": "xavier"}}

COSINE = {"kind": "cosine", "every": 2}
#: Learnt by the product of its layers.
LINEAR = {"body": {"width": 24, "depth": 5, "residual": "layer", "activation": "none"}}

#: What can be trained in a stretch.
TOGETHER: list[dict[str, Any]] = [
    {},
    {"replication": {"method": "none"}},
    {"replication": {"momentum": "separate", "target": "frozen"}},
    {"replication": {"momentum": "fresh", "steps": 3}, "particle": {"hidden": 4}},
    {"replication": {"method": "newton"}},
    {"replication": {"method": "newton", "every": 3, "iterations": 2}},
    {"replication": {"method": "newton", "every": "epoch"}},
    {"replication": {"method": "lifted"}},
    {"replication": {"method": "lifted", "every": 3, "iterations": 2}},
    {"replication": {"method": "lifted", "every": "epoch"}},
    {"replication": {"method": "placed"}, "particle": {"hidden": 4}},
    {"replication": {"method": "placed", "every": 3}, "particle": {"hidden": 4}},
    {"replication": {"start_accuracy": 0.15}},
    {"training": {"momentum": 0.0}},
    {"replication": {"method": "lifted"}, "training": {"momentum": 0.0}},
    {"replication": {"birth": "exact"}, "schedule": {"kind": "cosine", "every": 2}},
    {"particle": {"init": "copying"}},
    NUMBERS,
    NUMBERS | {"training": {"momentum": 0.0}, "schedule": {"kind": "cosine", "every": 2}},
    NUMBERS | LINEAR,
    LINEAR | {"training": {"batch_size": 31}},
    LINEAR | {"replication": {"method": "lifted"}},
    NUMBERS | LINEAR | {"training": {"lr": 1.0}},
    {"body": {"dropout": 0.5}},
    NUMBERS | {"body": {"dropout": 0.1, "activation": "none"}},
    ADAM | {"replication": {"momentum": "separate"}},
    ADAM | {"replication": {"method": "none"}, "body": {"dropout": 0.2}},
    {"training": {"optimizer": "adamw", "lr": 0.03}, "replication": {"method": "newton", "every": 2}},
    ADAM | {"replication": {"method": "lifted"}},
    ADAM | NUMBERS,
    {"terms": {"l1": {"strength": 0.01}, "horseshoe": {"strength": 0.01}}},
    ADAM | {"terms": {"student_t": {}}, "replication": {"method": "lifted", "every": 3}},
    NUMBERS | {"terms": {"capped_l1": {"strength": 0.01}}, "schedule": {"kind": "cosine", "every": 2}},
    {"schedule": COSINE | {"per": "batch"}},
    {"schedule": COSINE | {"scales": "all", "per": "batch"}},
    {"schedule": COSINE | {"scales": "all", "per": "batch"}, "replication": {"method": "newton", "every": 2}},
    ADAM | NUMBERS | {"schedule": COSINE | {"scales": "all", "per": "batch"}},
    {"training": {"optimizer": "adamw", "lr": 0.03}, "replication": {"method": "lifted"}}
    | {"schedule": {"kind": "cyclic", "every": 2, "scales": "all", "per": "batch"}},
    NUMBERS | {"schedule": {"kind": "step", "every": 1, "scales": "all"}},
    # What diverges.
    WILD,
    WILD | {"replication": {"divergent": "keep"}},
    {"replication": {"method": "newton"}, "training": {"lr": 0.5}},
    {"replication": {"method": "lifted"}, "training": {"lr": 3.0}},
    {"replication": {"method": "lifted", "every": 4}, "training": {"lr": 1e3}, "body": {"activation": "none"}},
    NUMBERS | {"training": {"lr": 50.0}},
    WILD | {"training": {"optimizer": "adam", "lr": 0.5}, "replication": {"momentum": "fresh"}},
    {"replication": {"method": "newton"}, "training": {"optimizer": "adam", "lr": 300.0}, "body": {"dropout": 0.3}},
]
#: What cannot: something looks in between, or no kernel computes it.
APART: list[dict[str, Any]] = [
    {"replication": {"objective": "joint"}},
    {"replication": {"divergent": "stop"}, "training": {"lr": 1e-4}},
    {"interactions": {"attack": 0.1}},
    {"terms": {"particle_decay": {"strength": 0.001}}},
    {"events": {"stay": {"do": "freeze", "at": [1]}}},
    {"training": {"optimizer": "rmsprop"}, "replication": {"momentum": "fresh"}},
    {"body": {"name": "conv", "channels": [2], "kernel": 3}},
]


def experiment(changes: dict[str, Any]) -> Experiment:
    values = {name: dict(section) for name, section in SMALL.items()}
    for name, section in changes.items():
        if name == "body" and "name" in section:
            values["body"] = {}
        values[name] = {**values.get(name, {}), **section}
    return Experiment.from_dict(values)


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


def train(chosen: Experiment, task: Task, seeds: list[int]) -> tuple[Training, list[Report], int]:
    """The training, its reports, and how often it looked between batches."""
    training, looks = Training(chosen, task, seeds), []
    reports = list(training.run(lambda: looks.append(training.batch)))
    return training, reports, len(looks)


def everything(training: Training, reports: list[Report]) -> tuple[Any, ...]:
    """All that training leaves, to the bit."""
    states = []
    for place in range(len(training.seeds)):
        tensors, plain = training.state(place)
        states.append(({name: tensor.detach().numpy().tobytes() for name, tensor in tensors.items()}, plain))
    told = [(report.epoch, report.batch, repr(report.scores), report.stopped, report.diverged) for report in reports]
    return states, told, training.divergence.redrawn


@pytest.mark.parametrize("seeds", [[3], [3, 4, 5]], ids=["a seed", "three seeds"])
@pytest.mark.parametrize("changes", TOGETHER, ids=str)
def test_it_is_what_the_batches_are(
    digits: Task, changes: dict[str, Any], seeds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = experiment(changes)
    together, reports, looks = train(chosen, digits, seeds)
    monkeypatch.setattr(loop, "stretch", lambda training, order: None)
    one_by_one, others, all_looks = train(chosen, digits, seeds)
    assert everything(together, reports) == everything(one_by_one, others)
    diverged = any(report.diverged for report in reports)
    assert diverged or looks < all_looks == one_by_one.batch


@pytest.mark.parametrize("changes", [LINEAR, {}], ids=str)
def test_it_is_so_with_several_threads(digits: Task, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before, threads = everything(*train(experiment(changes), digits, [3, 4])[:2]), torch.get_num_threads()
    monkeypatch.setattr(mlp, "_WORTH_THREADS", 0)
    try:
        torch.set_num_threads(4)
        assert everything(*train(experiment(changes), digits, [3, 4])[:2]) == before
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("changes", APART, ids=str)
def test_where_something_looks_in_between_there_is_none(digits: Task, changes: dict[str, Any]) -> None:
    training = Training(experiment(changes), digits, [3])
    next(report for report in training.run() if report.epoch == 1)
    assert stretch(training, training.batches.epoch(0)) is None


def test_without_kernels_there_is_none(digits: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(experiment({}), digits, [3])
    assert isinstance(stretch(training, training.batches.epoch(0)), Stretch)
    monkeypatch.setenv("SRNN_KERNELS", "torch")
    assert stretch(training, training.batches.epoch(0)) is None


def test_of_a_method_that_does_otherwise_than_what_it_is_derived_from_there_is_none(digits: Task) -> None:
    """What it inherits tells of the other's batch."""

    class Slower(Descent):
        def move(self, gradient: Tensor, batch: int) -> Tensor | None:
            return super().move(gradient / 2, batch)

    training = Training(experiment({"replication": {"method": "none"}}), digits, [3])
    order = training.batches.epoch(0)
    assert stretch(training, order) is not None
    training.method = Slower(training.organism, training.experiment.replication, training.experiment.training)
    assert stretch(training, order) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"replication": {"method": "newton", "every": 2}},
        ADAM | {"replication": {"method": "newton", "every": 2}, "body": {"dropout": 0.2}},
        {"replication": {"method": "lifted", "every": 3}},
        {"replication": {"method": "lifted", "every": "epoch"}},
        {"replication": {"method": "placed", "every": "epoch"}, "particle": {"hidden": 4}},
        {"replication": {"method": "lifted", "every": 3}, "interactions": {"attack": 0.01}},
        {"replication": {"method": "lifted", "every": 3}, "events": {"stay": {"do": "freeze", "at": [1]}}},
        {"replication": {"method": "lifted", "every": 8}, "training": {"lr": 1e3}, "body": {"activation": "none"}},
    ],
    ids=str,
)
def test_where_it_is_cut_changes_nothing(digits: Task, changes: dict[str, Any]) -> None:
    """Ended by an exception after any batch, and gone on with."""
    chosen = experiment(changes)
    whole, _, _ = train(chosen, digits, [3, 4])
    training = Training(chosen, digits, [3, 4])

    def cut() -> None:
        raise KeyboardInterrupt

    cuts = 0
    while training.epoch < chosen.training.epochs:
        try:
            for _ in training.run(cut):
                pass
        except KeyboardInterrupt:
            cuts += 1
            states = [training.state(place) for place in (0, 1)]
            training = Training(chosen, digits, [3, 4])
            for place, (tensors, plain) in enumerate(states):
                training.load_state(place, tensors, plain)
    assert cuts == whole.batch
    torch.testing.assert_close(training.weights, whole.weights, rtol=0, atol=0, equal_nan=True)


def test_weights_that_are_replaced_are_trained(digits: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_PATIENCE", 0.0)
    ended = []
    for replaced in (False, True):
        training = Training(experiment({}), digits, [3])

        def look(training: Training = training, replaced: bool = replaced) -> None:
            if replaced and training.batch == 3:
                training.weights.data = training.weights.detach().clone()

        for _ in training.run(look):
            pass
        ended.append(training.weights.detach())
    assert torch.equal(*ended)


def test_an_example_that_is_not_there_is_told(digits: Task) -> None:
    training = Training(experiment({}), digits, [3])
    order = training.batches.epoch(0)
    order[1, 0, 5] = len(digits.train_x)
    with pytest.raises(ValueError, match="index names a row that is not there: there are 1437"):
        for _ in training.train_batches(order):
            pass
