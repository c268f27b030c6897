"""Where in its settings an experiment ended how: a curve over one, a map over two; and the front of two goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from srnn.analysis.statistics import SHARE, range_of
from srnn.analysis.sweeps import is_grid
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    GREY,
    ORANGE,
    PERCENT,
    TYPE_COLOURS,
    caption,
    error_bars,
    in_house_style,
    new_figure,
    of_seeds,
)

_COLOUR: Final = TYPE_COLOURS[FixpointType.IDENTITY]
#: Cells of a map up to which a number is written in each.
_WRITTEN = 49
#: Times that the largest value is of the smallest for an axis to be of logarithms.
_WIDE = 20.0


@in_house_style
def landscape(means: pd.DataFrame, axes: Sequence[str], goal: str, title: str = "") -> Figure:
    """Draw how an experiment ended over one of its settings, or over two.

    One setting: a curve with its 95 % intervals. Two that take a few values each: a map with a cell for each
    combination; others, as those that are drawn at random: a mark for each.

    Args:
        means: As :func:`srnn.analysis.sweeps.means` gives them, by ``axes``.
        axes: One or two settings.
        goal: The metric.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    means = means.dropna(subset="Mean")
    if means.empty:
        raise UserError(f"no run measured {goal}, so there is nothing to draw")
    if len(axes) == 1:
        return _curve(means, axes[0], goal, title)
    return (_map if is_grid(means, axes) else _marks)(means, axes[0], axes[1], goal, title)


def _curve(means: pd.DataFrame, axis: str, goal: str, title: str) -> Figure:
    figure = new_figure(title)
    panel = figure.subplots()
    x = _places(panel, "x", means[axis])
    if pd.api.types.is_numeric_dtype(means[axis]):
        panel.plot(x, means["Mean"], color=_COLOUR)
    error_bars(panel, x, means, marker="o", color=_COLOUR)
    panel.set_xlabel(axis)
    panel.set_ylabel(goal.replace("_", " "))
    if range_of(goal) == SHARE:
        panel.yaxis.set_major_formatter(PERCENT)
    caption(panel, of_seeds(int(means["Seeds"].max()), spread="bars").replace("seeds", "runs"))
    return figure


def _map(means: pd.DataFrame, one: str, other: str, goal: str, title: str) -> Figure:
    grid = means.pivot(index=other, columns=one, values="Mean").sort_index().sort_index(axis=1)
    figure = new_figure(title, height=min(4.0, 1.4 + 0.28 * len(grid)))
    panel = figure.subplots()
    shades = panel.imshow(grid.to_numpy(dtype=float), cmap="viridis", aspect="auto", origin="lower")
    shades.cmap.set_bad("#EEEEEE")
    for axis, labels in ((panel.xaxis, grid.columns), (panel.yaxis, grid.index)):
        axis.set_ticks(range(len(labels)), [_label(label) for label in labels])
    if max(map(len, map(_label, grid.columns))) * len(grid.columns) > 36:
        panel.tick_params(axis="x", labelrotation=45)
    if grid.size <= _WRITTEN and len(grid.columns) <= 8:
        low, high = np.nanmin(grid.to_numpy()), np.nanmax(grid.to_numpy())
        for (row, column), value in np.ndenumerate(grid.to_numpy(dtype=float)):
            dark = value < (low + high) / 2
            text = "" if np.isnan(value) else f"{value:.3g}"
            panel.text(column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=6)
    figure.colorbar(shades, ax=panel, label=goal.replace("_", " "))
    panel.spines[["top", "right"]].set_visible(True)
    panel.set_xlabel(one)
    panel.set_ylabel(other)
    caption(panel, _of_runs(means))
    return figure


def _marks(means: pd.DataFrame, one: str, other: str, goal: str, title: str) -> Figure:
    figure = new_figure(title, height=2.5)
    panel = figure.subplots()
    x, y = _places(panel, "x", means[one]), _places(panel, "y", means[other])
    marks = panel.scatter(x, y, c=means["Mean"], cmap="viridis", s=14, edgecolors=GREY, linewidths=0.3)
    figure.colorbar(marks, ax=panel, label=goal.replace("_", " "))
    panel.margins(0.06)
    panel.set_xlabel(one)
    panel.set_ylabel(other)
    caption(panel, _of_runs(means))
    return figure


def _of_runs(means: pd.DataFrame) -> str:
    least, most = int(means["Seeds"].min()), int(means["Seeds"].max())
    return "" if most == 1 else f"means of {most} runs" if least == most else f"means of {least} to {most} runs"


def _label(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _places(panel: Axes, which: str, values: pd.Series) -> np.ndarray:
    """Where values are on an axis: numbers as they are, on a scale that shows them apart, others beside each other."""
    axis = panel.xaxis if which == "x" else panel.yaxis
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        names = list(dict.fromkeys(map(str, values)))
        axis.set_ticks(range(len(names)), names)
        return np.array([names.index(str(value)) for value in values])
    numbers = values.to_numpy(dtype=float)
    if numbers.min() > 0 and numbers.max() > _WIDE * numbers.min():
        (panel.set_xscale if which == "x" else panel.set_yscale)("log")
    return numbers


@in_house_style
def front(points: pd.DataFrame, goals: Mapping[str, bool], title: str = "") -> Figure:
    """Draw the points of a sweep by two goals, and the front of those that no other beats.

    Args:
        points: As :func:`srnn.analysis.sweeps.of_points` gives them: a column for each goal, and Front (bool).
        goals: Two, and whether more is better.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    one, other = goals
    points = points.dropna(subset=[one, other])
    if points.empty:
        raise UserError(f"no point has {one} and {other}, so there is nothing to draw")
    figure = new_figure(title)
    panel = figure.subplots()
    best = points[points["Front"]].sort_values([one, other])
    panel.scatter(points[one], points[other], s=8, color="#999999", linewidths=0, label="points")
    # Whoever asks for no less of the one gets of the other what the next point has.
    panel.step(best[one], best[other], where="pre" if goals[one] else "post", color=ORANGE)
    panel.scatter(best[one], best[other], s=14, color=ORANGE, linewidths=0, label="front", zorder=3)
    for axis, goal in ((panel.xaxis, one), (panel.yaxis, other)):
        axis.set_label_text(f"{goal.replace('_', ' ')} ({'more' if goals[goal] else 'less'} is better)")
        if range_of(goal) == SHARE:
            axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
            axis.set_major_formatter(PERCENT)
    panel.margins(0.06)
    panel.legend(loc="best")
    runs = int(points["Runs"].max())
    caption(panel, f"means of {runs} seeds" if runs > 1 else "")
    return figure
