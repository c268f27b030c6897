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
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from srnn.analysis.stability import ALONG_ITSELF, return_by_level
from srnn.analysis.statistics import SHARE, interval, seeds, wide
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.methods import LOOKS, by_method
from srnn.plots.style import (
    GREY,
    GUIDE,
    PERCENT,
    arms,
    band,
    caption,
    error_bar_handle,
    in_house_style,
    legend_above,
    new_figure,
    of_seeds,
    show,
    stacked,
    type_handles,
    type_look,
    whole_numbers,
)

#: Ends of the axis of distances: below is rounding, above is on the way to infinity.
_NEAREST, _FARTHEST = 1e-9, 1e3
#: Self-applications whose growth is drawn.
_FIRST: Final = 20
_BINS: Final = 40


@in_house_style
def self_application(growth: pd.DataFrame, title: str = "") -> Figure:
    """Draw how far self-replicators go in the first self-applications, beside 4ⁿ, and how many last, up to 1,000.

    Of the distances the upper line is the maximum over the particles, the line with marks the median, the band the
    middle half; of several seeds the medians of these. What is beyond the axis, infinity among it, is not drawn. Of how
    many last the mean over the seeds is drawn, with its 95 % t-interval.

    Args:
        growth: As :func:`srnn.analysis.stability.self_application` gives it; of several seeds and methods one after
            the other, with columns Seed and Method.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    methods = _groups(growth)
    figure = new_figure(title, height=4.3)
    upper, lower = figure.subplots(2, height_ratios=(3, 2))
    # The scale first: which points of a curve are far enough apart for a mark depends on it.
    lower.set_xscale("log")
    starts, kept = [], []
    for name, own in methods.items():
        look = LOOKS[name]
        still = interval(wide(own, "Applications", "Identity"), within=SHARE)
        band(lower, still, look)
        kept.append(still)
        first = own.groupby("Applications").median(numeric_only=True).loc[:_FIRST]
        first = first.clip(_NEAREST / 10, 10 * _FARTHEST)
        band(upper, first.rename(columns={"Distance 25 %": "Low", "Distance": "Mean", "Distance 75 %": "High"}), look)
        upper.plot(first.index, first["Distance max"], color=look["color"], linewidth=0.7)
        starts.append(float(first["Distance max"].iloc[0]))
    # From the smallest maximum: the others are parallel to it.
    n = np.arange(1, _FIRST + 1)
    upper.plot(n, min(starts) * ALONG_ITSELF ** (n - 1), **GUIDE)
    upper.set_yscale("log")
    upper.set_ylim(_NEAREST, _FARTHEST)
    upper.set_xlim(0.5, _FIRST + 0.5)
    upper.xaxis.set_major_locator(whole_numbers())
    upper.yaxis.set_major_locator(LogLocator(numticks=6))
    upper.yaxis.set_minor_locator(NullLocator())
    upper.set_ylabel("largest change\nof a weight")
    upper.set_xlabel("self-applications n")
    caption(upper, f"band: middle half of the particles{', median seed' if seeds(growth) > 1 else ''}")
    show(lower, kept, -0.03, 1.03)
    lower.yaxis.set_major_formatter(PERCENT)
    lower.set_ylabel("still self-\nreplicators")
    lower.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    lower.xaxis.set_minor_formatter(NullFormatter())
    lower.set_xlabel("self-applications n (log axis)")
    caption(lower, of_seeds(seeds(growth)))
    handles = [Line2D([], [], label=name or "median", **LOOKS[name]) for name in methods]
    handles.append(Line2D([], [], label="maximum", color=GREY, linewidth=0.7))
    handles.append(Line2D([], [], label="$4^n$", **GUIDE))
    legend_above(upper, handles, 5, bbox_to_anchor=(0.42, 1), handlelength=1.7)
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
        axes.axvline(ALONG_ITSELF, **GUIDE)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_ylabel("share of\nmultipliers")
        grows = (moduli > 1).mean()
        text = f"{grows:.0%} above 1".replace("%", " %")
        axes.text(0.02, 0.95, f"{name}\n{text}" if name else text, transform=axes.transAxes, va="top")
    panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ticks = [tick for tick in (0.01, 0.03, 0.1, 0.2, 0.5, 1, 2, 4, 10, 30, 100) if low <= tick <= high]
    panels[-1].set_xticks(ticks if len(ticks) < 9 else [tick for tick in ticks if tick not in (0.03, 0.2, 30)])
    panels[-1].xaxis.set_minor_locator(NullLocator())
    panels[-1].set_xlabel("growth of an error per self-application")
    count = seeds(found)
    caption(panels[-1], f"three multipliers of each particle, {count} seeds together" if count > 1 else "")
    legend_above(
        panels[0], [Line2D([], [], label="4: every self-replicator, along itself", **GUIDE)], 1, handlelength=2
    )
    return figure


@in_house_style
def noisy_return(clones: pd.DataFrame, title: str = "") -> Figure:
    """Draw, over the noise level, how many noisy clones are self-replicators when they are put back, and where.

    The distances from the original (filled marks) and from the noisy clone (hollow marks), over the size of the noise,
    are medians over those that are self-replicators again, the bars their middle halves.

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
            half = levels[[column, f"{column} 25 %", f"{column} 75 %"]].set_axis(["Mean", "Low", "High"], axis=1)
            length.errorbar(x, half["Mean"], arms(half), linewidth=0.7, elinewidth=0.7, markerfacecolor=face, **look)
        worth.plot(x, levels["Worth"].where(levels["Worth"] > 0), linewidth=0.7, **look)
    share.set_ylim(-0.05, 1.08)
    share.yaxis.set_major_formatter(PERCENT)
    share.set_ylabel("self-replicators\nwhen put back")
    length.set_yscale("log")
    length.set_ylim(0.05, 1e4)
    length.axhline(1, color=GREY, linewidth=0.7, linestyle=(0, (1, 1.5)))
    length.set_ylabel("distance / size\nof the noise")
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
    worth.set_xlabel("largest noise on each weight")
    together = f" of {seeds(clones)} seeds" if seeds(clones) > 1 else ""
    caption(worth, f"all clones{together}: medians, bars: middle half")
    if any(methods):
        handles = [Line2D([], [], label=name, linewidth=0.7, **_mark(name)) for name in methods]
        legend_above(share, handles, 3, handlelength=1.6)
    marks = [
        error_bar_handle(label, color=GREY, marker="o", markerfacecolor=face, linestyle="-", linewidth=0.7)
        for label, face in (("from the original", GREY), ("from the noisy clone", "white"))
    ]
    length.legend(handles=marks, loc="upper left", handlelength=1.6)
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
    looks = {kind.label: type_look(kind) for kind in kinds}
    figure = new_figure(title, height=2.5)
    panels: list[Axes] = list(figure.subplots(1, len(methods), sharey=True, squeeze=False)[0])
    for axes, (name, own) in zip(panels, methods.items(), strict=True):
        by_type = {label: wide(rows, "Tolerance", "Particles") for label, rows in own.groupby("Type")}
        totals = sum(by_type.values())
        parts = {label: (by_type[label] / totals).sort_index(ascending=False) for label in looks}
        tolerances = sorted(own["Tolerance"].unique(), reverse=True)
        stacked(axes, range(len(tolerances)), parts, looks, 0.8)
        axes.set_xticks(range(len(tolerances)), [f"$10^{{{round(np.log10(one))}}}$" for one in tolerances])
        if len(methods) > 1:
            # Every other label is enough where three panels share a column.
            for label in axes.get_xticklabels()[1::2]:
                label.set_visible(False)
        axes.tick_params(axis="x", length=0)
        axes.set_title(name, fontsize=7, pad=3)
    panels[0].set_ylabel("particles")
    middle = panels[len(panels) // 2]
    middle.set_xlabel("tolerance")
    caption(middle, of_seeds(seeds(counts), spread="bars of the ends"))
    figure.legend(handles=type_handles(kinds), loc="outside lower center", ncols=len(kinds), handlelength=0.9)
    return figure


def _groups(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    if frame.empty:
        raise UserError("there is nothing to draw; an organism without self-replicators has nothing to show here")
    return by_method(frame)


def _mark(name: str) -> dict[str, Any]:
    return {"color": LOOKS[name]["color"], "marker": LOOKS[name]["marker"]}
