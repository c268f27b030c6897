"""What rounds of pruning leave of a network: its score and how early it should stop, over the density."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from srnn.analysis.rounds import AT_ONCE, DENSE, TICKET
from srnn.analysis.statistics import interval, mean_interval, range_of, seeds, wide
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    GREEN,
    GREY,
    GUIDE,
    ORANGE,
    PURPLE,
    TYPE_COLOURS,
    band,
    caption,
    in_house_style,
    new_figure,
    of_seeds,
)

#: Told apart by colour and, in greyscale, by dashes and markers.
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    TICKET: {"color": GREEN, "marker": "s", "linestyle": "-"},
    "reinit": {"color": ORANGE, "marker": "^", "linestyle": (0, (4, 1))},
    "shuffle": {"color": PURPLE, "marker": "o", "linestyle": (0, (2, 1))},
    "signs": {"color": GREY, "marker": "D", "linestyle": (0, (1, 1))},
    AT_ONCE: {"color": TYPE_COLOURS[FixpointType.IDENTITY], "marker": "x", "linestyle": (0, (5, 2, 1, 2))},
    "same_worth": {"color": "black", "marker": "v", "linestyle": (0, (3, 1, 1, 1))},
}
#: Densities that are named on the axis.
_NAMED: Final = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


@in_house_style
def rounds(branches: pd.DataFrame, title: str = "", epochs: float = np.inf) -> Figure:
    """Draw the test score at early stop, and the epoch of that, over the density: a line for each control.

    Where no validation data tell when to stop, the score at the end alone.

    Of several seeds the mean is drawn, with its 95 % t-interval; the dense run is dashed.

    Args:
        branches: A row for each seed, round and control, that of the dense run among them: columns Seed, Density,
            Control, Metric, Test score, Early stop and End score (:func:`srnn.analysis.rounds.outcome`).
        title: Above the figure.
        epochs: How many a training has at most: no interval of an early stop reaches beyond.

    Raises:
        UserError: There is nothing to draw.
    """
    others = branches[branches["Control"] != DENSE]
    if others.empty:
        raise UserError("there is no branch but the dense run, so there is nothing to draw")
    metric = str(branches["Metric"].iloc[0])
    score = "test accuracy" if metric == "accuracy" else "mean absolute error\non test data"
    shown = [("End score", f"{score},\nat the end", range_of(metric))]
    if branches["Early stop"].notna().any():
        shown = [
            ("Test score", f"{score},\nat early stop", range_of(metric)),
            ("Early stop", "early stop, epoch", (0.0, epochs)),
        ]
    figure = new_figure(title, height=1.2 + 1.2 * len(shown))
    panels: list[Axes] = list(figure.subplots(len(shown), sharex=True, squeeze=False)[:, 0])
    for axes, (column, name, within) in zip(panels, shown, strict=True):
        axes.set_xscale("log")
        axes.set_ylabel(name)
        mean, _, _ = mean_interval(branches[branches["Control"] == DENSE][column], within)
        axes.axhline(mean, label=DENSE, **GUIDE)
        for control, look in _LOOKS.items():
            own = others[others["Control"] == control]
            if not own.empty:
                band(axes, interval(wide(own, "Density", column), within=within), look, control)
    last = panels[-1]
    over_density(last, others["Density"])
    caption(last, of_seeds(seeds(branches)))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, handlelength=2.2)
    return figure


def over_density(axes: Axes, densities: pd.Series) -> None:
    """Make the x axis one of densities, the dense end on the left, where pruning begins."""
    least = densities.min() / 1.1
    axes.set_xscale("log")
    axes.set_xlim(min(1.0, 1.3 * densities.max()), least)
    axes.xaxis.set_major_locator(FixedLocator([one for one in _NAMED if one >= least]))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=" %"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("of the weights, kept")
