"""Where on the image self-replicators, zero fixpoints and effective weights sit, beside the mean image."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from srnn.analysis.statistics import seeds
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
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
    panels = [panel for panel in _PANELS if panel[0] in pixels]
    means = pixels.groupby(["Row", "Column"])[[name for name, *_ in panels]].mean()

    figure = new_figure(title, height=1.5 + 0.75 * len(panels) / 2 + (0.1 if count > 1 else 0))
    for axes, (name, heading, unit, colour) in zip(
        figure.subplots(len(panels) // 2, 2, sharex=True, sharey=True).flat, panels, strict=True
    ):
        grid = means[name].unstack("Column").to_numpy()
        largest = float(np.max(grid, where=np.isfinite(grid), initial=0.0)) or 1.0
        image = axes.imshow(grid, cmap=_shades(colour), vmin=0, vmax=largest, interpolation="nearest")
        axes.set_title(heading)
        # Inside the axes' own coordinates, so that it is as high as the image.
        figure.colorbar(image, cax=axes.inset_axes((1.05, 0, 0.07, 1)), label=unit)
        axes.spines[["top", "right"]].set_visible(True)
        axes.label_outer()
        ticks = sorted({0, len(grid) // 2, len(grid) - 1})
        axes.set_xticks(ticks)
        axes.set_yticks(ticks)
        if axes.get_subplotspec().is_last_row():
            axes.set_xlabel("pixel column")
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel("pixel row")
    if count > 1:
        figure.supxlabel(f"means of {count} seeds", fontsize=7)
    return figure


def _shades(colour: str) -> Colormap:
    """From white to the colour; light grey for what is not a number."""
    shades = LinearSegmentedColormap.from_list(f"to {colour}", ["white", colour])
    return shades.with_extremes(bad="#EEEEEE")
