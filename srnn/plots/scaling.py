"""How the cost of a batch grows, against lines of slope one."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from srnn.plots.style import GREEN, GREY, ORANGE, caption, in_house_style, new_figure

#: Told apart by colour and, in greyscale, by dashes and markers.
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "organism": {"color": ORANGE, "marker": "o", "linestyle": "-"},
    "numbers": {"color": GREEN, "marker": "s", "linestyle": (0, (4, 1))},
    "torch": {"color": GREY, "marker": "^", "linestyle": (0, (1, 1))},
}
_LABELS: Final = {"organism": "organism", "numbers": "plain numbers", "torch": "dense, by torch"}
_AXES: Final = {"examples": "examples in a batch", "particles": "particles, or weights", "seeds": "seeds"}


@in_house_style
def scaling(measured: pd.DataFrame, title: str = "") -> Figure:
    """Draw what a batch takes over its examples, particles and seeds, a panel each, both axes logarithmic.

    A thin line of slope one goes through the last point of each network: what grows linearly follows it.

    Args:
        measured: As :func:`srnn.laboratory.scaling.measure` gives it.
        title: Above the figure.
    """
    panels = list(dict.fromkeys(measured["Grows"]))
    figure = new_figure(title, height=0.5 + 1.5 * len(panels))
    grid: list[Axes] = list(figure.subplots(len(panels), squeeze=False)[:, 0])
    for axes, grows in zip(grid, panels, strict=True):
        axes.set(xscale="log", yscale="log", xlabel=_AXES[grows], ylabel="µs a batch")
        own = measured[measured["Grows"] == grows]
        for network, look in _LOOKS.items():
            line = own[own["Network"] == network]
            sizes, times = line[grows.capitalize()], line["Microseconds"]
            axes.plot(sizes, times.iloc[-1] / sizes.iloc[-1] * sizes, color="black", linewidth=0.4, zorder=1)
            axes.plot(sizes, times, label=_LABELS[network], **look)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if grows == "seeds" else (1,)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_ylim(own["Microseconds"].min() / 1.5, own["Microseconds"].max() * 1.5)
    grid[0].legend(loc="lower center", bbox_to_anchor=(0.44, 1), ncols=3, handlelength=2, columnspacing=1)
    caption(grid[-1], "thin: slope one, through the last point")
    return figure
