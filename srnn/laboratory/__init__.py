"""Whole jobs: run an experiment, ask its runs, compare them, measure how fast it all is."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srnn.laboratory import ask, compare, ensemble, export, job, prune, study

#: Imported when first asked for, as what is in ``srnn`` itself.
_MODULES = ("ask", "compare", "ensemble", "export", "job", "prune", "study")

__all__ = ["ask", "compare", "ensemble", "export", "job", "prune", "study"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"srnn.laboratory.{name}")
    raise AttributeError(f"module 'srnn.laboratory' has no attribute {name!r}")
