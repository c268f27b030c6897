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
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter

from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots.style import GREEN, GREY, ORANGE, PURPLE, WIDTH, in_house_style, new_figure, whole_numbers

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
_PERCENT: Final = PercentFormatter(1, decimals=0, symbol=" %")
#: Panels beside each other across the page (17 cm).
_ACROSS: Final = 3
_PAGE: Final = 6.69
_DOTS: Final[dict[str, Any]] = {"linestyle": "none", "markersize": 3.5}
#: About as many markers as a line carries at this width before they touch.
_MARKERS: Final = 12


@in_house_style
def curves(frame: pd.DataFrame, title: str = "", early: bool = False) -> Figure:
    """Draw the curves of several groups with their 95 % bands, a panel for each metric.

    Losses and errors are on log axes, accuracies from 0 to 1, shares in percent. A log axis spans the means: of few
    seeds the band may reach beyond.

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
    for axes, metric in zip(panels, metrics, strict=True):
        own = frame[frame["Metric"] == metric]
        for group, look in looks.items():
            line = own[own["Group"] == group].sort_values("Epoch")
            if line.empty:
                continue
            if line["Low"].notna().any():
                axes.fill_between(line["Epoch"], line["Low"], line["High"], color=look["color"], alpha=0.2, linewidth=0)
            axes.plot("Epoch", "Mean", data=line, label=group, markevery=max(1, len(line) // _MARKERS), **look)
        axes.set_ylabel(_words(metric))
        _scale(axes, metric, own["Mean"].to_numpy())
    seeds = frame["Seeds"].max()
    panels[-1].set_xlabel(f"epoch (mean of {seeds} seeds with 95 % band)" if seeds > 1 else "epoch")
    if early:
        _early(panels[-1], frame["Epoch"].max())
        panels[-1].set_xlim(-0.1, 1.1 * frame["Epoch"].max())
    else:
        panels[-1].xaxis.set_major_locator(whole_numbers())
    _legend(figure, looks, lines=True)
    return figure


@in_house_style
def finals(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw how the groups ended: bars with 95 % intervals, a panel for each metric.

    Args:
        table: Columns Metric, Group, Mean, Half width, Seeds, as :func:`srnn.analysis.comparison.final_table` gives
            them.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    looks = _looks(table["Group"])
    metrics = list(table["Metric"].unique())
    columns = min(len(metrics), _ACROSS)
    rows = -(-len(metrics) // columns)
    figure = new_figure(title, height=0.45 + rows * (0.4 + 0.17 * len(looks)))
    figure.set_figwidth(WIDTH if columns == 1 else _PAGE)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in grid[len(metrics) :]:
        axes.set_visible(False)
    for axes, metric in zip(grid, metrics, strict=False):
        own = table[table["Metric"] == metric].set_index("Group").reindex(list(looks))
        mean, half = own["Mean"].to_numpy(), own["Half width"].fillna(0).to_numpy()
        places = np.arange(len(own))
        axes.barh(places, mean, height=0.7, color=[look["color"] for look in looks.values()])
        axes.errorbar(mean, places, xerr=half, fmt="none", ecolor="black", elinewidth=0.7, capsize=2)
        axes.set_xlim(0, max(1.0, 1.05 * np.nanmax(mean + half)) if metric.endswith("accuracy") else None)
        axes.xaxis.set_major_formatter(_NUMBERS if not metric.endswith("_share") else _PERCENT)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(_words(metric))
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(looks)), list(looks))
    grid[0].set_ylim(len(looks) - 0.5, -0.5)
    seeds = int(table["Seeds"].max())
    if seeds > 1:
        figure.supxlabel(f"means of {seeds} seeds with 95 % intervals", fontsize=7)
    return figure


@in_house_style
def order_of_learning(reached: pd.DataFrame, title: str = "") -> Figure:
    """Draw when each run reached each milestone: a mark for each seed, a row for each milestone.

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
    last = max(reached["Epoch"].max(), 1) if reached["Epoch"].notna().any() else 1
    edge, never = 1.5 * last, 2.5 * last
    for index, (group, look) in enumerate(looks.items()):
        shift = 0.6 * ((index + 0.5) / len(looks) - 0.5)
        for row, milestone in enumerate(milestones):
            epochs = reached["Epoch"][(reached["Group"] == group) & (reached["Milestone"] == milestone)]
            there, counts = np.unique(epochs.fillna(never), return_counts=True)
            axes.plot(there, [row + shift] * len(there), label=group, **(look | _DOTS))
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
    axes.set_xlabel("first logged epoch (×: seeds)")
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


def _scale(axes: Axes, metric: str, means: np.ndarray) -> None:
    """The y axis that suits a metric with these means."""
    if metric.endswith(("_loss", "_mae")):
        axes.set_yscale("log")
        exponents = np.log10(means[np.isfinite(means) & (means > 0)])
        if exponents.size:
            low, high = exponents.min(), exponents.max()
            margin = max(0.05 * (high - low), 0.15)
            axes.set_ylim(10 ** (low - margin), 10 ** (high + margin))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_locator(LogLocator(numticks=6) if high - low > 2 else LogLocator(subs=(1, 2, 5)))
            if high - low <= 2:
                axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    elif metric.endswith("accuracy"):
        axes.set_ylim(0, 1.02)
    elif metric.endswith("_share"):
        axes.set_ylim(0, min(1.02, 1.1 * np.nanmax(means, initial=0.01)))
        axes.yaxis.set_major_formatter(_PERCENT)
    else:
        axes.set_ylim(bottom=0)


def _legend(figure: Figure, looks: dict[str, dict[str, Any]], lines: bool) -> None:
    """One legend for all panels, above them."""
    handles = [Line2D([], [], label=group, **(look if lines else look | _DOTS)) for group, look in looks.items()]
    longest = max(map(len, looks))
    columns = max(1, min(len(looks), 56 // (longest + 8)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1, handlelength=2.2)
