"""What becomes of a network after an intervention, and over rounds of going on with hard examples."""

from __future__ import annotations

from typing import Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from srnn.analysis.statistics import SHARE, interval, seeds, wide
from srnn.errors import UserError
from srnn.plots.style import (
    GREY,
    GUIDE,
    PAGE,
    band,
    caption,
    in_house_style,
    new_figure,
    of_seeds,
    whole_numbers,
)

#: The four curves over rounds, in words.
_CURVES: Final = {
    "Forgotten": "forgotten of what is left out",
    "Gained": "right of what is kept",
    "Test": "test accuracy",
    "Frozen": "frozen particles",
}


@in_house_style
def recovery(courses: pd.DataFrame, title: str = "") -> Figure:
    """Draw by how much the test loss is above that of the same run without the event, a line for each action.

    Args:
        courses: Columns Action (str), Seed, Epoch (int: since the event) and Difference (float, in nats).
        title: Above the figure.

    Raises:
        UserError: There are none.
    """
    if courses.empty:
        raise UserError("there is nothing to draw: no epoch was logged after the event")
    actions = list(courses["Action"].unique())
    colours = matplotlib.colormaps["tab10"](np.arange(len(actions)) % 10)
    figure = new_figure(title, height=3.0)
    figure.set_figwidth(PAGE)
    axes = figure.subplots()
    axes.set_yscale("symlog", linthresh=1e-3)
    for place, action in enumerate(actions):
        mean = courses[courses["Action"] == action].groupby("Epoch")["Difference"].mean()
        style = "-" if "random" not in action else (0, (3, 1.5))
        axes.plot(mean.index, mean, color=colours[place], linestyle=style, marker="o", markersize=2.5, label=action)
    axes.axhline(0, **GUIDE)
    axes.set_xlabel("epochs after the event")
    axes.set_ylabel("test loss over that\nwithout it, in nats")
    axes.xaxis.set_major_locator(whole_numbers())
    figure.legend(loc="outside right upper")
    caption(axes, f"mean of {seeds(courses)} seeds; dashed: at random units")
    return figure


@in_house_style
def rounds(found: pd.DataFrame, title: str = "") -> Figure:
    """Draw what rounds cost and gain, a line for each arm.

    Args:
        found: As :func:`srnn.analysis.rescue.rounds` gives them, with columns Arm (str) and Seed.
        title: Above the figure.

    Raises:
        UserError: There are none.
    """
    if found.empty:
        raise UserError("there is nothing to draw: no round ended")
    arms = list(found["Arm"].unique())
    colours = [*matplotlib.colormaps["tab10"](np.arange(len(arms)) % 10)]
    figure = new_figure(title, height=4.2)
    figure.set_figwidth(PAGE)
    panels = figure.subplots(2, 2, sharex=True).ravel()
    for axes, (column, words) in zip(panels, _CURVES.items(), strict=True):
        for arm, colour in zip(arms, colours, strict=True):
            own = found[found["Arm"] == arm]
            mean = interval(wide(own, "Round", column), within=SHARE)
            if mean["Mean"].notna().any():
                band(axes, mean, {"color": colour}, arm if column == "Test" else "")
        axes.set_title(words)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.xaxis.set_major_locator(whole_numbers())
        axes.tick_params(color=GREY)
    for axes in panels[2:]:
        axes.set_xlabel("round")
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    caption(panels[3], of_seeds(seeds(found)))
    return figure
