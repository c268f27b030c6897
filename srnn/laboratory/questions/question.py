"""What every question is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from srnn.analysis.statistics import Range
from srnn.laboratory.subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Frames = dict[str, pd.DataFrame]
#: What makes a figure of a data frame; further arguments, such as the title, may be left out.
Drawing = Callable[..., "Figure"]


#: Between which numbers each row of a result lies: the same for all, or one for each.
Ends = tuple["float | pd.Series", "float | pd.Series"]


def up_to(column: str) -> Callable[[pd.DataFrame], Ends]:
    """The range of a count, which is at most what that column says."""
    return lambda frame: (0.0, frame[column])


def up_to_sum(column: str, by: str) -> Callable[[pd.DataFrame], Ends]:
    """The range of counts that are parts of their sum over the rows that have the same ``by``."""
    return lambda frame: (0.0, frame.groupby(by)[column].transform("sum"))


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class Summary:
    """How a result of several seeds becomes one: the mean of each number, with its interval.

    Attributes:
        by: Columns that tell apart what is not to be averaged; of the others the numbers are.
        reduce: What is averaged, of one seed's result.
        within: The ranges of those that have one; None: that of the metric in the column Metric. A function tells that
            of each row of what ``reduce`` gives.
        rows: The column of the summary that heads the rows of the table that is printed; without it none is.
        columns: The one that heads its columns, if there are several; Quantity is the name of what was averaged.
        where: Which rows of the summary are in that table, as a query.
        differences: Those that are differences of the metric in the column Metric: of shares they end at ±1.
        absent: Those that are known where a seed has no row for a case that others have: it has none of a type, and so
            0 of its particles. Of all else the mean is over those seeds that have the case.
    """

    by: tuple[str, ...]
    reduce: Callable[[pd.DataFrame], pd.DataFrame] = _as_it_is
    within: Mapping[str, Range | Callable[[pd.DataFrame], Ends] | None] = field(default_factory=dict)
    rows: str = ""
    columns: str = "Quantity"
    where: str = ""
    differences: Sequence[str] = ()
    absent: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """One question of the laboratory.

    Attributes:
        about: What is asked, in a line.
        answer: The data frames that answer it, by the name of their result file.
        summaries: Result → how it is averaged over the seeds.
        figures: Name of the figure → the result it shows, and what draws it.
        exports: Other files of an answer: name → the result it holds, and what writes it.
        together: What is asked of the answers of all seeds at once, one below the other with a column Seed: further
            results, which are written beside the seeds.
        per_run: Whether one run is drawn, not the mean of several.
        trains: Whether the answer takes training of its own: then it is asked only by name.
    """

    about: str
    answer: Callable[[Subject], Frames]
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    figures: Mapping[str, tuple[str, Drawing]] = field(default_factory=dict)
    exports: Mapping[str, tuple[str, Callable[[pd.DataFrame, Path], None]]] = field(default_factory=dict)
    together: Callable[[Frames], Frames] | None = None
    per_run: bool = False
    trains: bool = False
