"""What the organism loses as more and more of its particles are dropped."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srnn.analysis.pruning import RANDOM, REPLICATORS, SMALLEST
from srnn.analysis.statistics import interval, range_of, seeds, wide
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.methods import by_method
from srnn.plots.style import (
    GREEN,
    GREY,
    ORANGE,
    PERCENT,
    PURPLE,
    TYPE_COLOURS,
    band,
    caption,
    in_house_style,
    new_figure,
    of_seeds,
    show,
)

#: Told apart by colour and, in greyscale and where two lines are one, by dashes and markers.
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    SMALLEST: {"color": GREEN, "marker": "s", "linestyle": "-"},
    REPLICATORS: {
        "color": TYPE_COLOURS[FixpointType.IDENTITY],
        "marker": "o",
        "markerfacecolor": "white",
        "markeredgewidth": 0.7,
        "linestyle": (0, (2, 1)),
    },
    RANDOM: {"color": ORANGE, "marker": "^", "linestyle": (0, (4, 1))},
}

_SKY, _VERMILION = TYPE_COLOURS[FixpointType.SECONDARY], TYPE_COLOURS[FixpointType.DIVERGENT]
#: Those of the other scores.
_OTHERS: Final[dict[str, dict[str, Any]]] = {
    "replication error": {"color": _SKY, "linestyle": "-"},
    "LAMP": {"color": GREEN, "linestyle": (0, (1, 1))},
    "magnitude increase": {"color": PURPLE, "linestyle": "-"},
    "movement": {"color": PURPLE, "linestyle": (0, (1, 1))},
    "SNIP": {"color": _VERMILION, "linestyle": "-"},
    "Fisher": {"color": _VERMILION, "linestyle": (0, (1, 1))},
    "quiet inputs first": {"color": GREY, "linestyle": (0, (3, 1, 1, 1))},
}


@in_house_style
def pruning(dropped: pd.DataFrame, title: str = "") -> Figure:
    """Draw the metric on test data over the share of the nonzero particles that is dropped, a line for each order.

    Of several methods each has a panel.

    Of several seeds the mean is drawn, with its 95 % t-interval; of a single one the area is the range of 95 % of the
    random orders. NaN is not drawn.

    Args:
        dropped: As :func:`srnn.analysis.pruning.pruning` gives them; of several seeds and methods one after the
            other, with a column Method.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    if dropped.empty:
        raise UserError("no particles were dropped, so there is nothing to draw")
    methods = by_method(dropped)
    count, metric = seeds(dropped), dropped["Metric"].iloc[0]
    figure = new_figure(title, height=2.3 if len(methods) == 1 else 0.7 + 1.25 * len(methods))
    panels: list[Axes] = list(figure.subplots(len(methods), sharex=True, sharey=True, squeeze=False)[:, 0])
    curves: list[pd.DataFrame] = []
    for axes, (name, own) in zip(panels, methods.items(), strict=True):
        for order, look in _LOOKS.items():
            found = _over_seeds(own[own["Order"] == order])
            curves.append(found)
            if not found.empty:
                band(axes, found, look, order)
        if name:
            axes.text(0.02, 0.06, name, transform=axes.transAxes)
        axes.set_ylabel("test accuracy" if metric == "accuracy" else "mean absolute\nerror on test data")
    if metric == "accuracy":
        show(panels[0], curves, 0, 1)
    panels[-1].xaxis.set_major_formatter(PERCENT)
    panels[-1].set_xlabel("of the particles that are not zero, dropped")
    caption(panels[-1], of_seeds(count) or "band: 95 % of the random orders")
    handles, labels = panels[0].get_legend_handles_labels()
    panels[0].legend(
        handles, labels, loc="lower center", bbox_to_anchor=(0.45, 1.02), ncols=3, handlelength=2.2, columnspacing=0.8
    )
    return figure


@in_house_style
def scores(dropped: pd.DataFrame, title: str = "") -> Figure:
    """Draw the same of every score by which particles can be dropped: lines alone, which bands would hide.

    Args:
        dropped: As for :func:`pruning`, of a single method.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    if dropped.empty:
        raise UserError("no particles were dropped, so there is nothing to draw")
    count, metric = seeds(dropped), dropped["Metric"].iloc[0]
    figure = new_figure(title, height=3.3)
    axes = figure.subplots()
    for order, look in (_LOOKS | _OTHERS).items():
        if not (own := dropped[dropped["Order"] == order]).empty:
            axes.plot(own.groupby("Share")["Score"].mean(), label=order, **look)
    axes.set_ylabel("test accuracy" if metric == "accuracy" else "mean absolute\nerror on test data")
    if metric == "accuracy":
        axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.set_xlabel("of the particles that are not zero, dropped")
    caption(axes, f"mean of {count} seeds" if count > 1 else "")
    figure.legend(loc="outside lower center", ncols=2, handlelength=2.2)
    return figure


def _over_seeds(own: pd.DataFrame) -> pd.DataFrame:
    if own.empty or seeds(own) == 1:
        return own.set_index("Share").rename(columns={"Score": "Mean"})
    return interval(wide(own, "Share", "Score"), within=range_of(str(own["Metric"].iloc[0])))
