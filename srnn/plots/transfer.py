"""What particles are worth as weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from srnn.analysis.statistics import seeds
from srnn.errors import NotApplicableError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import GREY, ORANGE, TYPE_COLOURS, TYPE_HATCHES, in_house_style, new_figure

#: Half of a count on the log axis, so that a bin of one is seen.
_LOWEST = 0.5


@in_house_style
def weights(histogram: pd.DataFrame, title: str = "", scope: str = "total") -> Figure:
    """Draw how many particles of each type are worth how much as a weight, and a dense network's weights as a line.

    The areas stand one before the other, not on top of each other. The first bin holds all that is smaller than the
    second, among it zero, the last all that is larger. Of several seeds the mean count is drawn.

    Args:
        histogram: As :func:`srnn.analysis.transfer.weight_histogram` gives it; of several seeds one after the
            other.
        title: Above the figure.
        scope: ``total`` or a layer.

    Raises:
        NotApplicableError: There is nothing to draw for that scope.
    """
    rows = histogram[histogram["Scope"] == scope]
    if not rows["Count"].any():
        known = ", ".join(histogram["Scope"].unique())
        raise NotApplicableError(f"the histogram has no weights of {scope!r}; it has {known or 'none at all'}")
    count = seeds(rows)
    means = rows.groupby(["Network", "Type", "From"])["Count"].sum() / count
    lows = np.sort(rows["From"].unique())
    # The bins between the first and the last are equally wide in powers of ten; those two are drawn as wide.
    inner = np.log10(lows[1:])
    step = inner[1] - inner[0]
    edges = np.concatenate([[inner[0] - step], inner, [inner[-1] + step]])

    figure = new_figure(title)
    axes = figure.add_subplot()
    if histogram["Type"].eq("all").all():
        axes.stairs(means["organism", "all"], edges, baseline=_LOWEST, fill=True, color=GREY, label="all weights")
    for kind in FixpointType:
        if (values := means["organism"].get(kind.label)) is not None and values.any():
            area = axes.stairs(values, edges, baseline=_LOWEST, fill=True, label=kind.label, zorder=3 - 0.1 * kind)
            area.set(color=TYPE_COLOURS[kind], hatch=TYPE_HATCHES[kind], linewidth=0)
            # The outline tells how an area goes on behind those before it.
            axes.stairs(values, edges, baseline=None, color=GREY, linewidth=0.5, zorder=3)
    if "dense" in means:
        axes.stairs(means["dense", "all"], edges, baseline=None, color=ORANGE, linewidth=1, label="dense", zorder=4)
    axes.set_yscale("log")
    axes.set_ylim(bottom=_LOWEST)
    axes.set_ylabel(f"weights (mean of {count} seeds)" if count > 1 else "weights")
    axes.set_xlabel("|weight|")
    axes.margins(x=0.02)
    whole = [power for power in range(-20, 20) if edges[1] <= power + 1e-9 and power - 1e-9 <= edges[-2]]
    first = rf"$<\!10^{{{round(edges[1])}}}$"
    ticks = [(edges[0] + edges[1]) / 2, *[power for power in whole if power > edges[1] + 0.5]]
    axes.set_xticks(ticks, [first, *(f"$10^{{{power}}}$" for power in whole if power > edges[1] + 0.5)])
    axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1), ncols=5, handlelength=0.9, handletextpad=0.3, columnspacing=0.7
    )
    return figure
