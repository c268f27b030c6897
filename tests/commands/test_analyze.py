"""How ``srnn analyze`` prints its answers."""

from __future__ import annotations

import pandas as pd

from srnn.commands.analyze import shown
from srnn.laboratory.questions.question import Summary

SUMMARY = pd.DataFrame(
    [(kind, epoch, "Score", value, value, value, 1) for kind, value in (("b", 2.0), ("a", 0.0)) for epoch in range(20)],
    columns=["Kind", "Epoch", "Quantity", "Mean", "Low", "High", "Seeds"],
)


def test_columns_are_as_many_as_fit_the_first_and_the_last_among_them() -> None:
    table = shown(SUMMARY, Summary(("Kind", "Epoch"), rows="Kind", columns="Epoch"))
    assert list(table) == [0, 6, 13, 19]
    assert table.loc["b"].tolist() == ["2"] * 4


def test_a_mean_of_fewer_seeds_says_so() -> None:
    of = Summary(("Kind", "Epoch"), rows="Kind", columns="Epoch", where="Epoch == 0")
    assert shown(SUMMARY, of, 3).loc["b"].tolist() == ["2 (1 seed)"]
    assert shown(SUMMARY.assign(Seeds=2), of, 3).loc["b"].tolist() == ["2 (2 seeds)"]
    assert shown(SUMMARY.assign(Seeds=3), of, 3).loc["b"].tolist() == ["2"]


def test_what_does_not_occur_has_no_row() -> None:
    assert list(shown(SUMMARY, Summary(("Kind", "Epoch"), rows="Kind", columns="Epoch")).index) == ["b"]


def test_rows_are_chosen_and_a_single_column_is_the_mean() -> None:
    table = shown(SUMMARY, Summary(("Kind", "Epoch"), rows="Epoch", columns="", where="Kind == 'b' and Epoch < 2"))
    assert (list(table), list(table.index)) == (["mean"], [0, 1])
