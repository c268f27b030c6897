"""Which particles connect which units: the graph of an organism, a panel for each fixpoint type."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import GREY, PAGE, TYPE_COLOURS, WIDTH, in_house_style, new_figure

#: Line widths, in points, of an effective weight of 0 and of the largest one.
_WIDTHS: Final = (0.15, 2.2)
#: How much of their colour the same have, mixed with white.
_STRENGTHS: Final = (0.3, 1.0)
#: From this many edges in a panel on they are drawn thinner.
_MANY: Final = 200
#: Colours whose mean of red, green and blue is above this are pale.
_PALE: Final = 0.7
#: How much a pale edge's dark outline exceeds it, in points.
_OUTLINE: Final = 0.5


@in_house_style
def connectivity(edges: pd.DataFrame, title: str = "") -> Figure:
    """Draw an organism's particles as edges between its units, a panel for each type that occurs.

    A layer's units stand one above the other, layers follow from left to right. Width and colour of an edge grow with
    its |effective weight|, on one scale for all panels, the thinner the more edges there are; edges worth nothing stay
    visible as hairlines.

    Args:
        edges: As :func:`srnn.analysis.connectivity.edges` gives them; of several seeds (column Seed) the first is
            drawn.
        title: Above the figure.

    Raises:
        UserError: There are no edges.
    """
    if edges.empty:
        raise UserError("there are no edges to draw; choose a run with an organism")
    if "Seed" in edges:
        edges = edges[edges["Seed"] == edges["Seed"].iloc[0]]
    kinds = [kind for kind in FixpointType if (edges["Type"] == kind.label).any()]
    layer = edges["Layer"].str.removeprefix("L").astype(int)
    depth = int(layer.max()) + 1
    # Places of each layer's units, the input first.
    last = [*edges.groupby(layer)["Weight"].max(), edges["Cell"][layer == depth - 1].max()]
    places = [np.linspace(0, 1, int(unit) + 1) if unit else np.array([0.5]) for unit in last]
    ends = [
        [(float(index), float(places[index][weight])), (float(index + 1), float(places[index + 1][cell]))]
        for index, weight, cell in zip(layer, edges["Weight"], edges["Cell"], strict=True)
    ]
    sizes = edges["Effective weight"].abs().to_numpy()
    largest = float(np.max(sizes, where=np.isfinite(sizes), initial=0.0))
    scale = np.nan_to_num(sizes, nan=0.0, posinf=largest) / (largest or 1.0)

    # So many lines beside each other that they touch would be a mat.
    most = edges["Type"].value_counts().max()
    widths = (_WIDTHS[0], _WIDTHS[1] * min(1.0, (_MANY / most) ** 0.5))

    figure = new_figure(title, height=2.6)
    figure.set_figwidth(PAGE if len(kinds) > 1 else WIDTH)
    panels = figure.subplots(1, len(kinds), sharex=True, sharey=True, squeeze=False)[0]
    for axes, kind in zip(panels, kinds, strict=True):
        chosen = np.flatnonzero(edges["Type"] == kind.label)
        # Strong edges above weak ones.
        chosen = chosen[np.argsort(scale[chosen], kind="stable")]
        axes.add_collection(_lines(kind, [ends[place] for place in chosen], scale[chosen], widths))
        for index, place in enumerate(places):
            axes.plot([index] * len(place), place, ".", color=GREY, markersize=min(3.0, 60 / len(place)), zorder=3)
        axes.set_title(f"{kind.label}: {len(chosen):,} of {len(edges):,}")
        axes.set_xticks(range(depth + 1), ["in", *map(str, range(1, depth)), "out"])
        axes.set_xlim(-0.08 * depth, 1.08 * depth)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("layer of units")
    # Where a unit stands is its number, and tells nothing else.
    panels[0].set_yticks([])
    panels[0].set_ylabel("units")
    figure.legend(
        handles=[
            Line2D([], [], color=GREY, linewidth=float(_between(widths, share)), label=label)
            for share, label in ((0.0, "0"), (0.5, f"{largest / 2:.2g}"), (1.0, f"{largest:.2g}"))
        ],
        title="|effective weight|",
        loc="outside lower center",
        ncols=3,
        alignment="center",
    )
    return figure


def _lines(
    kind: FixpointType,
    ends: list[list[tuple[float, float]]],
    scale: NDArray[np.float64],
    limits: tuple[float, float],
) -> LineCollection:
    """The edges of one type. Those of a pale colour get a dark outline each, without which white would swallow them."""
    widths = _between(limits, scale)
    strength = _between(_STRENGTHS, scale)[:, None]
    colour = np.array(to_rgb(TYPE_COLOURS[kind]))
    if colour.mean() > _PALE:
        ends = [line for line in ends for _ in range(2)]
        widths = np.stack([widths + _OUTLINE, widths], axis=1).ravel()
        colours = np.tile([to_rgb(GREY), colour], (len(scale), 1))
    else:
        # Mixed with white rather than transparent: nearly the same look, and many times smaller as a file.
        colours = strength * colour + (1 - strength)
    return LineCollection(ends, linewidths=widths, colors=colours, antialiaseds=False, gid=kind.label)


def _between(limits: tuple[float, float], share: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(limits[0] + (limits[1] - limits[0]) * np.asarray(share))
