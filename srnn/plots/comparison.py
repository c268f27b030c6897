"""Groups of runs beside each other: their curves, how they ended, and what they learnt first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from srnn.analysis.comparison import is_logarithmic
from srnn.analysis.comparison import milestones as milestones_of
from srnn.analysis.statistics import FEW
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    DOTS,
    GREEN,
    GREY,
    ORANGE,
    PAGE,
    PERCENT,
    PURPLE,
    WIDTH,
    arms,
    band,
    caption,
    extent,
    in_house_style,
    log_axis,
    new_figure,
    of_seeds,
    show,
    single_values,
    whole_numbers,
)

#: Groups are told apart by colour (none that stands for a fixpoint type) and, in greyscale, by dashes and markers.
_LOOKS: Final[tuple[dict[str, Any], ...]] = tuple(
    {"color": colour, "linestyle": dashes, "marker": marker, "markerfacecolor": "white", "markeredgewidth": 0.7}
    for colour, dashes, marker in (
        (ORANGE, "-", "o"),
        (GREEN, (0, (4, 1)), "s"),
        (PURPLE, (0, (1, 1)), "^"),
        (GREY, (0, (4, 1, 1, 1)), "D"),
        (ORANGE, (0, (2, 1)), "v"),
        (GREEN, (0, (1, 1)), "P"),
        (PURPLE, "-", "X"),
        (GREY, "-", "<"),
    )
)
_NUMBERS: Final = StrMethodFormatter("{x:,g}")
#: Panels beside each other across the page.
_ACROSS: Final = 3
_DOTS: Final[dict[str, Any]] = {"linestyle": "none", "markersize": 3.5}


@in_house_style
def curves(frame: pd.DataFrame, title: str = "", early: bool = False) -> Figure:
    """Draw the curves of several groups with their 95 % bands, a panel for each metric.

    Losses and errors are on log axes, accuracies from 0 to 1, shares in percent; axes reach as far as the bands do.

    Args:
        frame: Columns Group, Metric, Epoch, Mean, Low, High, Seeds, as :func:`srnn.analysis.comparison.compare` gives
            them, of one metric or of several one below the other.
        title: Above the figure.
        early: Stretch the beginning, where the order of learning shows: the axis of epochs is linear up to 1 and
            logarithmic from there.

    Raises:
        UserError: There are no curves.
    """
    looks = _looks(frame["Group"])
    metrics = list(frame["Metric"].unique())
    figure = new_figure(title, height=0.5 + 1.45 * len(metrics))
    panels: list[Axes] = list(figure.subplots(len(metrics), squeeze=False, sharex=True)[:, 0])
    if early:
        _early(panels[-1], frame["Epoch"].max())
        panels[-1].set_xlim(-0.1, 1.1 * frame["Epoch"].max())
    else:
        panels[-1].xaxis.set_major_locator(whole_numbers())
    for axes, metric in zip(panels, metrics, strict=True):
        own = frame[frame["Metric"] == metric]
        for group, look in looks.items():
            line = own[own["Group"] == group].sort_values("Epoch")
            if not line.empty:
                band(axes, line.set_index("Epoch"), look, group)
        axes.set_ylabel(_words(metric))
        _scale(axes, metric, own)
    panels[-1].set_xlabel("epoch")
    caption(panels[-1], of_seeds(int(frame["Seeds"].max())))
    _legend(figure, looks, lines=True)
    return figure


@in_house_style
def finals(table: pd.DataFrame, title: str = "", scores: pd.DataFrame | None = None) -> Figure:
    """Draw how the groups ended: bars with 95 % intervals, a panel for each metric.

    Args:
        table: Columns Metric, Group, Mean, Low, High, Seeds, as :func:`srnn.analysis.comparison.final_table` gives
            them.
        title: Above the figure.
        scores: Columns Metric, Group, Score, as :func:`srnn.analysis.comparison.final_scores` gives them: of few seeds
            they are drawn as dots.

    Raises:
        UserError: There is nothing to draw.
    """
    looks = _looks(table["Group"])
    seeds = int(table["Seeds"].max())
    dots = scores is not None and 1 < seeds <= FEW
    metrics = list(table["Metric"].unique())
    columns = min(len(metrics), _ACROSS)
    rows = -(-len(metrics) // columns)
    figure = new_figure(title, height=0.45 + rows * (0.4 + 0.17 * len(looks)))
    figure.set_figwidth(WIDTH if columns == 1 else PAGE)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in grid[len(metrics) :]:
        axes.set_visible(False)
    for axes, metric in zip(grid, metrics, strict=False):
        own = table[table["Metric"] == metric].set_index("Group").reindex(list(looks))
        places = np.arange(len(own))
        axes.barh(places, own["Mean"], height=0.7, color=[look["color"] for look in looks.values()])
        axes.errorbar(own["Mean"], places, xerr=arms(own), fmt="none", ecolor="black", elinewidth=0.7, capsize=2)
        if scores is not None and dots:
            single = scores[scores["Metric"] == metric]
            single_values(axes, single["Score"], [list(looks).index(group) + 0.2 for group in single["Group"]], "black")
        low, high = extent([own])
        axes.set_xlim(min(0, 1.05 * low), max(1.0, 1.05 * high) if metric.endswith("accuracy") else None)
        axes.xaxis.set_major_formatter(_NUMBERS if not metric.endswith("_share") else PERCENT)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(_words(metric))
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(looks)), list(looks))
    grid[0].set_ylim(len(looks) - 0.5, -0.5)
    if seeds > 1:
        words = f"bars: means of {seeds} seeds, lines: 95 % intervals"
        figure.supxlabel(", ".join([words, *([DOTS] if dots else [])]), fontsize=7)
    return figure


@in_house_style
def order_of_learning(reached: pd.DataFrame, title: str = "") -> Figure:
    """Draw when each run reached each milestone: a mark for each seed, a row for each milestone.

    A bar across the marks of a group stands where half of its seeds have reached it.

    Epochs are on an axis linear up to 1 and logarithmic from there. Runs that never reached a milestone have
    their marks beyond the dotted line on the right.

    Args:
        reached: Columns Group, Seed, Milestone, Epoch (NaN: never), as
            :func:`srnn.analysis.comparison.order_of_learning` gives them.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    looks = _looks(reached["Group"])
    milestones = list(reached["Milestone"].unique())
    figure = new_figure(title, height=0.8 + len(milestones) * (0.14 + 0.08 * len(looks)))
    axes = figure.add_subplot()
    medians = milestones_of(reached).set_index(["Group", "Milestone"])["Median"].to_dict()
    last = max(reached["Epoch"].max(), 1) if reached["Epoch"].notna().any() else 1
    edge, never = 1.5 * last, 2.5 * last
    for index, (group, look) in enumerate(looks.items()):
        shift = 0.6 * ((index + 0.5) / len(looks) - 0.5)
        for row, milestone in enumerate(milestones):
            epochs = reached["Epoch"][(reached["Group"] == group) & (reached["Milestone"] == milestone)]
            there, counts = np.unique(epochs.fillna(never), return_counts=True)
            axes.plot(there, [row + shift] * len(there), label=group, **(look | _DOTS))
            median = medians[group, milestone]
            axes.plot([median], [row + shift], "|", color=look["color"], markersize=9, markeredgewidth=1.2, zorder=4)
            axes.hlines(row + shift, epochs.min(), epochs.max(), color=look["color"], linewidth=0.7, zorder=1)
            for epoch, count in zip(there, counts, strict=True):
                if count > 1:
                    axes.annotate(
                        f"×{count}",
                        (epoch, row + shift),
                        xytext=(3, 0),
                        textcoords="offset points",
                        va="center_baseline",
                        fontsize=5.5,
                        bbox={"facecolor": "white", "linewidth": 0, "pad": 0.3},
                    )
    axes.axvline(edge, color=GREY, linewidth=0.5, linestyle=(0, (1, 2)))
    axes.set_yticks(range(len(milestones)), [_words(name) for name in milestones])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(milestones) - 0.5, -0.5)
    ticks = _early(axes, last)
    axes.set_xticks([*ticks, never], [*map(str, ticks), "never"])
    axes.set_xlim(0.7 * reached["Epoch"].min() if reached["Epoch"].min() > 0 else -0.1, 4 * last)
    axes.set_xlabel("first logged epoch (×: seeds, bar: half of them)")
    _legend(figure, looks, lines=False)
    return figure


