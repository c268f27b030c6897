"""Dropping particles: organisms of one and three units, small enough to work out by hand."""

from __future__ import annotations

import itertools
import math

import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from srnn import MLP, Organism, Particle
from srnn.analysis.dropout import against_random, dropout
from srnn.errors import UserError
from srnn.fixpoints import FixpointType, classify
from srnn.plots import dropout as plots
from srnn.plots.style import LINE_COLOURS
from srnn.tasks import Task

ZERO, IDENTITY, OTHER = FixpointType.ZERO, FixpointType.IDENTITY, FixpointType.OTHER


def particle(kind: FixpointType, worth: float) -> list[float]:
    """A particle of one hidden unit, ``(W1 (5), W2, W3)``, of that type and that effective weight.

    With W2 = W3 = 1 its row vector is W1 itself: (1, 0, 0, 0, worth) is an identity, (2, 0, 0, 0, worth) doubles.
    """
    if kind == ZERO:
        return [0.0] * 7
    return [1.0 if kind == IDENTITY else 2.0, 0, 0, 0, worth, 1, 1]


def organism(body: MLP, *particles: tuple[FixpointType, float]) -> Organism:
    made = Organism(body, Particle(hidden=1))
    made.weights.data = torch.tensor([particle(*one) for one in particles]).T.contiguous()
    assert classify(made.weights, made.particle).tolist() == [kind for kind, _ in particles]
    return made


def task(x: list[list[float]], y: list[list[float]]) -> Task:
    tensors = torch.tensor(x), torch.tensor(y)
    return Task("by hand", "regression", *tensors, *tensors, outputs=len(y[0]))


#: One unit, y = 3a + 1b + 0c + 2d at a = b = c = d = 1; the target is its answer, 6.
ONE_UNIT = organism(MLP(4, 1, 1, 1), (OTHER, 3.0), (IDENTITY, 1.0), (ZERO, 0.0), (OTHER, 2.0))
ONES = task([[1.0] * 4], [[6.0]])


def by_type(frame: pd.DataFrame, scope: str = "total") -> pd.DataFrame:
    return frame[frame["Scope"] == scope].set_index("Type")


class TestOneUnit:
    frame = dropout(ONE_UNIT, ONES, 400, torch.Generator().manual_seed(0))

    def test_what_each_type_carries(self) -> None:
        """Without the identity 1 is missing of 6, without the others 5, without the zero nothing."""
        found = by_type(self.frame)
        assert list(found.index) == ["zero", "identity", "other"]
        assert found["Dropped"].tolist() == [1, 1, 2]
        assert (found["Particles"] == 4).all()
        assert (found["Metric"] == "mae").all()
        assert (found["Before"] == 0).all()
        assert found["After"].tolist() == found["Change"].tolist() == [0, 1, 5]

    def test_random_ones(self) -> None:
        """Of all four one is worth (3 + 1 + 0 + 2) / 4 = 1.5 in the mean, two 3; of the nonzero 2 and 4."""
        found = by_type(self.frame)
        assert found["Random"].tolist() == pytest.approx([1.5, 1.5, 3], abs=0.2)
        assert found["Random nonzero"].tolist() == pytest.approx([2, 2, 4], abs=0.2)
        # 95 % of single drops lie from the smallest to the largest: each occurs in more than 2.5 % of the repeats.
        assert found.loc["identity", ["Random low", "Random high"]].tolist() == [0, 3]
        assert found.loc["identity", ["Random nonzero low", "Random nonzero high"]].tolist() == [1, 3]
        assert found.loc["other", ["Random nonzero low", "Random nonzero high"]].tolist() == [3, 5]

    def test_the_only_layer_is_the_whole(self) -> None:
        columns = ["Dropped", "After", "Change"]
        assert by_type(self.frame, "L0")[columns].equals(by_type(self.frame)[columns])

    def test_it_is_repeatable_and_leaves_the_organism_alone(self) -> None:
        before = ONE_UNIT.weights.detach().clone()
        again = dropout(ONE_UNIT, ONES, 400, torch.Generator().manual_seed(0))
        pd.testing.assert_frame_equal(again, self.frame)
        assert torch.equal(ONE_UNIT.weights, before)


def test_three_units_layer_by_layer() -> None:
    """2 → 2 → 1 with weights [[1, 2], [0, 3]] and [4, 5], at (1, 1): units 3 and 3, answer 12 + 15 = 27."""
    three = organism(MLP(2, 2, 2, 1), (IDENTITY, 1), (OTHER, 2), (ZERO, 0), (OTHER, 3), (IDENTITY, 4), (IDENTITY, 5))
    frame = dropout(three, task([[1.0, 1.0]], [[27.0]]), 5, torch.Generator().manual_seed(0))
    rows = frame.set_index(["Scope", "Type"])
    assert [*rows.index] == [*itertools.product(["total", "L0", "L1"], ["zero", "identity", "other"])]
    # L0 without its identity: units 2 and 3, answer 23; without the others: units 1 and 0, answer 4.
    assert rows["After"].to_dict() == {
        ("total", "zero"): 0,
        ("total", "identity"): 27,
        ("total", "other"): 23,
        ("L0", "zero"): 0,
        ("L0", "identity"): 4,
        ("L0", "other"): 23,
        ("L1", "zero"): 0,
        ("L1", "identity"): 27,
        ("L1", "other"): 0,
    }
    # Both particles of L1 are the only choice of two there; no particle is the only choice of none.
    assert rows.loc[("L1", "identity"), ["Random", "Random low", "Random nonzero high"]].tolist() == [27, 27, 27]
    assert rows.loc[("L1", "other"), ["Dropped", "Random", "Random nonzero"]].tolist() == [0, 0, 0]


