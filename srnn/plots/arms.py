"""Masks of every kind on the same network: its score over the share of the weights that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srnn.analysis.rounds import DENSE, TICKET
from srnn.analysis.statistics import interval, mean_interval, range_of, seeds, wide
from srnn.errors import UserError
from srnn.plots.rounds import over_density
from srnn.plots.style import (
    GREEN,
    GUIDE,
    LINE_COLOURS,
    ORANGE,
    PAGE,
    PURPLE,
    WIDTH,
    band,
    caption,
    in_house_style,
    new_figure,
    of_seeds,
)

_DASHES = ("-", (0, (4, 1)), (0, (2, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
_MARKERS = ("o", "^", "D", "v", "x", "+")


@in_house_style
def arms(
    branches: pd.DataFrame, title: str = "", marked: str = "", panels: Mapping[str, Sequence[str]] | None = None
) -> Figure:
    """Draw the test score at the end over the density: a line with its 95 % band for each arm.

    Args:
        branches: A row for each seed and branch, that of the dense run among them: columns Seed, By, Density, Control,
            Metric and End score. The dense run is dashed.
        title: Above the figure.
        marked: The arm that the others are compared with: green, with squares, in every panel.
        panels: Title of each panel → its arms; without it, all are in one.

    Raises:
        UserError: There is nothing to draw.
    """
    others = branches[branches["Control"] == TICKET]
    if others.empty:
        raise UserError("there is no branch but the dense run, so there is nothing to draw")
    metric, within = str(branches["Metric"].iloc[0]), range_of(str(branches["Metric"].iloc[0]))
    mean, _, _ = mean_interval(branches[branches["Control"] == DENSE]["End score"], within)
    # Two seeds may not keep quite as many of each: as many as were asked for.
    others = others.assign(Density=others.groupby(["By", "Round"])["Density"].transform("mean"))
    panels = panels or {"": list(others["By"].unique())}
    columns = min(len(panels), 2)
    lines = -(-len(panels) // columns)
    figure = new_figure(title, height=1.2 + 2.8 * lines)
    figure.set_figwidth(WIDTH if columns == 1 else PAGE)
    every: list[Axes] = [figure.add_subplot(lines, columns, place + 1) for place in range(len(panels))]
    for axes in every[1:]:
        axes.sharey(every[0])
    for axes, (name, own) in zip(every, panels.items(), strict=True):
        axes.set_title(name)
        axes.set_ylabel("test accuracy" if metric == "accuracy" else "mean absolute error on test data")
        over_density(axes, others["Density"])
        if axes in every[:-columns]:
            axes.set_xlabel("")
            axes.tick_params(labelbottom=False)
        if axes in every[1::2]:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
        axes.axhline(mean, label=DENSE, **GUIDE)
        colours = cycle([ORANGE, PURPLE, *dict.fromkeys(LINE_COLOURS.values())])
        looks = zip(cycle(_DASHES), cycle(_MARKERS), colours, strict=False)
        for by in [*(one for one in own if one != marked), *({marked} & {*others["By"]})]:
            dashes, marker, colour = next(looks)
            look = {"color": colour, "marker": marker, "linestyle": dashes, "linewidth": 0.8, "markersize": 3}
            if by == marked:
                look |= {"color": GREEN, "marker": "s", "linestyle": "-", "linewidth": 1.8, "zorder": 3}
            scores = wide(others[others["By"] == by], "Density", "End score")
            band(axes, interval(scores, within=within), look, by)
        axes.legend(loc="lower left", handlelength=3)
    caption(every[-1], of_seeds(seeds(branches)))
    return figure
