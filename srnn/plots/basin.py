"""Zero's basin: newborns by what they hand on and by their size, coloured by what becomes of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from srnn.analysis.statistics import SHARE, interval, seeds
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    PERCENT,
    band,
    caption,
    in_house_style,
    legend_above,
    new_figure,
    of_seeds,
    type_handles,
    type_look,
)

#: Parts of equal size, by v0, in which the share that falls into zero is told.
_PARTS = 12


@in_house_style
def basin(newborns: pd.DataFrame, title: str = "") -> Figure:
    """Draw each newborn where its v0 and its norm are, in the colour of its fate; below, the share that becomes zero.

    Args:
        newborns: As :func:`srnn.analysis.basin.basin` gives it; of several seeds with a column Seed.
        title: Above the figure.

    Raises:
        UserError: There are no particles.
    """
    if newborns.empty:
        raise UserError("there are no particles to draw")
    figure = new_figure(title, height=3.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    kinds = [kind for kind in FixpointType if (newborns["Alone"] == kind.label).any()]
    # The fewest last, or nobody would see them.
    for kind in sorted(kinds, key=lambda kind: -int((newborns["Alone"] == kind.label).sum())):
        own = newborns[newborns["Alone"] == kind.label]
        # Many points in little room: as small and clear as leaves them to be seen.
        colour = type_look(kind)["facecolor"]
        above.scatter(own["v0"], own["Norm"], s=2, alpha=0.6, color=colour, linewidths=0, rasterized=True)
    above.set_ylabel("norm of a newborn")
    legend_above(above, type_handles(kinds), len(kinds))

    count = seeds(newborns)
    edges = np.unique(np.quantile(newborns["v0"], np.linspace(0, 1, _PARTS + 1)))
    parts = np.searchsorted(edges[1:-1], newborns["v0"].to_numpy())
    told = newborns.assign(Seed=newborns.get("Seed", 0), Part=parts, Zero=newborns["Alone"] == "zero")
    middles = told.groupby("Part")["v0"].mean()
    shares = told.pivot_table(index="Part", columns="Seed", values="Zero", aggfunc="mean")
    found = interval(shares, within=SHARE).set_index(pd.Index(middles))
    band(below, found, {"color": "black", "linestyle": "-"})
    below.set_ylim(-0.03, 1.03)
    below.yaxis.set_major_formatter(PERCENT)
    below.set_ylabel("fall into zero")
    below.set_xlabel("v0 of a newborn: what it hands on of its own value")
    below.set_xlim(*np.quantile(newborns["v0"], (0.001, 0.999)))
    if count > 1:
        caption(below, of_seeds(count))
    return figure