def _early(axes: Axes, last: float) -> list[int]:
    """Make the axis of epochs linear up to 1 and logarithmic from there, and tell its ticks."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0, *(first * 10**power for power in range(7) for first in (1, 3) if first * 10**power <= last)]
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    return ticks


def _looks(groups: pd.Series) -> dict[str, dict[str, Any]]:
    """The look of each group, in their order."""
    names: Sequence[str] = list(groups.unique())
    if not names:
        raise UserError("there is no group to draw; compare the runs of at least one")
    return {name: _look(place) for place, name in enumerate(names)}


def _look(place: int) -> dict[str, Any]:
    """The look of a group by its place: after the first few they come again, with filled markers and longer dashes."""
    again, place = divmod(place, len(_LOOKS))
    look = _LOOKS[place]
    if not again:
        return look
    fills = (look["color"], "black", "white")
    return look | {"markerfacecolor": fills[(again - 1) % len(fills)], "linestyle": (0, (2 + 2 * again, 1))}


def _words(metric: str) -> str:
    """A metric or a milestone as one reads it: ``L0_identity`` → ``L0 self-replicators``."""
    words = metric.replace("_mae", " mean absolute error").replace("_", " ")
    words = re.sub(r"1e-0?(\d+)", r"$10^{-\1}$", words)
    for kind in FixpointType:
        name = "self-replicators" if kind is FixpointType.IDENTITY else f"{kind.label} particles"
        words = re.sub(rf"\b{kind.label} share\b", f"share of {name}", words)
        words = re.sub(rf"\b{kind.label}\b(?! particles)", name, words)
    return words


def _scale(axes: Axes, metric: str, own: pd.DataFrame) -> None:
    """The y axis that suits a metric with these curves."""
    if is_logarithmic(metric):
        log_axis(axes, [own])
    elif metric.endswith("accuracy"):
        show(axes, [own], 0, 1.02)
    else:
        show(axes, [own], 0, 1.1 * np.nanmax(own["Mean"], initial=0.01))
        if metric.endswith("_share"):
            axes.yaxis.set_major_formatter(PERCENT)


def _legend(figure: Figure, looks: dict[str, dict[str, Any]], lines: bool) -> None:
    """One legend for all panels, above them."""
    handles = [Line2D([], [], label=group, **(look if lines else look | _DOTS)) for group, look in looks.items()]
    longest = max(map(len, looks))
    columns = max(1, min(len(looks), 56 // (longest + 8)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1, handlelength=2.2)
