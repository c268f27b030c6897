"""What variants of an experiment change: the difference to what each is compared with, and its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from srnn.errors import UserError
from srnn.plots.style import GREEN, GREY, GUIDE, PAGE, arms, in_house_style, new_figure


@in_house_style
def differences(compared: pd.DataFrame, title: str = "") -> Figure:
    """Draw differences with their 95 % intervals: a row for each variant, a panel for each measure.

    Args:
        compared: Columns Variant, Against, Measure (in words, with its unit), Difference, Low, High (float), Shown
            (bool: whether it is after the correction for all in the panel) and Seeds (int).
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    if compared.empty:
        raise UserError("no variant is compared with another, so there is nothing to draw")
    pairs = ["Variant", "Against"]
    rows = compared[pairs].drop_duplicates()
    measures = list(compared["Measure"].unique())
    figure = new_figure(title, height=0.75 + 0.2 * len(rows))
    figure.set_figwidth(PAGE)
    panels = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    places = np.arange(len(rows))
    for axes, measure in zip(panels, measures, strict=True):
        own = rows.merge(compared[compared["Measure"] == measure], on=pairs).rename(columns={"Difference": "Mean"})
        for shown, look in ((True, {"color": GREEN, "marker": "s"}), (False, {"color": GREY, "marker": "o"})):
            chosen = own["Shown"].to_numpy(dtype=bool) == shown
            face = GREEN if shown else "white"
            axes.errorbar(
                own["Mean"][chosen],
                places[chosen],
                xerr=arms(own[chosen]),
                linestyle="none",
                markersize=4,
                markerfacecolor=face,
                **look,
            )
        axes.axvline(0, **GUIDE)
        axes.set_xlabel(measure)
    panels[0].set_yticks(places, [f"{one} − {other}" for one, other in rows.to_numpy()])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    count = int(compared["Seeds"].max())
    words = f"means over {count} seeds with 95 % intervals; filled: shown after correction" if count > 1 else "one seed"
    figure.supxlabel(words, fontsize=7)
    return figure
