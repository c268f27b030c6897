"""How the tables that are printed look, and how numbers stand in them."""

from __future__ import annotations

from math import floor, isfinite, isnan, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def grid() -> Table:
    """An empty table with a line below its head and none around it: narrow enough for 80 columns."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def with_interval(mean: float, half_width: float, counts: bool = False) -> str:
    """A mean and half the width of its interval, with as many digits as the interval leaves to the mean; – for none.

    Args:
        mean: The mean.
        half_width: NaN of a single value.
        counts: Whether it is of whole numbers, such as particles.
    """
    if counts:
        shown = f"{mean:,.0f}"
        width = f"{half_width:,.0f}"
        return shown if isnan(half_width) or width == "0" else f"{shown} ± {width}"
    if isnan(half_width) or half_width == 0 or not isfinite(mean) or not isfinite(half_width):
        return "–" if isnan(mean) else f"{mean:,.0f}" if 1e3 <= abs(mean) < 1e9 else f"{mean:.4g}"
    # Two digits of the interval, and those of the mean that stand above them.
    decimals = 1 - floor(log10(half_width))
    if abs(mean) < 1e-3 or decimals > 7:
        digits = max(1, min(4, floor(log10(abs(mean) or half_width)) - floor(log10(half_width)) + 2))
        return f"{mean:.{digits}g} ± {half_width:.2g}"
    decimals = max(decimals, 0)
    return f"{mean:,.{decimals}f} ± {half_width:,.{decimals}f}"


def labels() -> list[str]:
    from srnn.fixpoints import FixpointType

    return [kind.label for kind in FixpointType]


def is_figure(metric: str) -> bool:
    """Whether a metric is told by itself: not the counts of the census, nor the recall of each of many classes."""
    return metric.rpartition("_")[2] not in labels() and not metric.startswith("test_recall_")
