"""Comparisons: groups of runs by their curves, their ends and the order in which they learn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from scipy import stats

from srnn import Experiment, Run
from srnn.analysis.comparison import (
    compare,
    distinct,
    final_scores,
    final_table,
    milestones,
    order_of_learning,
    paired_tests,
    reached_by,
    scores,
)
from srnn.analysis.statistics import equivalence, mean_interval
from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots import comparison as plots
from srnn.plots.style import TYPE_COLOURS, WIDTH
from srnn.runs.writer import RunWriter

LABELS = [kind.label for kind in FixpointType]
#: Student's t for 95 % with 2 degrees of freedom.
T2 = 4.302653
#: The self-replicators of three seeds, of twenty particles.
COUNTED = pd.Series([2.0, 4.0, 9.0])
MakeRun = Callable[..., Run]


@pytest.fixture(scope="module")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """Record a run by its metrics, ``metric={epoch: score}``; counts that are not told are zero."""

    def make(group: str, seed: int, **metrics: dict[int, float]) -> Run:
        writer = RunWriter(tmp_path_factory.mktemp(group) / f"seed-{seed}", Experiment(seed=seed))
        epochs = sorted({epoch for course in metrics.values() for epoch in course})
        for epoch in epochs:
            row = dict.fromkeys(LABELS, 0.0) if epoch % 5 == 0 or epoch == epochs[0] else {}
            row |= {name: course[epoch] for name, course in metrics.items() if epoch in course}
            if row.get("zero") == sum(row.get(label, 0) for label in LABELS) == 0:
                row["zero"] = 1.0  # no census is empty
            writer.metrics(epoch, 10 * epoch, row, save=epoch == epochs[-1])
        return Run.open(writer.folder)

    return make


@pytest.fixture(scope="module")
def groups(make_run: MakeRun) -> dict[str, list[Run]]:
    """Three seeds with links and three without."""
    ends = {"links": [0.9, 0.8, 1.0], "none": [0.7, 0.7, 0.85]}
    counts = {"links": [2, 4, 9], "none": [1, 4, 4]}
    return {
        group: [
            make_run(
                group,
                seed,
                test_accuracy={0: 0.1, 5: 0.5, 10: ends[group][seed]},
                replication_loss={1: 10.0, 2: 10.0**-seed, 3: 1e-5},
                identity={0: 0, 5: 10, 10: counts[group][seed]},
                other={0: 20, 5: 10, 10: 20 - counts[group][seed]},
                L0_identity={0: 0, 5: 1, 10: 1},
                **{f"L0_{label}": {0: 4, 5: 0, 10: 1} for label in LABELS if label != "identity"},
            )
            for seed in range(3)
        ]
        for group in ends
    }


class TestCompare:
    def test_mean_and_band_by_hand(self, groups: dict[str, list[Run]]) -> None:
        """Of 2, 4 and 9 of 20 particles."""
        found = compare(groups, "identity")
        assert list(found.columns) == ["Group", "Metric", "Epoch", "Mean", "Low", "High", "Seeds"]
        assert list(found["Group"]) == ["links"] * 3 + ["none"] * 3
        assert list(found["Epoch"]) == [0, 5, 10] * 2
        last = found.iloc[2]
        assert (last["Mean"], last["Seeds"], last["Metric"]) == (5, 3, "identity")
        assert (last["Low"], last["High"]) == pytest.approx(mean_interval(COUNTED, (0, 20))[1:])

    def test_of_a_loss_the_mean_is_that_of_the_logarithms(self, groups: dict[str, list[Run]]) -> None:
        """Of 1, 0.1 and 0.01: mean exponent −1, deviation 1."""
        row = compare(groups, "replication_loss").query("Group == 'none' and Epoch == 2").iloc[0]
        assert row["Mean"] == pytest.approx(0.1)
        half = T2 / math.sqrt(3)
        assert (row["Low"], row["High"]) == pytest.approx((10 ** (-1 - half), 10 ** (-1 + half)), rel=1e-6)

    def test_the_share_of_a_type_is_of_all_particles(self, groups: dict[str, list[Run]]) -> None:
        found = compare(groups, "identity_share").set_index(["Group", "Epoch"])["Mean"]
        assert found["links", 5] == 0.5
        assert found["links", 10] == pytest.approx(5 / 20)
        assert found["none", 10] == pytest.approx(3 / 20)

    def test_or_of_those_of_its_layer(self, groups: dict[str, list[Run]]) -> None:
        """L0 has one self-replicator and four others at the end."""
        assert compare(groups, "L0_identity_share")["Mean"].tolist() == pytest.approx([0, 1, 0.2] * 2)

    def test_a_score_that_is_no_number_is_left_out_and_not_counted(self, make_run: MakeRun) -> None:
        runs = [make_run("a", seed, task_loss={1: 1.0, 2: last}) for seed, last in enumerate([4.0, math.nan, 0.0])]
        found = compare({"a": runs}, "task_loss")
        assert found["Seeds"].tolist() == [3, 1]
        assert found["Mean"].tolist() == pytest.approx([1, 4])
        assert math.isnan(found["Low"][1])

    def test_runs_that_did_not_measure_it_have_no_row(self, make_run: MakeRun, groups: dict[str, list[Run]]) -> None:
        dense = {"dense": [make_run("dense", 0, test_accuracy={0: 0.5})]}
        assert set(compare(groups | dense, "replication_loss")["Group"]) == {"links", "none"}
        assert set(compare(groups | dense, "test_accuracy")["Group"]) == {"links", "none", "dense"}

    def test_what_cannot_be_compared_is_said(self, groups: dict[str, list[Run]]) -> None:
        with pytest.raises(UserError, match="no run measured test_acuracy; did you mean test_accuracy"):
            compare(groups, "test_acuracy")
        with pytest.raises(UserError, match="the group empty holds no run"):
            compare({"empty": []}, "identity")
        with pytest.raises(UserError, match="has a seed twice: 0, 0"):
            scores({"both": [groups["links"][0], groups["none"][0]]}, "identity")


class TestFinals:
    def test_table_by_hand(self, groups: dict[str, list[Run]]) -> None:
        found = final_table(groups, ["identity", "test_accuracy", "test_mae"])
        assert list(found.columns) == ["Metric", "Group", "Mean", "Low", "High", "Seeds"]
        assert found[["Metric", "Group"]].to_numpy().tolist() == [
            ["identity", "links"],
            ["identity", "none"],
            ["test_accuracy", "links"],
            ["test_accuracy", "none"],
        ]
        assert found["Mean"].tolist() == pytest.approx([5, 3, 0.9, 0.75])
        # Of twenty particles.
        assert found.loc[0, ["Mean", "Low", "High"]].tolist() == pytest.approx(mean_interval(COUNTED, (0, 20)))
        assert found["High"].max() < 20
        assert found["High"][2:].max() < 1
        assert found["Seeds"].tolist() == [3] * 4

    def test_paired_test_by_hand(self, groups: dict[str, list[Run]]) -> None:
        """Differences 1, 0 and 5: mean 2, deviation √7, so t = 2 / √(7/3) with 2 degrees of freedom."""
        (row,) = paired_tests(groups, ["identity"]).to_dict("records")
        assert (row["A"], row["B"], row["n"], row["Difference"]) == ("links", "none", 3, 2)
        assert row["t"] == pytest.approx(2 / math.sqrt(7 / 3))
        # With 2 degrees of freedom p = 1 − t / √(2 + t²).
        assert row["p"] == pytest.approx(1 - row["t"] / math.sqrt(2 + row["t"] ** 2))
        half = T2 * math.sqrt(7 / 3)
        assert (row["Low"], row["High"]) == pytest.approx((2 - half, 2 + half), rel=1e-6)
        assert math.isnan(row["p (Wilcoxon)"])

    def test_only_common_seeds_are_paired(self, groups: dict[str, list[Run]]) -> None:
        fewer = {"links": groups["links"][1:], "none": groups["none"][:2]}
        (row,) = paired_tests(fewer, ["identity"]).to_dict("records")
        assert (row["n"], row["Difference"]) == (1, 0)
        assert math.isnan(row["p"])

    def test_wilcoxon_from_six_pairs_on(self, make_run: MakeRun) -> None:
        """All six differences above zero: one of 2⁶ signs, and its mirror image."""
        of = {
            name: [make_run(name, seed, test_mae={0: base + seed**2}) for seed in range(6)]
            for name, base in (("a", 0.0), ("b", -1.0))
        }
        of["b"][5] = make_run("c", 5, test_mae={0: 7.0})
        (row,) = paired_tests(of, ["test_mae"]).to_dict("records")
        assert row["n"] == 6
        assert row["p (Wilcoxon)"] == pytest.approx(2 / 2**6)

    def test_the_same_difference_in_every_pair_cannot_be_tested(self, groups: dict[str, list[Run]]) -> None:
        (row,) = paired_tests(groups, ["zero"]).to_dict("records")
        assert row["Difference"] == row["Low"] == row["High"] == 0
        assert math.isnan(row["t"])

    def test_a_seed_that_diverged_is_not_passed_over(self, make_run: MakeRun) -> None:
        of = {
            name: [
                make_run(name, seed, test_mae={0: 1.0, 5: math.nan if name == "a" and seed else 2.0 + seed})
                for seed in (0, 1)
            ]
            for name in "ab"
        }
        assert math.isnan(final_table(of, ["test_mae"])["Mean"][0])
        (row,) = paired_tests(of, ["test_mae"]).to_dict("records")
        assert row["n"] == 2
        assert math.isnan(row["p"])

    def test_three_groups_are_tested_two_by_two(self, make_run: MakeRun, groups: dict[str, list[Run]]) -> None:
        more = groups | {"more": [make_run("more", seed, identity={0: 1.0 + seed}) for seed in range(3)]}
        found = paired_tests(more, ["identity"])
        assert found[["A", "B"]].to_numpy().tolist() == [["links", "none"], ["links", "more"], ["none", "more"]]
        expected = stats.ttest_rel([2, 4, 9], [1, 2, 3])
        assert found["p"][1] == pytest.approx(expected.pvalue)


class TestFamilies:
    """Two groups of four seeds; the zeros agree, so that the identities are the others of the rest."""

    @pytest.fixture
    def counted(self, make_run: MakeRun) -> dict[str, list[Run]]:
        def census(identity: float) -> dict[str, dict[int, float]]:
            counts = {"divergent": 0.0, "zero": 10.0, "identity": identity, "secondary": 0.0, "other": 90 - identity}
            return {kind: {0: count} for kind, count in counts.items()}

        accuracies = {"a": (0.901, 0.902, 0.9, 0.903), "b": (0.9, 0.9, 0.902, 0.904)}
        identities = {"a": (40, 44, 50, 47), "b": (39, 40, 43, 44)}
        return {
            name: [
                make_run(name, seed, test_accuracy={0: accuracies[name][seed]}, **census(identities[name][seed]))
                for seed in range(4)
            ]
            for name in "ab"
        }

    def test_identity_other_and_their_share_are_one_test(self, counted: dict[str, list[Run]]) -> None:
        found = paired_tests(counted).set_index("Metric")
        assert list(found.index) == ["test_accuracy", "identity", "zero", "other", "identity_share"]
        same = found.loc[["identity", "other", "identity_share"], ["p", "p, Holm"]]
        assert same["p"].tolist() == pytest.approx([same["p"].iloc[0]] * 3)
        # Of two tests, theirs is the smaller p.
        assert same["p, Holm"].tolist() == pytest.approx([2 * same["p"].iloc[0]] * 3)
        assert found.at["test_accuracy", "p, Holm"] == pytest.approx(found.at["test_accuracy", "p"])
        assert math.isnan(found.at["zero", "p, Holm"])
        assert distinct(found.reset_index()) == 2

    def test_small_p_values_are_told_apart(self) -> None:
        """A count and its share are one test but for rounding; two that are as good as certain are two."""
        ps = [1.25e-14, 1.25e-14 * (1 + 1e-9), 3e-17, float("nan")]
        assert distinct(pd.DataFrame({"A": "a", "B": "b", "p": ps})) == 2

    def test_equivalence_is_asked_of_shares(self, counted: dict[str, list[Run]]) -> None:
        found = paired_tests(counted).set_index("Metric")
        told = found[found["Margin"].notna()]
        assert list(told.index) == ["test_accuracy", "identity_share"]
        differences = np.array([0.001, 0.002, -0.002, -0.001])
        assert told["p (equivalence)"].tolist() == pytest.approx(
            [equivalence(differences), equivalence(np.array([0.01, 0.04, 0.07, 0.03]))], rel=1e-5
        )
        assert told["p (equivalence), Holm"].iloc[0] == pytest.approx(2 * told["p (equivalence)"].iloc[0])


class TestOrderOfLearning:
    def test_first_epoch_by_hand(self, groups: dict[str, list[Run]]) -> None:
        values = {"replication_loss": (1.0, 0.05), "test_accuracy": (0.5, 0.85, 0.99)}
        found = order_of_learning(groups, values)
        assert list(found.columns) == ["Group", "Seed", "Metric", "Value", "Milestone", "Epoch", "Last"]
        assert (found["Last"] == found["Metric"].map({"replication_loss": 3, "test_accuracy": 10})).all()
        reached = {name: own["Epoch"].tolist() for name, own in found.groupby("Milestone", sort=False)}
        never = math.nan
        expected = {
            "replication_loss ≤ 1": [2, 2, 2, 2, 2, 2],
            "replication_loss ≤ 0.05": [3, 3, 2, 3, 3, 2],
            "test_accuracy ≥ 0.5": [5, 5, 5, 5, 5, 5],
            "test_accuracy ≥ 0.85": [10, never, 10, never, never, 10],
            "test_accuracy ≥ 0.99": [never, never, 10, never, never, never],
        }
        assert list(reached) == list(expected)
        for name, epochs in expected.items():
            np.testing.assert_array_equal(reached[name], epochs)

    def test_when_half_have_reached_it_and_how_many_do(self, groups: dict[str, list[Run]]) -> None:
        found = milestones(order_of_learning(groups, {"test_accuracy": (0.5, 0.85)}))
        assert found.to_numpy().tolist()[:3] == [
            ["links", "test_accuracy ≥ 0.5", 5, 3, 3],
            ["none", "test_accuracy ≥ 0.5", 5, 3, 3],
            ["links", "test_accuracy ≥ 0.85", 10, 2, 3],
        ]
        assert math.isnan(found["Median"][3])
        assert found["Reached"][3] == 1

    def test_the_share_that_has_reached_it_by_each_epoch(self, groups: dict[str, list[Run]]) -> None:
        found = reached_by(order_of_learning(groups, {"test_accuracy": (0.85,)}))
        assert list(found.columns) == ["Group", "Milestone", "Epoch", "Share", "Low", "High"]
        assert found[["Group", "Epoch", "Share"]].to_numpy().tolist() == [
            ["links", 10, pytest.approx(2 / 3)],
            ["none", 10, pytest.approx(1 / 3)],
        ]

    def test_infinity_is_no_accuracy(self, make_run: MakeRun) -> None:
        runs = [make_run("a", 0, test_accuracy={0: 0.1, 5: math.nan})]
        assert math.isnan(order_of_learning({"a": runs}, {"test_accuracy": [0.5]})["Epoch"][0])


def bands(axes: Axes) -> list[np.ndarray]:
    return [band.get_paths()[0].vertices for band in axes.collections]


class TestCurves:
    def test_a_panel_for_each_metric_and_a_line_for_each_group(self, groups: dict[str, list[Run]]) -> None:
        frame = pd.concat([compare(groups, name) for name in ("test_accuracy", "replication_loss", "identity_share")])
        figure = plots.curves(frame, "links against none")
        labels = [axes.get_ylabel() for axes in figure.axes]
        assert labels == ["test accuracy", "replication loss", "share of self-replicators"]
        assert [axes.get_yscale() for axes in figure.axes] == ["linear", "log", "linear"]
        for axes, (_, own) in zip(figure.axes, frame.groupby("Metric", sort=False), strict=True):
            assert [line.get_label() for line in axes.lines] == ["links", "none"]
            for line, (_, one) in zip(axes.lines, own.groupby("Group", sort=False), strict=True):
                np.testing.assert_array_equal(line.get_xdata(), one["Epoch"])
                np.testing.assert_array_equal(line.get_ydata(), one["Mean"])
            assert len(axes.collections) == 2
        assert bands(figure.axes[0])[0][:, 1].max() == pytest.approx(frame["High"].iloc[2])
        assert "3 seeds" in figure.axes[-1].get_xlabel()
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["links", "none"]
        assert figure.get_figwidth() == WIDTH

    def test_groups_differ_in_colour_and_dashes_and_none_has_the_colour_of_a_type(self) -> None:
        frame = pd.DataFrame(
            [(name, "task_loss", epoch, 1.0, np.nan, np.nan, 1) for name in "abcdefgh" for epoch in (0, 1)],
            columns=["Group", "Metric", "Epoch", "Mean", "Low", "High", "Seeds"],
        )
        lines = plots.curves(frame).axes[0].lines
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == 8
        assert not {line.get_color() for line in lines} & {*TYPE_COLOURS.values()}
        assert plots.curves(frame).axes[0].get_xlabel() == "epoch"
        with pytest.raises(UserError, match="no group"):
            plots.curves(frame.iloc[:0])

    def test_the_beginning_can_be_stretched(self, groups: dict[str, list[Run]]) -> None:
        assert plots.curves(compare(groups, "identity"), early=True).axes[0].get_xscale() == "symlog"


def test_bars_are_the_final_table(groups: dict[str, list[Run]]) -> None:
    table = final_table(groups, ["test_accuracy", "identity"])
    accuracy, count = plots.finals(table).axes
    assert [bar.get_width() for bar in accuracy.patches] == pytest.approx([0.9, 0.75])
    assert [bar.get_width() for bar in count.patches] == [5, 3]
    (intervals,) = count.collections
    np.testing.assert_allclose(intervals.get_segments()[0][:, 0], mean_interval(COUNTED, (0, 20))[1:], rtol=1e-6)
    assert [text.get_text() for text in accuracy.get_yticklabels()] == ["links", "none"]
    assert (accuracy.get_xlabel(), count.get_xlabel()) == ("test accuracy", "self-replicators")


def test_the_values_of_few_seeds_are_dots(groups: dict[str, list[Run]]) -> None:
    metrics = ["test_accuracy", "identity"]
    figure = plots.finals(final_table(groups, metrics), "", final_scores(groups, metrics))
    _, count = figure.axes
    [dots] = [line for line in count.lines if line.get_label() == "_seeds"]
    assert sorted(dots.get_xdata()) == [1, 2, 4, 4, 4, 9]
    assert "dots: single seeds" in figure.get_supxlabel()


def test_marks_are_the_order_of_learning(groups: dict[str, list[Run]]) -> None:
    reached = order_of_learning(groups, {"replication_loss": (1e-5,), "test_accuracy": (0.5, 0.85)})
    (axes,) = plots.order_of_learning(reached).axes
    own = [line for line in axes.lines if line.get_label() == "links"]
    marks = {("links", row): [*line.get_xdata()] for row, line in enumerate(own)}
    assert marks["links", 0] == [3]
    assert marks["links", 1] == [5]
    assert marks["links", 2][0] == 10
    never = marks["links", 2][1]
    assert axes.get_xticks()[-1] == never > 10
    assert axes.get_xticklabels()[-1].get_text() == "never"
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "replication loss ≤ $10^{-5}$",
        "test accuracy ≥ 0.5",
        "test accuracy ≥ 0.85",
    ]
    assert [text.get_text() for text in axes.texts].count("×3") == 4
