"""The organism beside dense networks."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from srnn.analysis.statistics import by_epoch, interval, seeds
from srnn.errors import UserError
from srnn.plots.style import (
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    in_house_style,
    log_axis,
    new_figure,
    whole_numbers,
)

#: Told apart by colour and, in greyscale, by dashes and markers.
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "organism": {"color": PURPLE, "marker": "o", "linestyle": "-"},
    "no replication": {"color": GREEN, "marker": "s", "linestyle": (0, (4, 1))},
    "same units": {"color": ORANGE, "marker": "D", "linestyle": (0, (2, 1))},
    "same weights": {"color": GREY, "marker": "^", "linestyle": (0, (1, 1))},
}
_NAMES: Final = {"same units": "dense, same units", "same weights": "dense, same weights"}


@in_house_style
def baselines(curves: pd.DataFrame, title: str = "") -> Figure:
    """Draw the metric on test data and the task loss over the epochs, and where the test metric ends.

    Of several seeds the mean is drawn, with its 95 % t-interval. Loss and mean absolute error are on log axes; of
    these the mean and the interval are those of the logarithm.

    Args:
        curves: As :func:`srnn.analysis.baselines.run_baselines` gives them: Epoch, Batch, Metric, Score, Network and,
            of several seeds, Seed.
        title: Above the figure.

    Raises:
        UserError: There is no metric on test data.
    """
    measure = "mae" if (curves["Metric"] == "test_mae").any() else "accuracy"
    networks = [name for name in _LOOKS if name in set(curves["Network"])]
    tests = {name: by_epoch(curves[curves["Network"] == name], f"test_{measure}") for name in networks}
    losses = {name: by_epoch(curves[curves["Network"] == name], "task_loss") for name in networks}
    if all(values.empty for values in tests.values()):
        raise UserError("the curves hold no accuracy or mae on test data to draw")

    figure = new_figure(title, height=4.0)
    top, middle, bottom = figure.subplots(3, 1, height_ratios=[2, 1.5, 0.8])
    top.sharex(middle)
    for axes, curve in ((top, tests), (middle, losses)):
        if axes is middle or measure == "mae":
            log_axis(axes, curve)
        for name, values in curve.items():
            if values.empty:
                continue
            found = interval(values, axes.get_yscale() == "log")
            look = {key: value for key, value in _LOOKS[name].items() if key != "marker"}
            axes.fill_between(values.index, found["Low"], found["High"], color=look["color"], alpha=0.2, linewidth=0)
            axes.plot(values.index, found["Mean"], label=_NAMES.get(name, name), **look)
    label = "mean absolute error" if measure == "mae" else "accuracy"
    top.set_ylabel(f"test {label}")
    if measure == "accuracy":
        top.set_ylim(0, 1.02)
    top.tick_params(axis="x", labelbottom=False)
    middle.set_ylabel("task loss (training)")
    middle.set_xlabel("epoch")
    middle.xaxis.set_major_locator(whole_numbers())
    handles = [Line2D([], [], label=_NAMES.get(name, name), **_LOOKS[name]) for name in networks]
    top.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, handlelength=2, columnspacing=1)

    for row, name in enumerate(networks):
        if tests[name].empty:
            continue
        [(mean, low, high, _)] = interval(tests[name].tail(1), measure == "mae").to_numpy()
        arms = np.nan_to_num([[mean - low], [high - mean]]).clip(0)
        color, marker = _LOOKS[name]["color"], _LOOKS[name]["marker"]
        bottom.errorbar([mean], [row], xerr=arms, fmt=marker, color=color, markersize=3.5, elinewidth=0.8)
    bottom.set_yticks([])
    bottom.spines["left"].set_visible(False)
    bottom.set_ylim(len(networks) - 0.5, -0.5)
    bottom.margins(x=0.08)
    if measure == "accuracy":
        bottom.set_xlim(right=min(bottom.get_xlim()[1], 1.005))
    bottom.xaxis.set_major_locator(MaxNLocator(nbins=5))
    count = seeds(curves)
    bottom.set_xlabel(f"last test {label}" + (f" ({count} seeds, 95 % interval)" if count > 1 else ""))
    return figure
