"""Hills at earlier minima: their height and slope, where they push to, and that nothing of it is forgotten."""

from __future__ import annotations

from math import e, exp, sqrt, tanh
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from srnn import Experiment, UserError, tasks
from srnn.tasks import Task
from srnn.terms.repulsion import Hills, Repulsion, distances
from srnn.training import loop
from srnn.training.loop import Training

HILL = torch.tensor([3.0, 4.0])
THERE = torch.tensor([6.0, 8.0])


def slope(hills: Hills, worth: Tensor, strength: float = 1.0) -> Tensor:
    gradient = torch.zeros_like(worth)
    hills.add(worth, gradient, strength)
    return gradient


@pytest.mark.parametrize(
    ("kernel", "height", "gradient"),
    [("rbf", 0.606531, (0.072784, 0.097045)), ("tanh", 0.238406, (0.050397, 0.067196))],
)
def test_by_hand(kernel: Literal["rbf", "tanh"], height: float, gradient: tuple[float, ...]) -> None:
    hills = Repulsion(kernel=kernel, width=1.0).hills(HILL[None], 1)
    assert float(hills.squares.sqrt()) == pytest.approx(sqrt(12.5))
    assert float(distances(THERE, HILL[None], 1)) == pytest.approx(3.535534)
    assert float(hills.height(THERE, 2.0)) == pytest.approx(2 * height, abs=2e-6)
    assert slope(hills, THERE, 2.0).tolist() == pytest.approx([-2 * one for one in gradient], abs=2e-6)


def test_right_at_a_minimum_only_tanh_pushes() -> None:
    near = HILL + 1e-4
    kernels: dict[Literal["rbf", "tanh"], bool] = {"rbf": False, "tanh": True}
    for kernel, pushes in kernels.items():
        hills = Repulsion(kernel=kernel, width=1.0).hills(HILL[None], 1)
        assert (float(slope(hills, near).norm()) > 0.1) is pushes
        assert slope(hills, HILL).tolist() == [0, 0]


def test_one_hill_for_two_minima_is_as_much_wider_as_they_are_apart() -> None:
    hills = Repulsion(against="merged", width=1.0).hills(torch.tensor([[1.0], [-1.0]]), 1)
    assert hills.centres.tolist() == [[0]]
    assert float(hills.squares.sqrt()) == pytest.approx(sqrt(2))
    assert Repulsion(against="last").hills(torch.tensor([[1.0], [-1.0]]), 1).centres.tolist() == [[-1]]


def rest(width: float, strength: float, curvature: float) -> float:
    """Where gradient descent on ``h d² / 2`` and a hill of that width at 0 comes to rest."""
    hills = Hills(torch.zeros(1, 1), torch.tensor([width**2], dtype=torch.float64), "rbf")
    at = torch.tensor([0.01])
    for _ in range(4_000):
        at = at - 0.02 * (curvature * at + slope(hills, at, strength))
    return float(at)


@pytest.mark.parametrize(
    ("width", "strength", "curvature", "distance"),
    [(1, e**2, 1, 2), (1, e, 1, sqrt(2)), (1, 0.5, 1, 0), (2, e**2, 1, 2.2158), (1, e**2, 0.25, 2.6024)],
)
def test_where_it_comes_to_rest(width: float, strength: float, curvature: float, distance: float) -> None:
    assert rest(width, strength, curvature) == pytest.approx(distance, abs=1e-3)


