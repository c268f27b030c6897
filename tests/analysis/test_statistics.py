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
    ANYTHING,
    CORRELATION,
    MARGIN,
    POSITIVE,
    SHARE,
    by_epoch,
    differences_over_seeds,
    equivalence,
    holm,
    interval,
    last_scores,
    mean_interval,
    over_seeds,
    paired,
    range_of,
    seeds,
    share_of_cases,
    survival,
    with_range,
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
        assert mean_interval(pd.Series([2.0, 4.0, 9.0])) == pytest.approx((5, 5 - half, 5 + half), rel=1e-6)

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


class TestRanges:
    def test_a_share_by_hand(self) -> None:
        """Of 0.6 and 0.8: logit(0.7) = 0.847298, error 0.1 / 0.21, times t(0.975; 1) = 12.7062: ± 6.050571."""
        mean, low, high = mean_interval(pd.Series([0.6, 0.8]), SHARE)
        ends = [1 / (1 + math.exp(-(0.847298 + sign * 6.050571))) for sign in (-1, 1)]
        assert [mean, low, high] == pytest.approx([0.7, *ends], rel=1e-4)

    def test_a_count_is_the_share_of_its_particles(self) -> None:
        own = pd.Series([30.0, 38.0, 44.0])
        counts, shares = mean_interval(own, (0, 50)), mean_interval(own / 50, SHARE)
        assert counts == pytest.approx([50 * one for one in shares])

    def test_of_a_correlation_it_is_fishers_z(self) -> None:
        own = pd.Series([0.5, 0.6, 0.9])
        mean, low, high = mean_interval(own, CORRELATION)
        z = 4.302653 * float(own.sem()) / (1 - mean**2)
        assert [low, high] == pytest.approx(
            [math.tanh(math.atanh(mean) - z), math.tanh(math.atanh(mean) + z)], rel=1e-6
        )

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
    def test_it_stays_where_the_values_are(self, own: list[float]) -> None:
        for within, values in (
            (SHARE, np.array(own)),
            (CORRELATION, 2 * np.array(own) - 1),
            ((0, 40), 40 * np.array(own)),
        ):
            mean, low, high = mean_interval(pd.Series(values), within)
            assert within[0] <= low <= mean + 1e-12
            assert mean - 1e-12 <= high <= within[1] + 1e-12

    def test_seeds_at_the_very_end_need_no_exception(self) -> None:
        assert mean_interval(pd.Series([1.0, 1.0, 1.0]), SHARE) == (1, 1, 1)
        mean, low, high = mean_interval(pd.Series([1.0, 1.0, 0.99]), SHARE)
        assert 0.7 < low < mean < high < 1

    def test_what_has_one_end_is_cut_off_there(self) -> None:
        own = pd.Series([0.1, 0.2, 0.9])
        _, low, high = mean_interval(own, ANYTHING)
        assert low < 0
        assert mean_interval(own, POSITIVE)[1:] == (0, high)

    def test_of_differences_it_ends_at_one(self) -> None:
        frame = pd.DataFrame({"Metric": "accuracy", "Score": [-0.1, 0.9]})
        [[mean, low, high, count]] = differences_over_seeds(frame, "Metric").to_numpy()
        assert (mean, low, high, count) == (0.4, -1, 1, 2)

    @pytest.mark.parametrize(
        ("metric", "within"),
        [
            *((name, SHARE) for name in ("test_accuracy", "identity_share", "test_recall_3", "live_type", "accuracy")),
            *((name, SHARE) for name in ("on_paths", "density", "L0_density", "open_gates", "frozen", "useless AUC")),
            *((name, POSITIVE) for name in ("paths", "effective_rank", "collapsed_layers", "rank error", "lags")),
            ("rank correlation", CORRELATION),
            *(
                (name, POSITIVE)
                for name in ("test_mae", "task_loss", "identity", "L0_zero", "replication_error", "mae")
            ),
            *((name, ANYTHING) for name in ("test_r2", "learned_factor", "Difference")),
        ],
    )
    def test_a_metric_tells_its_range(self, metric: str, within: tuple[float, float]) -> None:
        assert range_of(metric) == within
        assert with_range(pd.DataFrame({"Metric": [metric]}))[["Least", "Most"]].to_numpy().tolist() == [[*within]]


