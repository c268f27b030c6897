"""The table of baselines with learning rates of their own: what is chosen, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import srnn
from srnn.runs.run import Run
from srnn.tables import rates
from srnn.tables.desk import Desk
from srnn.tables.rates import chosen, own_rates

NAN = float("nan")


def ended(validation: dict[float, list[float]]) -> pd.DataFrame:
    rows = [(rate, seed, score) for rate, scores in validation.items() for seed, score in enumerate(scores)]
    return pd.DataFrame(rows, columns=["Rate", "Seed", "Validation"])


def test_the_rate_is_chosen_by_the_mean_on_validation_data() -> None:
    assert chosen(ended({0.01: [0.9, 0.7], 0.1: [0.85, 0.8], 1.0: [0.1, 0.1]})) == 0.1


def test_one_with_which_a_seed_diverged_is_not_taken() -> None:
    assert chosen(ended({0.01: [0.8, 0.8], 0.1: [0.9, NAN]})) == 0.01


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[float, list[Run]]:
    """Of two seeds each; the smaller rate learns next to nothing."""
    few = ["task.size=4", "body.width=3", "body.depth=2", "training.epochs=3", "log.every=3", "task.validation=200"]
    numbers = ["particle.kind=number", "replication.method=none"]
    base = srnn.load_preset("digits").override([*few, *numbers])
    out = tmp_path_factory.mktemp("rates")
    return {
        rate: srnn.run(base.override([f"training.lr={rate}", f"name=at-{rate}"]), out, seeds=(0, 1), image_format=None)
        for rate in (0.001, 0.1)
    }


def test_each_network_is_told_with_its_own_rate(runs: dict[float, list[Run]]) -> None:
    """All have the same runs, but softmax regression, which has the larger rate alone."""
    stems = {"organism", "no-replication", "same-units", "same-weights", "softmax"}
    every = {f"{rates.PRESET}-{stem}-{rate}": own for stem in stems for rate, own in runs.items()}
    del every[f"{rates.PRESET}-softmax-0.001"]
    text = own_rates(Desk(Path(), every, None, lambda what: None))
    lines = [line for line in text.splitlines() if line.startswith(("| organism", "| softmax"))]
    last = [run.metrics.query("Metric == 'test_accuracy'")["Score"].iloc[-1] for run in runs[0.1]]
    for line in lines:
        _, tried, rate, _, test = [cell.strip() for cell in line.strip("|").split("|")]
        assert (tried, rate) == ("0.1" if "softmax" in line else "0.001, 0.1", "0.1")
        assert test.startswith(f"{sum(last) / 2:.3f}")
    assert "200 training images that are held back" in text.replace("\n", " ")
    assert "organism − no replication: +0.00 (+0.00 … +0.00) points" in text
    assert "that is at the end of those tried" in text
