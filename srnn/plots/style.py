"""The house style of every figure, and how a figure becomes a file.

Figures are one column wide (8 cm) and are to be read at that size. They are made with matplotlib's object-oriented
API inside :func:`house_style`, so that drawing needs no display and leaves the user's settings as they are.
"""

from __future__ import annotations

import functools
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, ParamSpec

import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import ArrayLike, NDArray

from srnn.analysis.statistics import interval
from srnn.choices import FORMATS
from srnn.errors import UserError
from srnn.files import replacing
from srnn.fixpoint_types import FixpointType
from srnn.untrusted import expanded

P = ParamSpec("P")

#: Width of a column and of a page, in inches (8 and 17 cm).
WIDTH: Final = 3.15
PAGE: Final = 6.69

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
#: The colour of each type where it is a thin line, in which the pale one would vanish in print.
LINE_COLOURS: Final = TYPE_COLOURS | {FixpointType.OTHER: "#999999"}
#: The rest of that palette, for what is not a fixpoint type.
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
GREY: Final = "#666666"
#: Shares of one, in whole percent.
PERCENT: Final = PercentFormatter(1, decimals=0, symbol=" %")
#: A line to compare with.
GUIDE: Final[dict[str, Any]] = {"color": "black", "linewidth": 0.7, "linestyle": (0, (4, 2))}
#: What single values are, in a caption.
DOTS: Final = "dots: single seeds"
#: Lines that are told apart without colours, too.
_DASHES: Final = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))
#: Width of an error bar, in points.
_BAR: Final = 0.7
#: About as many marks as a line carries over the width of a column before they touch.
_MARKS: Final = 24

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


def extent(frames: Iterable[pd.DataFrame], above: float = -np.inf) -> tuple[float, float]:
    """The lowest and the highest of all means and ends of intervals that are above a value; NaN if there is none."""
    parts = [frame[["Mean", "Low", "High"]].to_numpy(dtype=float).ravel() for frame in frames]
    values = np.concatenate(parts) if parts else np.empty(0)
    values = values[np.isfinite(values) & (values > above)]
    return (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)


def show(axes: Axes, frames: Iterable[pd.DataFrame], low: float, high: float) -> None:
    """Let the y axis reach from ``low`` to ``high``, and beyond where a curve or its interval does."""
    lowest, highest = extent(frames)
    margin = 0.03 * (max(high, highest) - min(low, lowest) if lowest == lowest else high - low)
    axes.set_ylim(lowest - margin if lowest < low else low, highest + margin if highest > high else high)


def log_axis(axes: Axes, frames: Iterable[pd.DataFrame]) -> None:
    """Make the y axis logarithmic, over all that it can show of these curves and their intervals."""
    axes.set_yscale("log")
    lowest, highest = extent(frames, above=0)
    if lowest == lowest:
        low, high = np.log10(lowest), np.log10(highest)
        margin = max(0.05 * (high - low), 0.15)
        axes.set_ylim(10 ** (low - margin), 10 ** (high + margin))
        axes.yaxis.set_minor_locator(NullLocator())
        if high - low < 2:
            # With few powers of ten in sight numbers between them are labelled too, in decimals: 0.4, not 4 × 10⁻¹.
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high - low > 1 else (1, 2, 3, 4, 6)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def band(axes: Axes, found: pd.DataFrame, look: Mapping[str, Any], label: str = "") -> None:
    """Draw a curve with its interval as a band, and marks where it joins points that do not follow on each other.

    Args:
        axes: Where; its x axis has its scale already.
        found: By what is on the x axis (index): Mean, Low, High, as :func:`srnn.analysis.statistics.interval` gives
            them; NaN is not drawn.
        look: Of the line: colour, dashes and, if it shall have them all along, marks.
        label: In the legend.
    """
    if found["Low"].notna().any():
        axes.fill_between(found.index, found["Low"], found["High"], color=look["color"], alpha=0.2, linewidth=0)
    marked = _marks(axes, found["Mean"], everywhere="marker" in look)
    marks = {"marker": "o", "markevery": marked} if marked.any() else {}
    axes.plot(found.index, found["Mean"], label=label, **(marks | dict(look)))


def _marks(axes: Axes, mean: pd.Series, everywhere: bool) -> NDArray[np.bool_]:
    """Which points of a curve get a mark: one without neighbours, and the ends of what was drawn over a gap.

    Where they would touch, only as many as stay apart.
    """
    x, there = mean.index.to_numpy(dtype=float), mean.notna().to_numpy()
    joined = there[:-1] & there[1:]
    before, after = np.append(False, joined), np.append(joined, False)
    gaps = joined & (np.diff(x) > 1)
    alone = there & ~before & ~after
    wanted = there & (everywhere | np.append(False, gaps) | np.append(gaps, False))
    places = axes.xaxis.get_transform().transform(x)
    last = -np.inf
    marked: NDArray[np.bool_] = alone.copy()
    for index in np.flatnonzero(wanted):
        if places[index] - last >= np.ptp(places) / _MARKS:
            marked[index], last = True, places[index]
    return marked


def arms(found: pd.DataFrame) -> NDArray[np.float64]:
    """Lengths of the arms of error bars, ``(2, n)``; 0 where there is no interval."""
    lengths = pd.DataFrame({"down": found["Mean"] - found["Low"], "up": found["High"] - found["Mean"]})
    return lengths.astype(float).fillna(0).clip(lower=0).to_numpy().T


