"""Minima: how far training goes from them, what lies between them, and the plane through three."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from srnn.analysis.statistics import POSITIVE, interval, seeds, wide
from srnn.errors import UserError
from srnn.plots.style import GREEN, GREY, ORANGE, PURPLE, band, caption, in_house_style, new_figure, of_seeds

#: Told apart by colour and, in greyscale, by dashes.
_LOOKS: Final[tuple[dict[str, Any], ...]] = (
    {"color": GREY, "linestyle": "-"},
    {"color": GREEN, "linestyle": (0, (4, 1))},
    {"color": ORANGE, "linestyle": (0, (1, 1))},
    {"color": PURPLE, "linestyle": (0, (4, 1, 1, 1))},
    {"color": "black", "linestyle": (0, (2, 1))},
)


@in_house_style
def distances(measured: pd.DataFrame, title: str = "") -> Figure:
    """Draw how far training is from the minimum that it left last, over the epochs, a line for each variant.

    Of several seeds the mean is drawn, with its 95 % t-interval.

    Args:
        measured: Columns Variant (str), Epoch, Distance (in units of the first minimum's root mean square) and Seed.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw, or more variants than can be told apart.
    """
    _require(measured)
    variants = measured["Variant"].unique()
    if len(variants) > len(_LOOKS):
        raise UserError(f"{len(variants)} variants cannot be told apart: name up to {len(_LOOKS)}")
    figure = new_figure(title, height=2.6)
    axes = figure.subplots()
    for variant, look in zip(variants, _LOOKS, strict=False):
        own = interval(wide(measured[measured["Variant"] == variant], "Epoch", "Distance"), within=POSITIVE)
        band(axes, own, look, str(variant))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.set_ylabel("distance from the last minimum")
    caption(axes, of_seeds(seeds(measured)))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=2.2)
    return figure


@in_house_style
def ways(found: pd.DataFrame, title: str = "") -> Figure:
    """Draw the loss on the ways from one minimum to the next: the straight line and, where there is one, the curve.

    Args:
        found: Columns Way (``line`` or ``curve``), Data (``train`` or ``test``), Point (int), Loss and Seed.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    _require(found)
    figure = new_figure(title, height=2.6)
    axes = figure.subplots()
    looks = [{"color": color, "linestyle": dash} for color in (ORANGE, GREEN) for dash in ("-", (0, (2, 1)))]
    for ((way, data), rows), look in zip(found.groupby(["Way", "Data"], sort=False), looks, strict=False):
        # Of several ways of a seed their mean.
        each = rows.groupby(["Seed", "Point"])[["Loss"]].mean().reset_index()
        own = interval(wide(each, "Point", "Loss"), within=POSITIVE)
        own.index = own.index / own.index.max()
        band(axes, own, look, f"{way}, {data}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("from one minimum to the next")
    axes.set_ylabel("loss, nats")
    caption(axes, of_seeds(seeds(found)))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=2.2)
    return figure


@in_house_style
def plane(found: pd.DataFrame, title: str = "") -> Figure:
    """Draw the loss on the plane through three minima.

    Args:
        found: As :func:`srnn.analysis.landscape.plane` gives it; of several seeds, one after the other with a column
            Seed, the first is drawn.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    _require(found)
    if "Seed" in found:
        found = found[found["Seed"] == found["Seed"].iloc[0]]
    grid, minima = found[found["Kind"] == "grid"], found[found["Kind"] == "minimum"]
    losses = grid.pivot(index="Y", columns="X", values="Loss")
    figure = new_figure(title, height=2.8)
    axes = figure.subplots()
    # From the least loss on, each level a factor above the one before it: far out it is many times as high.
    low, high = float(losses.min().min()), float(losses.quantile(0.9).max())
    levels = np.geomspace(max(low, 1e-6), max(high, 2 * low, 2e-6), 12)
    filled = axes.contourf(
        losses.columns,
        losses.index,
        losses,
        levels,
        norm=LogNorm(levels[0], levels[-1]),
        cmap="cividis_r",
        extend="both",
    )
    bar = figure.colorbar(filled, label="test loss, nats", ticks=levels[::3])
    bar.ax.set_yticklabels([f"{level:.2g}" for level in levels[::3]])
    axes.plot(minima["X"], minima["Y"], linestyle="none", marker="o", color="white", markeredgecolor="black")
    for number, (_, row) in enumerate(minima.iterrows(), start=1):
        axes.annotate(str(number), (row["X"], row["Y"]), xytext=(3, 3), textcoords="offset points")
    axes.set_aspect("equal")
    axes.set_xlabel("length of weights")
    axes.set_ylabel("length of weights")
    return figure


def _require(frame: pd.DataFrame) -> None:
    if frame.empty:
        raise UserError("there are no minima, so there is nothing to draw")
