"""Noisy clones of self-replicators: how long they last, and how they end."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from srnn.errors import UserError
from srnn.fixpoint_types import FixpointType
from srnn.plots.style import (
    GREEN,
    TYPE_COLOURS,
    caption,
    in_house_style,
    legend_above,
    new_figure,
    stacked,
    type_look,
)

#: Words and look of each end.
_ENDS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "zero": ("become zero", type_look(FixpointType.ZERO)),
    "divergent": ("diverge", type_look(FixpointType.DIVERGENT)),
    "cap": ("neither", type_look(FixpointType.OTHER) | {"facecolor": GREEN, "hatch": "...."}),
}
_WHISKERS: Final = (5, 95)


@in_house_style
def robustness(clones: pd.DataFrame, title: str = "") -> Figure:
    """Draw, over the noise level: steps until the clones are zero or divergent, steps as a fixpoint, and their ends.

    The boxes hold the middle half of the clones, the whiskers 90 % of them; the line is the median. The axes of
    steps are linear up to 1 and logarithmic from there. Clones that were given up at the cap are counted in the
    figure. Clones of several seeds are drawn together.

    Args:
        clones: Columns Weight, Level, Clone, Steps, Identity steps, End and, of several seeds, Seed, as
            :func:`srnn.analysis.robustness.robustness` gives them.
        title: Above the figure.

    Raises:
        UserError: There are no clones.
    """
    if clones.empty:
        raise UserError("there are no clones to draw; an organism without self-replicators has none")
    levels = sorted(clones["Level"].unique(), reverse=True)
    of_level = [clones[clones["Level"] == level] for level in levels]
    figure = new_figure(title, height=4.2)
    upper, middle, lower = figure.subplots(3, sharex=True, height_ratios=(3, 3, 2))
    _boxes(upper, [own["Steps"].to_numpy() for own in of_level])
    upper.set_ylabel("steps until zero\nor divergent")
    _boxes(middle, [own["Identity steps"].to_numpy() for own in of_level])
    middle.set_ylabel("steps as\nself-replicator")

    shares = {end: pd.DataFrame([(own["End"] == end).mean() for own in of_level]) for end in _ENDS}
    parts = {label: shares[end] for end, (label, _) in _ENDS.items() if shares[end].any(axis=None)}
    stacked(lower, range(len(levels)), parts, dict(_ENDS.values()), 0.7)
    lower.set_ylabel("share of\nclones")
    legend_above(lower, [Patch(label=label, **look) for label, look in _ENDS.values() if label in parts], 3)
    lower.set_xticks(range(len(levels)), [_power(level) for level in levels])
    seeds = clones["Seed"].nunique() if "Seed" in clones else 1
    particles = len(clones[["Weight", *(["Seed"] if "Seed" in clones else [])]].drop_duplicates())
    of = f"{particles:,} self-replicators" + (f" of {seeds} seeds" if seeds > 1 else "")
    lower.set_xlabel("largest noise on each weight")
    caption(lower, f"{len(clones):,} clones of {of};", _capped(clones), "boxes: middle half and median, whiskers: 90 %")
    figure.align_ylabels()
    return figure


def _boxes(axes: Axes, values: list[np.ndarray]) -> None:
    axes.boxplot(
        values,
        positions=range(len(values)),
        widths=0.6,
        whis=_WHISKERS,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": TYPE_COLOURS[FixpointType.IDENTITY], "alpha": 0.5, "linewidth": 0.5},
        whiskerprops={"linewidth": 0.5},
        capprops={"linewidth": 0.5},
        medianprops={"color": "black", "linewidth": 1},
    )
    top = max(float(np.percentile(own, _WHISKERS[1])) for own in values)
    axes.set_yscale("symlog", linthresh=1, linscale=0.3)
    ticks = [
        0,
        *(tick for power in range(9) for tick in (10**power, 2 * 10**power, 5 * 10**power) if tick <= 1.2 * top),
    ]
    shown = ticks if len(ticks) < 8 else [tick for tick in ticks if str(tick)[0] != "5" and str(tick)[0] != "2"]
    axes.set_yticks(shown, [f"{tick:,}" for tick in shown])
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(-0.25, max(1.3 * top, 2))
    axes.set_axisbelow(True)
    axes.grid(axis="y", linewidth=0.3, color="0.85")


def _power(level: float) -> str:
    """A level as one reads it: 1, 0.1, 10⁻², …"""
    exponent = np.log10(level) if level > 0 else np.nan
    return (
        f"$10^{{{round(exponent)}}}$"
        if np.isfinite(exponent) and abs(exponent - round(exponent)) < 1e-9
        else f"{level:g}"
    )


def _capped(clones: pd.DataFrame) -> str:
    """How many clones hit the cap, in words."""
    capped = clones[clones["End"] == "cap"]
    if capped.empty:
        return f"all ended within {clones['Steps'].max():,} steps"
    share = 100 * len(capped) / len(clones)
    return f"{len(capped):,} ({share:.2g} %) were neither at the cap of {capped['Steps'].max():,} steps"
