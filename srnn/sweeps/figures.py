"""The figures of a sweep."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from srnn.analysis import sweeps
from srnn.plots import sweeps as plots
from srnn.plots.style import save
from srnn.sweeps.folder import Sweep
from srnn.untrusted import own_folder


def draw(found: Sweep, image_format: str = "png", between: Callable[[], None] = lambda: None) -> list[Path]:
    """Draw how a sweep ended, over each pair of its settings, and its Pareto front; the figures.

    ``between`` them something may be done.
    """
    table, goals, axes = found.table, found.goals, found.axes
    pairs: list[tuple[str, ...]] = [*sweeps.pairs_of(axes)] if len(axes) > 1 else [(axis,) for axis in axes]
    drawn = {}
    for goal in goals:
        for pair in pairs:
            name = "-".join([goal, *(axis.replace(".", "_") for axis in pair)])
            drawn[name] = partial(plots.landscape, sweeps.means(table, list(pair), goal), pair, goal)
    if len(goals) == 2:
        drawn["front"] = partial(plots.front, sweeps.of_points(table, goals), goals)
    folder = own_folder(found.folder / "figures") if drawn else found.folder
    saved = []
    for name, plot in drawn.items():
        between()
        saved.append(save(plot(found.experiment.name), folder / f"{name}.{image_format}"))
    return saved
