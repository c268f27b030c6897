"""How units change places: from which class into which, and how early the ranks are those of the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from srnn.analysis.mobility import TOTAL
from srnn.analysis.statistics import CORRELATION, interval, seeds, wide
from srnn.errors import UserError
from srnn.plots.style import (
    PAGE,
    PERCENT,
    WIDTH,
    band,
    caption,
    in_house_style,
    layer_looks,
    new_figure,
    of_seeds,
    whole_numbers,
)


@in_house_style
def correlation(mobility: pd.DataFrame, title: str = "") -> Figure:
    """Draw the rank correlation of usefulness after each epoch with that at the end, a line for each layer.

    Args:
        mobility: As :func:`srnn.analysis.mobility.mobility` gives it; of several seeds with a column Seed.
        title: Above the figure.

    Raises:
        UserError: There are no layers.
    """
    if mobility.empty:
        raise UserError("there is nothing to draw: no layer has hidden units")
    figure = new_figure(title)
    axes = figure.subplots()
    for layer, look in layer_looks(mobility["Layer"].unique(), TOTAL).items():
        found = interval(wide(mobility[mobility["Layer"] == layer], "Epoch", "Spearman"), within=CORRELATION)
        if layer != TOTAL:
            found[["Low", "High"]] = np.nan
        band(axes, found, look, "mean of the layers" if layer == TOTAL else f"layer {layer}")
    axes.set_ylabel("rank correlation\nwith the end")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(whole_numbers())
    axes.legend(loc="lower right")
    caption(axes, of_seeds(seeds(mobility), spread="band of the layers' mean"))
    return figure


@in_house_style
def transitions(between: pd.DataFrame, title: str = "") -> Figure:
    """Draw which share of each class comes into which from one logged epoch to the next, a matrix for each layer.

    Args:
        between: As :func:`srnn.analysis.mobility.between_epochs` gives it; of several seeds the mean is drawn.
        title: Above the figure.

    Raises:
        UserError: There are no layers.
    """
    if between.empty:
        raise UserError("there is nothing to draw: two logged epochs and a hidden layer are needed")
    grids = between.groupby(["Layer", "From", "To"], sort=False)["Share"].mean()
    layers = list(between["Layer"].unique())
    figure = new_figure(title, height=2.1)
    figure.set_figwidth(min(PAGE, max(WIDTH, 1.6 * len(layers) + 0.6)))
    panels = figure.subplots(1, len(layers), squeeze=False)[0]
    for axes, layer in zip(panels, layers, strict=True):
        grid = grids.loc[layer].unstack()
        image = axes.imshow(grid.to_numpy(), cmap="Blues", vmin=0, vmax=1, origin="lower")
        for (row, column), share in np.ndenumerate(grid.to_numpy()):
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=5.5, color=_ink(share))
        axes.set_xticks(range(grid.shape[1]), grid.columns)
        axes.set_yticks(range(grid.shape[0]), grid.index)
        axes.spines[["top", "right"]].set_visible(True)
        axes.set_title(f"layer {layer}")
        axes.set_xlabel("class at the next")
    panels[0].set_ylabel("class at one epoch")
    figure.colorbar(image, ax=list(panels), format=PERCENT, shrink=0.8, label="share of the class")
    return figure


def _ink(share: float) -> str:
    return "white" if share > 0.55 else "black"
