"""How the usefulness of units swings: a spectrum for each unit."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from srnn.analysis.statistics import seeds
from srnn.errors import UserError
from srnn.plots.style import caption, in_house_style, new_figure


@in_house_style
def rhythm(spectra: pd.DataFrame, title: str = "") -> Figure:
    """Draw which periods the usefulness of each unit is made of: a row for each, by where most of it is.

    Args:
        spectra: As :func:`srnn.analysis.rhythm.spectra` gives them; units of several seeds are drawn together.
        title: Above the figure.

    Raises:
        UserError: There are no units.
    """
    if spectra.empty:
        raise UserError("there is nothing to draw: no layer has hidden units")
    own = spectra.assign(Seed=spectra.get("Seed", 0)).dropna(subset="Power")
    grid = own.pivot(index=["Seed", "Layer", "Name"], columns="Epochs", values="Power")
    periods = np.log10(grid.columns.to_numpy(dtype=float))
    values = grid.to_numpy()
    values = values[((values * periods).sum(1) / values.sum(1)).argsort(kind="stable")]
    # A bin without a frequency is not among them: its neighbours meet.
    between = (periods[1:] + periods[:-1]) / 2
    half = np.diff(periods).min() / 2 if len(periods) > 1 else 0.5
    edges = np.array([periods[0] - half, *between, periods[-1] + half])
    figure = new_figure(title, height=3.0)
    axes = figure.subplots()
    norm = PowerNorm(0.5, 0, max(float(np.quantile(values, 0.995)), 1e-12))
    rows = np.arange(len(values) + 1)
    image = axes.pcolormesh(edges, rows, values, cmap=matplotlib.colormaps["magma"], norm=norm, rasterized=True)
    ends = edges[0], edges[-1]
    axes.set_xlim(*ends)
    whole = np.arange(np.ceil(ends[0]), np.floor(ends[1]) + 1)
    axes.set_xticks(whole, [f"{10.0**one:g}" for one in whole])
    if ends[0] < 0 < ends[1]:
        axes.axvline(0, color="white", linewidth=0.8, linestyle=":")
    axes.set_xlabel("period in epochs")
    axes.set_ylabel("unit")
    figure.colorbar(image, ax=axes, extend="max", label="power, over that of white noise")
    caption(axes, f"{len(values):,} units of {max(1, seeds(spectra))} seed{'s' if seeds(spectra) > 1 else ''}")
    return figure
