"""What becomes of self-replicators: under self-application, under noise, and at a finer tolerance.

Each figure shows the runs of one experiment or, with a column Method in its frame, several methods side by side.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator, PercentFormatter

from srnn.analysis.stability import ALONG_ITSELF, return_by_level
from srnn.analysis.statistics import seeds
from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots.methods import LOOKS, by_method
from srnn.plots.style import GREY, TYPE_COLOURS, TYPE_HATCHES, in_house_style, new_figure, whole_numbers

#: Ends of the axis of distances: below is rounding, above is on the way to infinity.
_NEAREST, _FARTHEST = 1e-9, 1e3
#: Self-applications whose growth is drawn.
_FIRST: Final = 20
_PERCENT: Final = PercentFormatter(1, decimals=0, symbol=" %")
_BINS: Final = 40
_GUIDE: Final[dict[str, Any]] = {"color": "black", "linewidth": 0.7, "linestyle": (0, (4, 2))}


@in_house_style
def self_application(growth: pd.DataFrame, title: str = "") -> Figure:
    """Draw how far self-replicators go in the first self-applications, beside 4ⁿ, and how many last, up to 1,000.

    Of the distances the upper line is the maximum over the particles, the line with marks the median, the area the
    middle half; of several seeds the medians of these. What is beyond the axis, infinity among it, is not drawn.

    Args:
        growth: As :func:`srnn.analysis.stability.self_application` gives it; of several seeds and methods one after
            the other, with columns Seed and Method.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    methods = _groups(growth)
    figure = new_figure(title, height=3.7)
    upper, lower = figure.subplots(2, height_ratios=(3, 2))
    starts = []
    for name, own in methods.items():
        look = LOOKS[name]
        median = own.groupby("Applications").median(numeric_only=True)
        lower.plot(median.index, median["Identity"], **look)
        first = median[median.index <= _FIRST].clip(_NEAREST / 10, 10 * _FARTHEST)
        low, high = (first[f"Distance {end} %"] for end in (25, 75))
        upper.fill_between(first.index, low, high, color=look["color"], alpha=0.15, linewidth=0)
        upper.plot(first.index, first["Distance"], **look)
        upper.plot(first.index, first["Distance max"], color=look["color"], linewidth=0.7)
        starts.append(float(first["Distance max"].iloc[0]))
    # From the smallest maximum: the others are parallel to it.
    n = np.arange(1, _FIRST + 1)
    upper.plot(n, min(starts) * ALONG_ITSELF ** (n - 1), **_GUIDE)
    upper.set_yscale("log")
    upper.set_ylim(_NEAREST, _FARTHEST)
    upper.set_xlim(0.5, _FIRST + 0.5)
    upper.xaxis.set_major_locator(whole_numbers())
    upper.yaxis.set_major_locator(LogLocator(numticks=6))
    upper.yaxis.set_minor_locator(NullLocator())
    upper.set_ylabel("largest change\nof a weight")
    lower.set_xscale("log")
    lower.set_ylim(-0.03, 1.03)
    lower.yaxis.set_major_formatter(_PERCENT)
    lower.set_ylabel("still self-\nreplicators")
    lower.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    lower.xaxis.set_minor_formatter(NullFormatter())
    lower.set_xlabel(f"self-applications n{_of_seeds(growth, 'median of {} seeds')}")
    handles = [Line2D([], [], label=name or "median", **LOOKS[name]) for name in methods]
    handles.append(Line2D([], [], label="maximum", color=GREY, linewidth=0.7))
    handles.append(Line2D([], [], label="$4^n$", **_GUIDE))
    upper.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.42, 1),
        ncols=5,
        handlelength=1.7,
        handletextpad=0.3,
        columnspacing=0.7,
    )
    figure.align_ylabels()
    return figure


