"""What self-replication costs: the share of self-replicators against the accuracy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from srnn.analysis.statistics import FEW, SHARE, mean_interval, seeds
from srnn.errors import UserError
from srnn.plots.methods import LOOKS
from srnn.plots.style import (
    DOTS,
    GREY,
    PERCENT,
    caption,
    error_bar_handle,
    in_house_style,
    new_figure,
    of_seeds,
    single_values,
)

#: The two ways of counting, and what each is called.
_COUNTS: Final = {"Identity share": "self-replicators", "Identity or zero share": "self-replicators or zero"}
#: Of networks that are not joined.
_APART: Final = ("*", "p", "d", "h")
_SHAPES: Final = ("o", "v", "^", "P", "X", "<", ">", "*")
#: How near points are, in share and accuracy, of which only one mark would be seen.
_NEAR: Final = (0.02, 0.01)
#: How far beside each other their marks are drawn, in points; and the room that takes, in the share.
_BESIDE: Final = 8
_ROOM: Final = 0.05


@in_house_style
def trade_off(ended: pd.DataFrame, title: str = "") -> Figure:
    """Draw the test accuracy over the share of self-replicators, as they are counted here and with zero fixpoints.

    Each point is the mean over the seeds, with 95 % t-intervals in both directions; a line joins those of ``sgd``, in
    the order of their rows. Marks of the same place are drawn beside each other, tied to it by a line, for an accuracy
    that is none would be misread; their bars stay. The dense network is a band. A network of which a seed diverged is
    named and not drawn: it answers nothing, so there is no accuracy to be traded, nor a mean with that of other seeds.

    Args:
        ended: A row for each network and seed: Name (str, of which each has its mark), Method (``sgd``, ``newton``,
            ``lifted``, ``dense``; others are not joined), Seed (int), Identity share, Identity or
            zero share, Accuracy (float, the shares NaN for dense), Diverged (bool).
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    lost = diverged(ended)
    ended = ended[~ended["Name"].isin(lost.index)]
    if ended.empty:
        raise UserError("there is no network, so there is no trade-off to draw")
    figure = new_figure(title, height=4.4)
    panels: list[Axes] = list(figure.subplots(2, sharex=True, sharey=True))
    for axes, (column, words) in zip(panels, _COUNTS.items(), strict=True):
        _panel(figure, axes, ended, column)
        axes.set_ylabel("test accuracy")
        axes.set_xlabel(words)
        axes.xaxis.set_major_formatter(PERCENT)
        axes.tick_params(axis="x", labelbottom=True)
        axes.set_xlim(-0.04, 1.03 + _ROOM * len(_APART))
        axes.set_xticks(np.linspace(0, 1, 6))
    told = [of_seeds(seeds(ended), "means", "bars and band"), DOTS if 1 < seeds(ended) <= FEW else ""]
    told += [f"not drawn: {name}, of which {row.Lost} of {row.Seeds} seeds diverged" for name, row in lost.iterrows()]
    told += ["marks tied by a black line belong at its left end"]
    caption(panels[-1], *told)
    looks = _looks(ended)
    handles: list[Any] = [error_bar_handle(label, across=True, **look) for label, look in looks.items()]
    if "dense" in set(ended["Method"]):
        # As it is drawn: a line in its band.
        handles.append((Patch(facecolor=GREY, alpha=0.35), Line2D([], [], color=GREY, linewidth=0.7)))
    figure.legend(
        handles,
        [*looks, "dense"][: len(handles)],
        handler_map={tuple: HandlerTuple(ndivide=1)},
        loc="outside lower center",
        ncols=3,
        handlelength=1.2,
        handletextpad=0.5,
        columnspacing=0.8,
    )
    return figure


def diverged(ended: pd.DataFrame) -> pd.DataFrame:
    """The networks of which a seed diverged, by Name: how many did (Lost), of how many (Seeds)."""
    counts = ended.groupby("Name", sort=False)["Diverged"].agg(Lost="sum", Seeds="size")
    found: pd.DataFrame = counts[counts["Lost"] > 0].astype(int)
    return found