class TestEquivalence:
    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(-0.05, 0.05), min_size=2, max_size=9).filter(lambda own: np.std(own) > 1e-6))
    def test_it_is_two_one_sided_tests(self, own: list[float]) -> None:
        above = stats.ttest_1samp(own, -MARGIN, alternative="greater").pvalue
        below = stats.ttest_1samp(own, MARGIN, alternative="less").pvalue
        assert equivalence(np.array(own)) == pytest.approx(max(above, below), rel=1e-9)

    def test_it_is_shown_where_the_90_percent_interval_is_within_the_margin(self) -> None:
        """Of −e, 0, e: half width t(0.95; 2) · e/√3 = 2.919986 e/√3, which is 0.01 at e = 0.0059316."""
        for e, shown in ((0.00593, True), (0.00594, False)):
            assert (equivalence(np.array([-e, 0, e])) < 0.05) == shown

    def test_an_interval_that_contains_zero_is_not_enough(self) -> None:
        own = np.array([-0.05, 0.05, 0.01])
        assert paired(own, 0 * own)["p"] > 0.5
        assert equivalence(own) > 0.3

    def test_without_scatter_or_without_pairs(self) -> None:
        assert equivalence(np.array([0.002, 0.002])) == 0
        assert equivalence(np.array([0.02, 0.02])) == 1
        assert math.isnan(equivalence(np.array([0.0])))
        assert math.isnan(equivalence(np.array([0.0, math.nan])))


class TestHolm:
    def test_by_hand(self) -> None:
        """As R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
        assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_one_test_told_twice_counts_once_and_none_not_at_all(self) -> None:
        found = holm([0.01, 0.04, 0.01, math.nan], ["a", "b", "a", "c"])
        assert found[:3].tolist() == pytest.approx([0.02, 0.04, 0.02])
        assert math.isnan(found[3])

    @given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
    def test_it_keeps_the_order_and_is_between_the_value_and_bonferronis(self, own: list[float]) -> None:
        found, p = holm(own), np.array(own)
        assert (np.diff(found[p.argsort(kind="stable")]) >= 0).all()
        assert (found >= p).all()
        assert (found <= np.minimum(1, len(p) * p) + 1e-15).all()
        assert found[p.argmin()] == min(1, len(p) * p.min())


class TestSurvival:
    def test_by_hand(self) -> None:
        """Of four one reaches it at 5, one at 10; one is followed to 7 only: 1 − 3/4, and 1 − 3/4 · 1/2."""
        found = survival(np.array([5.0, math.nan, 10.0, math.nan]), np.array([20.0, 7.0, 20.0, 20.0]))
        assert found["Epoch"].tolist() == [5, 7, 10, 20]
        assert found["Share"].tolist() == pytest.approx([1 / 4, 1 / 4, 5 / 8, 5 / 8])
        assert found[["Low", "High"]].to_numpy().min() >= 0
        assert found[["Low", "High"]].to_numpy().max() <= 1
        assert (found["Low"] < found["Share"]).all()

    @pytest.mark.filterwarnings("error")
    def test_where_all_or_none_reach_it(self) -> None:
        assert survival(np.array([5.0, 5.0]), np.array([9.0, 9.0]))["Share"].tolist() == [1]
        assert survival(np.array([math.nan, math.nan]), np.array([9.0, 9.0]))["Share"].tolist() == [0]


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

    def test_so_is_one_that_is_the_same_but_for_rounding(self) -> None:
        """Of 0.2, which floats cannot hold."""
        a, b = np.array([0.3, 0.8]), np.array([0.1, 0.6])
        assert np.ptp(a - b) > 0
        found = paired(a, b)
        assert (found["Low"], found["High"]) == pytest.approx((0.2, 0.2))
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
        assert list(found.columns) == ["Seed", "Epoch", "Metric", "Score", "Least", "Most"]
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

    def test_validation_data_say_when_it_should_have_stopped(self, make_run: MakeRun) -> None:
        """At the first epoch of the least loss; a loss that is no number is none."""
        losses = [math.nan, 2.0, 0.5, 0.5, 0.75]
        measured = {
            epoch: {"validation_loss": loss, "test_accuracy": epoch / 10, **census(other=1)}
            for epoch, loss in enumerate(losses)
        }
        found = last_scores([make_run(0, measured)]).set_index("Metric")
        assert found.loc["early_stop_epoch", ["Epoch", "Score", "Least", "Most"]].tolist() == [2, 2, 0, 4]
        assert found.loc["early_stop_test_accuracy", ["Epoch", "Score", "Most"]].tolist() == [2, 0.2, 1]
        assert found.loc["test_accuracy", "Score"] == 0.4


def test_a_share_of_cases_has_an_exact_interval_that_ends_at_0_and_1() -> None:
    """Of none of n the upper end is 1 − 0.025^(1/n)."""
    assert share_of_cases(0, 50) == (0, 0, pytest.approx(1 - 0.025 ** (1 / 50)))
    assert share_of_cases(50, 50) == (1, pytest.approx(0.025 ** (1 / 50)), 1)
