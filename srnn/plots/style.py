"""The house style of every figure, and how a figure becomes a file.

Figures are one column wide (8 cm) and are to be read at that size. They are made with matplotlib's object-oriented
API inside :func:`house_style`, so that drawing needs no display and leaves the user's settings as they are.
"""

from __future__ import annotations

import functools
import os
import textwrap
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, ParamSpec

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from srnn.analysis.statistics import EXPONENTS
from srnn.errors import UserError, option, shorten
from srnn.files import replacing
from srnn.fixpoints import FixpointType
from srnn.untrusted import expanded

P = ParamSpec("P")

#: Width of a column, in inches (8 cm).
WIDTH: Final = 3.15
#: What figures are written as.
FORMATS: Final = ("png", "svg", "pdf")

#: The colour of each fixpoint type in every figure: Okabe and Ito's, which the colour-blind can tell apart, of which
#: these also differ in lightness (except divergent and identity: see TYPE_HATCHES).
TYPE_COLOURS: Final = {
    FixpointType.DIVERGENT: "#D55E00",
    FixpointType.ZERO: "#000000",
    FixpointType.IDENTITY: "#0072B2",
    FixpointType.SECONDARY: "#56B4E9",
    FixpointType.OTHER: "#D9D9D9",
}
#: The hatch of each type where it fills an area, so that areas stay apart in greyscale.
TYPE_HATCHES: Final = {
    FixpointType.DIVERGENT: "//////",
    FixpointType.ZERO: "",
    FixpointType.IDENTITY: "",
    FixpointType.SECONDARY: "",
    FixpointType.OTHER: "",
}
#: The rest of that palette, for what is not a fixpoint type.
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
GREY: Final = "#666666"

_SETTINGS: Final[dict[str, Any]] = {
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    # DejaVu Sans comes with matplotlib: the same letters, and so the same bytes, on every machine.
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "figure.titlesize": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 7,
    "axes.labelpad": 2,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.borderpad": 0,
    "legend.borderaxespad": 0.6,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.2,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.xmargin": 0.02,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "ytick.minor.pad": 2,
    "lines.linewidth": 1,
    "lines.markersize": 2.5,
    "hatch.linewidth": 0.4,
    # TrueType fonts inside the PDF and text as text in the SVG: journals ask for it, and both stay editable.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    # matplotlib derives the identifiers in an SVG from this; by default it is random.
    "svg.hashsalt": "srnn",
}
#: What matplotlib would write about itself and the time of day, which has no place in reproducible files.
_NO_METADATA: Final[dict[str, dict[str, None]]] = {
    "png": {"Software": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


def house_style() -> AbstractContextManager[None]:
    """A context with matplotlib's defaults and this project's settings; the user's come back at its end."""
    return matplotlib.style.context(["default", _SETTINGS])


def in_house_style(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make a plot function draw in the house style (decorator)."""

    @functools.wraps(plot)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with house_style():
            figure = plot(*args, **kwargs)
            # Laid out here and once: it makes the ticks, by the settings of this moment, and repeated at every drawing
            # it would move things by rounding errors, and the bytes of the file with them.
            if (layout := figure.get_layout_engine()) is not None:
                layout.execute(figure)
            figure.set_layout_engine("none")
        return figure

    return styled


def new_figure(title: str = "", height: float = 2.2) -> Figure:
    """An empty figure, one column wide and ``height`` inches high; a long title is broken into lines."""
    figure = Figure(figsize=(WIDTH, height))
    if title:
        # A title may be anything, also the name of a file: a $ in it is a dollar.
        figure.suptitle(textwrap.fill(title, 48), parse_math=False)
    return figure


def whole_numbers() -> MaxNLocator:
    """Ticks on whole numbers, as few as the width carries."""
    return MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)


def log_axis(axes: Axes, curves: Mapping[str, pd.DataFrame]) -> None:
    """Make the y axis logarithmic, over all that it can show of ``curves``."""
    axes.set_yscale("log")
    values = np.concatenate([frame.to_numpy().ravel() for frame in curves.values()])
    exponents = np.log10(values[np.isfinite(values) & (values > 0)]).clip(*EXPONENTS)
    if exponents.size:
        low, high = exponents.min(), exponents.max()
        margin = max(0.05 * (high - low), 0.15)
        axes.set_ylim(10 ** (low - margin), 10 ** (high + margin))
        axes.yaxis.set_minor_locator(NullLocator())
        if high - low < 2:
            # With few powers of ten in sight numbers between them are labelled too, in decimals: 0.4, not 4 × 10⁻¹.
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high - low > 1 else (1, 2, 3, 4, 6)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def require_format(image_format: str) -> None:
    """Make sure that figures can be written so, before there are any.

    Raises:
        UserError: They cannot.
    """
    if image_format not in FORMATS:
        given, allowed = shorten(repr(image_format)), ", ".join(FORMATS)
        raise UserError(f"{option('format', 'image_format')} is {given}; allowed: {allowed}")


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write ``figure`` to ``path``, a ``.png`` (300 dpi), ``.svg`` or ``.pdf``; the same figure gives the same bytes.

    The file appears under its name only when it is complete; folders that are missing are made.

    Raises:
        UserError: The name ends in something else.
    """
    path = expanded(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise UserError(f"{path}: figures are written as .{', .'.join(FORMATS)}; give the file one of these endings")
    path.parent.mkdir(parents=True, exist_ok=True)
    with house_style(), replacing(path) as file:
        figure.savefig(file, format=kind, metadata=_NO_METADATA[kind])
    return path
