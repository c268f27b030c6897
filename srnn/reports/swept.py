"""A sweep in a report: how all of its points ended, and which of them are looked at in detail."""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from srnn.analysis import sweeps
from srnn.errors import shorten
from srnn.reports.overview import in_words
from srnn.reports.section import Chart, Section
from srnn.sweeps.folder import Sweep

#: Points that are looked at in detail, and that a chart has a row for, of many.
_DETAILED: Final = 6
_ROWS: Final = 40
#: Letters of a point's name that a chart has room for.
_LETTERS: Final = 26


def in_order(found: Sweep) -> list[str]:
    """The points that have runs: those on the Pareto front first, and of the same rank the best by the first goal."""
    goals = found.goals
    points = sweeps.of_points(found.table, goals)
    if goals:
        first, more = next(iter(goals.items()))
        points = points.sort_values(["Front", first], ascending=[False, not more], kind="stable")
    return [str(point) for point in points["Point"]]


def detailed(found: Sweep, named: Container[Path] = ()) -> list[str]:
    """The points that are looked at in detail: the best, and those whose own folders are named."""
    order = in_order(found)
    place = found.folder.resolve()
    return [*order[:_DETAILED], *(point for point in order[_DETAILED:] if place / point in named)]


def all_swept(sweeps: Sequence[Sweep], named: Container[Path] = ()) -> list[Section]:
    """A section for each sweep; those of one name are told apart by their places."""
    names = [found.experiment.name for found in sweeps]
    sections = []
    for place, (name, found) in enumerate(zip(names, sweeps, strict=True)):
        section = swept(found, named)
        if names.count(name) > 1:
            section.key += f":{place + 1}"  # no name has a colon
            section.title += f" in {'/'.join(found.folder.absolute().parts[-3:-1])}"
        sections.append(section)
    return sections


def swept(found: Sweep, named: Container[Path] = ()) -> Section:
    """How the points of a sweep ended: a row for each of each goal, the best first; and maps of pairs of settings."""
    goals, table = found.goals, found.table
    order = in_order(found)
    points = sweeps.of_points(table, goals).set_index("Point")
    settings = table.drop_duplicates("Point").set_index("Point")[found.axes]
    section = Section(
        f"sweep-{found.experiment.name}",
        f"Sweep {found.experiment.name}",
        "How each point ended: the mean over its seeds, with its 95 % interval. In blue: those that no other beats.",
    )
    told = []
    for goal, more in goals.items():
        ends = sweeps.means(table, "Point", goal).set_index("Point").loc[order].join(settings)
        front = points["Front"].loc[order]
        ends = ends.assign(Front=front, Goal=goal).reset_index()
        ends = ends.sort_values("Mean", ascending=not more, kind="stable")
        told.append(ends[["Goal", "Point", *settings.columns, "Mean", "Low", "High", "Seeds", "Front"]])
        rows = [[name, shorten(name, _LETTERS)] for name in ends["Point"][:_ROWS]]
        hidden = f"; the best {_ROWS} of {len(ends):,}" if len(ends) > _ROWS else ""
        spec = {
            "frame": "Points",
            "by": "Point",
            "where": {"Goal": goal},
            "rows": rows,
            "marked": front[front].index.tolist(),
            "said": f"{in_words(goal)} at the end, the {'largest' if more else 'smallest'} first{hidden}",
        }
        section.charts.append(Chart(in_words(goal), "intervals", spec))
    if told:
        section.tables["Points"] = pd.concat(told, ignore_index=True)
    _add_maps(section, found)
    section.tables["Runs"] = table
    shown = detailed(found, named)
    if len(order) > len(shown):
        those = "those that no other beats and then the best" + (", and those named" if len(shown) > _DETAILED else "")
        section.notes.append(
            f"The other sections show {len(shown)} of the {len(order):,} points, {those}: {', '.join(shown)}. Name the "
            "folders of others, too, to see them."
        )
    return section


def _add_maps(section: Section, found: Sweep) -> None:
    """Of each pair of settings, a map of each goal: the mean over the seeds and over all other settings."""
    for pair in sweeps.pairs_of(found.axes):
        title, told = " × ".join(pair), []
        for goal in found.goals:
            means = sweeps.means(found.table, pair, goal).dropna(subset="Mean")
            if means.empty or not sweeps.is_grid(means, pair):
                continue
            told.append(means.assign(Goal=goal)[["Goal", *pair, "Mean", "Low", "High", "Seeds"]])
            spec = {"frame": title, "where": {"Goal": goal}, "x": pair[0], "y": pair[1]}
            section.charts.append(Chart(f"{in_words(goal)}, {title}", "heatmap", spec))
        if told:
            section.tables[title] = pd.concat(told, ignore_index=True)
    if any(chart.kind == "heatmap" for chart in section.charts):
        section.notes.append("A cell of a map is the mean over all seeds and all other settings.")
