"""Where in its settings does an experiment end how? The runs of a sweep as one table, its means and its Pareto front.

A table of runs has a row for each: Point (str), Seed (int), the dotted settings that are swept over, Status (str),
Epoch (int), and a column for each metric (float): its last value, as
:func:`srnn.analysis.comparison.final_scores` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from srnn.analysis.comparison import final_scores
from srnn.analysis.statistics import Floats, Measured, over_seeds, with_range
from srnn.fixpoint_types import FixpointType

#: The metrics that tell how well an experiment ended, and whether more is better, where nobody says which.
GOALS: Final[Mapping[str, bool]] = {"test_accuracy": True, "test_mae": False}
#: Pairs of settings that are looked at, of many.
_MOST_PAIRS: Final = 15
#: Values of a setting up to which a map has a cell for each.
_CELLS: Final = 25
_LABELS: Final = tuple(kind.label for kind in FixpointType)


def final_metrics(runs: Sequence[Measured]) -> pd.DataFrame:
    """The last value of every metric, and the share of each fixpoint type: a row for each seed, a column for each."""
    found = final_scores({"": runs}, None).pivot(index="Seed", columns="Metric", values="Score")
    # Those of a layer, or of another moment, are left out: there would be many.
    of_parts = tuple(f"_{label}_share" for label in _LABELS)
    return found[[name for name in found if not str(name).endswith(of_parts)]]


def goals_of(table: pd.DataFrame, goals: Mapping[str, bool]) -> dict[str, bool]:
    """The metrics that a sweep is looked at by, those that are there: whether more is better."""
    wanted = goals or dict([(name, more) for name, more in GOALS.items() if name in table][:1])
    return {name: more for name, more in wanted.items() if name in table}


def means(table: pd.DataFrame, by: str | Sequence[str], metric: str) -> pd.DataFrame:
    """Mean and 95 % interval of a metric over all runs that have some settings in common.

    Args:
        table: Of runs.
        by: The columns that they have in common, such as ``["replication.alpha", "particle.hidden"]``.
        metric: Which.

    Returns:
        A row for each combination, in order: the columns ``by``, Mean, Low, High (float; NaN where a run has none),
        Seeds (int: runs).
    """
    columns = [by] if isinstance(by, str) else list(by)
    scores = with_range(table[columns].assign(Metric=metric, Score=table[metric].astype(float)))
    found = over_seeds(scores, columns).reset_index()
    return found.sort_values(columns, ignore_index=True)


def front(values: pd.DataFrame, goals: Mapping[str, bool]) -> NDArray[np.bool_]:
    """Which rows no other beats: none is as good in all goals and better in one.

    Args:
        values: A column for each goal, ``(n, goals)``; a row with NaN is not on the front.
        goals: Whether more is better.

    Returns:
        ``(n,)``.

    Source: V. Pareto, Manuale di economia politica, 1906.
    """
    signs = np.array([1.0 if more else -1.0 for more in goals.values()])
    good: Floats = values[list(goals)].to_numpy(dtype=float) * signs
    known = ~np.isnan(good).any(1)
    beaten = np.array(
        [bool(((good[known] >= own).all(1) & (good[known] > own).any(1)).any()) for own in good], dtype=bool
    )
    return known & ~beaten


def of_points(table: pd.DataFrame, goals: Mapping[str, bool]) -> pd.DataFrame:
    """How the points ended: the mean of each goal over the seeds, and whether the point is on the Pareto front.

    Returns:
        A row for each point that has runs, in their order: Point (str), Runs (int), a column for each goal (float: the
        mean), and Front (bool).
    """
    order = table["Point"].unique()
    found = pd.DataFrame({"Point": order, "Runs": table.groupby("Point", sort=False).size().to_numpy()})
    for goal in goals:
        found[goal] = means(table, "Point", goal).set_index("Point")["Mean"].reindex(order).to_numpy()
    return found.assign(Front=front(found, goals) if goals else False)


def axes_of(table: pd.DataFrame, settings: Sequence[str]) -> list[str]:
    """The settings of a sweep that really differ between its runs."""
    return [name for name in settings if name in table and table[name].nunique() > 1]


def pairs_of(axes: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of settings that a sweep is looked at by, each once."""
    return [*combinations(axes, 2)][:_MOST_PAIRS]


def is_grid(means: pd.DataFrame, axes: Sequence[str]) -> bool:
    """Whether two settings take a few values each, in combinations that are there: not as where they are random.

    Args:
        means: As :func:`means` gives them, by ``axes``.
        axes: The two settings.
    """
    counts = [means[axis].nunique() for axis in axes]
    return max(counts) <= _CELLS and len(means) > 0.3 * counts[0] * counts[1]


def as_column(values: Sequence[Any]) -> Sequence[Any]:
    """Values of a setting as a column of one type can hold them: lists, and what is mixed, as text."""
    kinds = {type(value) for value in values}
    plain = kinds <= {int, float} or kinds <= {str} or kinds <= {bool}
    return values if plain else [value if isinstance(value, str) else repr(value) for value in values]
