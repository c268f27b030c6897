"""The course of a training: losses, and the metric on training and test data."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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

# Told apart by colour and, in greyscale, by dashes and markers. Train and test are one quantity, hence one colour.
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "replication_loss": {"color": PURPLE},
    "task_loss": {"color": ORANGE, "linestyle": (0, (4, 1))},
    "train": {"color": GREEN, "linestyle": (0, (1, 1))},
    "test": {"color": GREEN, "marker": "o", "markerfacecolor": "white", "markeredgewidth": 0.7},
}
#: About as many markers as a line carries at this width before they touch.
_MARKERS: Final = 20


@in_house_style
def training_curves(metrics: pd.DataFrame, title: str = "") -> Figure:
    """Draw replication loss and task loss on the left axis, the metric on training and test data on the right.

    Losses and the mean absolute error are on log axes, accuracy on one from 0 to 1. Of several seeds the mean is
    drawn, with its 95 % t-interval as a band; on a log axis both are those of the logarithms. A log axis spans what
    was measured: of few seeds the band may reach beyond. What it cannot show is marked on its edge where it begins, a
    zero by a triangle below, NaN and infinity by a cross above; the mean is that of the other seeds.

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
    if all(values.empty for values in (losses | measured).values()):
        raise UserError("the metrics hold no loss, accuracy or mae to draw; let the run log at least one epoch")

    figure = new_figure(title)
    left = figure.add_subplot()
    right = left.twinx()
    right.spines["right"].set_visible(True)
    # The losses in front, so that a wide band of the metric does not hide them.
    left.set_zorder(right.get_zorder() + 1)
    left.patch.set_visible(False)
    left.set_ylabel("loss")
    right.set_ylabel("mean absolute error" if measure == "mae" else "accuracy")
    count = seeds(metrics)
    left.set_xlabel(f"epoch (mean of {count} seeds with 95 % band)" if count > 1 else "epoch")
    left.xaxis.set_major_locator(whole_numbers())
    log_axis(left, losses)
    if measure == "mae":
        log_axis(right, measured)
    else:
        right.set_ylim(0, 1.02)

    for name, values in losses.items():
        _curve(left, name.replace("_", " "), values, _LOOKS[name])
    for name, values in measured.items():
        _curve(right, f"{name} {measure.replace('mae', 'MAE')}", values, _LOOKS[name])
    for axes, side in ((left, "left"), (right, "right")):
        if not any(np.isfinite(line.get_ydata()).any() for line in axes.lines):
            axes.yaxis.set_visible(False)
            axes.spines[side].set_visible(False)

    curves = [*losses.values(), *measured.values()]
    on_log_axes = curves if measure == "mae" else list(losses.values())
    _mark(left, "not finite", "x", 1, _beginnings([values.isin([np.inf, -np.inf]) for values in curves]))
    _mark(left, "zero", "v", 0, _beginnings([values <= 0 for values in on_log_axes]))
    # Each axis has its legend above its side, where no data are.
    if left.lines:
        left.legend(loc="lower left", bbox_to_anchor=(0, 1))
    if right.lines:
        right.legend(loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _curve(axes: Axes, label: str, values: pd.DataFrame, look: dict[str, Any]) -> None:
    """Draw the mean of ``values`` (epochs in rows, seeds in columns) and its band."""
    if values.empty:
        return
    found = interval(values, axes.get_yscale() == "log")
    mean, low, high = found["Mean"], found["Low"], found["High"]
    if low.notna().any():
        axes.fill_between(values.index, low, high, color=look["color"], alpha=0.2, linewidth=0)

    there = mean.notna()
    # A point without neighbours is no line: it needs a marker to be seen.
    marked = there & ~there.shift(1, fill_value=False) & ~there.shift(-1, fill_value=False)
    if "marker" in look:
        marked.iloc[:: max(1, len(marked) // _MARKERS)] = True
    marker = {"marker": "o", "markevery": marked.to_numpy()} if marked.any() else {}
    axes.plot(values.index, mean, label=label, **(marker | look))


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
