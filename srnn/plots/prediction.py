"""How early the end can be told: the share of units that are put into the right half, by what is known of them."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from srnn.analysis.statistics import SHARE, interval, wide
from srnn.errors import UserError
from srnn.plots.style import GREEN, GREY, ORANGE, PERCENT, PURPLE, band, caption, in_house_style, new_figure

#: Which features are drawn, and how.
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "none": {"color": GREY, "linestyle": (0, (1, 1))},
    "last usefulness": {"color": "black", "linestyle": (0, (4, 1.5)), "marker": "s"},
    "usefulness": {"color": PURPLE, "marker": "o"},
    "usefulness, sorted": {"color": PURPLE, "linestyle": (0, (4, 1.5)), "marker": "^"},
    "weights": {"color": ORANGE, "marker": "v"},
    "all": {"color": GREEN, "marker": "D"},
}
_WORDS: Final = {"none": "the commoner answer", "last usefulness": "persistence"}


@in_house_style
def prediction(predicted: pd.DataFrame, title: str = "") -> Figure:
    """Draw the accuracy of "in the upper half of its layer at the end" over the evaluations that are known.

    Args:
        predicted: As :func:`srnn.analysis.prediction.predict` gives it, with the folds in a column Seed.
        title: Above the figure.

    Raises:
        UserError: Nothing was foretold.
    """
    shown = predicted[(predicted["Metric"] == "accuracy") & (predicted["Model"] != "boosted trees")]
    if shown.empty:
        raise UserError("nothing was foretold: eight logged epochs and two seeds are needed")
    figure = new_figure(title, height=2.6)
    axes = figure.subplots()
    axes.set_xscale("log")
    for name, look in _LOOKS.items():
        if (own := shown[shown["Features"] == name]).empty:
            continue
        found = interval(wide(own, "Evaluations", "Score"), within=SHARE)
        band(axes, found, look, _WORDS.get(name, f"linear, {name}"))
    ticks = sorted(shown["Evaluations"].unique())
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel("units in the right half")
    axes.set_xlabel("evaluations that are known")
    figure.legend(loc="outside lower center", ncols=2, handlelength=2.4)
    folds = shown["Seed"].nunique()
    caption(axes, f"mean of {folds} folds of other seeds, band: 95 % interval")
    return figure
