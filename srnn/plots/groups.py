"""Groups of units: what is lost without each, beside random sets of equal size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from srnn.errors import UserError
from srnn.plots.style import GREY, WIDTH, in_house_style, new_figure


@in_house_style
def groups(groups: pd.DataFrame, title: str = "") -> Figure:
    """Draw the cost of each group over that of random sets with as many units of each layer.

    Args:
        groups: As :func:`srnn.analysis.groups.groups` gives them; those of several seeds are drawn together.
        title: Above the figure.

    Raises:
        UserError: There are none.
    """
    if groups.empty:
        raise UserError("there is nothing to draw: no group has two units that matter")
    ways = list(groups["By"].unique())
    figure = new_figure(title, height=2.6)
    figure.set_figwidth(max(WIDTH, 2.2 * len(ways)))
    panels = figure.subplots(1, len(ways), squeeze=False, sharey=True)[0]
    for axes, by in zip(panels, ways, strict=True):
        own = groups[groups["By"] == by].sort_values("Random", kind="stable")
        place = np.arange(len(own))
        axes.vlines(place, own["Random low"], own["Random high"], color=GREY, linewidth=2, label="random sets, 95 %")
        axes.plot(place, own["Matched"], "_", color="black", markersize=5, label="of equal sum")
        axes.plot(place, own["Cost"], "o", color="#D55E00", markersize=3, label="the group")
        axes.axhline(0, color=GREY, linewidth=0.6)
        axes.set_title(f"by {by}")
        axes.set_xlabel("group")
        axes.set_xticks([])
    panels[0].set_ylabel("loss without it, in nats")
    panels[0].legend(loc="upper left")
    return figure
