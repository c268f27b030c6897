"""What the organism loses with all particles of one type."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srnn.analysis.dropout import REFERENCES
from srnn.analysis.statistics import Floats, interval, seeds, wide
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    GREY,
    GUIDE,
    LINE_COLOURS,
    ORANGE,
    PURPLE,
    WIDTH,
    arms,
    error_bar_handle,
    in_house_style,
    legend_above,
    new_figure,
    stacked,
    type_handles,
    type_look,
)

#: Where each choice stands in a place of width 1, its mark, its colour (None: the type's) and its name in the legend.
_CHOICES: Final = {
    "After": (-0.22, "s", None, "all of a type"),
    "Random nonzero": (0.06, "o", ORANGE, "as many nonzero"),
    "Random others": (0.3, "D", PURPLE, "as many others, same layers"),
}
_MARK: Final[dict[str, Any]] = {
    "markersize": 2.8,
    "markeredgecolor": "white",
    "markeredgewidth": 0.3,
    "elinewidth": 0.8,
    "zorder": 3,
}
#: What is dropped in each row of the lowest panel, from above.
_ROWS: Final = {"After": "all of the type", **REFERENCES}


@in_house_style
def dropout(dropouts: pd.DataFrame, title: str = "") -> Figure:
    """Draw the census of each scope, what is lost when each type is dropped there, and below that all references.

    What is lost is the change of the metric from the whole organism. Of several seeds its mean is drawn, with its 95 %
    t-interval; of a single one a choice's interval is the range of 95 % of the choices. A mark is missing where there
    is no particle of that type to drop, or where there are too few others. NaN is not drawn. The references are those
    of the whole organism; a zero fixpoint has none, for to drop it changes nothing.

    Args:
        dropouts: As :func:`srnn.analysis.dropout.dropout` gives them; of several seeds, one after the other, with a
            column Seed.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    if dropouts.empty:
        raise UserError("no particle type was dropped, so there is nothing to draw")
    scopes, labels = list(dropouts["Scope"].unique()), set(dropouts["Type"])
    kinds = [kind for kind in FixpointType if kind.label in labels]
    several = seeds(dropouts) > 1

    figure = new_figure(title, height=5.3)
    # Wider than a column where the marks would be too close to tell apart.
    figure.set_figwidth(float(np.clip(0.85 + 0.115 * len(scopes) * (len(kinds) + 1), WIDTH, 2.125 * WIDTH)))
    # Apart from each other: the long names below would leave the layers above no width.
    halves: Any = figure.subfigures(2, 1, height_ratios=[1.7, 1])
    upper, lower = halves
    top, bottom = upper.subplots(2, 1, sharex=True, height_ratios=[1, 1.8])
    lowest = lower.subplots()
    middles = np.arange(len(scopes)) * (len(kinds) + 1.0)
    _census(top, dropouts, kinds, scopes, middles)
    bottom.axhline(0, **GUIDE)
    for place, kind in enumerate(kinds):
        own = dropouts[dropouts["Type"] == kind.label]
        _changes(bottom, own, kind, scopes, middles + place - (len(kinds) - 1) / 2)

    columns = 3 if figure.get_figwidth() > 1.2 * WIDTH else 2
    handles = [
        error_bar_handle(label, marker=mark, color=colour or GREY, markersize=3)
        for _, mark, colour, label in _CHOICES.values()
    ]
    legend_above(bottom, handles, columns, handlelength=1.2, columnspacing=1)
    name = "mean absolute error" if dropouts["Metric"].iloc[0] == "mae" else "accuracy"
    bottom.set_ylabel(f"change of {name}")
    bottom.set_xticks(middles, [scope if scope != "total" else "all" for scope in scopes])
    bottom.set_xlim(middles[0] - (len(kinds) + 1) / 2, middles[-1] + (len(kinds) + 1) / 2)
    bottom.tick_params(axis="x", length=0)
    bottom.set_xlabel("dropped in layer")
    _references(lowest, dropouts[dropouts["Scope"] == "total"], kinds)
    spread = f"means of {seeds(dropouts)} seeds, bars: 95 % intervals" if several else "bars: 95 % of the choices"
    lower.supxlabel(f"change of {name}, dropped in all layers\n{spread}", fontsize=7)
    upper.align_ylabels()
    return figure


def _census(axes: Axes, dropouts: pd.DataFrame, kinds: list[FixpointType], scopes: list[str], x: Floats) -> None:
    """The share of each type in each scope."""
    shares = dropouts.assign(Share=dropouts["Dropped"] / dropouts["Particles"])
    every, parts = shares.get("Seed", pd.Series(0)).unique(), {}
    for kind in kinds:
        # A seed that lacks a type has none of it.
        own = _by_scope(shares[shares["Type"] == kind.label], "Share", scopes)
        parts[kind.label] = own.reindex(columns=every).fillna(0)
    stacked(axes, x, parts, {kind.label: type_look(kind) for kind in kinds}, len(kinds) - 0.16)
    axes.set_ylabel("particles")
    axes.tick_params(axis="x", length=0)
    legend_above(axes, type_handles(kinds), len(kinds))


def _changes(axes: Axes, own: pd.DataFrame, kind: FixpointType, scopes: list[str], x: Floats) -> None:
    """The change by dropping a type, and by dropping as many others."""
    for choice, (shift, mark, colour, _) in _CHOICES.items():
        found, label = _change(own, choice, scopes), f"{choice} for {kind.label}"
        axes.errorbar(
            x + shift, found["Mean"], arms(found), fmt=mark, color=colour or LINE_COLOURS[kind], label=label, **_MARK
        )


def _references(axes: Axes, dropouts: pd.DataFrame, kinds: list[FixpointType]) -> None:
    """The change by dropping a type, a row for that and for each choice of as many others."""
    shown = [kind for kind in kinds if kind is not FixpointType.ZERO]
    axes.axvline(0, **GUIDE)
    for place, kind in enumerate(shown):
        own = dropouts[dropouts["Type"] == kind.label]
        found = pd.concat([_change(own, choice, ["total"]) for choice in _ROWS])
        rows = np.arange(len(_ROWS)) + 0.5 * ((place + 0.5) / len(shown) - 0.5)
        look = _MARK | {"color": LINE_COLOURS[kind], "label": f"references for {kind.label}"}
        axes.errorbar(found["Mean"], rows, xerr=arms(found), fmt="s", **look)
    axes.set_yticks(range(len(_ROWS)), list(_ROWS.values()))
    axes.set_ylim(len(_ROWS) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.05)


def _change(own: pd.DataFrame, choice: str, scopes: list[str]) -> pd.DataFrame:
    """By how much the metric changes with what is dropped, in each scope; NaN where nothing is, or a seed has none."""
    there = _by_scope(own, "Dropped", scopes).sum(axis=1) > 0
    before = _by_scope(own, "Before", scopes)
    changes = _by_scope(own, choice, scopes) - before
    found = interval(changes)
    if f"{choice} low" in own and seeds(own) == 1:
        for end, column in (("low", "Low"), ("high", "High")):
            found[column] = (_by_scope(own, f"{choice} {end}", scopes) - before).iloc[:, 0]
    # A mean over some of the seeds would stand beside those over all of them.
    return found.where(there & changes.notna().all(axis=1))


def _by_scope(rows: pd.DataFrame, column: str, scopes: list[str]) -> pd.DataFrame:
    """A column of rows that are told apart by scope and seed: scopes in rows, seeds in columns."""
    return wide(rows, "Scope", column).reindex(scopes)
