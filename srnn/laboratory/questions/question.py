"""What every question is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


@dataclass(frozen=True)
class Summary:
    """How a result of several seeds becomes one: the mean of each number, with its interval.

    Attributes:
        by: Columns that tell apart what is not to be averaged; of the others the numbers are.
        reduce: What is averaged, of one seed's result.
        within: The ranges of those that have one; None: that of the metric in the column Metric.
        rows: The column of the summary that heads the rows of the table that is printed; without it none is.
        columns: The one that heads its columns, if there are several; Quantity is the name of what was averaged.
        where: Which rows of the summary are in that table, as a query.
    """

    by: tuple[str, ...]
    reduce: Callable[[pd.DataFrame], pd.DataFrame] = _as_it_is
    within: Mapping[str, Range | None] = field(default_factory=dict)
    rows: str = ""
    columns: str = "Quantity"
    where: str = ""


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
