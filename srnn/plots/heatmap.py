"""Where on the image self-replicators, zero fixpoints and effective weights sit, beside the mean image."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots.series import seeds
from srnn.plots.style import GREEN, PURPLE, TYPE_COLOURS, in_house_style, new_figure

#: The column drawn in each panel, its title, the unit at its colour bar, and the colour of its largest value.
_PANELS: Final = (
    ("Mean image", "mean image", "brightness", GREEN),
    ("Effective weight", "effective weights", "mean |effective weight|", PURPLE),
    ("identity", "self-replicators", "share of particles", TYPE_COLOURS[FixpointType.IDENTITY]),
    ("zero", "zero fixpoints", "share of particles", TYPE_COLOURS[FixpointType.ZERO]),
)


@in_house_style
def heatmap(pixels: pd.DataFrame, title: str = "") -> Figure:
    """Draw the input layer on the image: the mean image, effective weights, self-replicators and zero fixpoints.

    Of several seeds the mean is drawn.

    Args:
        pixels: As :func:`srnn.analysis.heatmap.heatmap` gives it; of several seeds with a column Seed.
        title: Above the figure.

    Raises:
        UserError: There are no pixels.
    """
    if pixels.empty:
        raise UserError("there are no pixels to draw; choose a run on an image task")
    count = seeds(pixels)
    names = [name for name, *_ in _PANELS]
    means = pixels.groupby(["Row", "Column"])[names].mean()

    figure = new_figure(f"{title} (mean of {count} seeds)" if title and count > 1 else title, height=2.95)
    for axes, (name, heading, unit, colour) in zip(
        figure.subplots(2, 2, sharex=True, sharey=True).flat, _PANELS, strict=True
    ):
        grid = means[name].unstack("Column").to_numpy()
        share = name in ("identity", "zero")
        largest = 1.0 if share else float(np.max(grid, where=np.isfinite(grid), initial=0.0)) or 1.0
        image = axes.imshow(grid, cmap=_shades(colour), vmin=0, vmax=largest, interpolation="nearest")
        axes.set_title(heading)
        bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.03)
        bar.set_label(unit)
        bar.outline.set_linewidth(0.5)
        axes.spines[["top", "right"]].set_visible(True)
        axes.label_outer()
        size = len(grid)
        step = max(1, (size - 1) // 2)
        axes.set_xticks(range(0, size, step))
        axes.set_yticks(range(0, size, step))
        if axes.get_subplotspec().is_last_row():
            axes.set_xlabel("pixel column")
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("pixel row")
    return figure


def _shades(colour: str) -> Colormap:
    """From white to the colour; what is not a number is hatched out in light grey."""
    shades = LinearSegmentedColormap.from_list(f"to {colour}", ["white", colour])
    shades.set_bad("#EEEEEE")
    return shades
