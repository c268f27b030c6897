"""The loop, against the same experiment written out with torch's own modules and optimizers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from srnn import MLP, Experiment, Organism, Particle, UserError, particle, replication, tasks
from srnn.experiment import Optimizer
from srnn.fixpoints import FixpointType, classify
from srnn.methods.optimizers import build_optimizer
from srnn.particle import matrices
from srnn.tasks import Task
from srnn.training.birth import build_organism, generators, particle_count
from srnn.training.learning import answers, learn
from srnn.training.loop import Training
from srnn.training.measuring import Report

SMALL = {
    "body": {"depth": 3, "width": 4},
    "particle": {"hidden": 2},
    "replication": {"divergent": "keep"},
    "training": {"epochs": 2, "batch_size": 300},
    "log": {"every": 1},
}


def experiment(**sections: dict[str, Any]) -> Experiment:
    """A small experiment on digits, sections changed as given."""
    values: dict[str, Any] = {name: dict(section) for name, section in SMALL.items()}
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    return Experiment.from_dict(values)


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


def train(chosen: Experiment, task: Task, seeds: list[int]) -> tuple[Training, list[Report]]:
    training = Training(chosen, task, seeds)
    return training, list(training.run())


def written_out(chosen: Experiment, task: Task, seed: int) -> torch.Tensor:
    """The final weights of one seed, by a loop that shares nothing with the package's but the algebra."""
    settings, how = chosen.training, chosen.replication
    streams = generators(seed)
    organism = build_organism(chosen, task.inputs, task.outputs, streams)
    joint = torch.optim.SGD(organism.parameters(), lr=settings.lr, momentum=settings.momentum)
    own = torch.optim.SGD(organism.parameters(), lr=settings.lr, momentum=settings.momentum)
    for _ in range(settings.epochs):
        order = torch.randperm(len(task.train_x), generator=streams["order"])
        for index in order[: len(order) // settings.batch_size * settings.batch_size].split(settings.batch_size):
            if how.momentum == "fresh":
                own = torch.optim.SGD(organism.parameters(), lr=settings.lr, momentum=settings.momentum)
            optimizer = joint if how.momentum == "shared" else own
            for _ in range(how.steps if how.objective == "alternate" else 0):
                optimizer.zero_grad()
                loss = particle.replication_loss(organism.weights, organism.particle, how.target)
                (how.alpha * loss.sum()).backward()
                optimizer.step()
            joint.zero_grad()
            loss = cross_entropy(organism(task.train_x[index]), task.train_y[index])
            if how.objective == "joint":
                loss = (
                    loss + how.alpha * particle.replication_loss(organism.weights, organism.particle, how.target).sum()
                )
            loss.backward()
            joint.step()
    return organism.weights.detach()


@pytest.mark.usefixtures("each_path")
@pytest.mark.parametrize("target", ["frozen", "live"])
@pytest.mark.parametrize("momentum", ["shared", "separate", "fresh"])
def test_alternating_with_each_kind_of_momentum(digits: Task, momentum: str, target: str) -> None:
    chosen = experiment(replication={"momentum": momentum, "target": target, "steps": 3, "alpha": 1.0})
    training, _ = train(chosen, digits, [5])
    torch.testing.assert_close(training.weights.detach(), written_out(chosen, digits, 5), atol=1e-5, rtol=1e-4)


@pytest.mark.usefixtures("each_path")
def test_the_joint_objective_is_the_sum_of_both_losses(digits: Task) -> None:
    chosen = experiment(replication={"objective": "joint", "alpha": 0.5})
    training, _ = train(chosen, digits, [5])
    torch.testing.assert_close(training.weights.detach(), written_out(chosen, digits, 5), atol=1e-5, rtol=1e-4)


def test_without_replication_only_the_task_is_trained(digits: Task) -> None:
    training, reports = train(experiment(replication={"method": "none"}), digits, [5])
    expected = written_out(experiment(replication={"steps": 0}), digits, 5)
    torch.testing.assert_close(training.weights.detach(), expected, atol=1e-5, rtol=1e-4)
    assert "replication_loss" not in reports[-1].scores[0]


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"replication": {"momentum": "separate", "steps": 2}},
        {"replication": {"start_accuracy": 0.16, "momentum": "shared"}, "training": {"epochs": 4}},
        {"training": {"optimizer": "adam"}, "replication": {"momentum": "fresh"}},
        {"body": {"dropout": 0.2, "activation": "relu", "residual": "layer"}},
        {"interactions": {"attack": 0.01, "melt": 0.01}},
        {"replication": {"divergent": "reset"}, "training": {"lr": 0.05}},
        {"replication": {"divergent": "stop"}, "training": {"lr": 0.02}},
        {"task": {"name": "add"}},
        {"task": {"name": "add"}, "body": {"width": 1}},
        {"body": {"width": 1}},
        {"task": {"name": "add"}, "training": {"batch_size": 20}},
        {"body": {"width": 2}, "training": {"batch_size": 7, "epochs": 1}},
        {"replication": {"method": "newton", "every": 3, "start_accuracy": 0.16}, "training": {"epochs": 4}},
        {"replication": {"method": "newton", "divergent": "reset"}, "training": {"lr": 0.5}},
        {"replication": {"method": "lifted"}, "training": {"optimizer": "adam"}},
        {"replication": {"method": "lifted", "every": "epoch"}, "events": {"freeze": {"at": [1]}}},
        {"replication": {"method": "lifted", "every": 3, "divergent": "reset"}, "training": {"lr": 1e3}},
    ],
    ids=str,
)
def test_seeds_side_by_side_are_each_as_alone_to_the_bit(
    sections: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the fused kernels, where a particle's result depends on that particle alone."""
    monkeypatch.delenv("SRNN_KERNELS", raising=False)
    chosen = experiment(**sections)
    task = tasks.load(chosen.task)
    together, reports = train(chosen, task, [3, 4, 5])
    for place, seed in enumerate([3, 4, 5]):
        alone, own_reports = train(chosen, task, [seed])
        ours = [(report.epoch, report.batch, report.scores[place]) for report in reports if place in report.scores]
        theirs = [(report.epoch, report.batch, report.scores[0]) for report in own_reports]
        assert str(ours) == str(theirs)  # as text, since NaN is not equal to itself
        if 0 in alone.running:
            ours, theirs = together.weights[:, together.columns(place)], alone.weights
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


def test_with_the_joint_objective_seeds_are_as_alone_within_rounding(digits: Task) -> None:
    """Its replication gradient is torch's, whose sums over layers depend on how many particles there are."""
    chosen = experiment(replication={"objective": "joint", "alpha": 0.5})
    together, _ = train(chosen, digits, [3, 4])
    alone, _ = train(chosen, digits, [4])
    torch.testing.assert_close(together.weights[:, together.columns(1)], alone.weights, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("each_path")
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize(
    "how",
    [
        {"method": "newton"},
        {"method": "newton", "every": 4},
        {"method": "lifted"},
        {"method": "lifted", "every": "epoch"},
    ],
    ids=str,
)
def test_exact_methods_keep_every_particle_a_self_replicator(digits: Task, how: dict[str, Any], optimizer: str) -> None:
    chosen = experiment(replication=how, training={"optimizer": optimizer}, log={"every": 1})
    training, reports = train(chosen, digits, [5, 6])
    for report in reports:
        for scores in report.scores.values():
            assert scores["identity"] == training.organism.size
            assert scores["replication_error"] < 1e-5
    assert "replication_loss" not in reports[-1].scores[0]


@pytest.mark.usefixtures("each_path")
@pytest.mark.parametrize(
    ("optimizer", "lr", "every"), [("sgd", 0.1, 1), ("adamw", 0.004, 1), ("sgd", 0.1, 3), ("adamw", 0.004, "epoch")]
)
def test_lifted_follows_the_dense_body(digits: Task, optimizer: str, lr: float, every: int | str) -> None:
    how = {"method": "lifted", "every": every}
    chosen = experiment(replication=how, training={"optimizer": optimizer, "lr": lr})
    training = Training(chosen, digits, [5])
    dense, order = training.organism.to_dense(), generators(5)["order"]
    stepping = build_optimizer(dense.parameters(), chosen.training)
    for _ in range(chosen.training.epochs):
        permutation = torch.randperm(len(digits.train_x), generator=order)
        for index in permutation.split(chosen.training.batch_size)[: training.batches.per_epoch]:
            stepping.zero_grad()
            cross_entropy(dense(digits.train_x[index]), digits.train_y[index]).backward()
            stepping.step()
    start = torch.cat([weight.flatten() for weight in training.organism.effective_weights()])
    list(training.run())
    ours = torch.cat([weight.flatten() for weight in training.organism.effective_weights()])
    theirs = torch.cat([weight.flatten() for weight in dense.parameters()])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert (ours - start).abs().max() > 0.01


def test_the_same_units_are_dropped_by_the_kernels_and_by_torch(digits: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a seed that is not the first, in a batch that is not."""
    chosen = experiment(body={"dropout": 0.5, "activation": "tanh", "width": 9})
    lessons = []
    for kernels in ("", "torch"):
        monkeypatch.setenv("SRNN_KERNELS", kernels)
        training = Training(chosen, digits, [3, 4])
        index = torch.arange(100).view(2, 50)
        worth = training.organism.worth()
        lessons += [learn(training.organism, worth, digits, index, training.streams, batch) for batch in (0, 7)]
    for one, other in zip(lessons[:2], lessons[2:], strict=True):
        torch.testing.assert_close(one.losses, other.losses)
        torch.testing.assert_close(one.gradient, other.gradient)
    assert not torch.allclose(lessons[0].losses, lessons[1].losses)


def test_newton_steps_as_the_task_alone_and_then_projects(digits: Task) -> None:
    chosen = experiment(replication={"method": "newton", "iterations": 2})
    training, alone = Training(chosen, digits, [5]), Training(experiment(replication={"method": "none"}), digits, [5])
    alone.weights.data.copy_(training.weights.data)
    index = torch.arange(chosen.training.batch_size)[None]
    training.train_batch(index, training.no_sums())
    alone.train_batch(index, alone.no_sums())
    replication.project(alone.weights.detach(), alone.organism.particle, 2)
    assert torch.equal(training.weights, alone.weights)


def test_newton_balances_its_factors_and_their_momentum_at_the_end_of_an_epoch(digits: Task) -> None:
    chosen = experiment(replication={"method": "newton"})
    training = Training(chosen, digits, [5])
    training.train_batch(torch.arange(chosen.training.batch_size)[None], training.no_sums())
    W1, W2, _ = matrices(training.weights.data, training.organism.particle)
    W1 *= 64
    W2 /= 64
    [momentum] = training.method.buffers().values()
    expected, before = training.weights.detach().clone(), momentum.clone()
    replication.project(expected, training.organism.particle)
    scale = replication.balance(expected, training.organism.particle)
    assert (scale != 1).any()
    training.method.rest(training.running)
    assert torch.equal(training.weights, expected)
    assert torch.equal(momentum * scale, before)


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_the_buffers_of_every_optimizer_follow_the_balance(digits: Task, optimizer: str) -> None:
    """Twice the weights have half the gradients: a buffer of gradients is halved, one of their squares quartered."""
    chosen = experiment(replication={"method": "newton"}, training={"optimizer": optimizer})
    training = Training(chosen, digits, [5])
    training.train_batch(torch.arange(chosen.training.batch_size)[None], training.no_sums())
    W1, W2, _ = matrices(training.weights.data, training.organism.particle)
    W1 *= 64
    W2 /= 64
    before = {name: buffer.clone() for name, buffer in training.method.buffers().items()}
    expected = training.weights.detach().clone()
    replication.project(expected, training.organism.particle)
    scale = replication.balance(expected, training.organism.particle)
    training.method.rest(training.running)
    assert before
    for name, buffer in training.method.buffers().items():
        squares = name in ("exp_avg_sq", "square_avg", "sum")
        steps = (optimizer, name) == ("rmsprop", "momentum_buffer")
        assert torch.equal(buffer, before[name] / (1 if steps else scale**2 if squares else scale))


def test_newton_that_waits_leaves_the_training_of_the_task_as_it_is(digits: Task) -> None:
    waiting = experiment(replication={"method": "newton", "start_accuracy": 1.0})
    training, _ = train(waiting, digits, [5])
    alone, _ = train(experiment(replication={"method": "none"}), digits, [5])
    assert torch.equal(training.weights, alone.weights)


def test_what_a_report_holds(digits: Task) -> None:
    chosen = experiment(training={"epochs": 5}, log={"every": 2}, replication={"alpha": 10.0})
    training, reports = train(chosen, digits, [0])
    assert [(report.epoch, report.batch, report.logged) for report in reports] == [
        (0, 0, True),
        *((1, 4, False), (2, 8, True), (3, 12, False), (4, 16, True), (5, 20, True)),
    ]
    assert set(reports[1].scores[0]) == {"replication_loss", "replication_objective", "task_loss", "train_accuracy"}
    last = reports[-1].scores[0]
    types = classify(training.weights, training.organism.particle)
    for kind in FixpointType:
        assert last[kind.label] == (types == kind).sum()
        assert last[kind.label] == sum(last[f"{layer}_{kind.label}"] for layer in training.organism.layers)
    right = training.organism.to_dense()(digits.test_x).argmax(1) == digits.test_y
    assert last["test_accuracy"] == pytest.approx(right.float().mean().item())


def test_means_of_an_epoch_are_over_its_batches(digits: Task) -> None:
    chosen = experiment(training={"epochs": 1, "batch_size": 700}, replication={"alpha": 2.0, "momentum": "fresh"})
    streams = generators(0)
    organism = build_organism(chosen, digits.inputs, digits.outputs, streams)
    optimizer = torch.optim.SGD(organism.parameters(), lr=0.008, momentum=0.9)
    order = torch.randperm(len(digits.train_x), generator=streams["order"])
    expected: dict[str, list[float]] = {
        "replication_loss": [],
        "replication_objective": [],
        "task_loss": [],
        "train_accuracy": [],
    }
    for index in order[:1400].split(700):
        mean = replication.train(organism.weights, organism.particle, 1, 0.008, 0.9, 2.0, "live")
        expected["replication_loss"].append(mean.mean().item())
        expected["replication_objective"].append(2.0 * mean.sum().item())
        optimizer.zero_grad()
        output = organism(digits.train_x[index])
        loss = cross_entropy(output, digits.train_y[index])
        loss.backward()
        optimizer.step()
        expected["task_loss"].append(loss.item())
        expected["train_accuracy"].append((output.argmax(1) == digits.train_y[index]).float().mean().item())
    _, reports = train(chosen, digits, [0])
    for metric, values in expected.items():
        assert reports[-1].scores[0][metric] == pytest.approx(sum(values) / len(values), rel=1e-4)


def test_replication_waits_for_the_task(digits: Task) -> None:
    chosen = experiment(
        replication={"start_accuracy": 0.3, "alpha": 1.0}, training={"epochs": 30, "batch_size": 50, "lr": 0.05}
    )
    _, reports = train(chosen, digits, [0])
    accuracy = [report.scores[0]["train_accuracy"] for report in reports[1:]]
    replicating = ["replication_loss" in report.scores[0] for report in reports[1:]]
    reached = next(epoch for epoch, value in enumerate(accuracy) if value >= 0.3)
    assert 0 < reached < len(accuracy) - 1
    # Measured at the end of the epoch that reaches it, replication is trained from the next one on.
    assert replicating == [epoch > reached for epoch in range(len(accuracy))]


def test_divergent_particles_are_kept_drawn_anew_or_the_end(digits: Task) -> None:
    wild: dict[str, Any] = {"training": {"lr": 0.3, "epochs": 3}, "particle": {"init": "xavier"}}
    kept, reports = train(experiment(replication={"divergent": "keep"}, **wild), digits, [0])
    # Nothing is left to train.
    assert reports[-1].stopped
    assert reports[-1].epoch < 3
    assert reports[-1].scores[0]["divergent"] == kept.organism.size

    reset, reports = train(experiment(replication={"divergent": "reset"}, **wild), digits, [0])
    assert reports[-1].epoch == 3
    assert reports[-1].scores[0]["divergent"] == 0
    assert all(buffer.isfinite().all() for buffer in reset.method.buffers().values())

    stopped, reports = train(experiment(replication={"divergent": "stop"}, **wild), digits, [0])
    assert reports[-1].stopped
    assert reports[-1].batch < 3 * stopped.batches.per_epoch
    # Stopped at once: the first divergent particles have not yet spoiled the others.
    assert 0 < reports[-1].scores[0]["divergent"] < stopped.organism.size
    assert stopped.running == []


def test_a_task_loss_that_is_not_finite_is_divergence_too() -> None:
    """Even of finite weights."""
    x = torch.randn(20, 3)
    far = Task("arrays", "regression", x, torch.full((20, 1), 1e20), x, torch.ones(20, 1), outputs=1)
    chosen: dict[str, Any] = {"training": {"lr": 1e-30, "batch_size": 5, "epochs": 3}}
    _, reports = train(experiment(replication={"divergent": "keep"}, **chosen), far, [0])
    assert [dict(report.diverged) for report in reports] == [{}, *[{0: "the task loss is inf"}] * 3]
    training, reports = train(experiment(replication={"divergent": "stop"}, **chosen), far, [0, 1])
    assert [(report.batch, report.stopped, sorted(report.diverged)) for report in reports[1:]] == [(1, True, [0, 1])]
    assert training.weights.isfinite().all()


def test_divergence_is_told_after_the_epoch(digits: Task) -> None:
    chosen = experiment(replication={"method": "none"}, log={"every": 100})
    training = Training(chosen, digits, [0, 1])
    for report in training.run():
        if report.epoch == 0:
            # Nothing of this is logged, and the other seed is not meant.
            training.weights.data[3, training.organism.size + 5] = float("nan")
    assert report.epoch == 2
    assert report.diverged == {1: f"1 of {training.organism.size:,} particles hold a NaN or an infinity"}


def test_a_seed_that_stops_does_not_stop_the_others(digits: Task) -> None:
    chosen = experiment(replication={"divergent": "stop"}, training={"epochs": 3})
    _, reports = train(chosen, digits, list(range(6)))
    ends = {seed: report for report in reports for seed in report.scores}
    stopped = {seed for seed, report in ends.items() if report.stopped}
    assert 0 < len(stopped) < 6
    assert all(ends[seed].epoch == 3 for seed in set(range(6)) - stopped)


def test_the_multiplying_particle_reports_what_it_learned() -> None:
    chosen = Experiment.from_dict(
        {
            "task": {"name": "multiply", "factor": 0.5},
            "body": {"depth": 1, "width": 1, "residual": "none"},
            "training": {"epochs": 1, "batch_size": 1000},
        }
    )
    training, reports = train(chosen, tasks.load(chosen.task), [0, 1])
    worth = particle.effective_weight(training.weights.detach(), training.organism.particle)
    assert [reports[-1].scores[seed]["learned_factor"] for seed in (0, 1)] == pytest.approx(worth.tolist())


def test_a_batch_larger_than_the_data_is_refused(digits: Task) -> None:
    with pytest.raises(UserError, match=r"batch_size is 2,000; the task digits has 1,437"):
        Training(experiment(training={"batch_size": 2000}), digits, [0])


def test_particles_are_counted_as_they_are_built() -> None:
    for sections in ({}, {"body": {"depth": 1}}, {"body": {"depth": 2, "width": 7}}):
        chosen = experiment(**sections)
        assert particle_count(chosen, 11, 3) == build_organism(chosen, 11, 3).size


def test_streams_of_random_numbers_are_independent_and_repeat() -> None:
    first = {name: torch.rand(4, generator=one).tolist() for name, one in generators(1).items()}
    again = {name: torch.rand(4, generator=one).tolist() for name, one in generators(1).items()}
    other = {name: torch.rand(4, generator=one).tolist() for name, one in generators(2).items()}
    assert first == again
    assert len({tuple(values) for values in [*first.values(), *other.values()]}) == 2 * len(first)


def test_replication_cannot_wait_for_the_accuracy_of_a_regression() -> None:
    x = torch.randn(20, 3)
    regression = Task("arrays", "regression", x, x, x, x, outputs=3)
    chosen = experiment(replication={"start_accuracy": 0.5}, training={"batch_size": 5})
    with pytest.raises(UserError, match=r"start_accuracy is 0\.5; a regression has no accuracy"):
        Training(chosen, regression, [0])


@pytest.mark.parametrize("method", ["newton", "lifted"])
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"interactions": {"attack": 0.01, "melt": 0.01}},
        {"replication": {"divergent": "reset"}, "training": {"lr": 3.0}},
        {"replication": {"divergent": "stop"}, "training": {"lr": 3.0}},
    ],
    ids=str,
)
def test_what_is_remembered_of_the_effective_weights_holds(
    digits: Task, sections: dict[str, Any], method: str, each_path: str
) -> None:
    """Whoever has changed the particles since the step before, at every batch."""
    sections = sections | {"replication": {**sections.get("replication", {}), "method": method}}
    training = Training(experiment(**sections), digits, [0, 1])
    seen = []

    def remembered(training: Training) -> bool:
        before = training.organism._worth
        return before is not None and before[2] == training.weights._version

    def look() -> None:
        seen.append(remembered(training))
        expected = particle.effective_weight(training.weights.detach(), training.organism.particle)
        assert training.organism.worth().numpy().tobytes() == expected.numpy().tobytes()

    for _ in training.run(after_batch=look):
        look()
    if "training" not in sections and (method == "lifted" or each_path == "kernels"):
        assert any(seen)


def test_a_class_derived_from_the_mlp_computes_by_its_own_forward_pass() -> None:
    class Doubled(MLP):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    organism, doubled = (Organism(kind(3, 4, 2, 2), Particle(2)) for kind in (MLP, Doubled))
    x, w = torch.randn(5, 3), organism.worth()
    torch.testing.assert_close(answers(doubled, w, x), 2 * answers(organism, w, x))


def test_what_is_held_back_is_measured_and_not_trained_on() -> None:
    """Whatever is in it, the particles become the same; what is measured is the mean loss, and the metric."""
    task = tasks.load(Experiment().task.model_copy(update={"validation": 400}))
    chosen = experiment(training={"epochs": 1})
    other = replace(task, validation_x=torch.zeros_like(task.validation_x))  # type: ignore[arg-type]
    trainings = [train(chosen, one, [3, 4]) for one in (task, other)]
    (training, reports), (again, zeros) = trainings
    assert torch.equal(training.weights, again.weights)
    output = answers(training.organism.eval(), training.organism.worth(), task.validation_x)[1]  # type: ignore[arg-type]
    found = reports[-1].scores[1]
    assert found["validation_loss"] == pytest.approx(float(cross_entropy(output, task.validation_y)))  # type: ignore[arg-type]
    assert found["validation_accuracy"] == pytest.approx(float((output.argmax(1) == task.validation_y).float().mean()))
    # Of zeros a network without biases makes nothing: all classes are as likely.
    assert zeros[-1].scores[1]["validation_loss"] == pytest.approx(math.log(10))
    assert "validation_loss" not in train(chosen, tasks.load(Experiment().task), [3])[1][-1].scores[0]
