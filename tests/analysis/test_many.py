"""Many networks at once, against one at a time."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from srnn import MLP, Organism, Particle
from srnn.analysis.many import evaluate
from srnn.tasks import Task
from srnn.tasks.scaling import Scaling

Kind = Literal["classification", "regression"]


def task(kind: Kind, rows: int = 40, scaling: Scaling | None = None) -> Task:
    random = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 5, generator=random)
    y = torch.randn(rows, 3, generator=random)
    if kind == "classification":
        y = torch.randint(2, (rows,), generator=random)  # never the third
    return Task("random", kind, x, y, x, y, outputs=3, y_scaling=scaling)


def alone(organism: Organism, weights: Tensor, task: Task) -> tuple[Tensor, Tensor]:
    """Losses and scores of each example, one network after the other."""
    outputs = [organism.call_with(own, task.test_x) for own in weights]
    return tuple(torch.stack([of(one, task.test_y) for one in outputs]) for of in (task.loss, task.score))  # type: ignore[return-value]


ORGANISMS = {
    "kernel": Organism(MLP(5, 4, 3, 3, "layer", "tanh"), Particle(hidden=2), torch.Generator().manual_seed(0)),
    # With numbers of its own beside the particles, and units that are dropped in training: by torch.
    "torch": Organism(
        nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 3)),
        Particle(hidden=2),
        torch.Generator().manual_seed(0),
    ).eval(),
}


@pytest.mark.parametrize("name", ORGANISMS)
@pytest.mark.parametrize("kind", ["classification", "regression"])
@given(networks=st.integers(1, 7), seed=st.integers(0, 2**31))
@settings(max_examples=8, deadline=None)
def test_as_one_network_at_a_time(name: str, kind: Kind, networks: int, seed: int) -> None:
    organism, own = ORGANISMS[name], task(kind)
    weights = torch.randn(networks, organism.size, generator=torch.Generator().manual_seed(seed))
    expected = alone(organism, weights, own)
    for per, over in (("example", lambda one: one), ("network", lambda one: one.mean(1))):
        found = evaluate(organism.train(), weights, own, per)
        assert organism.training
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, over(other), rtol=1e-4, atol=1e-5)
    organism.eval()


@pytest.mark.parametrize("name", ORGANISMS)
class TestPerOutput:
    weights = 0.3 * torch.randn(2, 48, generator=torch.Generator().manual_seed(2))

    def test_of_a_class_the_mean_over_its_examples(self, name: str) -> None:
        organism, own = ORGANISMS[name], task("classification")
        weights = self.weights[:, : organism.size]
        losses, scores = alone(organism, weights, own)
        found = evaluate(organism, weights, own, "output")
        for label in (0, 1):
            for one, other in zip(found, (losses, scores), strict=True):
                torch.testing.assert_close(one[:, label], other[:, own.test_y == label].mean(1))
        assert found[1][:, 2].isnan().all()

    def test_of_a_target_its_own_error_in_the_units_of_the_data(self, name: str) -> None:
        factor = np.array([1.0, 2.0, 10.0])
        organism = ORGANISMS[name]
        own = task("regression", scaling=Scaling(np.zeros(3), factor))
        weights = self.weights[:, : organism.size]
        losses, scores = evaluate(organism, weights, own, "output")
        errors = torch.stack([organism.call_with(one, own.test_x) for one in weights]) - own.test_y
        torch.testing.assert_close(losses, errors.square().mean(1))
        torch.testing.assert_close(scores, errors.abs().mean(1) * torch.from_numpy(factor).float())


@pytest.mark.parametrize("name", ORGANISMS)
@pytest.mark.parametrize("per", ["network", "output", "example"])
def test_nan_in_one_network_leaves_the_others_alone(name: str, per: Literal["network", "output", "example"]) -> None:
    organism, own = ORGANISMS[name], task("classification", 41)
    weights = torch.randn(9, organism.size, generator=torch.Generator().manual_seed(0))
    before = evaluate(organism, weights, own, per)
    weights[4, 3] = torch.nan
    after = evaluate(organism, weights, own, per)
    others = torch.arange(9) != 4
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[others].nan_to_num(-1), other[others].nan_to_num(-1))
        assert other[4].isnan().all()


def test_more_networks_than_a_block_holds() -> None:
    """To the bit as each by itself, whatever is beside it."""
    organism, own = ORGANISMS["kernel"], task("classification", 2_000)
    weights = torch.randn(70, organism.size, generator=torch.Generator().manual_seed(0))
    losses, scores = evaluate(organism, weights, own)
    assert losses.shape == scores.shape == (70,)
    for place in (0, 33, 69):
        assert evaluate(organism, weights[place : place + 1], own) == (losses[place], scores[place])


def test_weights_of_another_body_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(networks, 48\)"):
        evaluate(ORGANISMS["kernel"], torch.zeros(2, 47), task("regression"))
