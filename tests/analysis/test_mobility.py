"""Mobility and humps: a few numbers, worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srnn.analysis.humps import bimodality, distribution, on_scale
from srnn.analysis.mobility import TOTAL, between_epochs, compare, half_life, in_classes, mobility, summary, transitions
from srnn.plots import mobility as plots

ONE = np.array([1.0, 2.0, 3.0, 4.0])
TWO = np.array([1.0, 3.0, 2.0, 4.0])


def a_film(*courses: tuple[str, list[float]]) -> pd.DataFrame:
    """Units and their usefulness over epochs 0, 1 …, with an error of 0.1."""
    rows = [
        (epoch, layer, f"{layer}_C{place}", value, 0.1, "useful")
        for place, (layer, course) in enumerate(courses)
        for epoch, value in enumerate(course)
    ]
    return pd.DataFrame(rows, columns=["Epoch", "Layer", "Name", "Loss change", "Loss SE", "State"])


class TestTwoClasses:
    """u = 1, 2, 3, 4 → 1, 3, 2, 4, in two classes."""

    def test_half_of_each_class_changes(self) -> None:
        assert transitions(ONE, TWO, 2).tolist() == [[0.5, 0.5], [0.5, 0.5]]

    def test_what_that_is_called(self) -> None:
        found = compare(ONE, TWO, 2)
        assert found["Mobility"] == 1
        assert found["Determinant"] == 1
        assert found["Classes moved"] == 0.5
        assert found["Spearman"] == pytest.approx(0.8)
        assert found["Kendall"] == pytest.approx(4 / 6)
        assert found["Ranks moved"] == pytest.approx(1 / 6)
        assert found["Rise"] == 0.5


@given(st.lists(st.floats(-5, 5), min_size=5, max_size=30, unique=True))
def test_nobody_moves_and_all_are_reversed(values: list[float]) -> None:
    here = np.array(values)
    stay, turned = compare(here, here), compare(here, -here)
    assert stay["Mobility"] == stay["Determinant"] == stay["Classes moved"] == stay["Ranks moved"] == stay["Rise"] == 0
    assert stay["Spearman"] == pytest.approx(1)
    assert turned["Spearman"] == pytest.approx(-1)
    assert turned["Mobility"] >= 1
    assert turned["Rise"] == 1


def test_equals_are_in_one_class_and_all_alike_have_no_rank() -> None:
    assert in_classes(np.array([0.0, 0.0, 0.0, 1.0]), 2).tolist() == [0, 0, 0, 1]
    found = compare(np.zeros(6), np.arange(6.0))
    assert np.isnan(found["Spearman"])
    assert found["Ranks moved"] > 0
    assert all(np.isnan(value) for value in compare(np.zeros(1), np.zeros(1)).values())
    assert all(np.isnan(value) for value in compare(np.array([np.nan, 1]), np.zeros(2)).values())


COURSES = {"L0": ([1, 1, 4], [2, 3, 3], [3, 2, 2], [4, 4, 1]), "L1": ([9, 9, 9], [8, 8, 8])}
FILM = a_film(*((layer, [float(one) for one in own]) for layer, courses in COURSES.items() for own in courses))


def test_against_the_end() -> None:
    frame = mobility(FILM, 2).set_index(["Layer", "Epoch"])
    assert frame.loc[("L0", 2), "Spearman"] == 1
    assert frame.loc[("L0", 0), "Spearman"] == -1
    assert frame.loc[("L1", 0), "Spearman"] == pytest.approx(1)
    assert frame.loc[(TOTAL, 0), "Spearman"] == pytest.approx(0)


def test_from_one_epoch_to_the_next() -> None:
    """Each of four is a class of its own: the middle ones change places, then the first and the last."""
    frame = between_epochs(FILM, 4)
    own = frame[frame["Layer"] == "L0"].pivot(index="From", columns="To", values="Share")
    assert own.to_numpy().tolist() == [[0.5, 0, 0, 0.5], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5]]
    assert frame.groupby(["Layer", "From"])["Share"].sum().tolist() == pytest.approx([1] * 6)


class TestBeyondNoise:
    """Of 400 units with noise of its own on either half of the examples."""

    WORTH = np.random.default_rng(0).normal(size=400)

    def noise(self, epochs: int) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(2, 400, epochs))

    def summed_up(self, worth: np.ndarray, noises: np.ndarray) -> pd.Series:
        """Of what units are truly worth ``(n, epochs)`` and the noise of the halves ``(2, n, epochs)``."""
        films = [
            a_film(*(("L0", [*map(float, own)]) for own in seen))
            for seen in (worth + noises.mean(0), *(worth + noises))
        ]
        return summary(films[0], (films[1], films[2])).set_index(["Layer", "Metric"])["Score"]["L0"]

    def test_units_that_rest_are_at_the_floor(self) -> None:
        """To the bit if the noise, too, is that of before; in the mean if it is drawn anew."""
        rest = np.repeat(self.WORTH[:, None], 4, 1)
        found = self.summed_up(rest, np.repeat(self.noise(1), 4, 2))
        assert found["Mobility"] == 0
        assert found["Across halves"] == found["Noise floor"] > 0.5
        found = self.summed_up(rest, self.noise(4))
        assert found["Across halves"] == pytest.approx(found["Noise floor"], abs=0.06)

    def test_units_that_move_are_above_it(self) -> None:
        """Turned round at every step; of two halves without noise the floor is 0."""
        turning = self.WORTH[:, None] * np.array([1, -1, 1])
        found = self.summed_up(turning, self.noise(3))
        assert found["Across halves"] > found["Noise floor"] + 0.2
        found = self.summed_up(turning, np.zeros((2, 400, 3)))
        assert found["Noise floor"] == 0
        assert found["Across halves"] == found["Mobility"] == compare(self.WORTH, -self.WORTH)["Mobility"]


def test_in_a_few_numbers() -> None:
    found = summary(FILM, (FILM, FILM), 2).set_index(["Layer", "Metric"])["Score"]
    assert found["L0", "Noise floor"] == 0
    assert found["L0", "Half-life"] == 1  # 0.8 and −0.8 in the mean
    assert np.isnan(found["L1", "Half-life"])
    assert found["L1", "Persistent"] == 0.5
    assert found["L0", "Persistent"] == 0
    assert found["L0", "Restless rise"] == 0.5
    assert found[TOTAL, "Mobility"] == np.mean([found["L0", "Mobility"], found["L1", "Mobility"]])
    values = np.array([4.0, 3, 2, 1, 9, 8])
    within = (4 * np.var([4, 3, 2, 1]) + 2 * np.var([9, 8])) / 6
    assert found[TOTAL, "Of layer"] == pytest.approx(1 - within / values.var())


def test_half_life_of_what_turns_at_once() -> None:
    assert half_life(np.stack([ONE, ONE[::-1], ONE]).T) == 1


class TestHumps:
    def test_bimodality_by_hand(self) -> None:
        """A hundred at two points, 0.951; the uniform's is 5/9, a normal's ⅓."""
        assert bimodality(np.repeat([0.0, 1.0], 50)) == pytest.approx(0.951, abs=5e-4)
        assert bimodality(np.linspace(0, 1, 5000)) == pytest.approx(0.555, abs=1e-3)
        assert bimodality(np.random.default_rng(0).normal(size=100_000)) == pytest.approx(1 / 3, abs=0.01)
        assert np.isnan(bimodality(np.ones(9)))

    def test_the_scale(self) -> None:
        assert on_scale(np.array([0.0, 0.9, -9.9]), 0.1) == pytest.approx([0, 1, -2])

    @pytest.mark.parametrize(("centres", "two"), [((0.0, 100.0), True), ((0.0, 0.1), False)])
    def test_two_humps_or_one(self, centres: tuple[float, float], two: bool) -> None:
        random = np.random.default_rng(0)
        values = [[float(value)] for centre in centres for value in centre + 0.1 * random.normal(size=30)]
        film = a_film(*(("L0", value) for value in values), *(("L1", [0.0]) for _ in range(3)))
        film.loc[:4, "State"] = "dead"
        frame = distribution(film).set_index("Layer")
        assert frame["Two-humped"].tolist() == [two, False]
        assert frame["Dead"].tolist() == [5, 0]
        assert (frame.loc["L0", "Separation"] > 2) == two or frame.loc["L0", "Humps"] == 1


def test_figures() -> None:
    frames = [mobility(FILM, 2).assign(Seed=seed) for seed in range(2)]
    labels = plots.correlation(pd.concat(frames)).axes[0].get_legend_handles_labels()[1]
    assert labels == ["layer L0", "layer L1", "mean of the layers"]
    figure = plots.transitions(between_epochs(FILM, 2))
    assert [text.get_text() for text in figure.axes[1].texts] == ["100", "0", "0", "100"]
