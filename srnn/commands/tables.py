"""How the tables that are printed look, and what stands in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def grid() -> Table:
    """An empty table with a line below its head and none around it: narrow enough for 80 columns."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def labels() -> list[str]:
    from srnn.fixpoint_types import FixpointType

    return [kind.label for kind in FixpointType]


def is_figure(metric: str) -> bool:
    """Whether a metric is told by itself: not the counts of the census, nor the recall of each of many classes."""
    from srnn.fixpoint_types import is_count

    return not (is_count(metric) or metric.startswith("test_recall_"))
