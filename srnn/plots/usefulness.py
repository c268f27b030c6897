"""How useful units are: its distribution by layer and epoch, and their ranks while a network learns."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from srnn.analysis.humps import on_scale
from srnn.analysis.statistics import seeds
from srnn.errors import UserError
from srnn.files import write_whole
from srnn.plots.style import GREY, PAGE, WIDTH, caption, house_style, in_house_style, new_figure, whole_numbers

#: The colour of each state.
STATE_COLOURS: Final = {"dead": "#000000", "unclear": "#D9D9D9", "useful": "#0072B2", "harmful": "#D55E00"}
#: Epochs beside each other, and bins of a histogram.
_COLUMNS, _BINS = 4, 21
#: Courses of ranks at either end and in the middle, at most.
_MANY = 3
#: Frames of a film at most, and milliseconds for each.
_FRAMES, _PACE = 30, 150


@in_house_style
def distribution(film: pd.DataFrame, title: str = "") -> Figure:
    """Draw how many units are how useful: a row for each layer, a column for some of the epochs.

    Args:
        film: As :func:`srnn.analysis.usefulness.film` gives it; the units of several seeds are drawn together.
        title: Above the figure.

    Raises:
        UserError: There are no units.
    """
    layers, epochs = _layers(film), _some(film["Epoch"], _COLUMNS)
    figure = new_figure(title, height=0.9 + 0.95 * len(layers))
    figure.set_figwidth(PAGE)
    shown = film[film["Epoch"].isin(epochs)]
    error = float(shown.loc[shown["Loss SE"] > 0, "Loss SE"].median())
    values = on_scale(shown["Loss change"].to_numpy(), error)
    finite = values[np.isfinite(values)]
    bins = np.linspace(finite.min() - 0.05, finite.max() + 0.05, _BINS)
    panels = figure.subplots(len(layers), len(epochs), sharex=True, sharey="row", squeeze=False)
    for row, layer in zip(panels, layers, strict=True):
        for axes, epoch in zip(row, epochs, strict=True):
            here = ((shown["Layer"] == layer) & (shown["Epoch"] == epoch)).to_numpy()
            states = shown["State"].to_numpy()[here]
            parts = [values[here][states == state] for state in STATE_COLOURS]
            axes.hist(parts, bins, stacked=True, color=[*STATE_COLOURS.values()], label=[*STATE_COLOURS])
            axes.yaxis.set_major_locator(whole_numbers())
            if layer == layers[0]:
                axes.set_title(f"epoch {epoch}")
            if layer == layers[-1]:
                axes.set_xlabel("usefulness")
        row[0].set_ylabel(f"units of {layer}")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    scale = f"usefulness u as sign(u) · log10(1 + |u| / e), e = {error:.1e} nats, the median of its errors"
    many = f"; the units of {seeds(film)} seeds" if seeds(film) > 1 else ""
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), title=scale + many)
    return figure


@in_house_style
def ranks(film: pd.DataFrame, title: str = "") -> Figure:
    """Draw the rank of units within their layer over the epochs, a line for each.

    Drawn are those that end as the most useful, in the middle and as the least useful, at most three of each.

    Args:
        film: As for :func:`distribution`; of several seeds the first is drawn.
        title: Above the figure.

    Raises:
        UserError: There are no units.
    """
    layers = _layers(film)
    of = ""
    if "Seed" in film:
        of = f" of seed {film['Seed'].iloc[0]}"
        film = film[film["Seed"] == film["Seed"].iloc[0]]
    figure = new_figure(title, height=0.75 + 1.35 * len(layers))
    for axes, layer in zip(figure.subplots(len(layers), 1, sharex=True, squeeze=False).flat, layers, strict=True):
        wide = film[film["Layer"] == layer].pivot(index="Epoch", columns="Name", values="Loss change").sort_index()
        places = wide.rank(axis=1, method="average")
        order = places.columns[places.iloc[-1].to_numpy().argsort(kind="stable")]
        few = min(_MANY, max(1, len(order) // 3))
        start = (len(order) - few) // 2
        ends = {"unclear": order[start : start + few], "useful": order[-few:], "harmful": order[:few]}
        for state, ending in ends.items():
            axes.plot(places.index, places[ending], color=STATE_COLOURS[state], linewidth=0.8)
        axes.set_ylabel(f"rank in {layer}")
        axes.yaxis.set_major_locator(whole_numbers())
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(whole_numbers())
    caption(axes, f"units{of}, 1: the least useful; drawn: those that end highest, in the middle and lowest")
    return figure


def animate(film: pd.DataFrame, path: Path) -> None:
    """Write a GIF: unit by unit its usefulness with its error, a frame for each logged epoch (at most 30).

    The final one stands behind each frame as a grey line.

    Args:
        film: As for :func:`distribution`, of one seed.
        path: The file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    epochs = _some(film["Epoch"], _FRAMES)
    error = float(film.loc[film["Loss SE"] > 0, "Loss SE"].median())
    ends = on_scale(film["Loss change"].to_numpy(), error)
    low, high = np.nanmin(ends), np.nanmax(ends)
    end = film[film["Epoch"] == epochs[-1]]
    units = np.arange(len(end))
    starts = np.flatnonzero((end["Layer"] != end["Layer"].shift()).to_numpy())
    pictures = []
    with house_style():
        figure = Figure(figsize=(PAGE / 1.6, WIDTH / 1.5), dpi=100)
        canvas, axes = FigureCanvasAgg(figure), figure.subplots()
        axes.plot(units, on_scale(end["Loss change"].to_numpy(), error), color=GREY, alpha=0.5, label="at the end")
        bars = axes.vlines(units, 0, 0, color=STATE_COLOURS["useful"], linewidth=0.8)
        (dots,) = axes.plot(units, 0 * units, ".", color=STATE_COLOURS["useful"], label="now")
        for start in starts[1:]:
            axes.axvline(start - 0.5, color="0.8", linewidth=0.5)
        axes.set_xticks(starts, end["Layer"].iloc[starts])
        axes.set_ylim(low - 0.1, high + 0.1)
        axes.set_xlabel("unit, layer by layer")
        axes.set_ylabel("usefulness, log scale of its error")
        title = axes.set_title(f"epoch {epochs[-1]}")
        axes.legend(loc="upper left", ncols=2)
        # All frames are laid out alike: once is enough, and takes half of the time.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for epoch in epochs:
            now = film[film["Epoch"] == epoch]
            middle, reach = now["Loss change"].to_numpy(), now["Loss SE"].to_numpy()
            lower, upper = (on_scale(middle + side * reach, error) for side in (-1, 1))
            bars.set_segments([*np.stack([np.stack([units, lower], 1), np.stack([units, upper], 1)], 1)])
            dots.set_ydata(on_scale(middle, error))
            title.set_text(f"epoch {epoch}")
            canvas.draw()  # type: ignore[no-untyped-call]
            picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
            pictures.append(picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=32))
    out = BytesIO()
    pictures[0].save(out, format="GIF", save_all=True, append_images=pictures[1:], duration=_PACE, loop=0)
    write_whole(path, out.getvalue())


def _layers(film: pd.DataFrame) -> list[str]:
    if film.empty:
        raise UserError("there are no units to draw: a network needs a hidden layer, a run a logged epoch")
    return list(film["Layer"].unique())


def _some(epochs: pd.Series, most: int) -> list[int]:
    """At most so many of the epochs, evenly, with the first and the last."""
    known = sorted(epochs.unique())
    return [int(known[place]) for place in np.unique(np.linspace(0, len(known) - 1, most).round().astype(int))]
