"""The organism beside dense networks."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from srnn.analysis.statistics import FEW, by_epoch, interval, range_of, seeds
from srnn.errors import UserError
from srnn.plots.style import (
    DOTS,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    arms,
    band,
    caption,
    in_house_style,
    log_axis,
    new_figure,
    of_seeds,
    show,
    single_values,
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
        logarithmic = axes is middle or measure == "mae"
        within = range_of("task_loss" if axes is middle else f"test_{measure}")
        found = {name: interval(values, logarithmic, within) for name, values in curve.items() if not values.empty}
        if logarithmic:
            log_axis(axes, found.values())
        else:
            show(axes, found.values(), 0, 1.02)
        for name, own in found.items():
            band(axes, own, _LOOKS[name], _NAMES.get(name, name))
    label = "mean absolute error" if measure == "mae" else "accuracy"
    top.set_ylabel(f"test {label}")
    top.tick_params(axis="x", labelbottom=False)
    middle.set_ylabel("task loss (training)")
    middle.set_xlabel("epoch")
    middle.xaxis.set_major_locator(whole_numbers())
    handles = [Line2D([], [], label=_NAMES.get(name, name), **_LOOKS[name]) for name in networks]
    top.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, handlelength=2, columnspacing=1)

    for row, name in enumerate(networks):
        if tests[name].empty:
            continue
        last = interval(tests[name].tail(1), measure == "mae", range_of(f"test_{measure}"))
        color, marker = _LOOKS[name]["color"], _LOOKS[name]["marker"]
        bottom.errorbar(last["Mean"], [row], xerr=arms(last), fmt=marker, color=color, markersize=3.5, elinewidth=0.8)
        if 1 < tests[name].shape[1] <= FEW:
            single_values(bottom, tests[name].iloc[-1], row + 0.3, color)
    bottom.set_yticks([])
    bottom.spines["left"].set_visible(False)
    bottom.set_ylim(len(networks) - 0.5, -0.5)
    bottom.margins(x=0.08)
    bottom.xaxis.set_major_locator(MaxNLocator(nbins=5))
    bottom.set_xlabel(f"last test {label}")
    caption(bottom, of_seeds(seeds(curves), spread="bands and bars"), DOTS if 1 < seeds(curves) <= FEW else "")
    return figure
