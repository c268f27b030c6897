"""The course of a training: losses, and the metric on training and test data."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srnn.analysis.statistics import POSITIVE, SHARE, by_epoch, interval, seeds
from srnn.errors import UserError
from srnn.plots.style import (
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    band,
    caption,
    in_house_style,
    log_axis,
    new_figure,
    of_seeds,
    show,
    whole_numbers,
)

# Told apart by colour and, in greyscale, by dashes and markers. Train and test are one quantity, hence one colour.
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "replication_loss": {"color": PURPLE},
    "task_loss": {"color": ORANGE, "linestyle": (0, (4, 1))},
    "train": {"color": GREEN, "linestyle": (0, (1, 1))},
    "test": {"color": GREEN, "marker": "o", "markerfacecolor": "white", "markeredgewidth": 0.7},
}


@in_house_style
def training_curves(metrics: pd.DataFrame, title: str = "") -> Figure:
    """Draw replication loss and task loss above, the metric on training and test data below.

    Losses and the mean absolute error are on log axes, accuracy on one from 0 to 1. Of several seeds the mean is
    drawn, with its 95 % t-interval as a band; on a log axis both are those of the logarithms. An axis reaches as far as
    the bands do. What it cannot show is marked on its edge where it begins, a zero by a triangle below, NaN and
    infinity by a cross above; the mean is that of the other seeds.

    Args:
        metrics: Columns Epoch, Batch, Metric, Score and, of several seeds, Seed. Drawn are the metrics
            ``replication_loss``, ``task_loss`` and either ``train_accuracy`` and ``test_accuracy`` or ``train_mae``
            and ``test_mae``; each may be missing.
        title: Above the figure.

    Raises:
        UserError: Not one of these metrics is there.
        ValueError: A column is missing.
    """
    losses = {name: by_epoch(metrics, name) for name in ("replication_loss", "task_loss")}
    measure = "mae" if metrics["Metric"].isin(["train_mae", "test_mae"]).any() else "accuracy"
    measured = {name: by_epoch(metrics, f"{name}_{measure}") for name in ("train", "test")}
    panels = [panel for panel in (losses, measured) if not all(values.empty for values in panel.values())]
    if not panels:
        raise UserError("the metrics hold no loss, accuracy or mae to draw; let the run log at least one epoch")

    figure = new_figure(title, height=0.4 + 1.4 * len(panels))
    grid: list[Axes] = list(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
    for axes, panel in zip(grid, panels, strict=True):
        logarithmic = panel is losses or measure == "mae"
        within = POSITIVE if logarithmic else SHARE
        found = {name: interval(values, logarithmic, within) for name, values in panel.items() if not values.empty}
        if logarithmic:
            log_axis(axes, found.values())
        else:
            show(axes, found.values(), 0, 1.02)
        for name, own in found.items():
            words = name.replace("_", " ") if panel is losses else f"{name} {measure.replace('mae', 'MAE')}"
            band(axes, own, _LOOKS[name], words)
        axes.set_ylabel("loss" if panel is losses else measure.replace("mae", "mean absolute error"))
        _mark(axes, "not finite", "x", 1, _beginnings([values.isin([np.inf, -np.inf]) for values in panel.values()]))
        if logarithmic:
            _mark(axes, "zero", "v", 0, _beginnings([values <= 0 for values in panel.values()]))
        # Above the panel, where no data are.
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1)
    grid[-1].set_xlabel("epoch")
    grid[-1].xaxis.set_major_locator(whole_numbers())
    caption(grid[-1], of_seeds(seeds(metrics)))
    figure.align_ylabels()
    return figure


def _beginnings(flags: list[pd.DataFrame]) -> list[int]:
    """Epochs at which one of the flags (epochs in rows, seeds in columns) begins to hold for any seed."""
    epochs: set[int] = set()
    for flag in flags:
        holds = flag.any(axis=1)
        epochs |= set(flag.index[holds & ~holds.shift(1, fill_value=False)])
    return sorted(epochs)


def _mark(axes: Axes, label: str, shape: str, height: float, epochs: list[int]) -> None:
    """Put a mark on the lower (``height`` 0) or upper (1) edge at each of ``epochs``."""
    if epochs:
        axes.plot(
            epochs,
            [height] * len(epochs),
            label=label,
            color=GREY,
            marker=shape,
            markersize=4,
            linestyle="none",
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=3,
        )
