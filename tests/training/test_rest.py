"""What an organism comes to where the task leaves it alone: the census at rest, birth, and a task that fades."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from srnn import Experiment, UserError, fixpoints, replication, tasks
from srnn.experiment import ScheduleConfig
from srnn.fixpoints import FixpointType, classify
from srnn.particle import effective_weight, row_vector
from srnn.tasks import Task
from srnn.training.birth import build_organism
from srnn.training.loop import Training
from srnn.training.measuring import Report

SMALL: dict[str, Any] = {
    "body": {"depth": 3, "width": 4},
    "training": {"epochs": 4, "batch_size": 70},
    "log": {"every": 2},
}
EXACT = {"replication": {"birth": "exact"}}


def experiment(**sections: dict[str, Any]) -> Experiment:
    return Experiment.from_dict({**SMALL, **{name: {**SMALL.get(name, {}), **own} for name, own in sections.items()}})


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


def train(chosen: Experiment, task: Task, seeds: list[int]) -> tuple[Training, list[Report]]:
    training = Training(chosen, task, seeds)
    return training, list(training.run())


class TestRest:
    def test_it_is_the_census_after_replication_alone(self, digits: Task) -> None:
        training, reports = train(experiment(log={"rest": 50}), digits, [0, 1])
        settings = training.experiment
        for place in range(2):
            weights = training.weights.detach()[:, training.columns(place)].clone()
            particle = training.organism.replicator
            rate, alpha = settings.training.lr, settings.replication.alpha
            replication.train(weights, particle, 50, rate, settings.training.momentum, alpha, "live")
            types = classify(weights, particle)
            scores = reports[-1].scores[place]
            for kind in FixpointType:
                assert scores[f"rest_{kind.label}"] == (types == kind).sum()
            assert scores["rest_other"] < scores["other"]
            worth = effective_weight(weights, particle)
            output = training.organism.call_with(worth, digits.test_x, place=place)
            accuracy = float((output.argmax(1) == digits.test_y).float().mean())
            assert scores["rest_test_accuracy"] == pytest.approx(accuracy, abs=2 / len(digits.test_y))

    def test_it_changes_nothing_in_the_run(self, digits: Task) -> None:
        training, reports = train(experiment(), digits, [0, 1])
        without, others = train(experiment(log={"rest": 0}), digits, [0, 1])
        assert torch.equal(training.weights, without.weights)
        for report, other in zip(reports, others, strict=True):
            for place, scores in report.scores.items():
                assert {name: score for name, score in scores.items() if "rest_" not in name} == other.scores[place]
        assert "rest_identity" in reports[-1].scores[0]

    @pytest.mark.parametrize("method", ["none", "newton", "lifted"])
    def test_methods_that_are_at_rest_have_none(self, digits: Task, method: str) -> None:
        _, reports = train(experiment(replication={"method": method}), digits, [0])
        assert not [name for name in reports[-1].scores[0] if name.startswith("rest_")]

    def test_there_is_none_before_replication_begins(self, digits: Task) -> None:
        _, reports = train(experiment(replication={"start_accuracy": 1.0}), digits, [0])
        assert not [name for name in reports[-1].scores[0] if name.startswith("rest_")]


class TestBirth:
    def test_exact_newborns_are_self_replicators_of_the_same_worth(self, digits: Task) -> None:
        drawn, exact = (build_organism(experiment(**how), 64, 10) for how in ({}, EXACT))
        worth = drawn.worth()
        assert torch.allclose(exact.worth(), worth, atol=1e-6)
        assert (classify(exact.weights, exact.replicator) == FixpointType.IDENTITY).all()
        assert (classify(drawn.weights, drawn.replicator) != FixpointType.IDENTITY).all()

    def test_at_rest_all_are_self_replicators_at_the_same_accuracy(self, digits: Task) -> None:
        training, reports = train(experiment(**EXACT), digits, [0])
        scores = reports[-1].scores[0]
        assert scores["other"] > training.organism.size / 2
        assert scores["rest_identity"] == training.organism.size
        assert scores["rest_test_accuracy"] == pytest.approx(scores["test_accuracy"], abs=0.01)

    def test_one_that_is_drawn_anew_is_exact_as_well(self, digits: Task) -> None:
        training = Training(experiment(**EXACT), digits, [0])
        training.weights.detach()[3, 5] = float("nan")
        training.divergence.redraw()
        assert training.divergence.redrawn == [1]
        types = fixpoints.classify(training.weights, training.organism.replicator)
        assert (types == FixpointType.IDENTITY).all()

    def test_numbers_have_no_birth(self) -> None:
        with pytest.raises(UserError, match=r"replication\.birth is 'exact'; .*: set it to 'drawn'"):
            experiment(particle={"kind": "number"}, replication={"method": "none", "birth": "exact"})


class TestBasin:
    """Descent on replication alone, from particles as they are drawn."""

    @staticmethod
    def shares(hidden: int, init: str) -> dict[FixpointType, float]:
        chosen = experiment(particle={"hidden": hidden, "init": init}).particle.build()
        weights = chosen.draw(1000, torch.Generator().manual_seed(0))
        replication.train(weights, chosen, 2000, 0.008, 0.9, 100.0, "live")
        types = classify(weights, chosen)
        return {kind: float((types == kind).float().mean()) for kind in FixpointType}

    def test_most_of_four_units_fall_into_zero(self) -> None:
        assert self.shares(4, "fan_in")[FixpointType.ZERO] > 0.6
        assert self.shares(8, "fan_in")[FixpointType.ZERO] < 0.1

    def test_most_of_xavier_diverge_or_do_not(self) -> None:
        assert self.shares(4, "xavier")[FixpointType.DIVERGENT] > 0.4

    @pytest.mark.parametrize(("hidden", "share"), [(2, 0.92), (3, 0.98), (4, 0.99), (8, 0.99)])
    def test_copying_ones_become_self_replicators(self, hidden: int, share: float) -> None:
        assert self.shares(hidden, "copying")[FixpointType.IDENTITY] > share

    def test_copying_ones_hand_their_value_on_and_are_worth_what_others_are(self) -> None:
        worths = {}
        for init in ("fan_in", "copying"):
            chosen = experiment(particle={"init": init}).particle.build()
            weights = chosen.draw(4000, torch.Generator().manual_seed(0))
            v = row_vector(weights, chosen)
            worths[init] = v[4]
        assert v[0].mean() == pytest.approx(1, abs=0.02)
        assert worths["copying"].std() == pytest.approx(float(worths["fan_in"].std()), rel=0.05)
        assert worths["copying"].mean() == pytest.approx(0, abs=0.01)


class TestSchedule:
    def test_half_waves(self) -> None:
        wave = ScheduleConfig(kind="cosine", every=4)
        assert [wave.share(epoch) for epoch in (0, 2, 4, 6)] == pytest.approx([1, 0.5, 1, 0.5])
        assert wave.share(3) == pytest.approx(0.1464, abs=1e-4)
        assert ScheduleConfig().share(7) == 1

    def test_what_is_multiplied_is_the_gradient_of_the_task(self, digits: Task) -> None:
        """Of plain numbers without momentum: as a learning rate that falls."""
        numbers = {"particle": {"kind": "number"}, "replication": {"method": "none"}}
        chosen = experiment(**numbers, training={"momentum": 0.0}, schedule={"kind": "cosine", "every": 4})
        training, _ = train(chosen, digits, [0])
        organism = build_organism(chosen, digits.inputs, digits.outputs)
        by_hand = Training(chosen, digits, [0])
        weights = organism.worth()
        for epoch in range(4):
            for index in by_hand.batches.epoch(0):
                leaf = weights.clone().requires_grad_()
                output = organism.call_with(leaf, digits.train_x[index[0]])
                digits.loss(output, digits.train_y[index[0]]).mean().backward()
                assert leaf.grad is not None
                weights = weights - chosen.training.lr * chosen.schedule.share(epoch) * leaf.grad
        assert torch.allclose(training.weights.detach()[0], weights, atol=1e-5)

    def test_biases_fade_as_well(self, digits: Task) -> None:
        """A task that has faded leaves them where they are."""
        conv = {"body": {"name": "conv", "channels": [2], "kernel": 3}, "replication": {"method": "none"}}
        chosen = Experiment.from_dict({**conv, "schedule": {"kind": "cosine", "every": 2}})
        training = Training(chosen, digits, [0])
        biases = {name: one.clone() for name, one in training.organism.ordinary(0).items()}
        assert biases
        [index] = training.batches.epoch(0)[:1]
        moved = []
        for epoch in (0, 1):
            training.epoch = epoch
            training.train_batch(index, training.no_sums())
            after = training.organism.ordinary(0)
            moved.append({name: float((after[name] - before).detach().abs().sum()) for name, before in biases.items()})
            biases = {name: one.detach().clone() for name, one in after.items()}
        assert all(moved[0][name] > 0 for name in biases)

    def test_replication_goes_on_as_the_task_fades(self, digits: Task) -> None:
        fading = experiment(**EXACT, training={"epochs": 30}, schedule={"kind": "cosine", "every": 30})
        going_on = experiment(**EXACT, training={"epochs": 30})
        shares = []
        for chosen in (fading, going_on):
            training, reports = train(chosen, digits, [0])
            shares.append(reports[-1].scores[0]["identity"] / training.organism.size)
        assert shares[0] > 0.9 > 0.5 > shares[1]

    def test_other_optimizers_do_not_mind_a_factor(self) -> None:
        with pytest.raises(UserError, match=r"schedule\.kind is 'cosine', which needs training\.optimizer 'sgd'"):
            experiment(schedule={"kind": "cosine"}, training={"optimizer": "adam"}, replication={"momentum": "fresh"})
