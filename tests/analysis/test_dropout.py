"""Dropping particles: organisms of one and three units, small enough to work out by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from torch import nn

from srnn import MLP, Organism, Particle
from srnn.analysis.dropout import REFERENCES, differences, dropout
from srnn.analysis.dropping import nearest
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


class TestMatched:
    """3 → 2 → 1: units of weights (2.5, 1, 1.2) and (0.5, 5, 0), both taken once; only the 1 is an identity.

    Of the training data E|x| = (1, 2, 4), so what the weights add is (2.5, 2, 4.8) and (0.5, 10, 0); at (1, 1, 1), on
    which it is tested, dropping one changes the answer, 10.2, by the weight itself.
    """

    organism = organism(
        MLP(3, 2, 2, 1),
        *((OTHER, 2.5), (IDENTITY, 1.0), (OTHER, 1.2)),
        *((OTHER, 0.5), (OTHER, 5.0), (ZERO, 0.0)),
        *((OTHER, 1.0), (OTHER, 1.0)),
    )
    task = replace(task([[1.0, 1.0, 1.0]], [[10.2]]), train_x=torch.tensor([[-1.0, 2.0, 4.0], [1.0, 2.0, -4.0]]))
    frame = dropout(organism, task, 200, torch.Generator().manual_seed(0))

    @pytest.mark.parametrize("scope", ["total", "L0"])
    def test_each_reference(self, scope: str) -> None:
        found = by_type(self.frame, scope).loc["identity"]
        assert found["After"] == pytest.approx(1)
        assert found["Nearest weight"] == pytest.approx(1.2)
        assert found["Nearest signal"] == pytest.approx(2.5)
        assert found["Nearest input"] == pytest.approx(5)
        assert found["Smallest signal"] == pytest.approx(0.5)
        # Any of the four others of its layer, and none of the next: (2.5 + 1.2 + 0.5 + 5) / 4.
        assert found["Random others"] == pytest.approx(2.3, abs=0.3)
        assert found[["Random others low", "Random others high"]].tolist() == pytest.approx([0.5, 5])
        assert found[["Nearest weight low", "Nearest weight high"]].tolist() == pytest.approx([1.2, 1.2])

    def test_too_few_others_are_no_reference(self) -> None:
        """Of four others in the first layer only the identity is of another type."""
        found = by_type(self.frame).loc["other"]
        assert found[["Random others", "Nearest weight", "Nearest signal", "Nearest input"]].isna().all()
        assert found["Random nonzero"] == found["Random nonzero"]

    def test_equally_near_ones_are_drawn(self) -> None:
        twins = organism(MLP(1, 3, 1, 3), (IDENTITY, 1.0), (OTHER, 2.0), (OTHER, 4.0))
        frame = dropout(twins, task([[1.0]], [[1.0, 2.0, 4.0]]), 50, torch.Generator().manual_seed(0))
        found = by_type(frame).loc["identity"]
        # All have the same input: 2/3 or 4/3 of error in the mean over the three outputs.
        assert found[["Nearest input low", "Nearest input high"]].tolist() == pytest.approx([2 / 3, 4 / 3])
        assert found["Nearest weight"] == found["Nearest weight high"] == pytest.approx(2 / 3)

    def test_what_enters_a_weight_is_known_of_mlps_alone(self) -> None:
        conv = Organism(
            nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 2, 2, bias=False), nn.Flatten()),
            Particle(hidden=2),
            torch.Generator().manual_seed(0),
        )
        frame = dropout(conv, task([[1.0] * 4], [[1.0] * 6]), 2, torch.Generator().manual_seed(0))
        assert frame[["Nearest signal", "Nearest input", "Smallest signal"]].isna().all(axis=None)
        assert (frame["Dropped"] == 4).any()


def greedy(values: np.ndarray, dropped: np.ndarray, others: np.ndarray) -> list[float]:
    """The values of the matches, as one would do it by hand."""
    left, matches = [*values[others]], []
    for value in sorted(values[dropped], reverse=True):
        matches.append(min(left, key=lambda one: (abs(one - value), -one)))
        left.remove(matches[-1])
    return matches


@given(st.lists(st.integers(0, 12), min_size=2, max_size=12), st.integers(1, 11))
def test_nearest_is_greedy_matching(numbers: list[int], cut: int) -> None:
    values, places = np.array(numbers, float), np.arange(len(numbers))
    dropped, others = places[:cut], places[cut:]
    found = nearest(values, dropped, others, None)
    if len(dropped) > len(others):
        assert found is None
    else:
        assert found is not None
        assert len({*found}) == len(dropped)
        assert {*found} <= {*others}
        assert [*values[found]] == greedy(values, dropped, others)


def test_nothing_is_near_a_particle_that_is_worth_nan() -> None:
    assert nearest(np.array([np.nan, 1.0]), np.array([0]), np.array([1]), None) is None


class TestDifferences:
    frame = pd.concat(
        dropout(ONE_UNIT, ONES, 1)[1:2].assign(Before=0.9, After=after, Random=random, Seed=seed)
        for seed, (after, random) in enumerate([(0.8, 0.6), (0.9, 0.5), (0.85, 0.25)])
    )

    def test_by_hand(self) -> None:
        """Against random 0.2, 0.4, 0.6: mean 0.4, deviation 0.2, half width 4.302653 · 0.2 / √3."""
        found = differences(self.frame).set_index("Against")
        assert list(found.index) == ["before", *map(str.lower, REFERENCES)]
        assert found["Difference"].tolist()[:2] == pytest.approx([-0.05, 0.4])
        half = 4.302653 * 0.2 / math.sqrt(3)
        assert found.loc["random", ["Low", "High"]].tolist() == pytest.approx([0.4 - half, 0.4 + half])
        assert (found["Seeds"] == 3).all()
        assert (found["Dropped"] == 1).all()

    def test_a_seed_without_the_reference_leaves_none(self) -> None:
        lacking = self.frame.assign(Random=[0.6, math.nan, 0.25])
        assert math.isnan(differences(lacking).set_index("Against").at["random", "Difference"])

    def test_a_single_seed_has_no_interval(self) -> None:
        found = differences(self.frame[:1])
        assert found["Difference"].tolist()[:2] == pytest.approx([-0.1, 0.2])
        assert found[["Low", "High"]].isna().all(axis=None)


@pytest.mark.filterwarnings("error")
class TestPlot:
    frame = dropout(ONE_UNIT, ONES, 20, torch.Generator().manual_seed(0))

    def test_the_census_above_and_the_changes_below(self) -> None:
        top, bottom, lowest = plots.dropout(self.frame, "by hand").axes
        assert [bar.get_height() for bar in top.patches] == [0.25] * 4 + [0.5] * 2
        marks = {str(container.get_label()): container[0] for container in bottom.containers}
        changes = {kind: marks[f"After for {kind}"].get_ydata()[0] for kind in ("zero", "identity", "other")}
        assert changes == {"zero": 0, "identity": 1, "other": 5}
        assert marks["Random nonzero for other"].get_ydata()[0] == by_type(self.frame).at["other", "Random nonzero"]
        assert to_hex(marks["After for identity"].get_color()).upper() == LINE_COLOURS[IDENTITY]
        assert set(bottom.lines[0].get_ydata()) == {0}
        assert [label.get_text() for label in lowest.get_yticklabels()] == ["all of the type", *REFERENCES.values()]
        [rows] = [one for one in lowest.containers if one.get_label() == "references for identity"]
        found = by_type(self.frame).loc["identity", ["After", *REFERENCES]]
        assert [*rows[0].get_xdata()] == pytest.approx([*found], nan_ok=True)
        [legend] = [text.get_text() for text in bottom.get_legend().get_texts()][:1]
        assert legend == "all of a type"

    def test_of_a_single_seed_the_interval_is_that_of_the_random_choices(self) -> None:
        _, bottom, _ = plots.dropout(self.frame).axes
        assert self.segment(bottom, "Random nonzero for identity") == pytest.approx([1, 3])
        assert self.segment(bottom, "After for identity") == pytest.approx([1, 1])

    def test_of_several_seeds_the_mean_change_with_its_interval(self) -> None:
        """After is 0.5 and 0.7, Before 0.6 and 1.0: changes of −0.1 and −0.3, −0.2 ± 12.7062 · 0.1."""
        own = self.frame.assign(Before=0.6, After=0.5, Seed=0)
        _, bottom, _ = plots.dropout(pd.concat([own, own.assign(Before=1.0, After=0.7, Seed=1)])).axes
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
