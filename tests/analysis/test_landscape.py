"""Between minima: barriers, matched units, valleys and planes, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from srnn import MLP, Organism, tasks
from srnn.analysis.landscape import along, apart, barrier, bend, curve, line, matched, plane, slope, valley
from srnn.errors import NotApplicableError
from srnn.experiment import Experiment
from srnn.number import Number
from srnn.tasks import Task
from srnn.training.loop import Training


@pytest.fixture(scope="module")
def task() -> Task:
    from dataclasses import replace

    whole = tasks.load(Experiment().task)
    few = slice(None, 100)
    return replace(
        whole,
        train_x=whole.train_x[few],
        train_y=whole.train_y[few],
        test_x=whole.test_x[few],
        test_y=whole.test_y[few],
    )


def network(seed: int, activation: str = "relu", width: int = 8) -> Organism:
    generator = torch.Generator().manual_seed(seed)
    return Organism(MLP(64, width, 3, 10, "none", activation, generator=generator), Number())  # type: ignore[arg-type]


def test_a_hill_between_two_wells() -> None:
    x = line(torch.tensor([-1.0]), torch.tensor([1.0]))[:, 0].double().numpy()
    assert len(x) == 31
    assert barrier((x**2 - 1) ** 2) == pytest.approx(1)
    assert barrier([1, 0.5, 2]) == 0.5


def test_a_curve_goes_through_its_ends() -> None:
    a, middle, b = torch.tensor([0.0]), torch.tensor([4.0]), torch.tensor([2.0])
    found = bend(a, middle, b, 5)[:, 0].tolist()
    assert found == pytest.approx([0, 1.625, 2.5, 2.625, 2])


def test_units_in_another_order_are_matched(task: Task) -> None:
    organism = network(0)
    worth = organism.worth()
    layers, generator = list(organism.in_shape(worth)), torch.Generator().manual_seed(1)
    for layer in (0, 1):
        order = torch.randperm(8, generator=generator)
        layers[layer], layers[layer + 1] = layers[layer][order], layers[layer + 1][:, order]
    mixed = torch.cat([one.flatten() for one in layers])
    found = apart(organism, worth, mixed, task)
    assert found["distance"] > 1
    assert found["matched_distance"] == 0
    assert found["gradient_norm"] == pytest.approx(float(slope(organism, worth, task).norm()), rel=1e-5)
    assert -0.99 < found["gradient_cosine"] < 0.99
    assert found["disagreement"] == 0
    assert found["divergence"] == pytest.approx(0, abs=1e-9)
    assert torch.equal(matched(organism, worth, mixed), worth)
    with pytest.raises(NotApplicableError, match="residual"):
        matched(Organism(MLP(64, 8, 3, 10, "layer", "relu"), Number()), worth, mixed)


def test_another_scale_of_a_linear_body_is_the_same_map() -> None:
    """(10 W1, W2 / 10), by hand: a distance of 7.62 that alters nothing."""
    body = Organism(MLP(2, 1, 2, 2), Number())
    of_two = Task("two", "classification", torch.eye(2), torch.tensor([0, 1]), torch.eye(2), torch.tensor([0, 1]), 2)
    a, b = torch.tensor([1.0, 2, 1, 1]), torch.tensor([10.0, 20, 0.1, 0.1])
    found = apart(body, a, b, of_two)
    assert found["distance"] == pytest.approx(7.62, abs=0.005)
    assert found["map_distance"] == pytest.approx(0, abs=1e-6)
    assert found["disagreement"] == 0


def test_a_curve_is_lower_than_the_line(task: Task) -> None:
    values = {"body": {"depth": 3, "width": 8, "activation": "relu"}, "particle": {"kind": "number"}}
    values |= {"replication": {"method": "none"}, "training": {"epochs": 60, "batch_size": 50, "lr": 0.2}}
    training = Training(Experiment.from_dict(values), task, [0, 1])
    for _ in training.run():
        pass
    a, b = training.organism.worth().view(2, -1)
    organism = network(0)
    middle = curve(organism, a, b, task, torch.Generator().manual_seed(2), epochs=60, batch_size=50, lr=0.2)
    ways = {"line": line(a, b), "curve": bend(a, middle, b)}
    found = {
        name: along(organism, points, task).query("Data == 'train'")["Loss"].to_numpy() for name, points in ways.items()
    }
    assert found["line"][[0, -1]] == pytest.approx(found["curve"][[0, -1]], abs=1e-6)
    assert barrier(found["curve"]) < 0.5 * barrier(found["line"])


def test_what_a_run_went_over(task: Task) -> None:
    organism = network(0)
    a, b = organism.worth(), network(1).worth()
    there = dict(enumerate(line(a, b, 5)))
    straight = valley(organism, there, task, torch.Generator().manual_seed(0))
    assert straight["path_barrier"] <= straight["line_barrier"]
    over = valley(organism, {0: a, 5: 30 * network(2).worth(), 9: b}, task, torch.Generator().manual_seed(0))
    assert over["path_barrier"] > 10 > over["line_barrier"]
    assert over["line_barrier"] == straight["line_barrier"]
    wrong = 1 - along(organism, torch.stack([a, 30 * network(2).worth(), b]), task).query("Data == 'train'")["Score"]
    assert over["path_error"] == pytest.approx(barrier(wrong.to_numpy()))
    assert straight["path_error"] <= straight["line_error"] < 1
    assert over["random"] == straight["random"]


def test_the_gradient_of_all_examples_is_that_of_the_loss(task: Task) -> None:
    organism, way = network(3), network(4).worth()
    worth = organism.worth()
    ends = along(organism, torch.stack([worth - 1e-2 * way, worth + 1e-2 * way]), task).query("Data == 'train'")["Loss"]
    assert float(slope(organism, worth, task) @ way) == pytest.approx(float(np.diff(ends)[0]) / 2e-2, rel=0.05)


def test_a_plane_holds_its_three_minima(task: Task) -> None:
    organism = network(0)
    minima = [network(seed).worth() for seed in range(3)]
    found = plane(organism, minima, task, side=5)
    at = found[found["Kind"] == "minimum"]
    direct = along(organism, torch.stack(minima), task).query("Data == 'test'")
    assert at["Loss"].tolist() == pytest.approx(direct["Loss"].tolist(), rel=1e-4)
    assert at[["X", "Y"]].iloc[0].tolist() == [0, 0]
    assert at["X"].iloc[1] == pytest.approx(float((minima[1] - minima[0]).norm()), rel=1e-5)
    assert (len(found), np.isfinite(found["Loss"]).all()) == (28, True)
    with pytest.raises(NotApplicableError, match="on a line"):
        plane(organism, [*line(minima[0], minima[1], 3)], task)
    with pytest.raises(NotApplicableError, match="here are 2"):
        plane(organism, minima[:2], task)
