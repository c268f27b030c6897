"""Which damaged particles become self-replicators again, and what is left of the task."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from srnn.analysis.statistics import interval, seeds, wide
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    GREEN,
    GREY,
    ORANGE,
    PERCENT,
    PURPLE,
    TYPE_COLOURS,
    arms,
    caption,
    in_house_style,
    legend_above,
    new_figure,
    of_seeds,
)

#: What is drawn, by placement and rule: its name and its look; told apart by dashes and marks in greyscale.
_CASES: Final[dict[tuple[str, str], tuple[str, dict[str, Any]]]] = {
    ("own", "leak"): ("the organism, leak", {"color": "black", "marker": "o", "linestyle": "-"}),
    ("placed 3", "leak"): (
        "λ = 3, leak",
        {"color": TYPE_COLOURS[FixpointType.IDENTITY], "marker": "s", "linestyle": (0, (4, 1))},
    ),
    ("hardened 3", "leak"): (
        "λ = 3, hardened, leak",
        {"color": TYPE_COLOURS[FixpointType.DIVERGENT], "marker": "P", "linestyle": "-"},
    ),
    ("placed 1", "leak"): ("λ = 1, leak", {"color": GREEN, "marker": "D", "linestyle": (0, (1, 1))}),
    ("placed -1", "scaled"): ("λ = −1, scaled", {"color": PURPLE, "marker": "^", "linestyle": (0, (4, 1, 1, 1))}),
    ("ordinary", "self-application"): ("ordinary, self-applied", {"color": ORANGE, "marker": "x", "linestyle": "-"}),
    ("ordinary", "projection"): ("ordinary, projected", {"color": ORANGE, "marker": "v", "linestyle": (0, (2, 1))}),
    ("dense", "none"): ("dense network", {"color": GREY, "marker": "", "linestyle": (0, (5, 2))}),
}


@in_house_style
def repair(repaired: pd.DataFrame, title: str = "") -> Figure:
    """Draw, over the noise level, the share of self-replicators after repair, and the metric.

    Three panels: noise once on all particles, the share that are self-replicators again and the metric after repair;
    and the metric under noise that lasts, which is repaired after each time. Of several seeds the mean is drawn, with
    its 95 % t-interval. NaN is not drawn.

    Args:
        repaired: As :func:`srnn.analysis.repair.repair` gives it; of several seeds, one after the other, with a column
            Seed.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    if repaired.empty:
        raise UserError("no particle was damaged, so there is nothing to draw")
    metric = "accuracy" if repaired["Metric"].iloc[0] == "accuracy" else "error"
    figure = new_figure(title, height=4.6)
    panels: list[Axes] = list(figure.subplots(3, sharex=True))
    columns = (("once", "Identity"), ("once", "Repaired"), ("always", "Repaired"))
    for axes, (noise, column) in zip(panels, columns, strict=True):
        _curves(axes, repaired[repaired["Noise"] == noise], column)
        if column == "Identity" or metric == "accuracy":
            axes.yaxis.set_major_formatter(PERCENT)
            axes.set_ylim(-0.03, 1.03)  # an interval may reach beyond what a share can be
    panels[0].set_ylabel("self-replicators\nagain")
    panels[1].set_ylabel(f"{metric},\nnoise once")
    panels[2].set_ylabel(f"{metric},\nlasting noise")
    panels[2].set_xscale("log")
    panels[2].xaxis.set_minor_locator(NullLocator())
    levels = sorted(repaired["Level"].unique())
    panels[2].set_xticks(levels, [f"{level:g}" for level in levels])
    panels[2].set_xlabel("largest noise on each weight")
    caption(panels[2], of_seeds(seeds(repaired), spread="bars"))
    there = set(zip(repaired["Placement"], repaired["Rule"], strict=True))
    handles = [Line2D([], [], label=label, **look) for case, (label, look) in _CASES.items() if case in there]
    legend_above(panels[0], handles, 2, handlelength=2.2, columnspacing=0.8, bbox_to_anchor=(0.4, 1))
    figure.align_ylabels()
    return figure


def _curves(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    for place, ((placement, rule), (_, look)) in enumerate(_CASES.items()):
        own = rows[(rows["Placement"] == placement) & (rows["Rule"] == rule)]
        if own[column].notna().any():
            mean = interval(wide(own, "Level", column))
            # A little beside each other: several of them are one line.
            x = mean.index.to_numpy(dtype=float) * 10 ** (0.03 * (place - (len(_CASES) - 1) / 2))
            axes.errorbar(x, mean["Mean"], arms(mean), elinewidth=0.7, linewidth=0.8, markersize=2.5, **look)
