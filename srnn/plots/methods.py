"""How the methods of replication look, in every figure that has several of them side by side."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from srnn.plots.style import GREEN, GREY, ORANGE, PURPLE

#: Told apart by colour (none that stands for a fixpoint type) and, in greyscale, by dashes and markers.
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "sgd": {"color": ORANGE, "marker": "o", "linestyle": "-"},
    "newton": {"color": GREEN, "marker": "s", "linestyle": (0, (4, 1))},
    "lifted": {"color": PURPLE, "marker": "D", "linestyle": (0, (1, 1))},
    "placed": {"color": "black", "marker": "^", "linestyle": (0, (4, 1, 1, 1))},
    "": {"color": GREY, "marker": "o", "linestyle": "-"},
}


def by_method(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of each method, in the order of :data:`LOOKS`; all under ``""`` where there is no column Method."""
    if "Method" not in frame:
        return {"": frame}
    return {name: own for name in LOOKS if not (own := frame[frame["Method"] == name]).empty}
