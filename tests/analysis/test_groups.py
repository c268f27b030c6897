"""Groups: units in series need each other, units side by side back each other up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from srnn import MLP, Organism
from srnn.analysis.groups import Costs, agreement, groups, measures, partition, random_sets
from srnn.number import Number
from srnn.plots.groups import groups as draw
from srnn.tasks import Task

ONE = torch.ones(2, 1)
#: x = 1, of which 1 is to be made; squared loss.
TASK = Task("by hand", "regression", ONE, ONE, ONE, ONE, outputs=1)


def numbers(body: MLP, *weights: float) -> Organism:
    organism = Organism(body, Number())
    organism.weights.data = torch.tensor([weights], dtype=torch.float32)
    return organism


def test_units_in_series_need_each_other() -> None:
    """Without either nothing is left: 1 and 1, together 1, synergy −1."""
    costs = Costs(numbers(MLP(1, 1, 3, 1), 1, 1, 1), TASK)
    assert costs.single.tolist() == [1, 1]
    assert costs.synergy([0, 1]) == -1
    assert costs.pairs(np.arange(2)).tolist() == [[0, -1], [-1, 0]]


def test_units_side_by_side_back_each_other_up() -> None:
    """A half each: without one ¼, together 1, synergy ½."""
    costs = Costs(numbers(MLP(1, 2, 2, 1), 0.5, 0.5, 1, 1), TASK)
    assert costs.single.tolist() == [0.25, 0.25]
    assert costs.synergy([0, 1]) == 0.5


def test_clusters_are_as_many_as_lie_apart() -> None:
    points = np.array([0, 0.1, 0.2, 5, 5.1, 9, 9.1])
    labels = partition(np.abs(points[:, None] - points))
    assert len(set(labels)) == 3
    assert [len(set(labels[part])) for part in (slice(3), slice(3, 5), slice(5, 7))] == [1, 1, 1]


def test_random_sets_have_as_many_of_each_layer_and_nobody_dead() -> None:
    layers = ["L0"] * 4 + ["L1"] * 3
    alive = np.array([0, 1, 3, 4, 5, 6])
    sets = random_sets(layers, np.array([0, 1, 5]), alive, 50, np.random.default_rng(0))
    assert (sets[:, :4].sum(1) == 2).all()
    assert (sets[:, 4:].sum(1) == 1).all()
    assert not sets[:, 2].any()
    assert len({tuple(row) for row in sets}) > 3


def test_three_pairs_are_found_and_judged() -> None:
    """Chains of two units each, side by side, carry one input each; a unit of zeros is in no group."""
    body = MLP(4, 4, 3, 4)
    first, second = torch.diag(torch.tensor([1.0, 1, 1, 0])), torch.diag(torch.tensor([1.0, 1, 1, 1]))
    organism = numbers(body, *torch.cat([one.flatten() for one in (first, second, torch.eye(4))]).tolist())
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    y = x.clone()
    y[:, 3] = 0
    found = groups(organism, Task("chains", "regression", x, y, x, y, outputs=4), np.random.default_rng(0))
    own = found[found["By"] == "synergy"]
    assert sorted(own["Members"]) == ["L0_C0 L1_C0", "L0_C1 L1_C1", "L0_C2 L1_C2"]
    assert (own["Synergy"] < 0).all()
    assert own["Cost"].to_numpy() == pytest.approx(own["Sum"].to_numpy() / 2, rel=1e-5)
    assert (own["Below"] < 0.8).all()
    scores = measures(found).set_index(["By", "Metric"])["Score"]
    assert scores["synergy", "groups"] == 3
    assert scores["synergy", "needing_share"] == 1
    assert len(draw(found).axes) == 2


def test_units_that_are_correlated_are_one_group() -> None:
    """Of four units two read one input, two another, and four more read one of them each: as they were planted."""
    planted = np.array([0, 1, 1, 0] * 2)
    first = torch.zeros(4, 4)
    first[range(4), planted[:4]] = torch.tensor([1.0, 3, -1, 3])
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    weights = torch.cat([one.flatten() for one in (first, torch.eye(4), torch.eye(4))]).tolist()
    organism = numbers(MLP(4, 4, 3, 4), *weights)
    found = groups(organism, Task("planted", "regression", x, x, x, x, outputs=4), np.random.default_rng(0))
    own = found[found["By"] == "activation"]
    names = [f"L{layer}_C{cell}" for layer in range(2) for cell in range(4)]
    members = [" ".join(names[unit] for unit in np.flatnonzero(planted == group)) for group in range(2)]
    truth = pd.DataFrame({"By": "planted", "Group": range(2), "Members": members})
    assert agreement(pd.concat([own, truth])).to_numpy().tolist() == [["activation", "planted", 8, 1.0]]


def test_partitions_agree_as_far_as_they_are_the_same() -> None:
    """Of four units: {01}{23} with itself 1, with {02}{13} −½; the fifth is in one of them only."""
    found = pd.DataFrame(
        [
            ("a", 0, "u0 u1 u4"),
            ("a", 1, "u2 u3"),
            ("b", 0, "u0 u1"),
            ("b", 1, "u2 u3"),
            ("c", 0, "u0 u2"),
            ("c", 1, "u1 u3"),
        ],
        columns=["By", "Group", "Members"],
    )
    judged = agreement(found).set_index(["One", "Other"])
    assert judged["Units"].tolist() == [4, 4, 4]
    assert judged["Rand"].tolist() == [1, -0.5, -0.5]
    assert agreement(found[:2]).empty


def test_without_units_that_matter_there_are_none() -> None:
    found = groups(numbers(MLP(1, 3, 2, 1), 0, 0, 0, 1, 1, 1), TASK, np.random.default_rng(0))
    assert found.empty
    assert measures(found).empty