def _looks(ended: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The mark of each name: those of sgd, which may lie close together, are told apart by shape and lightness."""
    names = {method: list(own["Name"].unique()) for method, own in ended.groupby("Method")}
    shades = np.linspace(0.35, 1, max(len(names.get("sgd", [])), 1))
    looks: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(names.get("sgd", [])):
        looks[name] = {"color": _shade(shades[place]), "marker": _SHAPES[place % len(_SHAPES)], "markersize": 4}
    for method, size in (("newton", 5.0), ("lifted", 3.5)):
        for name in names.get(method, []):
            looks[name] = {"color": LOOKS[method]["color"], "marker": LOOKS[method]["marker"], "markersize": size}
    others = [name for method in names if method not in {*LOOKS, "dense"} for name in names[method]]
    for place, name in enumerate(others):
        looks[name] = {"color": LOOKS["sgd"]["color"], "marker": _APART[place % len(_APART)], "markersize": 6}
    return looks


def _panel(figure: Figure, axes: Axes, ended: pd.DataFrame, column: str) -> None:
    dense = ended[ended["Method"] == "dense"]
    if not dense.empty:
        mean, low, high = _interval(dense["Accuracy"])
        axes.axhspan(low, high, color=GREY, alpha=0.35, linewidth=0)
        axes.axhline(mean, color=GREY, linewidth=0.7)
    points = [
        (label, _interval(rows[column]), _interval(rows["Accuracy"]))
        for label, rows in _in_order(ended[ended["Method"] != "dense"])
    ]
    along = set(ended.loc[ended["Method"] == "sgd", "Name"])
    line = [(x[0], y[0]) for label, x, y in points if label in along]
    if line:
        axes.plot(*np.array(line).T, color=LOOKS["sgd"]["color"], linewidth=0.8, zorder=2)
    looks = _looks(ended)
    drawn: list[tuple[float, float]] = []
    for label, (x, *ends), (y, *sides) in points:
        look = looks[label] | {"markeredgecolor": "white", "markeredgewidth": 0.3, "elinewidth": 0.7, "zorder": 3}
        across, along_y = ([[abs(end - mean)] for end in own] for mean, own in ((x, ends), (y, sides)))
        bars = axes.errorbar([x], [y], along_y, across, linestyle="none", label=label, **look)
        beside = sum(abs(x - other) < _NEAR[0] and abs(y - at) < _NEAR[1] for other, at in drawn)
        drawn.append((x, y))
        if beside:
            # Where it belongs is still where it is asked for; only what is seen of it moves.
            aside = ScaledTranslation(beside * _BESIDE / 72, 0, figure.dpi_scale_trans)
            bars[0].set_transform(axes.transData + aside)
            bars[0].set_clip_on(False)
            tie = {"arrowstyle": "-", "linewidth": 0.9, "color": "black", "shrinkA": 0, "shrinkB": 0, "zorder": 2}
            axes.annotate("", (x, y), (beside * _BESIDE, 0), textcoords="offset points", arrowprops=tie)
        rows = ended[ended["Name"] == label]
        if 1 < len(rows) <= FEW:
            single_values(axes, rows[column], rows["Accuracy"], look["color"])
    lowest = min((low for _, _, (_, low, _) in points), default=0.0)
    highest = max((high for _, _, (_, _, high) in points), default=1.0)
    # The panels share their axes.
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, lowest - 0.05), max(high, highest + 0.02, 1.02))


def _shade(strength: float) -> str:
    """The colour of sgd, from light to its full strength, and then darker."""
    red, green, blue = (
        1 - (1 - part) * strength / 0.7 if strength < 0.7 else part * (1.7 - strength)
        for part in to_rgb(LOOKS["sgd"]["color"])
    )
    return to_hex((red, green, blue))


def _in_order(own: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(str(label), rows) for label, rows in own.groupby("Name", sort=False)]


def _interval(scores: pd.Series) -> tuple[float, float, float]:
    """Mean and the ends of its interval, the mean itself of a single seed."""
    mean, low, high = mean_interval(scores, SHARE)
    return (mean, low, high) if low == low else (mean, mean, mean)