def error_bars(axes: Axes, x: ArrayLike, found: pd.DataFrame, **look: Any) -> None:
    """Draw means with their intervals as error bars with a white rim, which is seen on any colour."""
    look = {"linestyle": "none", "color": "black"} | look
    if found["Low"].isna().all():
        axes.plot(x, found["Mean"], **look)
        return
    bars = axes.errorbar(x, found["Mean"], arms(found), elinewidth=_BAR, **look)
    for lines in bars.lines[2]:
        lines.set_path_effects([withStroke(linewidth=_BAR + 0.8, foreground="white")])


def single_values(axes: Axes, x: ArrayLike, y: ArrayLike, color: str) -> None:
    """Draw the values of a few seeds as dots, to be explained by :data:`DOTS`."""
    x, y = np.broadcast_arrays(x, y)
    axes.plot(x, y, ".", color=color, markersize=2.5, markeredgewidth=0, alpha=0.8, label="_seeds", zorder=2)


def error_bar_handle(label: str, across: bool = False, **look: Any) -> ErrorbarContainer:
    """A mark with its error bar for a legend; ``across``: with one along the x axis, too."""
    mark = Line2D([], [], **({"linestyle": "none"} | look))
    bars = tuple(LineCollection([], colors=look["color"], linewidths=_BAR) for _ in range(1 + across))
    return ErrorbarContainer((mark, (), bars), has_xerr=across, has_yerr=True, label=label)


def type_look(kind: FixpointType) -> dict[str, Any]:
    """How a type fills an area."""
    return {"facecolor": TYPE_COLOURS[kind], "hatch": TYPE_HATCHES[kind], "edgecolor": "white", "linewidth": 0}


def type_handles(kinds: Iterable[FixpointType]) -> list[Patch]:
    """The areas of these types for a legend."""
    return [Patch(label=kind.label, **type_look(kind)) for kind in kinds]


def layer_looks(layers: Iterable[str], total: str = "total") -> dict[str, dict[str, Any]]:
    """Lines of layers: from dark to light with the depth, each with its own dashes; the total in black."""
    names = [layer for layer in layers if layer != total]
    colours = matplotlib.colormaps["viridis"](np.linspace(0.05, 0.85, len(names)))
    looks: dict[str, dict[str, Any]] = {
        name: {"color": colour, "linestyle": _DASHES[place % len(_DASHES)]}
        for place, (name, colour) in enumerate(zip(names, colours, strict=True))
    }
    return looks | {total: {"color": "black", "linewidth": 1.6}}


def legend_above(axes: Axes, handles: Sequence[Any], columns: int, **options: Any) -> None:
    """A legend in rows above the axes, tight enough for all five types beside each other."""
    tight = {"handlelength": 0.9, "handletextpad": 0.3, "columnspacing": 0.7}
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "ncols": columns}
    axes.legend(handles=list(handles), **(place | tight | options))


def stacked(
    axes: Axes, x: ArrayLike, parts: Mapping[str, pd.DataFrame], looks: Mapping[str, Mapping[str, Any]], width: float
) -> None:
    """Draw shares that make a whole as bars on each other, the mean over the seeds, with the intervals of their ends.

    Args:
        axes: Where.
        x: Place of each bar, ``(n,)``.
        parts: By label, from below: shares, a row for each bar, a column for each seed.
        looks: How each fills its bars.
        width: Of a bar.
    """
    base: Any = 0.0
    for label, part in parts.items():
        mean = interval(part)["Mean"].to_numpy()
        axes.bar(x, mean, width, base, label=label, **looks[label])
        base = base + mean
    axes.set_ylim(0, max(1.0, boundaries(axes, x, parts)))
    axes.yaxis.set_major_formatter(PERCENT)


def boundaries(axes: Axes, x: ArrayLike, parts: Mapping[str, pd.DataFrame], **look: Any) -> float:
    """Draw where each part of a stack ends, with the interval of that over the seeds, if there are several.

    Args:
        axes: Where.
        x: ``(n,)``.
        parts: As for :func:`stacked`; where the last ends is no news.
        look: Of the marks; none without it.

    Returns:
        The highest end of an interval; NaN if there is none.
    """
    base: Any = 0.0
    ends = []
    whole = float(np.nanmax(sum(parts.values()), initial=0))
    for part in [*parts.values()][:-1]:
        base = base + part
        ends.append(found := interval(base, within=(0, whole)))
        if look or found["Low"].notna().any():
            error_bars(axes, x, found, **look)
    return extent(ends)[1]


def caption(axes: Axes, *notes: str) -> None:
    """Say below the axes, under the name of the x axis, what its means, bands and marks are."""
    lines = [axes.get_xlabel(), *(line for note in notes if note for line in _even_lines(note))]
    axes.set_xlabel("\n".join(filter(None, lines)))


def _even_lines(note: str, width: int = 50) -> list[str]:
    """As few lines as the width allows, none of them with a last word alone where it need not be."""
    fewest = len(textwrap.wrap(note, width, break_on_hyphens=False))
    tries = (
        textwrap.wrap(note, narrower, break_on_hyphens=False) for narrower in range(len(note) // fewest, width + 1)
    )
    return next(lines for lines in tries if len(lines) == fewest)


def of_seeds(count: int, what: str = "mean", spread: str = "band") -> str:
    """What a line or a mark and its spread are, where there are several seeds."""
    return f"{what} of {count} seeds, {spread}: 95 % interval" if count > 1 else ""


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
