"""Does the network thin out? Live edges, and the structure that is left, over the epochs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from srnn.analysis.statistics import SHARE, by_epoch, interval, seeds
from srnn.errors import UserError
from srnn.plots.style import (
    GREEN,
    ORANGE,
    PAGE,
    PERCENT,
    PURPLE,
    band,
    extent,
    in_house_style,
    layer_looks,
    new_figure,
    of_seeds,
    show,
    whole_numbers,
)

_COLUMNS: Final = 3
#: The definitions of a live edge: told apart by colour and, in greyscale, by dashes and markers.
_LIVE: Final[dict[str, dict[str, Any]]] = {
    "live_type": {"color": PURPLE, "marker": "s"},
    "live_weight": {"color": ORANGE, "linestyle": (0, (4, 1.5)), "marker": "o"},
    "live_signal": {"color": GREEN, "linestyle": (0, (1, 1)), "marker": "^"},
}
_LIVE_WORDS: Final = {
    "live_type": "type is not zero",
    "live_weight": "|effective weight| > {threshold:g}",
    "live_signal": "carries 99 % of the signal",
}
#: What the second figure shows: the metric, or a metric and what to divide it by, and the panel's title and y axis.
_STRUCTURE: Final = (
    (("units_without_input",), "units without a live input", "share of units"),
    (("units_without_output",), "units without a live output", "share of units"),
    (("paths_share",), "paths from input to output", "share of paths alive"),
    (("gini",), "inequality of edges", "Gini of |effective weight|"),
    (("effective_rank", "full_rank"), "effective rank", "share of the full rank"),
)
_TOTAL: Final = "total"


@in_house_style
def live_edges(thinning: pd.DataFrame, title: str = "") -> Figure:
    """Draw the share of live edges over the epochs, by three definitions: a panel for each layer and one for all.

    Of several seeds the mean is drawn, with its 95 % t-interval as a band.

    Args:
        thinning: As :func:`srnn.analysis.thinning.thinning` gives it; of several seeds with a column Seed.
        title: Above the figure.

    Raises:
        UserError: Nothing is measured.
    """
    layers = _layers(thinning)
    figure, panels = _panels(len(layers), title, sharey=True)
    threshold = thinning.loc[thinning["Metric"] == "threshold", "Score"].iloc[0]
    curves: list[pd.DataFrame] = []
    for axes, layer in zip(panels, layers, strict=False):
        rows = thinning[thinning["Layer"] == layer]
        for metric, look in _LIVE.items():
            found = interval(_series(rows, metric), within=SHARE)
            curves.append(found)
            if not found.empty:
                band(axes, found, look, _LIVE_WORDS[metric].format(threshold=threshold))
        edges = int(rows.loc[rows["Metric"] == "edges", "Score"].iloc[0])
        axes.set_title(f"{'all layers' if layer == _TOTAL else f'layer {layer}'}: {edges:,} edges")
        axes.yaxis.set_major_formatter(PERCENT)
    show(panels[0], curves, 0, 1.04)
    _finish(panels, len(layers))
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("live edges")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=3, handlelength=2.4, title=of_seeds(seeds(thinning)) or None
    )
    return figure


@in_house_style
def structure(thinning: pd.DataFrame, title: str = "") -> Figure:
    """Draw what is left of the network over the epochs: units, paths, inequality and rank, a line for each layer.

    Of several seeds the mean is drawn, for all layers together with its 95 % t-interval as a band.

    Args:
        thinning: As for :func:`live_edges`.
        title: Above the figure.

    Raises:
        UserError: Nothing is measured.
    """
    layers = _layers(thinning)
    looks = layer_looks(layers)
    figure, panels = _panels(len(_STRUCTURE), title)
    for axes, (metrics, name, quantity) in zip(panels, _STRUCTURE, strict=False):
        curves = []
        for layer in layers:
            rows = thinning[thinning["Layer"] == layer]
            values, *divisor = (_series(rows, metric) for metric in metrics)
            found = interval(values / divisor[0] if divisor else values, within=SHARE)
            if layer != _TOTAL:
                found[["Low", "High"]] = np.nan
            curves.append(found)
            if not found.empty:
                band(axes, found, looks[layer], "all layers" if layer == _TOTAL else f"layer {layer}")
        axes.set_title(name)
        axes.set_ylabel(quantity)
        if metrics == ("paths_share",):
            _share_axis(axes, _series(thinning[thinning["Layer"] == _TOTAL], "paths_share"), curves)
        else:
            show(axes, curves, 0, 0.1 if metrics[0].startswith("units") else 1.04)
    _finish(panels, len(_STRUCTURE))
    # In the place of the sixth panel.
    spare = panels[len(_STRUCTURE)]
    handles, labels = panels[0].get_legend_handles_labels()
    averaged = of_seeds(seeds(thinning), spread="band of all layers").replace(", ", ",\n")
    spare.legend(handles, labels, loc="center", handlelength=3, ncols=1 + (len(layers) > 8), title=averaged or None)
    return figure


def _layers(thinning: pd.DataFrame) -> list[str]:
    if thinning.empty:
        raise UserError("no epoch is measured; let the run log at least one")
    return list(thinning["Layer"].unique())


def _panels(count: int, title: str, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    rows = -(-count // _COLUMNS)
    figure = new_figure(title, height=0.7 + 1.5 * rows)
    figure.set_figwidth(PAGE)
    return figure, list(figure.subplots(rows, _COLUMNS, sharex=True, sharey=sharey, squeeze=False).flat)


def _finish(panels: list[Axes], used: int) -> None:
    """Name the epochs under the lowest panel of each column, and empty the panels that are left over."""
    for axes in panels[used:]:
        axes.set_axis_off()
    for axes in panels[max(0, used - _COLUMNS) : used]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(whole_numbers())
        axes.tick_params(labelbottom=True)


def _share_axis(axes: Axes, values: pd.DataFrame, curves: list[pd.DataFrame]) -> None:
    """A y axis for shares that may be tiny: logarithmic if they are, with marks below where nothing is left."""
    lowest = np.fmin(extent(curves, above=0)[0], 1.0)
    gone = values.index[(values == 0).any(axis=1)]
    if lowest > 0.1 and gone.empty:
        show(axes, curves, 0, 1.04)
        return
    # The mean and its interval are those of the shares: where it reaches down to nothing, so does the area.
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(min(0.1, 10 ** np.floor(np.log10(lowest))), 1.3)
    if len(gone):
        axes.plot(gone, [0] * len(gone), "v", color="black", transform=axes.get_xaxis_transform(), clip_on=False)


def _series(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric: epochs in rows, seeds in columns, NaN where it is not a finite number."""
    values = by_epoch(rows.assign(Batch=rows["Epoch"]), metric)
    return values.where(np.isfinite(values))
