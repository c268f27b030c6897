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


def with_interval(mean: float, low: float, high: float, *, counts: bool = False) -> str:
    """A mean with its interval, with as many digits as the interval leaves to the mean; – for none.

    ``mean ± half`` where both halves of the interval are the same, as it is printed, and else ``mean (low … high)``.

    Args:
        mean: The mean.
        low: The lower end of its interval; NaN of a single value.
        high: The upper end.
        counts: Whether it is of whole numbers, such as particles.
    """
    half = max(mean - low, high - mean)
    if counts:
        shown = f"{mean:,.0f}"
        arms = {f"{arm:,.0f}" for arm in (mean - low, high - mean)}
        if isnan(half) or arms == {"0"}:
            return shown
        return f"{shown} ± {arms.pop()}" if len(arms) == 1 else f"{shown} ({low:,.0f} … {high:,.0f})"
    if isnan(half) or half == 0 or not isfinite(mean) or not isfinite(half):
        return "–" if isnan(mean) else f"{mean:,.0f}" if 1e3 <= abs(mean) < 1e9 else f"{mean:.4g}"
    # Two digits of the interval, and those of the mean that stand above them.
    decimals = 1 - floor(log10(half))
    if abs(mean) < 1e-3 or decimals > 7:
        digits = max(1, min(4, floor(log10(abs(mean) or half)) - floor(log10(half)) + 2))
        form, width = f".{digits}g", ".2g"
    else:
        form = width = f",.{max(decimals, 0)}f"
    arms = {f"{arm:{width}}" for arm in (mean - low, high - mean)}
    return f"{mean:{form}} ± {arms.pop()}" if len(arms) == 1 else f"{mean:{form}} ({low:{width}} … {high:{width}})"


def labels() -> list[str]:
    from srnn.fixpoints import FixpointType

    return [kind.label for kind in FixpointType]


def is_figure(metric: str) -> bool:
    """Whether a metric is told by itself: not the counts of the census, nor the recall of each of many classes."""
    return metric.rpartition("_")[2] not in labels() and not metric.startswith("test_recall_")
