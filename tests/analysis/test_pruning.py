"""Pruning: an organism of one unit, y = 3a + 1b + 0c + 2d, small enough to work out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import torch
from test_dropout import IDENTITY, ONE_UNIT, ONES, OTHER, ZERO, organism, task

from srnn import MLP
from srnn.analysis.pruning import ALL_ORDERS, RANDOM, REPLICATORS, SHARES, SMALLEST, against_smallest, pruning
from srnn.errors import UserError
from srnn.plots import pruning as plots

THIRDS = (0.0, 1 / 3, 2 / 3, 1.0)


def drop(repeats: int = 400) -> pd.DataFrame:
    return pruning(ONE_UNIT, ONES, THIRDS, repeats, torch.Generator().manual_seed(0))


class TestPruning:
    frame = drop()

    def scores(self, order: str, column: str = "Score") -> list[float]:
        return self.frame[self.frame["Order"] == order][column].tolist()

    def test_the_smallest_first(self) -> None:
        """1 is dropped, then 2 and 3; the zero fixpoint stays."""
        assert self.scores(SMALLEST) == self.scores(SMALLEST, "Low") == self.scores(SMALLEST, "High") == [0, 1, 3, 6]
        assert self.scores(SMALLEST, "Dropped") == [0, 1, 2, 3]

    def test_self_replicators_first(self) -> None:
        """The identities, 3 and 2, are dropped before 1 and 4, the smaller first."""
        made = organism(MLP(5, 1, 1, 1), (IDENTITY, 3.0), (OTHER, 1.0), (ZERO, 0.0), (IDENTITY, 2.0), (OTHER, 4.0))
        frame = pruning(made, task([[1.0] * 5], [[10.0]]), (0.0, 0.25, 0.5, 0.75, 1.0), 1)
        assert frame[frame["Order"] == REPLICATORS]["Score"].tolist() == [0, 2, 5, 6, 10]
        assert frame[frame["Order"] == SMALLEST]["Score"].tolist() == [0, 1, 3, 6, 10]

    def test_at_random(self) -> None:
        """In the mean a third of 6 goes with each; a single one is any of the three, and two are all but one."""
        assert self.scores(RANDOM) == pytest.approx([0, 2, 4, 6], abs=0.2)
        assert self.scores(RANDOM, "Low") == [0, 1, 3, 6]
        assert self.scores(RANDOM, "High") == [0, 3, 5, 6]

    def test_it_is_repeatable_and_leaves_the_organism_alone(self) -> None:
        before = ONE_UNIT.weights.detach().clone()
        pd.testing.assert_frame_equal(drop(), self.frame)
        assert torch.equal(ONE_UNIT.weights, before)


def test_an_order_by_each_score_that_can_be_asked() -> None:
    """y = 3a + 1b + 0c + 2d: of the smallest of what moved most, and of birth only where it is known."""
    birth = torch.tensor([3.0, 0.0, 0.0, 0.5])
    frames = [pruning(ONE_UNIT, ONES, THIRDS, 1, orders=ALL_ORDERS, birth=own) for own in (birth, None)]
    assert {*ALL_ORDERS} - {*frames[1]["Order"]} == {"movement", "magnitude increase"}
    assert [*frames[0]["Order"].unique()] == [*ALL_ORDERS]
    scores = frames[0].groupby("Order")["Score"].agg(list)
    # 3 has not moved, 1 by 1 and 2 by 1.5; 1 replicates itself, 2 and 3 miss by more, the larger the more.
    assert scores["movement"] == [0, 3, 4, 6]
    assert scores["replication error"] == [0, 1, 3, 6]


def test_where_all_are_self_replicators_the_two_orders_are_one() -> None:
    exact = organism(MLP(4, 1, 1, 1), (IDENTITY, 3.0), (IDENTITY, -1.0), (IDENTITY, 0.5), (IDENTITY, 2.0))
    frame = pruning(exact, task([[1.0] * 4], [[4.5]]), (0.0, 0.25, 0.5, 0.75, 1.0), 1)
    wide = frame.pivot(index="Share", columns="Order", values="Score")
    # 0.5 goes, then −1, 2 and 3.
    assert wide[SMALLEST].tolist() == wide[REPLICATORS].tolist() == [0, 0.5, 0.5, 1.5, 4.5]


def test_against_the_smallest_first() -> None:
    """Of two seeds the other order costs 1 and 3 more: 2 ± 12.7062 · 1."""
    scores = {SMALLEST: [[0.0, 1.0], [0.0, 2.0]], REPLICATORS: [[0.0, 2.0], [0.0, 5.0]]}
    rows = [
        (seed, order, share, score)
        for order, seeds in scores.items()
        for seed, own in enumerate(seeds)
        for share, score in zip((0.0, 0.5), own, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["Seed", "Order", "Share", "Score"])
    found = against_smallest(frame.assign(Metric="mae"))
    assert against_smallest(frame.assign(Metric="accuracy"))[["Low", "High"]].to_numpy()[1].tolist() == [-1, 1]
    assert found["Order"].unique().tolist() == [REPLICATORS]
    assert found["Difference"].tolist() == [0, 2]
    assert found[["Low", "High"]].to_numpy()[1] == pytest.approx([2 - 12.7062, 2 + 12.7062], rel=1e-5)


def test_divergent_particles_are_dropped_last() -> None:
    sick = organism(MLP(2, 1, 1, 1), (OTHER, 2), (OTHER, 1))
    sick.weights.data[4, 1] = math.nan
    scores = pruning(sick, task([[1.0, 1.0]], [[2.0]]), (0.5, 1.0), 1).set_index(["Order", "Share"])["Score"]
    assert math.isnan(scores[SMALLEST, 0.5])
    assert scores[SMALLEST, 1.0] == 2


@pytest.mark.filterwarnings("error")
class TestPlot:
    frame = drop(20).assign(Seed=0)

    def test_lines_are_the_data(self) -> None:
        [axes] = plots.pruning(self.frame, "by hand").axes
        lines = {line.get_label(): [*line.get_ydata()] for line in axes.lines}
        assert lines[SMALLEST] == lines[REPLICATORS] == [0, 1, 3, 6]
        assert axes.get_xlabel() == "of the particles that are not zero, dropped\nband: 95 % of the random orders"

    def test_a_panel_for_each_method_and_the_mean_of_seeds(self) -> None:
        other = self.frame.assign(Seed=1, Score=self.frame["Score"] + 2)
        both = pd.concat([self.frame, other])
        figure = plots.pruning(pd.concat([both.assign(Method=name) for name in ("newton", "sgd")]))
        assert [axes.texts[0].get_text() for axes in figure.axes] == ["sgd", "newton"]
        assert [*figure.axes[0].lines[0].get_ydata()] == [1, 2, 4, 7]
        assert "2 seeds" in figure.axes[-1].get_xlabel()

    def test_a_line_for_each_score(self) -> None:
        frame = pruning(ONE_UNIT, ONES, THIRDS, 1, orders=ALL_ORDERS, birth=torch.zeros(4))
        other = frame.assign(Seed=1, Score=frame["Score"] + 2)
        [axes] = plots.scores(pd.concat([frame.assign(Seed=0), other])).axes
        assert [line.get_label() for line in axes.lines] == [*ALL_ORDERS]
        assert [*axes.lines[0].get_ydata()] == [1, 2, 4, 7]
        assert "mean of 2 seeds" in axes.get_xlabel()
        with pytest.raises(UserError, match="nothing to draw"):
            plots.scores(frame[:0])

    def test_nothing_to_draw(self) -> None:
        with pytest.raises(UserError, match="nothing to draw"):
            plots.pruning(self.frame[:0])


def test_shares_are_from_none_to_all() -> None:
    assert (SHARES[0], SHARES[-1]) == (0, 1)
