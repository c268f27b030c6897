"""The judged sentences: what they say of numbers by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from srnn.tables import rescuing
from srnn.tables.desk import interval, probability, values, verdict
from srnn.tables.exact import _spared
from srnn.tables.questions import _cost_of_identity, _equal
from srnn.tables.training import by_count, by_size


def row_of(p: float, equivalence: float) -> pd.Series:
    """A row of the paired tests, of two tests whose corrected p-values are twice the others."""
    ps = {"p": p, "p, Holm": 2 * p, "p (equivalence)": equivalence, "p (equivalence), Holm": 2 * equivalence}
    return pd.Series({"Margin": 0.01, **ps})


class TestVerdict:
    def test_a_difference_is_one_after_correction(self) -> None:
        assert verdict("accuracy", row_of(0.02, 0.9)) == "The two differ in accuracy (p = 0.02, corrected 0.04)"

    @pytest.mark.parametrize("p", [0.03, float("nan")])
    def test_equivalence_is_said_with_its_margin(self, p: float) -> None:
        said = verdict("accuracy", row_of(p, 0.01))
        assert said.startswith("The two are equivalent in accuracy: less than 1 percentage point apart (p = 0.01")

    def test_that_no_difference_is_shown_is_not_equivalence(self) -> None:
        said = verdict("accuracy", row_of(0.4, 0.03))
        assert "neither a difference (p = 0.4, corrected 0.8) nor equivalence" in said
        assert "(p = 0.03, corrected 0.06), is shown" in said


class TestCostOfIdentity:
    DIFFERENCES = {
        preset: {
            "before": f"{preset} before",
            "random others": f"{preset} random",
            "nearest signal": f"{preset} nearest",
            "smallest signal": f"{preset} least",
        }
        for preset in ("exactly", "widely")
    }
    COSTS = {"exactly": np.array([-0.001, 0.001, 0.0]), "widely": np.array([-0.03, 0.03, 0.0])}

    def test_every_control_is_named(self) -> None:
        said = _cost_of_identity(self.COSTS, self.DIFFERENCES)
        for own in self.DIFFERENCES.values():
            assert all(words in said for words in own.values())

    def test_no_cost_is_shown_by_equivalence_alone(self) -> None:
        """Both intervals contain 0; only one is within a point."""
        said = _cost_of_identity(self.COSTS, self.DIFFERENCES)
        assert "is shown, by two one-sided tests, in exactly." in said
        assert said.count("corrected") == 2
        widely = {"widely": self.COSTS["widely"]}
        assert "in none of them" in _cost_of_identity(widely, {"widely": self.DIFFERENCES["widely"]})


def test_what_is_spared_is_shown_to_be() -> None:
    """Up to 0.3 all seeds stay within a point; at 0.5 the seeds scatter; 0.7 comes after a failure."""
    scores = pd.DataFrame(
        {0: [0.9, 0.9, 0.9, 0.9], 1: [0.8, 0.801, 0.85, 0.8], 2: [0.7, 0.699, 0.65, 0.7]}, index=[0.0, 0.3, 0.5, 0.7]
    )
    assert _spared(scores) == 0.3


def test_few_values_stand_beside_their_mean() -> None:
    assert values(pd.Series([0.3, 0.1]), "{:.1f}") == " [0.1, 0.3]"
    assert values(pd.Series([0.3]), "{:.1f}") == values(pd.Series(range(6)), "{:.0f}") == ""


def test_an_interval_that_is_not_symmetric_has_its_ends() -> None:
    assert interval(0.772, 0.666, 0.852, form="{:.3f}") == "0.772 (0.666 … 0.852)"
    assert interval(0.912, 0.9111, 0.9128, form="{:.3f}") == "0.912 ± 0.001"


def test_a_test_that_was_not_done_is_a_dash() -> None:
    assert (probability(float("nan")), probability(0.0321)) == ("–", "0.032")


class TestInterventions:
    """Five seeds by hand: redraw gains a point each time and copying two, of which chance gives one."""

    @staticmethod
    def found(**gains: float) -> pd.DataFrame:
        noise = np.array([-0.0002, -0.0001, 0, 0.0001, 0.0002])
        actions = dict.fromkeys([*rescuing._NUMBERS, *rescuing._RANDOM, *rescuing._LIFTED], 0.0) | gains
        rows = [
            (action.replace("_", "-"), seed, metric, value)
            for place, (action, gain) in enumerate(actions.items())
            for seed in range(5)
            for metric, value in (
                ("Score gain", gain + (1 + place / 10) * noise[(seed * (1 + place % 4)) % 5]),
                ("Rescued", 0.5),
                ("Rescued, left alone", 0.25),
            )
        ]
        return pd.DataFrame(rows, columns=["Action", "Seed", "Metric", "Score"]).drop_duplicates(
            ["Action", "Seed", "Metric"], keep="last"
        )

    def judged(self, **gains: float) -> str:
        found = self.found(**gains)
        return rescuing._judged(rescuing._against(found), found)

    def test_better_than_both_none_and_random(self) -> None:
        said = self.judged(copy=0.02, copy_random=0.01, redraw=0.01, redraw_random=0.01)
        assert said.startswith("better than both none and random is copy, with p-values corrected")
        assert "The largest gain is that of copy: against none +2.00 (" in said
        assert "and against random +1.00 (" in said
        assert "redraw +0.25 (+0.25 … +0.25)" in said

    def test_that_none_is_better_is_not_said(self) -> None:
        said = self.judged(redraw=0.01, redraw_random=0.01)
        assert said.startswith("that any action is better than both none and random is not shown")


class TestSizes:
    def test_types_go_by_size_where_the_exact_test_says_so(self) -> None:
        yes, no = [True] * 10, [False] * 10
        assert "types go by size, as published (Fisher" in by_size(yes, no)
        assert "types go by size, not as published (Fisher" in by_size(no, yes)
        said = by_size([*yes, *no], [*yes, *no])
        assert "10 of 20, 50% (27% … 73%) of those published as other" in said
        assert (
            "is not shown, nor is it that they do not (Fisher's exact test, the only one of this table: p = 1)" in said
        )

    def test_which_way_depends_on_the_count_where_both_intervals_say_so(self) -> None:
        noise = np.array([-0.01, 0.0, 0.01])
        large = pd.DataFrame({"without": 0.3 + noise, "with": 0.4 - noise})
        small = pd.DataFrame({"without": 0.1 - noise, "with": 0.8 + noise})
        said = by_count(small, large)
        assert said.startswith("the share of self-replicators of 4 units minus that of 8, paired by seed, is -20.00 (")
        assert said.endswith("Which way the size moves it depends on how zero is counted.")
        assert "Which way" not in by_count(small.assign(without=large["without"] + noise), large)
        assert "Which way" not in by_count(large + 0.2, large)


def test_metrics_are_told_apart_where_particles_compute_them() -> None:
    frames = [
        pd.DataFrame({"Metric": ["accuracy"] * 3, "Equal": [True, True, False]}),
        pd.DataFrame({"Metric": ["mae"] * 2, "Equal": [False, False]}),
    ]
    assert _equal(frames) == (
        "Over all presets, the accuracy is equal to the last digit in 2 of 3 seeds; the mae is equal to the last digit "
        "in 0 of 2 seeds."
    )
