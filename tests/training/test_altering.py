"""Label smoothing, mixup and noise: by hand, and repeatable from streams of their own."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
import torch

from srnn import Experiment, UserError
from srnn.methods.settings import TrainingConfig
from srnn.tasks import Task
from srnn.training import Training
from srnn.training.altering import alter


def task(kind: str) -> Task:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 3, generator=generator)
    y = torch.randint(0, 10, (400,), generator=generator) if kind == "classification" else x @ torch.ones(3, 2)
    return Task("small", kind, x[:300], y[:300], x[300:], y[300:], outputs=10 if kind == "classification" else 2)  # type: ignore[arg-type]


CLASSES, NUMBERS = task("classification"), task("regression")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_smoothed_labels() -> None:
    """The target is 0.91 and nine times 0.01: its entropy is the least loss, an even answer costs log 10."""
    altered = alter(CLASSES.train_x, CLASSES.train_y, CLASSES, TrainingConfig(label_smoothing=0.1), generator())
    best = torch.full((300, 10), log(0.01)).scatter(1, CLASSES.train_y[:, None], log(0.91))
    torch.testing.assert_close(altered.loss(best), torch.full((300,), 0.50029), rtol=1e-5, atol=0)
    torch.testing.assert_close(altered.loss(torch.zeros(300, 10)), torch.full((300,), log(10)))
    assert altered.x is CLASSES.train_x


@pytest.mark.parametrize("of", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_mixed_examples_have_mixed_losses_or_targets(of: Task) -> None:
    x = torch.eye(300)  # tells the proportion and the other one
    altered = alter(x, of.train_y, of, TrainingConfig(mixup=0.4, label_smoothing=0.0), generator())
    share = altered.x.diagonal()
    rest = altered.x - torch.diag(share)
    # An example that meets itself is whole.
    mixed = rest.sum(1) > 0
    assert mixed.sum() > 250
    other, s = torch.where(mixed, rest.argmax(1), torch.arange(300)), float(share[mixed][0])
    torch.testing.assert_close(share[mixed], torch.full_like(share[mixed], s))
    assert other.sort().values.tolist() == [*range(300)]
    output = torch.randn(300, of.outputs, generator=generator())
    y, theirs = of.train_y, of.train_y[other]
    if of is CLASSES:
        soft = s * torch.nn.functional.one_hot(y, 10) + (1 - s) * torch.nn.functional.one_hot(theirs, 10)
        wanted = torch.nn.functional.cross_entropy(output, soft, reduction="none")
    else:
        wanted = (output - s * y - (1 - s) * theirs).square().mean(1)
    torch.testing.assert_close(altered.loss(output), wanted)


def test_noise_costs_a_linear_answer_its_squared_weights() -> None:
    """E = (y - wx)² + σ² |w|²."""
    x, y, w, deviation = torch.full((40_000, 2), 0.5), torch.ones(40_000, 1), torch.tensor([[1.0], [2.0]]), 0.3
    altered = alter(x, y, NUMBERS, TrainingConfig(noise=deviation), generator())
    found = float(altered.loss(altered.x @ w).mean())
    assert found == pytest.approx((1 - 1.5) ** 2 + deviation**2 * 5, rel=0.02)


SMALL: dict[str, Any] = {
    "body": {"depth": 2, "width": 3},
    "particle": {"kind": "number"},
    "replication": {"method": "none"},
    "training": {"epochs": 2, "batch_size": 50},
}


def trained(seeds: list[int], **altering: float) -> Training:
    training = Training(Experiment.from_dict({**SMALL, "training": SMALL["training"] | altering}), CLASSES, seeds)
    for _ in training.run():
        pass
    return training


@pytest.mark.parametrize("altering", [{"mixup": 0.4}, {"noise": 0.1}, {"label_smoothing": 0.1}], ids=str)
def test_each_seed_is_altered_as_it_is_alone_and_its_order_stays(altering: dict[str, float]) -> None:
    together, alone, plain = trained([3, 4], **altering), trained([4], **altering), trained([4])
    assert torch.equal(together.weights[:, together.columns(1)], alone.weights)
    assert not torch.equal(alone.weights, plain.weights)
    assert torch.equal(alone.streams[0]["order"].get_state(), plain.streams[0]["order"].get_state())


def test_it_goes_on_as_if_it_had_not_been_cut() -> None:
    whole = trained([3], mixup=0.4, noise=0.1)
    cut = Training(whole.experiment, CLASSES, [3])
    next(report for report in cut.run() if report.epoch == 1)
    again = Training(whole.experiment, CLASSES, [3])
    again.load_state(0, *cut.state(0))
    for _ in again.run():
        pass
    assert torch.equal(again.weights, whole.weights)


def test_there_are_no_labels_of_a_regression() -> None:
    experiment = Experiment.from_dict({**SMALL, "training": SMALL["training"] | {"label_smoothing": 0.1}})
    with pytest.raises(UserError, match=r"training\.label_smoothing is 0\.1; a regression has no labels"):
        Training(experiment, NUMBERS, [0])