@in_house_style
def multipliers(found: pd.DataFrame, title: str = "") -> Figure:
    """Draw the histogram of the three multipliers of each self-replicator that are its own, and the common one, 4.

    Left of the dotted line, at 1, errors shrink; right of it they grow.

    Args:
        found: As :func:`srnn.analysis.stability.multipliers` gives them; of several seeds and methods one after the
            other, with columns Seed and Method.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    methods = _groups(found)
    figure = new_figure(title, height=0.7 + 0.85 * len(methods) + (0.4 if len(methods) == 1 else 0))
    panels: list[Axes] = list(figure.subplots(len(methods), sharex=True, squeeze=False)[:, 0])
    own = {name: frame[[f"Multiplier {n}" for n in (1, 2, 3)]].to_numpy().ravel() for name, frame in methods.items()}
    everything = np.concatenate([*own.values()])
    # The outermost thousandths are counted in the outermost bins: one particle must not squeeze all others.
    low, high = np.quantile(everything[everything > 0], [0.001, 0.999]) if (everything > 0).any() else (0.5, 2)
    low, high = min(low, 0.5), max(high, 1.3 * ALONG_ITSELF)
    edges = np.geomspace(low, high, _BINS + 1)
    for axes, (name, moduli) in zip(panels, own.items(), strict=True):
        counts, _ = np.histogram(moduli.clip(low, high), edges)
        axes.stairs(counts / len(moduli), edges, fill=True, color=LOOKS[name]["color"], alpha=0.7)
        axes.axvline(1, color=GREY, linewidth=0.7, linestyle=(0, (1, 1.5)))
        axes.axvline(ALONG_ITSELF, **_GUIDE)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(_PERCENT)
        axes.set_ylabel("multipliers")
        grows = (moduli > 1).mean()
        text = f"{grows:.0%} above 1".replace("%", " %")
        axes.text(0.02, 0.95, f"{name}\n{text}" if name else text, transform=axes.transAxes, va="top")
    panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ticks = [tick for tick in (0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 4, 10, 30, 100) if low <= tick <= high]
    panels[-1].set_xticks(ticks if len(ticks) < 9 else [tick for tick in ticks if tick not in (0.03, 0.2, 30)])
    panels[-1].xaxis.set_minor_locator(NullLocator())
    panels[-1].set_xlabel(f"what an error is multiplied by{_of_seeds(found, '{} seeds')}")
    panels[0].legend(
        handles=[Line2D([], [], label="4: every self-replicator, along itself", **_GUIDE)],
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        handlelength=2,
    )
    return figure


@in_house_style
def noisy_return(clones: pd.DataFrame, title: str = "") -> Figure:
    """Draw, over the noise level, how many noisy clones come back as self-replicators, and where to.

    The lengths of noise from the original (filled marks) and from the noisy clone (hollow marks) are medians over those
    that come back, the bars their middle halves.

    Args:
        clones: As :func:`srnn.analysis.stability.noisy_return` gives them; of several seeds and methods one after the
            other, with columns Seed and Method.
        title: Above the figure.

    Raises:
        UserError: There are no clones.
    """
    methods = _groups(clones)
    figure = new_figure(title, height=4.4)
    share, length, worth = figure.subplots(3, sharex=True, height_ratios=(2, 3, 2))
    for place, (name, own) in enumerate(methods.items()):
        levels = return_by_level(own)
        # A little beside each other, on an axis of powers of ten.
        x = levels["Level"] * 10 ** (0.16 * ((len(methods) - 1) / 2 - place))
        look = _mark(name)
        share.plot(x, levels["Identity"], linewidth=0.7, **look)
        for column, face in (("From original", look["color"]), ("From clone", "white")):
            middle = levels[column]
            arms = np.array([middle - levels[f"{column} 25 %"], levels[f"{column} 75 %"] - middle]).clip(0)
            length.errorbar(x, middle, arms, linewidth=0.7, elinewidth=0.7, markerfacecolor=face, **look)
        worth.plot(x, levels["Worth"].where(levels["Worth"] > 0), linewidth=0.7, **look)
    share.set_ylim(-0.05, 1.08)
    share.yaxis.set_major_formatter(_PERCENT)
    share.set_ylabel("come back")
    length.set_yscale("log")
    length.set_ylim(0.05, 1e4)
    length.axhline(1, color=GREY, linewidth=0.7, linestyle=(0, (1, 1.5)))
    length.set_ylabel("lengths of the noise")
    worth.set_yscale("log")
    worth.set_ylabel("change of\n|effective weight|")
    for axes in (length, worth):
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
    worth.set_xscale("log")
    worth.invert_xaxis()
    # Every other power: ten of them touch.
    worth.set_xticks([10.0**-power for power in range(0, 10, 2)])
    worth.xaxis.set_minor_locator(NullLocator())
    worth.set_xlabel(f"largest noise on each weight{_of_seeds(clones, '{} seeds')}")
    if any(methods):
        handles = [Line2D([], [], label=name, linewidth=0.7, **_mark(name)) for name in methods]
        share.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, handlelength=1.6)
    grey: dict[str, Any] = {"color": GREY, "marker": "o", "linewidth": 0.7}
    handles = [
        Line2D([], [], label="from the original", **grey),
        Line2D([], [], label="from the noisy clone", markerfacecolor="white", **grey),
    ]
    length.legend(handles=handles, loc="upper left", handlelength=1.6)
    figure.align_ylabels()
    return figure


@in_house_style
def census_by_tolerance(counts: pd.DataFrame, title: str = "") -> Figure:
    """Draw the share of each type at each tolerance as stacked bars, a group of bars for each method.

    Args:
        counts: As :func:`srnn.analysis.stability.census_by_tolerance` gives them; of several seeds and methods one
            after the other, with columns Seed and Method.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    methods = _groups(counts)
    kinds = [kind for kind in FixpointType if counts.loc[counts["Type"] == kind.label, "Particles"].any()]
    figure = new_figure(title, height=2.2)
    panels: list[Axes] = list(figure.subplots(1, len(methods), sharey=True, squeeze=False)[0])
    for axes, (name, own) in zip(panels, methods.items(), strict=True):
        totals = own.pivot_table(index="Tolerance", columns="Type", values="Particles", aggfunc="sum")
        shares = totals.div(totals.sum(axis=1), axis=0).sort_index(ascending=False)
        base = np.zeros(len(shares))
        for kind in kinds:
            share = shares[kind.label].to_numpy()
            look: dict[str, Any] = {
                "color": TYPE_COLOURS[kind],
                "hatch": TYPE_HATCHES[kind],
                "edgecolor": "white",
                "linewidth": 0,
            }
            axes.bar(range(len(shares)), share, 0.8, base, label=kind.label, **look)
            base += share
        axes.set_xticks(range(len(shares)), [f"$10^{{{round(np.log10(one))}}}$" for one in shares.index])
        if len(methods) > 1:
            # Every other label is enough where three panels share a column.
            for label in axes.get_xticklabels()[1::2]:
                label.set_visible(False)
        axes.tick_params(axis="x", length=0)
        axes.set_title(name, fontsize=7, pad=3)
    panels[0].set_ylim(0, 1)
    panels[0].yaxis.set_major_formatter(_PERCENT)
    panels[0].set_ylabel("particles")
    panels[len(panels) // 2].set_xlabel(f"tolerance{_of_seeds(counts, 'mean of {} seeds')}")
    patches = [
        Patch(facecolor=TYPE_COLOURS[kind], hatch=TYPE_HATCHES[kind], edgecolor="white", linewidth=0, label=kind.label)
        for kind in kinds
    ]
    figure.legend(
        handles=patches,
        loc="outside lower center",
        ncols=len(kinds),
        handlelength=0.9,
        handletextpad=0.3,
        columnspacing=1,
    )
    return figure


def _groups(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    if frame.empty:
        raise UserError("there is nothing to draw; an organism without self-replicators has nothing to show here")
    return by_method(frame)


def _mark(name: str) -> dict[str, Any]:
    return {"color": LOOKS[name]["color"], "marker": LOOKS[name]["marker"]}


def _of_seeds(frame: pd.DataFrame, words: str) -> str:
    count = seeds(frame)
    return f" ({words.format(count)})" if count > 1 else ""
