"""What a run leaves behind: its folder, written, read, resumed and verified."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srnn.runs.groups import by_experiment, first_difference, open_runs, same_experiment
    from srnn.runs.run import Run
    from srnn.runs.writer import RunWriter

#: Imported when first asked for: to see whether anybody writes to a folder needs no torch.
_HOMES = {
    "Run": "srnn.runs.run",
    "RunWriter": "srnn.runs.writer",
    "by_experiment": "srnn.runs.groups",
    "first_difference": "srnn.runs.groups",
    "open_runs": "srnn.runs.groups",
    "same_experiment": "srnn.runs.groups",
}

__all__ = ["Run", "RunWriter", "by_experiment", "first_difference", "open_runs", "same_experiment"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'srnn.runs' has no attribute {name!r}")
