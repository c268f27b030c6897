"""Does the network thin out? Live edges, and the structure that is left, over the epochs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from srnn.errors import UserError
from srnn.plots.series import by_epoch, mean_and_band, seeds
from srnn.plots.style import GREEN, ORANGE, PURPLE, in_house_style, new_figure, whole_numbers

#: Width of the page, in inches (17 cm).
_PAGE: Final = 6.69
_COLUMNS: Final = 3
#: The definitions of a live edge: told apart by colour and, in greyscale, by dashes and markers.
_LIVE: Final[dict[str, dict[str, Any]]] = {
    "live_type": {"color": PURPLE, "label": "type is not zero"},
    "live_weight": {"color": ORANGE, "linestyle": (0, (4, 1.5)), "label": "|effective weight| above the threshold"},
    "live_signal": {"color": GREEN, "linestyle": (0, (1, 1)), "label": "carries 99 % of the signal"},
}
#: What the second figure shows: the metric, or a metric and what to divide it by, and the panel's title and y axis.
_STRUCTURE: Final = (
    (("units_without_input",), "units without a live input", "share of units"),
    (("units_without_output",), "units without a live output", "share of units"),
    (("paths_share",), "paths from input to output", "share of paths that survive"),
    (("gini",), "inequality of edges", "Gini of |effective weight|"),
    (("effective_rank", "full_rank"), "effective rank", "share of the full rank"),
)
_TOTAL: Final = "total"
#: Dashes of the layers, in turn.
_DASHES: Final = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))


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
    figure, panels = _panels(len(layers), title)
    for axes, layer in zip(panels, layers, strict=False):
        rows = thinning[thinning["Layer"] == layer]
        for metric, look in _LIVE.items():
            _curve(axes, _series(rows, metric), look)
        edges = int(rows.loc[rows["Metric"] == "edges", "Score"].iloc[0])
        axes.set_title(f"{'all layers' if layer == _TOTAL else f'layer {layer}'}: {edges:,} edges")
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    _finish(figure, panels, len(layers), thinning)
    for axes in panels[::_COLUMNS]:
        axes.set_ylabel("live edges")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=2.4)
    return figure


@in_house_style
def structure(thinning: pd.DataFrame, title: str = "") -> Figure:
    """Draw what is left of the network over the epochs: units, paths, inequality and rank, a line for each layer.

    Of several seeds the mean is drawn, with its 95 % t-interval as a band.

    Args:
        thinning: As for :func:`live_edges`.
        title: Above the figure.

    Raises:
        UserError: Nothing is measured.
    """
    layers = _layers(thinning)
    looks = _layer_looks(layers)
    figure, panels = _panels(len(_STRUCTURE), title)
    for axes, (metrics, name, quantity) in zip(panels, _STRUCTURE, strict=False):
        for layer in layers:
            rows = thinning[thinning["Layer"] == layer]
            values, *divisor = (_series(rows, metric) for metric in metrics)
            if not values.empty:
                _curve(axes, values / divisor[0] if divisor else values, looks[layer])
        axes.set_title(name)
        axes.set_ylabel(quantity)
        axes.set_ylim(-0.02, 1.04)
    _finish(figure, panels, len(_STRUCTURE), thinning)
    # In the place of the sixth panel.
    spare = panels[len(_STRUCTURE)]
    handles, labels = panels[0].get_legend_handles_labels()
    spare.legend(handles, labels, loc="center", handlelength=3, ncols=1 + (len(layers) > 8))
    return figure


def _layers(thinning: pd.DataFrame) -> list[str]:
    if thinning.empty:
        raise UserError("no epoch is measured; let the run log at least one")
    return list(thinning["Layer"].unique())


def _layer_looks(layers: Iterable[str]) -> dict[str, dict[str, Any]]:
    """From dark to light with the depth, each with its own dashes; the total in black."""
    names = [layer for layer in layers if layer != _TOTAL]
    colours = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.85, len(names)))
    looks: dict[str, dict[str, Any]] = {
        name: {"color": colour, "linestyle": _DASHES[place % len(_DASHES)], "label": f"layer {name}"}
        for place, (name, colour) in enumerate(zip(names, colours, strict=True))
    }
    return looks | {_TOTAL: {"color": "black", "linewidth": 1.6, "label": "all layers"}}


def _panels(count: int, title: str) -> tuple[Figure, list[Axes]]:
    rows = -(-count // _COLUMNS)
    figure = new_figure(title, height=0.6 + 1.55 * rows)
    figure.set_figwidth(_PAGE)
    return figure, list(figure.subplots(rows, _COLUMNS, sharex=True, squeeze=False).flat)


def _finish(figure: Figure, panels: list[Axes], used: int, thinning: pd.DataFrame) -> None:
    """Name the epochs under the lowest panel of each column, and empty the panels that are left over."""
    count = seeds(thinning)
    for axes in panels[used:]:
        axes.set_axis_off()
    for axes in panels[max(0, used - _COLUMNS) : used]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(whole_numbers())
        axes.tick_params(labelbottom=True)
    if count > 1:
        panels[max(0, used - 1)].set_xlabel(f"epoch (mean of {count} seeds with 95 % band)")


def _series(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric: epochs in rows, seeds in columns, NaN where it is not a finite number."""
    values = by_epoch(rows.assign(Batch=rows["Epoch"]), metric)
    return values.where(np.isfinite(values))


def _curve(axes: Axes, values: pd.DataFrame, look: dict[str, Any]) -> None:
    """Draw the mean over the seeds and its band."""
    mean, low, high = mean_and_band(values)
    if low.notna().any():
        axes.fill_between(values.index, low, high, color=look["color"], alpha=0.2, linewidth=0)
    marker = {"marker": "o"} if len(values) == 1 else {}
    axes.plot(values.index, mean, **(marker | look))
