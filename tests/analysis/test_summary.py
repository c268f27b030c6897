"""How runs ended: last figures, means over seeds and their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from srnn import Experiment, Run
from srnn.analysis.summary import last_scores, layer_table, mean_and_interval
from srnn.fixpoints import FixpointType
from srnn.runs.writer import RunWriter

LABELS = [kind.label for kind in FixpointType]
MakeRun = Callable[..., Run]


def scores(**values: list[float]) -> pd.DataFrame:
    """A row for each seed and metric, as :func:`last_scores` gives them."""
    rows = [(seed, 9, metric, score) for metric, own in values.items() for seed, score in enumerate(own)]
    return pd.DataFrame(rows, columns=["Seed", "Epoch", "Metric", "Score"])


def census(**counts: float) -> dict[str, float]:
    return {**dict.fromkeys(LABELS, 0.0), **counts}


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Record a run by its metrics, epoch → metric → score."""

    def make(seed: int, epochs: dict[int, dict[str, float]]) -> Run:
        writer = RunWriter(tmp_path / f"seed-{seed}", Experiment(seed=seed))
        for epoch, values in epochs.items():
            writer.metrics(epoch, 10 * epoch, values, save=True)
        return Run.open(writer.folder)

    return make


class TestMeanAndInterval:
    def test_by_hand(self) -> None:
        """Of 2, 4 and 9: mean 5, deviation √13; half width t · √13/√3, with t = 4.302653 for 2 degrees of freedom."""
        summary = mean_and_interval(scores(loss=[2.0, 4.0, 9.0]))
        assert list(summary.columns) == ["mean", "half_width", "seeds"]
        assert summary.at["loss", "mean"] == 5
        assert summary.at["loss", "half_width"] == pytest.approx(4.302653 * math.sqrt(13 / 3), rel=1e-6)
        assert summary.at["loss", "seeds"] == 3

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12).filter(lambda own: np.std(own) > 1e-3))
    def test_it_is_scipys_interval(self, own: list[float]) -> None:
        summary = mean_and_interval(scores(loss=own))
        low, high = stats.t.interval(0.95, len(own) - 1, np.mean(own), stats.sem(own))
        mean, half_width = summary.at["loss", "mean"], summary.at["loss", "half_width"]
        np.testing.assert_allclose([mean - half_width, mean + half_width], [low, high], rtol=1e-9, atol=1e-6)

    def test_a_single_seed_has_no_interval(self) -> None:
        summary = mean_and_interval(scores(loss=[3.0]))
        assert summary.at["loss", "mean"] == 3
        assert math.isnan(summary.at["loss", "half_width"])
        assert summary.at["loss", "seeds"] == 1

    def test_seeds_that_agree_have_an_interval_of_nothing(self) -> None:
        assert mean_and_interval(scores(loss=[3.0, 3.0])).at["loss", "half_width"] == 0

    def test_metrics_stay_in_order_and_apart(self) -> None:
        summary = mean_and_interval(scores(z=[1.0, 3.0], a=[5.0], m=[0.0, 0.0, 6.0]))
        assert list(summary.index) == ["z", "a", "m"]
        assert list(summary["mean"]) == [2, 5, 2]
        assert list(summary["seeds"]) == [2, 1, 3]

    def test_a_seed_that_diverged_is_not_passed_over(self) -> None:
        summary = mean_and_interval(scores(loss=[1.0, math.nan, 3.0], accuracy=[0.5, 0.5, 0.5]))
        assert math.isnan(summary.at["loss", "mean"])
        assert math.isnan(summary.at["loss", "half_width"])
        assert summary.at["accuracy", "mean"] == 0.5


class TestLastScores:
    def test_the_last_of_each_metric_with_when_it_was_measured(self, make_run: MakeRun) -> None:
        run = make_run(
            4,
            {
                0: {"test_accuracy": 0.1, **census(other=6)},
                1: {"task_loss": 2.0},
                2: {"task_loss": 1.0, "test_accuracy": 0.7, **census(other=2, zero=4)},
                3: {"task_loss": 0.5},
            },
        )
        found = last_scores([run])
        assert list(found.columns) == ["Seed", "Epoch", "Metric", "Score"]
        assert list(found["Metric"]) == ["test_accuracy", *LABELS, "task_loss"]
        assert (found["Seed"] == 4).all()
        by_metric = found.set_index("Metric")
        assert by_metric.loc["task_loss", ["Epoch", "Score"]].tolist() == [3, 0.5]
        assert by_metric.loc["test_accuracy", ["Epoch", "Score"]].tolist() == [2, 0.7]
        assert by_metric.loc["zero", ["Epoch", "Score"]].tolist() == [2, 4]

    def test_the_last_is_the_last_even_if_it_is_not_a_number(self, make_run: MakeRun) -> None:
        """A run that diverged must not be shown with the loss it had before."""
        run = make_run(0, {0: census(other=1), 1: {"task_loss": 2.0}, 2: {"task_loss": math.nan}})
        last = last_scores([run]).set_index("Metric").loc["task_loss"]
        assert math.isnan(last["Score"])
        assert last["Epoch"] == 2

    def test_several_runs_follow_each_other(self, make_run: MakeRun) -> None:
        runs = [make_run(seed, {0: {"test_mae": 0.5 + seed, **census(other=1)}}) for seed in (7, 3)]
        found = last_scores(runs)
        assert found.loc[found["Metric"] == "test_mae", ["Seed", "Score"]].to_numpy().tolist() == [[7, 7.5], [3, 3.5]]
        assert found.index.is_unique


class TestLayerTable:
    summary = mean_and_interval(
        scores(
            test_accuracy=[0.5, 0.7],
            **{f"L0_{label}": [10.0 * place, 10.0 * place + 2] for place, label in enumerate(LABELS)},
            **{f"L1_{label}": [100.0, 100.0] for label in LABELS},
            **{label: [10.0 * place + 100, 10.0 * place + 102] for place, label in enumerate(LABELS)},
        )
    )

    def test_a_row_for_each_layer_and_last_the_total(self) -> None:
        table = layer_table(self.summary)
        assert list(table.index) == ["L0", "L1", "total"]
        assert list(table.columns) == LABELS == ["divergent", "zero", "identity", "secondary", "other"]
        assert table.loc["L0"].tolist() == [1, 11, 21, 31, 41]
        assert table.loc["L1"].tolist() == [100] * 5
        assert table.loc["total"].tolist() == [101, 111, 121, 131, 141]

    def test_the_same_of_the_intervals(self) -> None:
        table = layer_table(self.summary, "half_width")
        assert table.loc["L1"].tolist() == [0] * 5
        assert table.at["L0", "zero"] == pytest.approx(stats.t.ppf(0.975, 1))
