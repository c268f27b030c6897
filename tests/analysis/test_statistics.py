"""Metrics over seeds: how runs ended, means and their intervals, paired differences."""

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
from srnn.analysis.statistics import (
    by_epoch,
    interval,
    last_scores,
    mean_and_half_width,
    over_seeds,
    paired,
    seeds,
)
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


class TestOverSeeds:
    def test_by_hand(self) -> None:
        """Of 2, 4 and 9: mean 5, deviation √13; half width t · √13/√3, with t = 4.302653 for 2 degrees of freedom."""
        found = over_seeds(scores(loss=[2.0, 4.0, 9.0]))
        half = 4.302653 * math.sqrt(13 / 3)
        assert list(found.columns) == ["Mean", "Low", "High", "Seeds"]
        assert found.loc["loss"].tolist() == pytest.approx([5, 5 - half, 5 + half, 3], rel=1e-6)
        assert mean_and_half_width(pd.Series([2.0, 4.0, 9.0])) == pytest.approx((5, half), rel=1e-6)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12).filter(lambda own: np.std(own) > 1e-3))
    def test_it_is_scipys_interval(self, own: list[float]) -> None:
        found = over_seeds(scores(loss=own))
        expected = stats.t.interval(0.95, len(own) - 1, np.mean(own), stats.sem(own))
        np.testing.assert_allclose(found.loc["loss", ["Low", "High"]], expected, rtol=1e-9, atol=1e-6)

    def test_a_single_seed_has_no_interval(self) -> None:
        found = over_seeds(scores(loss=[3.0])).loc["loss"]
        assert found["Mean"] == 3
        assert found[["Low", "High"]].isna().all()
        assert found["Seeds"] == 1

    def test_seeds_that_agree_have_an_interval_of_nothing(self) -> None:
        assert over_seeds(scores(loss=[3.0, 3.0])).loc["loss"].tolist() == [3, 3, 3, 2]

    def test_metrics_stay_in_order_and_apart(self) -> None:
        found = over_seeds(scores(z=[1.0, 3.0], a=[5.0], m=[0.0, 0.0, 6.0]))
        assert list(found.index) == ["z", "a", "m"]
        assert list(found["Mean"]) == [2, 5, 2]
        assert list(found["Seeds"]) == [2, 1, 3]

    def test_cases_of_several_columns_are_told_apart(self) -> None:
        found = over_seeds(scores(z=[1.0, 3.0], a=[5.0, 6.0]), by=["Metric", "Seed"])
        assert found.index.to_list() == [("z", 0), ("z", 1), ("a", 0), ("a", 1)]

    def test_a_seed_that_diverged_is_not_passed_over(self) -> None:
        found = over_seeds(scores(loss=[1.0, math.nan, 3.0], accuracy=[0.5, 0.5, 0.5]))
        assert found.loc["loss", ["Mean", "Low", "High"]].isna().all()
        assert found.at["loss", "Seeds"] == 3
        assert found.at["accuracy", "Mean"] == 0.5


class TestInterval:
    def test_by_hand(self) -> None:
        """A row of 1, 2, 3: mean 2, standard deviation 1, t(0.975; 2) = 4.302653; one of a single seed has none."""
        found = interval(pd.DataFrame([[1.0, 2.0, 3.0], [5.0, math.nan, math.nan]]))
        half = 4.302653 / math.sqrt(3)
        assert found.loc[0].tolist() == pytest.approx([2, 2 - half, 2 + half, 3], rel=1e-6)
        assert found["Mean"].tolist() == [2, 5]
        assert found.loc[1, ["Low", "High"]].isna().all()
        assert found["Seeds"].tolist() == [3, 1]

    def test_of_logarithms_it_is_a_factor(self) -> None:
        """1 and 100 are 10⁰ and 10²: mean 10¹, half width t(0.975; 1) · √2/√2 = 12.7062."""
        [(mean, low, high, _)] = interval(pd.DataFrame([[1.0, 100.0]]), logarithmic=True).to_numpy()
        assert mean == pytest.approx(10)
        assert math.log10(mean / low) == pytest.approx(12.7062, rel=1e-5)
        assert math.log10(high / mean) == pytest.approx(12.7062, rel=1e-5)

    def test_what_is_not_finite_or_has_no_logarithm_is_left_out(self) -> None:
        values = pd.DataFrame([[0.5, 0.5, math.inf, math.nan, 0.0]])
        assert interval(values).loc[0, ["Mean", "Seeds"]].tolist() == pytest.approx([1 / 3, 3])
        assert interval(values, logarithmic=True).loc[0].tolist() == pytest.approx([0.5, 0.5, 0.5, 2])

    def test_no_interval_is_beyond_what_a_float_holds(self) -> None:
        assert np.isfinite(interval(pd.DataFrame([[1e-200, 1e200]]), logarithmic=True)).all(axis=None)


class TestByEpoch:
    metrics = pd.DataFrame(
        [(1, 9, "loss", 0.5, 3), (1, 2, "loss", 9.0, 3), (0, 0, "loss", math.nan, 3), (1, 9, "loss", 1.0, 4)],
        columns=["Epoch", "Batch", "Metric", "Score", "Seed"],
    )

    def test_epochs_in_order_seeds_side_by_side_the_last_batch_counts(self) -> None:
        found = by_epoch(self.metrics, "loss")
        assert list(found.index) == [0, 1]
        assert found.loc[1].to_dict() == {3: 0.5, 4: 1.0}
        # Seed 3 logged NaN, seed 4 nothing.
        assert found.at[0, 3] == math.inf
        assert math.isnan(found.at[0, 4])

    def test_what_was_not_logged_is_empty(self) -> None:
        assert by_epoch(self.metrics, "accuracy").empty

    def test_seeds(self) -> None:
        assert seeds(self.metrics) == 2
        assert seeds(self.metrics.drop(columns="Seed")) == 1


class TestPaired:
    def test_by_hand(self) -> None:
        """Differences 1, 2, 3: mean 2, error 1/√3, t = 2√3."""
        found = paired(np.array([2.0, 4.0, 6.0]), np.array([1.0, 2.0, 3.0]))
        half = 4.302653 / math.sqrt(3)
        assert (found["Difference"], found["n"]) == (2, 3)
        assert (found["Low"], found["High"]) == pytest.approx((2 - half, 2 + half), rel=1e-6)
        assert found["t"] == pytest.approx(2 * math.sqrt(3))
        assert math.isnan(found["p (Wilcoxon)"])

    def test_the_same_difference_in_every_pair_is_exact_and_not_tested(self) -> None:
        found = paired(np.array([1.0, 2.0]), np.array([0.5, 1.5]))
        assert (found["Difference"], found["Low"], found["High"]) == (0.5, 0.5, 0.5)
        assert math.isnan(found["p"])

    @pytest.mark.parametrize("n", [0, 1])
    def test_without_two_pairs_there_is_no_interval(self, n: int) -> None:
        found = paired(np.ones(n), np.zeros(n))
        assert found["n"] == n
        assert math.isnan(found["Difference"]) == (n == 0)
        assert all(math.isnan(found[key]) for key in ("Low", "High", "t", "p", "p (Wilcoxon)"))

    def test_from_six_pairs_on_ranks_are_tested_too(self) -> None:
        a, b = np.arange(6.0), np.array([0.5, 0.1, 3.0, 2.0, 5.0, 9.0])
        assert paired(a, b)["p (Wilcoxon)"] == stats.wilcoxon(a, b).pvalue


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
