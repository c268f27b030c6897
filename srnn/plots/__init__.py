"""Figures: a function takes a DataFrame and returns a matplotlib Figure; it computes nothing and writes nothing.

One module per figure, all in the house style of :mod:`srnn.plots.style`, whose ``save`` writes a figure to a file.
"""

from __future__ import annotations

import os
import sys

try:
    import matplotlib
except ValueError:
    # It looks at MPLBACKEND, which a notebook sets for its own processes, and does not know what is there; figures are
    # drawn without any such window or page.
    backend = os.environ.pop("MPLBACKEND", "")
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        del sys.modules[name]  # half of them were imported
    try:
        import matplotlib  # noqa: F401
    finally:
        os.environ["MPLBACKEND"] = backend
