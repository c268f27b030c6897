"""How many particles are of which fixpoint type, over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from srnn.analysis.statistics import by_epoch, seeds
from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    PERCENT,
    boundaries,
    caption,
    in_house_style,
    legend_above,
    new_figure,
    of_seeds,
    type_look,
    whole_numbers,
)

#: More logged epochs than this are drawn without a mark at each.
_MARKED = 30
#: What is stacked below where the self-replicators end.
_UP_TO_IDENTITY = [kind for kind in FixpointType if kind <= FixpointType.IDENTITY]


@in_house_style
def particle_types(metrics: pd.DataFrame, title: str = "") -> Figure:
    """Draw the particles of each fixpoint type over the epochs, stacked in the order of :class:`FixpointType`.

    Counts are on the left axis, shares of all particles on the right. Types that never occur are left out. Of several
    seeds the mean is drawn, with the 95 % t-interval of where each area ends. Marks are the logged epochs, as long as
    they are few. A dashed line is where the self-replicators would end at rest, after replication alone, if that was
    counted. A single epoch is drawn as one bar per type.

    Args:
        metrics: Columns Epoch, Batch, Metric, Score and, of several seeds, Seed. Drawn are the metrics named like a
            fixpoint type (``divergent``, ``zero``, ...), each a count of particles; counts per layer are not.
        title: Above the figure.

    Raises:
        UserError: No particles are counted in the metrics.
        ValueError: A column is missing.
    """
    every = {kind: by_epoch(metrics, kind.label) for kind in FixpointType}
    counts = {kind: values for kind, values in every.items() if (values > 0).any(axis=None)}
    if not counts:
        raise UserError("the metrics count no particles to draw; let the run log the census of at least one epoch")
    means = pd.DataFrame({kind: values.mean(axis=1) for kind, values in counts.items()}).fillna(0)

    figure = new_figure(title)
    left = figure.add_subplot()
    right = left.twinx()
    right.spines["right"].set_visible(True)
    right.set_ylabel("share of all particles")
    right.yaxis.set_major_formatter(PERCENT)
    left.set_ylabel("particles")
    left.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    left.yaxis.set_major_locator(whole_numbers())
    patches, highest = _bars(left, means) if len(means) == 1 else _areas(left, means, counts)
    for kind, patch in zip(counts, patches, strict=True):
        patch.set(label=kind.label, **type_look(kind))
    several = seeds(metrics)
    if several > 1:
        caption(left, of_seeds(several, spread="bars of the ends") if len(means) > 1 else f"means of {several} seeds")
    rest = pd.DataFrame({kind: by_epoch(metrics, f"rest_{kind.label}").mean(axis=1) for kind in _UP_TO_IDENTITY})
    lines: list[Line2D] = []
    if len(means) > 1 and not rest.empty:
        lines = left.plot(
            rest.sum(axis=1), linestyle=(0, (2.5, 1.2)), color="black", clip_on=False, label="end of identity, at rest"
        )
    # Beside each other, in the order of the stack from below.
    legend_above(left, [*patches, *lines], len(counts) + len(lines))
    particles = means.sum(axis=1).max()
    left.set_ylim(0, max(particles, highest))
    right.set_ylim(0, max(1.0, highest / particles))
    return figure


def _bars(axes: Axes, means: pd.DataFrame) -> tuple[Sequence[Artist], float]:
    """The types of a single epoch beside each other; and how high the axis must be."""
    bars = axes.bar(range(len(means.columns)), means.iloc[0], width=0.7)
    axes.bar_label(bars, fmt="{:,.0f}", padding=1)
    spare = max(0, 3 - len(means.columns)) / 2  # keeps one or two bars from filling the figure
    axes.set_xlim(-0.6 - spare, len(means.columns) - 0.4 + spare)
    axes.set_xticks([])
    axes.set_xlabel(f"epoch {means.index[0]}")
    return bars.patches, 1.1 * means.sum(axis=1).max()


def _areas(
    axes: Axes, means: pd.DataFrame, counts: Mapping[FixpointType, pd.DataFrame]
) -> tuple[Sequence[Artist], float]:
    """The types over the epochs, on each other; and how high the axis must be."""
    areas = axes.stackplot(means.index, *(means[kind] for kind in means))
    # As many as stay apart, the first and the last among them.
    shown = slice(None, None, -(-len(means) // _MARKED))
    marks = {"marker": "o", "markersize": 1.6, "markeredgewidth": 0.3, "markeredgecolor": "white"}
    parts = {kind.label: values.iloc[::-1][shown] for kind, values in counts.items()}
    epochs = means.index[::-1][shown]
    highest = boundaries(axes, epochs, parts, clip_on=False, **(marks if len(means) <= _MARKED else {}))
    axes.set_xlim(means.index[0], means.index[-1])
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(whole_numbers())
    return areas, highest
