"""How ``srnn analyze`` prints its answers."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from srnn.commands.analyze import shown, with_interval
from srnn.laboratory.questions.question import Summary


@pytest.mark.parametrize(
    ("mean", "half", "text"),
    [
        (0.89631, 0.03404, "0.90 ± 0.03"),
        (0.89631, 0.0134, "0.896 ± 0.013"),
        (1031.4, 14.2, "1,031 ± 14"),
        (1031.4, 142.0, "1,031 ± 142"),
        (1031.4, 0.0, "1,031"),
        (0.5, math.nan, "0.5"),
        (1e-7, 2e-8, "1e-07 ± 2e-08"),
        (math.inf, math.nan, "inf"),
        (math.nan, math.nan, "–"),
    ],
)
def test_an_interval_has_a_digit_or_two_and_the_mean_no_more(mean: float, half: float, text: str) -> None:
    assert with_interval(mean, half) == text


SUMMARY = pd.DataFrame(
    [(kind, epoch, "Score", value, value, value, 1) for kind, value in (("b", 2.0), ("a", 0.0)) for epoch in range(20)],
    columns=["Kind", "Epoch", "Quantity", "Mean", "Low", "High", "Seeds"],
)


def test_columns_are_as_many_as_fit_the_first_and_the_last_among_them() -> None:
    table = shown(SUMMARY, Summary(("Kind", "Epoch"), rows="Kind", columns="Epoch"))
    assert list(table) == [0, 6, 13, 19]
    assert table.loc["b"].tolist() == ["2"] * 4


def test_what_does_not_occur_has_no_row() -> None:
    assert list(shown(SUMMARY, Summary(("Kind", "Epoch"), rows="Kind", columns="Epoch")).index) == ["b"]


def test_rows_are_chosen_and_a_single_column_is_the_mean() -> None:
    table = shown(SUMMARY, Summary(("Kind", "Epoch"), rows="Epoch", columns="", where="Kind == 'b' and Epoch < 2"))
    assert (list(table), list(table.index)) == (["mean"], [0, 1])
