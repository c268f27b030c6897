"""What is measured of answers: as scikit-learn has it, and nothing of a network that answers NaN."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, r2_score, recall_score

from srnn.tasks import Task, scores


def task(kind: str, outputs: int) -> Task:
    x, y = torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64)
    return Task("made", kind, x, y, x, y, outputs)  # type: ignore[arg-type]


@given(st.integers(1, 60), st.integers(2, 25), st.integers(0, 2**31 - 1))
def test_classes_are_measured_as_by_scikit_learn(n: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(n, classes, generator=generator)
    y = torch.randint(0, classes, (n,), generator=generator)
    predicted, there = output.argmax(1).numpy(), np.unique(y)
    found = task("classification", classes).metrics(output, y)
    recalls = recall_score(y, predicted, labels=there, average=None, zero_division=0)
    assert list(found)[:2] == ["accuracy", "balanced_accuracy"]
    assert found["accuracy"] == pytest.approx((predicted == y.numpy()).mean(), abs=1e-6)
    assert found["balanced_accuracy"] == pytest.approx(recalls.mean())
    expected = {f"recall_{label}": recall for label, recall in zip(there, recalls, strict=True)}
    assert {name: score for name, score in found.items() if "recall" in name} == pytest.approx(
        expected if classes <= 20 else {}
    )


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_a_rare_class_counts_as_much_as_a_frequent_one() -> None:
    y = torch.tensor([0] * 98 + [1] * 2)
    output = torch.nn.functional.one_hot(torch.zeros(100, dtype=torch.int64), 2).float()
    found = task("classification", 2).metrics(output, y)
    assert found == {"accuracy": pytest.approx(0.98), "balanced_accuracy": 0.5, "recall_0": 1, "recall_1": 0}
    assert balanced_accuracy_score(y, output.argmax(1)) == 0.5


@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 2**31 - 1))
def test_r2_is_that_of_scikit_learn(n: int, outputs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(n, outputs, generator=generator) + 3
    output = y + 0.5 * torch.randn(n, outputs, generator=generator)
    found = task("regression", outputs).metrics(output, y)
    assert list(found) == ["mae", "r2"]
    assert found["r2"] == pytest.approx(r2_score(y, output), rel=1e-4, abs=1e-5)


def test_r2_of_a_target_that_does_not_vary() -> None:
    y = torch.full((5, 1), 2.0)
    assert scores.of_numbers(y, y) == {"r2": r2_score(y, y)} == {"r2": 1}
    assert scores.of_numbers(y + 1, y) == {"r2": r2_score(y, y + 1)} == {"r2": 0}


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("odd", [nan, inf, -inf])
def test_an_answer_that_is_not_finite_has_no_score_and_its_network_no_metric(kind: str, odd: float) -> None:
    made = task(kind, 3)
    output = torch.zeros(2, 4, 3)
    output[1, 2, 0] = odd
    y = torch.zeros(2, 4, dtype=torch.int64) if kind == "classification" else torch.zeros(2, 4, 3)
    assert made.score(output, y).isnan().nonzero().tolist() == [[1, 2]]
    well, diverged = (made.metrics(one, right) for one, right in zip(output, y, strict=True))
    assert list(well) == list(diverged)
    assert not any(map(isnan, well.values()))
    assert all(map(isnan, diverged.values()))


def test_metrics_ask_for_no_gradient() -> None:
    output = torch.zeros(3, 1, requires_grad=True)
    assert task("regression", 1).metrics(output, torch.ones(3, 1)) == {"mae": 1, "r2": 0}
