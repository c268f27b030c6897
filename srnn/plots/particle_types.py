"""How many particles are of which fixpoint type, over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from srnn.analysis.statistics import by_epoch, seeds
from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots.style import TYPE_COLOURS, TYPE_HATCHES, in_house_style, new_figure, whole_numbers


@in_house_style
def particle_types(metrics: pd.DataFrame, title: str = "") -> Figure:
    """Draw the particles of each fixpoint type over the epochs, stacked in the order of :class:`FixpointType`.

    Counts are on the left axis, shares of all particles on the right. Types that never occur are left out. Of several
    seeds the mean is drawn. A single logged epoch is drawn as one bar per type.

    Args:
        metrics: Columns Epoch, Batch, Metric, Score and, of several seeds, Seed. Drawn are the metrics named like a
            fixpoint type (``divergent``, ``zero``, ...), each a count of particles; counts per layer are not.
        title: Above the figure.

    Raises:
        UserError: No particles are counted in the metrics.
        ValueError: A column is missing.
    """
    counts = pd.DataFrame({kind.label: by_epoch(metrics, kind.label).mean(axis=1) for kind in FixpointType}).fillna(0)
    kinds = [kind for kind in FixpointType if (counts[kind.label] > 0).any()]
    if not kinds:
        raise UserError("the metrics count no particles to draw; let the run log the census of at least one epoch")

    figure = new_figure(title)
    left = figure.add_subplot()
    right = left.twinx()
    right.spines["right"].set_visible(True)
    right.set_ylabel("share of all particles")
    right.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    count = seeds(metrics)
    left.set_ylabel(f"particles (mean of {count} seeds)" if count > 1 else "particles")
    left.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    left.yaxis.set_major_locator(whole_numbers())
    particles = counts.sum(axis=1).max()

    if len(counts) == 1:
        bars = left.bar(range(len(kinds)), [counts[kind.label].iloc[0] for kind in kinds], width=0.7)
        left.bar_label(bars, fmt="{:,.0f}", padding=1)
        patches: Sequence[Artist] = bars.patches
        spare = max(0, 3 - len(kinds)) / 2  # keeps one or two bars from filling the figure
        left.set_xlim(-0.6 - spare, len(kinds) - 0.4 + spare)
        left.set_xticks([])
        left.set_xlabel(f"epoch {counts.index[0]}")
        top = 1.1  # room for the numbers above the bars
    else:
        patches = left.stackplot(counts.index, *(counts[kind.label] for kind in kinds))
        left.set_xlim(counts.index[0], counts.index[-1])
        left.set_xlabel("epoch")
        left.xaxis.set_major_locator(whole_numbers())
        top = 1.0
    for kind, patch in zip(kinds, patches, strict=True):
        patch.set(
            facecolor=TYPE_COLOURS[kind], hatch=TYPE_HATCHES[kind], edgecolor="white", linewidth=0, label=kind.label
        )
    # Beside each other, in the order of the stack from below; tight enough for all five.
    left.legend(
        handles=patches,
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=len(kinds),
        handlelength=0.9,
        handletextpad=0.3,
        columnspacing=0.7,
    )
    left.set_ylim(0, top * particles)
    right.set_ylim(0, top)
    return figure
