"""Rounds of pruning: the published densities, and what became of branches that are written down by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import pandas as pd
import pytest
import torch

from srnn import MLP, Organism
from srnn.analysis.densities import densities
from srnn.analysis.rounds import DENSE, TICKET, against_dense, choice, outcome, schedule, winning
from srnn.errors import UserError
from srnn.importance import keep, magnitude
from srnn.number import Number
from srnn.plots import rounds as plots


def test_the_published_densities_come_out_of_the_schedule() -> None:
    """LeNet-300-100, 20 % of each layer and round but 10 % of the last: Frankle & Carbin's, by weights really kept."""
    sizes = [784, 300, 100, 10]
    ends = [0]
    for below, above in pairwise(sizes):
        ends.append(ends[-1] + below * above)
    layers = {f"L{place}": slice(*ends) for place, ends in enumerate(pairwise(ends))}
    worth = torch.randn(ends[-1], generator=torch.Generator().manual_seed(0))
    dropped, found = torch.zeros(ends[-1], dtype=torch.bool), []
    for shares in schedule(len(layers), 18):
        kept = keep(magnitude(worth), shares, layers, "layer", worth=worth, dropped=dropped)
        assert not (kept & dropped).any()
        dropped = ~kept
        found.append(100 * float(kept.double().mean()))
    rounds = (3, 7, 9, 12, 15, 18)
    assert [found[done - 1] for done in rounds] == pytest.approx([51.28, 21.07, 13.52, 6.95, 3.58, 1.85], abs=0.01)
    assert [round(found[done - 1], 1) for done in rounds] == [51.3, 21.1, 13.5, 7.0, 3.6, 1.9]


def course(validation: list[float], loss: list[float], test: list[float], metric: str = "accuracy") -> pd.DataFrame:
    """Logged after each epoch of ten batches."""
    parts = {f"validation_{metric}": validation, "validation_loss": loss, f"test_{metric}": test}
    rows = [(epoch, 10 * epoch, name, value) for name, own in parts.items() for epoch, value in enumerate(own)]
    return pd.DataFrame(rows, columns=["Epoch", "Batch", "Metric", "Score"])


class TestOutcome:
    dense = course([0.1, 0.5, 0.8], [2.0, 1.0, 0.9], [0.1, 0.6, 0.7])

    def test_by_hand(self) -> None:
        ticket = course([0.1, 0.8, 0.7], [2.0, 0.5, 0.6], [0.1, 0.9, 0.6])
        found = outcome(ticket, self.dense, "accuracy")
        assert [*found.values()] == [1, 0.8, 0.9, 0.6, 10]
        assert outcome(self.dense, self.dense, "accuracy")["Steps to dense"] == 20

    def test_an_error_is_to_be_as_small(self) -> None:
        dense = course([3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], "mae")
        sooner = course([3.0, 0.5, 0.5], [3.0, 0.5, 0.6], [3.0, 0.4, 0.6], "mae")
        assert outcome(sooner, dense, "mae")["Steps to dense"] == 10

    def test_what_never_comes_or_was_not_measured(self) -> None:
        never = outcome(course([0.1, 0.2, 0.3], [3.0, 2.0, 1.0], [0.1, 0.2, 0.3]), self.dense, "accuracy")
        assert math.isnan(never["Steps to dense"])
        alone = self.dense[self.dense["Metric"] == "test_accuracy"]
        found = outcome(alone, alone, "accuracy")
        assert found.pop("End score") == 0.7
        assert all(map(math.isnan, found.values()))


def test_what_is_kept_and_how_it_moved() -> None:
    """3 → 1 → 1: of the kept 2, −1 and 4, which were born as 1, 1 and 4, one has changed its sign."""
    made = Organism(MLP(3, 1, 2, 1), Number())
    made.weights.data = torch.tensor([[2.0, -1.0, 0.0, 4.0]])
    kept = torch.tensor([True, True, False, True])
    found = choice(made, torch.tensor([1.0, 1.0, -5.0, 4.0]), kept, densities(made, kept))
    expected = {"Density": 3 / 4, "Effective": 3 / 4, "Collapsed": 0}
    assert found == pytest.approx(expected | {"Sign changes": 1 / 3, "Moved": 1})


class TestWinning:
    """Of two seeds: a ticket, and its mask on other newborns, which is later and worse."""

    rows = [
        *[(seed, 0, DENSE, 0.9 + seed / 100, 10) for seed in range(2)],
        *[(seed, 1, TICKET, 0.92 + seed / 100, 8 - seed) for seed in range(2)],
        *[(seed, 1, "reinit", 0.8 + seed / 100, 12) for seed in range(2)],
    ]
    branches = pd.DataFrame(rows, columns=["Seed", "Round", "Control", "Test score", "Early stop"]).assign(
        Metric="accuracy", By="magnitude"
    )

    def test_differences_are_paired_by_seed(self) -> None:
        found = against_dense(self.branches).set_index(["Control", "Quantity"])
        assert found.loc[(TICKET, "Test score"), ["Difference", "Low", "High"]].tolist() == pytest.approx([0.02] * 3)
        # −2 and −3: 12.7062 · 0.5 to either side.
        early = found.loc[(TICKET, "Early stop"), ["Difference", "Low", "High"]]
        assert early.tolist() == pytest.approx([-2.5, -2.5 - 6.3531, -2.5 + 6.3531], rel=1e-4)
        assert (found["Seeds"] == 2).all()

    def test_a_ticket_wins_if_it_is_as_good_and_not_later(self) -> None:
        one = self.branches[self.branches["Seed"] == 0]
        found = winning(one).set_index("Control")
        assert found.loc[TICKET, ["Accurate", "Early", "Winning"]].tolist() == [True, True, True]
        assert found.loc["reinit", ["Accurate", "Early", "Winning"]].tolist() == [False, False, False]
        # Over both seeds its interval reaches beyond.
        assert winning(self.branches).set_index("Control").loc[TICKET, ["Accurate", "Early"]].tolist() == [True, False]


@pytest.mark.filterwarnings("error")
class TestPlot:
    """Of two seeds, three rounds with a control, told by hand."""

    rows = [(seed, 1.0, DENSE, 0.9, 10.0) for seed in range(2)] + [
        (seed, density, control, score + seed / 100, 10 * score)
        for density, scores in ((0.5, (0.92, 0.91)), (0.2, (0.93, 0.88)), (0.036, (0.9, 0.7)))
        for control, score in zip((TICKET, "reinit"), scores, strict=True)
        for seed in range(2)
    ]
    branches = pd.DataFrame(rows, columns=["Seed", "Density", "Control", "Test score", "Early stop"])
    branches = branches.assign(Metric="accuracy")

    def test_lines_are_the_data(self) -> None:
        above, below = plots.rounds(self.branches, "by hand").axes
        lines = {line.get_label(): line for line in above.lines}
        assert [*lines] == [DENSE, TICKET, "reinit"]
        assert [*lines[TICKET].get_xdata()] == [0.036, 0.2, 0.5]
        assert [*lines["reinit"].get_ydata()] == pytest.approx([0.705, 0.885, 0.915])
        assert [*lines[DENSE].get_ydata()] == [0.9, 0.9]
        assert [*below.lines[1].get_ydata()] == pytest.approx([9, 9.3, 9.2])
        # The dense end is on the left, as where pruning begins.
        assert below.get_xlim()[0] > below.get_xlim()[1]

    def test_nothing_to_draw(self) -> None:
        with pytest.raises(UserError, match="nothing to draw"):
            plots.rounds(self.branches[self.branches["Control"] == DENSE])