def test_more_zeros_than_nonzero_particles_have_no_nonzero_reference() -> None:
    many = organism(MLP(3, 1, 1, 1), (ZERO, 0), (ZERO, 0), (OTHER, 2))
    found = by_type(dropout(many, task([[1.0] * 3], [[2.0]]), 5))
    assert math.isnan(found.at["zero", "Random nonzero"])
    assert found.at["other", "Random nonzero"] == 2


def test_without_its_divergent_particles_an_organism_answers_again() -> None:
    sick = organism(MLP(2, 1, 1, 1), (OTHER, 2), (OTHER, 1))
    sick.weights.data[4, 1] = math.nan
    found = by_type(dropout(sick, task([[1.0, 1.0]], [[2.0]]), 5))
    assert math.isnan(found.at["divergent", "Before"])
    assert found.at["divergent", "After"] == 0


class TestAgainstRandom:
    frame = pd.DataFrame(
        [
            ("total", "identity", 10, 4, "accuracy", 0.9, after, after - 0.9, random, 0, 1, 0.3, 0, 1, seed)
            for seed, (after, random) in enumerate([(0.8, 0.6), (0.9, 0.5), (0.85, 0.25)])
        ],
        columns=[*dropout(ONE_UNIT, ONES, 1).columns, "Seed"],
    )

    def test_by_hand(self) -> None:
        """Against random 0.2, 0.4, 0.6: mean 0.4, deviation 0.2, half width 4.302653 · 0.2 / √3."""
        found = against_random(self.frame).set_index("Against")
        assert list(found.index) == ["before", "random", "random nonzero"]
        assert found["Difference"].tolist() == pytest.approx([-0.05, 0.4, 0.55])
        half = 4.302653 * 0.2 / math.sqrt(3)
        assert found.loc["random", ["Low", "High"]].tolist() == pytest.approx([0.4 - half, 0.4 + half])
        assert (found["Seeds"] == 3).all()
        assert (found["Dropped"] == 4).all()

    def test_a_single_seed_has_no_interval(self) -> None:
        found = against_random(self.frame[:1])
        assert found["Difference"].tolist() == pytest.approx([-0.1, 0.2, 0.5])
        assert found[["Low", "High"]].isna().all(axis=None)


@pytest.mark.filterwarnings("error")
class TestPlot:
    frame = dropout(ONE_UNIT, ONES, 20, torch.Generator().manual_seed(0))

    def test_the_census_above_and_the_changes_below(self) -> None:
        top, bottom = plots.dropout(self.frame, "by hand").axes
        assert [bar.get_height() for bar in top.patches] == [0.25] * 4 + [0.5] * 2
        marks = {str(container.get_label()): container[0] for container in bottom.containers}
        changes = {kind: marks[f"After for {kind}"].get_ydata()[0] for kind in ("zero", "identity", "other")}
        assert changes == {"zero": 0, "identity": 1, "other": 5}
        assert marks["Random nonzero for other"].get_ydata()[0] == by_type(self.frame).at["other", "Random nonzero"]
        assert to_hex(marks["After for identity"].get_color()).upper() == LINE_COLOURS[IDENTITY]
        assert set(bottom.lines[0].get_ydata()) == {0}
        [legend] = [text.get_text() for text in bottom.get_legend().get_texts()][:1]
        assert legend == "all of a type"

    def test_of_a_single_seed_the_interval_is_that_of_the_random_choices(self) -> None:
        _, bottom = plots.dropout(self.frame).axes
        assert self.segment(bottom, "Random for identity") == pytest.approx([0, 3])
        assert self.segment(bottom, "After for identity") == pytest.approx([1, 1])

    def test_of_several_seeds_the_mean_change_with_its_interval(self) -> None:
        """After is 0.5 and 0.7, Before 0.6 and 1.0: changes of −0.1 and −0.3, −0.2 ± 12.7062 · 0.1."""
        own = self.frame.assign(Before=0.6, After=0.5, Seed=0)
        _, bottom = plots.dropout(pd.concat([own, own.assign(Before=1.0, After=0.7, Seed=1)])).axes
        assert self.segment(bottom, "After for other") == pytest.approx([-0.2 - 1.27062, -0.2 + 1.27062], rel=1e-4)
        low, high = bottom.get_ylim()
        assert low < -0.2 - 1.27062
        assert high > -0.2 + 1.27062

    def segment(self, axes: Axes, label: str) -> list[float]:
        """The ends of the error bar of all layers together."""
        [bars] = [one for one in axes.containers if one.get_label() == label]
        return [*bars[2][0].get_segments()[0][:, 1]]

    def test_nothing_to_draw(self) -> None:
        with pytest.raises(UserError, match="nothing to draw"):
            plots.dropout(self.frame[:0])
