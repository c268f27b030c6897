"""What the organism loses with all particles of one type."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from srnn.analysis.statistics import interval, seeds
from srnn.errors import UserError
from srnn.fixpoints import FixpointType
from srnn.plots.style import ORANGE, PURPLE, TYPE_COLOURS, TYPE_HATCHES, WIDTH, in_house_style, new_figure

#: Where each reference stands on a bar of width 1, its colour, its mark and its name in the legend.
_REFERENCES: Final = {
    "Random": (-0.17, ORANGE, "o", "as many, random"),
    "Random nonzero": (0.17, PURPLE, "D", "as many, random nonzero"),
}
_BAR: Final = 0.84


@in_house_style
def dropout(dropouts: pd.DataFrame, title: str = "") -> Figure:
    """Draw the census of each scope above the metric after each type is dropped there, beside random dropping.

    Bars are the metric without the particles of that type, the dashed line is that of the whole organism, marks are
    the metric without as many random particles. Of several seeds the mean is drawn, with the 95 % t-interval of its
    change from the whole organism; of a single one a mark's interval is the range of 95 % of the random choices. A bar
    is missing where there is no particle of that type to drop, a mark also where fewer than that many particles are
    nonzero. NaN is not drawn.

    Args:
        dropouts: As :func:`srnn.analysis.dropout.run_dropout` gives them; of several seeds one after the other.
        title: Above the figure.

    Raises:
        UserError: There is nothing to draw.
    """
    if dropouts.empty:
        raise UserError("no particle type was dropped, so there is nothing to draw")
    scopes = list(dropouts["Scope"].unique())
    labels = set(dropouts["Type"])
    kinds = [kind for kind in FixpointType if kind.label in labels]
    count, metric = seeds(dropouts), dropouts["Metric"].iloc[0]

    figure = new_figure(title, height=3.1)
    # Wider than a column where the bars would be too thin to tell apart.
    figure.set_figwidth(float(np.clip(0.85 + 0.115 * len(scopes) * (len(kinds) + 1), WIDTH, 2.125 * WIDTH)))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.8])
    middles = np.arange(len(scopes)) * (len(kinds) + 1.0)

    census = _by_scope(dropouts, "Dropped", kinds, scopes) / _by_scope(dropouts, "Particles", kinds, scopes)
    base = np.zeros(len(scopes))
    for place, kind in enumerate(kinds):
        look = {
            "facecolor": TYPE_COLOURS[kind],
            "hatch": TYPE_HATCHES[kind],
            "edgecolor": "white",
            "linewidth": 0,
        }
        share = census[kind.label].to_numpy()
        top.bar(middles, share, len(kinds) - 1 + _BAR, bottom=base, label=kind.label, **look)
        base += share
        x = middles + place - (len(kinds) - 1) / 2
        drop = _over_seeds(dropouts, kind, scopes)
        there = drop["Dropped"] > 0
        mean, low, high = (drop[f"After{end}"].where(there) for end in ("", " low", " high"))
        bottom.bar(x, mean, _BAR, label=kind.label, **look)
        bottom.errorbar(x, mean, _arms(mean, low, high), fmt="none", ecolor="black", elinewidth=0.7)
        for reference, (shift, colour, mark, _) in _REFERENCES.items():
            mean, low, high = (drop[f"{reference}{end}"].where(there) for end in ("", " low", " high"))
            bottom.errorbar(
                x + shift,
                mean,
                _arms(mean, low, high),
                fmt=mark,
                color=colour,
                markersize=2.6,
                markeredgecolor="white",
                markeredgewidth=0.3,
                elinewidth=0.8,
                label=f"{reference} for {kind.label}",
                zorder=3,
            )
    before = float(dropouts["Before"].mean())
    bottom.axhline(before, color="black", linewidth=0.7, linestyle=(0, (4, 2)), label="nothing dropped")

    top.set_ylim(0, 1)
    top.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    top.set_ylabel("particles")
    top.tick_params(axis="x", length=0)
    name = "mean absolute error" if metric == "mae" else "accuracy"
    bottom.set_ylabel(f"{name} after dropping")
    if metric == "accuracy":
        bottom.set_ylim(0, 1)
    bottom.set_xticks(middles, [scope if scope != "total" else "all" for scope in scopes])
    bottom.set_xlim(middles[0] - (len(kinds) + 1) / 2, middles[-1] + (len(kinds) + 1) / 2)
    bottom.tick_params(axis="x", length=0)
    bottom.set_xlabel(
        f"dropped in layer ({count} seeds, 95 % interval of the change)" if count > 1 else "dropped in layer"
    )

    patches = [
        Patch(facecolor=TYPE_COLOURS[kind], hatch=TYPE_HATCHES[kind], edgecolor="white", linewidth=0, label=kind.label)
        for kind in kinds
    ]
    lines = [
        Line2D([], [], color=colour, marker=mark, linewidth=0.8, label=label)
        for _, colour, mark, label in _REFERENCES.values()
    ]
    dashed = Line2D([], [], color="black", linewidth=0.7, linestyle=(0, (4, 2)), label="nothing dropped")
    top.legend(
        handles=patches,
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=len(kinds),
        handlelength=0.9,
        handletextpad=0.3,
        columnspacing=0.7,
    )
    bottom.legend(
        handles=[dashed, *lines],
        loc="lower center",
        bbox_to_anchor=(0.5, 1),
        ncols=3 if figure.get_figwidth() > 1.5 * WIDTH else 2,
        handlelength=1.4,
        columnspacing=1,
    )
    return figure


def _by_scope(dropouts: pd.DataFrame, column: str, kinds: list[FixpointType], scopes: list[str]) -> pd.DataFrame:
    """The mean of a column over the seeds: scopes in rows, types in columns; a type that a seed lacks counts as 0."""
    wide = dropouts.pivot_table(index="Scope", columns="Type", values=column, aggfunc="sum").reindex(scopes)
    return wide.reindex(columns=[kind.label for kind in kinds]).fillna(0) / seeds(dropouts)


def _over_seeds(dropouts: pd.DataFrame, kind: FixpointType, scopes: list[str]) -> pd.DataFrame:
    """Mean of each column and the ends of its interval, in ``X``, ``X low`` and ``X high``: a row for each scope."""
    own = dropouts[dropouts["Type"] == kind.label]
    if seeds(dropouts) == 1:
        frame = own.set_index("Scope").reindex(scopes)
        return frame.assign(**{"After low": frame["After"], "After high": frame["After"]})
    frame = pd.DataFrame(index=scopes)
    frame["Dropped"] = own.groupby("Scope")["Dropped"].sum() / seeds(dropouts)
    for column in ("After", *_REFERENCES):
        wide, before = (
            own.pivot(index="Scope", columns="Seed", values=one).reindex(scopes) for one in (column, "Before")
        )
        # The interval is that of the change: how well the seeds did as a whole is not what dropping does.
        changes = interval(wide - before)
        # A mean over some of the seeds would stand beside bars over all of them.
        whole = wide.notna().all(axis=1)
        for end, change in {"": "Mean", " low": "Low", " high": "High"}.items():
            frame[f"{column}{end}"] = (before.mean(axis=1) + changes[change]).where(whole)
    return frame


def _arms(mean: pd.Series, low: pd.Series, high: pd.Series) -> np.ndarray:
    """Lengths of the arms of error bars, ``(2, n)``; 0 where there is no interval."""
    arms: np.ndarray = np.nan_to_num(np.array([mean - low, high - mean])).clip(0)
    return arms
