"""Cubes: the ways of particles through weight space, two principal components on the floor and the epoch as height."""

from __future__ import annotations

import textwrap
from typing import Final

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

# Importing it is what makes matplotlib know the projection "3d".
from mpl_toolkits.mplot3d import Axes3D  # type: ignore[import-untyped]
from mpl_toolkits.mplot3d.art3d import Line3DCollection  # type: ignore[import-untyped]

from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import GREY, LINE_COLOURS, WIDTH, in_house_style, new_figure

#: Cubes beside each other (14 cm), and the width of one in inches.
_ACROSS: Final = 3
_CUBE: Final = 1.88
_NAMES: Final = {"all": "numbers, which have no types"}
_TICKS: Final = MaxNLocator(4, steps=[1, 1.5, 2, 2.5, 5, 10])


@in_house_style
def trajectories(frame: pd.DataFrame, title: str = "", at_most: int = 12) -> Figure:
    """Draw the courses of the particles, a cube for each layer, coloured by the type at the end.

    Of each type and layer ``at_most`` particles are drawn, evenly over the layer; of several seeds, the first one's.
    How much of the variance the components explain stands above each cube: of a PCA per particle, the mean over the
    layer's particles.

    Args:
        frame: Columns Weight, Layer, Type, Epoch, PC1, PC2, Explained 1, Explained 2, Left out and, of several seeds,
            Seed, as :func:`srnn.analysis.trajectories.trajectories` gives them.
        title: Above the figure.
        at_most: Largest number of particles of each type in a cube.

    Raises:
        UserError: There are no courses.
    """
    if frame.empty:
        raise UserError("there are no courses to draw; the trajectory of a run holds them")
    if "Seed" in frame:
        frame = frame[frame["Seed"] == frame["Seed"].iloc[0]]
    layers = list(frame["Layer"].unique())
    # Numbers have no types.
    colours = {kind.label: LINE_COLOURS[kind] for kind in FixpointType} | {"all": GREY}
    kinds = [label for label in colours if (frame["Type"] == label).any()]
    columns = 2 if len(layers) == 4 else min(len(layers), _ACROSS)
    rows = -(-len(layers) // columns)
    figure = new_figure(title, height=0.65 + 1.85 * rows)
    figure.set_figwidth(max(WIDTH, _CUBE * columns))
    # A cube takes its grid from the settings at its birth.
    with matplotlib.rc_context({"grid.color": "0.9", "grid.linewidth": 0.3}):
        cubes = [
            figure.add_subplot(rows, columns, place + 1, projection="3d", computed_zorder=False)
            for place in range(len(layers))
        ]
    for axes, layer in zip(cubes, layers, strict=True):
        _cube(axes, frame[frame["Layer"] == layer], {kind: colours[kind] for kind in kinds}, at_most)
    handles = [Line2D([], [], color=colours[kind], linewidth=0.8, label=_NAMES.get(kind, kind)) for kind in kinds]
    note = (
        f"type at the end; of each at most {at_most} particles a layer, evenly over it; "
        "variance: what PC1 + PC2 explain, in the mean over the layer's particles"
    )
    figure.legend(
        handles=handles,
        title=textwrap.fill(note, 50 if columns == 1 else 75),
        loc="outside lower center",
        ncols=len(kinds),
        handlelength=1.4,
        columnspacing=1,
    )
    return figure


def _cube(axes: Axes3D, frame: pd.DataFrame, colours: dict[str, str], at_most: int) -> None:
    """Draw one layer."""
    particles = frame.drop_duplicates("Weight").set_index("Weight")
    chosen: dict[str, list[str]] = {}
    for kind in colours:
        names = particles.index[particles["Type"] == kind]
        places = np.linspace(0, len(names) - 1, min(len(names), at_most)).round().astype(int)
        chosen[kind] = list(names[places])
    shown = frame[frame["Weight"].isin(set().union(*chosen.values()))]
    courses = {name: own[["PC1", "PC2", "Epoch"]].to_numpy() for name, own in shown.groupby("Weight")}
    # The most frequent type first, so that it lies behind the others.
    for kind in sorted(colours, key=lambda kind: -int((particles["Type"] == kind).sum())):
        if chosen[kind]:
            lines = [courses[name] for name in chosen[kind]]
            collection = Line3DCollection(lines, colors=colours[kind], linewidths=0.5, label=kind)
            axes.add_collection3d(collection, autolim=False)
    for axis, component in ((axes.xaxis, "PC1"), (axes.yaxis, "PC2")):
        low, high = shown[component].min(), shown[component].max()
        low, high = low - (low == high), high + (low == high)
        axis.set_view_interval(low, high, ignore=True)
        # None in the corner, where it would meet one of the other axis.
        ticks, margin = _TICKS.tick_values(low, high), 0.1 * (high - low)
        axis.set_ticks([tick for tick in ticks if low + margin < tick < high - margin])
    axes.set_zlim(frame["Epoch"].min(), frame["Epoch"].max())
    axes.zaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.set_title(_heading(frame, particles, len(courses)), fontsize=7, linespacing=1.2, y=0.98)
    axes.set_xlabel("PC1", labelpad=-9)
    axes.set_ylabel("PC2", labelpad=-7)
    axes.set_zlabel("epoch", labelpad=-7.5)
    for axis, pad in ((axes.xaxis, -5), (axes.yaxis, -5), (axes.zaxis, -3)):
        axis.set_pane_color("white")
        axis.set_tick_params(pad=pad, labelsize=6)
    axes.view_init(elev=22, azim=-55)
    axes.set_box_aspect((1, 1, 1), zoom=0.85)


def _heading(frame: pd.DataFrame, particles: pd.DataFrame, shown: int) -> str:
    """Which particles a cube shows, and how much of their variance."""
    first, second = 100 * particles[["Explained 1", "Explained 2"]].mean()
    left_out = int(particles["Left out"].iloc[0])
    lines = [
        f"{frame['Layer'].iloc[0]}: {shown:,} of {len(particles) + left_out:,} particles",
        f"variance: {first:.1f} % + {second:.1f} %",
    ]
    return "\n".join([*lines, *([f"{left_out:,} divergent left out"] if left_out else [])])