@given(
    st.sampled_from(["rbf", "tanh"]),
    st.sampled_from(["last", "all", "merged"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_the_slope_is_that_of_the_height(
    kernel: Any, against: Any, minima: int, copies: int, numbers: int, seed: int
) -> None:
    """Whoever computes, and for each organism as it would be alone."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(minima + 1, copies * numbers, generator=generator)
    found, worth = drawn[1:], drawn[0]
    term = Repulsion(kernel=kernel, against=against, width=0.7)
    hills = term.hills(found, copies)
    leaf = worth.double().requires_grad_()
    hills.height(leaf, 3.0).sum().backward()
    assert leaf.grad is not None
    computed = slope(hills, worth, 3.0)
    torch.testing.assert_close(computed.double(), leaf.grad, rtol=1e-4, atol=1e-5)
    by_torch = slope(hills, worth.double(), 3.0)  # for which there is no kernel
    torch.testing.assert_close(by_torch, leaf.grad, rtol=1e-5, atol=1e-6)
    for place, own in enumerate(worth.view(copies, -1)):
        columns = slice(place * numbers, (place + 1) * numbers)
        alone = slope(term.hills(found[:, columns].contiguous(), 1), own.clone(), 3.0)
        assert torch.equal(alone, computed[columns])


SMALL: dict[str, Any] = {
    "body": {"depth": 3, "width": 4, "activation": "tanh"},
    "particle": {"hidden": 2},
    "training": {"epochs": 5, "batch_size": 400},
    "log": {"every": 1, "rest": 0},
    "terms": {"repulsion": {"every": 2, "width": 0.5, "strength": 2.0}},
}
NUMBERS = {"particle": {"kind": "number"}, "replication": {"method": "none"}}
PACED = {"kind": "cosine", "every": 3, "floor": 0.1, "scales": "all", "per": "batch"}
CASES: list[dict[str, Any]] = [
    {},
    NUMBERS,
    {"terms": {"repulsion": {"every": 1, "kernel": "tanh", "against": "last", "start": "fresh"}}},
    NUMBERS | {"terms": {"repulsion": {"every": 2, "against": "merged", "follow_lr": True}}, "schedule": PACED},
    {"terms": {"repulsion": {"every": 2, "start": "fresh"}, "l1": {}}, "replication": {"method": "lifted", "every": 3}},
    NUMBERS | {"training": {"epochs": 5, "batch_size": 400, "optimizer": "adam"}, "schedule": PACED},
    {"terms": {"repulsion": {"every": 2, "strength": 0.0}}},
]


@pytest.fixture(scope="module")
def digits() -> Task:
    return tasks.load(Experiment().task)


def train(chosen: Experiment, task: Task, seeds: list[int]) -> tuple[list[dict[str, Tensor]], str]:
    training = Training(chosen, task, seeds)
    told = [(report.epoch, repr(report.scores)) for report in training.run()]
    return [training.state(place)[0] for place in range(len(seeds))], repr(told)


def same(ones: list[dict[str, Tensor]], others: list[dict[str, Tensor]]) -> bool:
    return all(
        one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        for one, other in zip(ones, others, strict=True)
    )


def cut_after_every_batch(chosen: Experiment, task: Task, seeds: list[int]) -> list[dict[str, Tensor]]:
    """What comes of training that is ended after every batch, and gone on with by another."""
    training = Training(chosen, task, seeds)

    def cut() -> None:
        raise KeyboardInterrupt

    while training.epoch < chosen.training.epochs:
        try:
            for _ in training.run(cut):
                pass
        except KeyboardInterrupt:
            kept = [training.state(place) for place in range(len(seeds))]
            training = Training(chosen, task, seeds)
            for place, (tensors, plain) in enumerate(kept):
                training.load_state(place, tensors, plain)
    return [training.state(place)[0] for place in range(len(seeds))]


@pytest.mark.parametrize("changes", CASES, ids=str)
def test_in_a_stretch_resumed_or_alone_it_is_the_same(
    digits: Task, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Experiment.from_dict(SMALL | changes)
    states, told = train(chosen, digits, [3, 4])
    term = chosen.terms["repulsion"]
    assert isinstance(term, Repulsion)
    assert len(states[0]["repulsion.minima"]) == (chosen.training.epochs - 1) // term.every
    assert same(states[1:], train(chosen, digits, [4])[0])
    assert same(states, cut_after_every_batch(chosen, digits, [3, 4]))
    monkeypatch.setattr(loop, "stretch", lambda training, order: None)
    others, told_of_others = train(chosen, digits, [3, 4])
    assert same(states, others)
    assert told == told_of_others


def test_it_pushes_farther_and_its_control_only_measures(digits: Task) -> None:
    ends = {}
    for strength in (None, 0.0, 20.0):
        changes = {"terms": {} if strength is None else {"repulsion": {"every": 2, "strength": strength, "width": 1.0}}}
        training = Training(Experiment.from_dict(SMALL | NUMBERS | changes), digits, [3])
        *_, last = training.run()
        ends[strength] = training.weights.detach().clone(), last.scores[0]
    assert torch.equal(ends[None][0], ends[0.0][0])
    assert ends[20.0][1]["distance_last"] > 1.2 * ends[0.0][1]["distance_last"] > 0
    assert ends[0.0][1]["repulsion"] == 0 < ends[20.0][1]["repulsion"] < 20
    assert "repulsion" not in ends[None][1]


def test_what_is_born_again_is_another_network(digits: Task) -> None:
    changes = {
        "terms": {"repulsion": {"every": 2, "start": "fresh", "strength": 0.0}},
        "replication": {"method": "newton"},
    }
    training = Training(Experiment.from_dict(SMALL | changes), digits, [3])
    scores = [report.scores[0] for report in training.run()]
    assert scores[3]["distance_last"] > 3 * scores[2].get("distance_last", 0.0)
    assert scores[3]["distance_last"] > 0.5
    assert scores[-1]["identity"] == training.organism.size


def test_a_strength_that_follows_needs_a_rate_to_follow() -> None:
    with pytest.raises(UserError, match="follow_lr is true, and no schedule changes the learning rate"):
        Experiment.from_dict({"terms": {"repulsion": {"follow_lr": True}}})
    with pytest.raises(UserError, match=r"terms\.repulsion\.strength is -1"):
        Experiment.from_dict({"terms": {"repulsion": {"strength": -1}}})


def test_the_height_is_what_the_formulas_say() -> None:
    """Two minima, one at each side: the mean of their hills."""
    found = torch.tensor([[2.0], [-2.0]])
    heights: dict[Literal["rbf", "tanh"], float] = {
        "rbf": (exp(-0.5) + exp(-4.5)) / 2,
        "tanh": 1 - (tanh(1) + tanh(3)) / 2,
    }
    for kernel, height in heights.items():
        hills = Repulsion(kernel=kernel, width=0.5).hills(found, 1)
        assert float(hills.height(torch.tensor([1.0]))) == pytest.approx(height, abs=1e-6)
