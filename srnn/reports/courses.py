"""How training went: curves with their bands, and the census in motion and at rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pandas as pd

from srnn.analysis.comparison import is_logarithmic
from srnn.analysis.statistics import Range, interval, range_of
from srnn.fixpoint_types import FixpointType, is_count
from srnn.reports.overview import Groups, in_words, measured
from srnn.reports.section import Chart, Menu, Section

_LABELS: Final = [kind.label for kind in FixpointType]
_MOTION, _REST = "in motion", "at rest"
#: What has a chart, in this order; all else that was measured is in the table.
_CHARTS: Final = (
    *("test_accuracy", "test_mae", "train_accuracy", "train_mae", "validation_accuracy", "validation_mae"),
    *("task_loss", "validation_loss", "replication_loss", "replication_error"),
    *("rest_test_accuracy", "rest_test_mae", "test_r2", "learned_factor", "open_gates", "density"),
)


def curves(groups: Groups) -> Section:
    """The curve of each metric: a line for each experiment, its mean over the seeds with a 95 % band."""
    frames = []
    for name, runs in groups.items():
        metrics = measured(runs)
        shown = metrics[[not is_count(metric) for metric in metrics["Metric"]]]
        frames.append(_courses(shown).assign(Group=name))
    frame = pd.concat(frames, ignore_index=True)[["Group", "Metric", "Epoch", "Mean", "Low", "High", "Seeds"]]
    there, several = {*frame["Metric"]}, any(len(runs) > 1 for runs in groups.values())
    charts = [
        Chart(
            in_words(metric) + (", geometric mean" if several and is_logarithmic(metric) else ""),
            "lines",
            {
                "frame": "Curves",
                "where": {"Metric": metric},
                "x": "Epoch",
                "series": "Group",
                "order": list(groups),
                "logarithmic": is_logarithmic(metric) or metric == "replication_error",
            },
        )
        for metric in _CHARTS
        if metric in there
    ]
    about = "Of one seed"
    if several:
        about = (
            "Mean over the seeds, of losses and absolute errors the geometric one, with the 95 % interval of the mean "
            "as a band"
        )
    return Section(
        "curves", "Curves", f"{about}. Losses and errors are on logarithmic axes.", [], charts, [], {"Curves": frame}
    )


def census(groups: Groups) -> Section | None:
    """How many particles are of each type over the epochs; None of networks without types."""
    section = Section(
        "census",
        "Census of the particles",
        "How many particles are of each type: in motion, right after a step of the task, and at rest, after some steps "
        "of replication alone that change nothing in the run. Layer L0 is the one behind the input.",
    )
    scopes: dict[str, None] = {}
    for name, runs in groups.items():
        frame = _census(measured(runs))
        if frame.empty:
            section.notes.append(f"{name} has no particles of types.")
            continue
        scopes |= dict.fromkeys(frame["Scope"])
        title = f"Census of {name}"
        section.tables[title] = frame
        for moment in frame["Moment"].unique():
            spec = {"frame": title, "where": {"Moment": moment}, "x": "Epoch", "series": "Type", "order": _LABELS}
            section.charts.append(Chart(f"{name}, {moment}", "areas", spec))
    # All in motion, and below them all at rest.
    section.charts.sort(key=lambda chart: chart.spec["where"]["Moment"] != _MOTION)
    section.menus = [Menu("Scope", "layer", sorted(scopes, key=lambda scope: scope != "total"))]
    return section if section.charts else None


def _census(metrics: pd.DataFrame) -> pd.DataFrame:
    """Columns Moment, Scope, Type, Epoch, Mean, Low, High, Seeds."""
    counted = metrics[[is_count(metric) for metric in metrics["Metric"]]]
    columns = ["Moment", "Scope", "Type", "Epoch", "Mean", "Low", "High", "Seeds"]
    if counted.empty:
        return pd.DataFrame(columns=columns)
    parts = counted["Metric"].str.rpartition("_")
    totals = counted.groupby([parts[0], "Seed", "Epoch", "Batch"])["Score"].sum().groupby(level=0).max()
    found = _courses(counted, lambda metric: (0.0, float(totals[metric.rpartition("_")[0]])))
    parts = found["Metric"].str.rpartition("_")
    at_rest = parts[0].str.startswith("rest")
    found["Moment"] = at_rest.map({True: _REST, False: _MOTION})
    found["Scope"] = parts[0].str.removeprefix("rest").str.removeprefix("_").replace("", "total")
    found["Type"] = parts[2]
    return found[columns]


def _courses(metrics: pd.DataFrame, within: Callable[[str], Range] = range_of) -> pd.DataFrame:
    """Mean and interval over the seeds of each metric at each epoch: Metric, Epoch, Mean, Low, High, Seeds."""
    last = metrics.sort_values("Batch", kind="stable").drop_duplicates(["Metric", "Epoch", "Seed"], keep="last")
    values = last.pivot(index=["Metric", "Epoch"], columns="Seed", values="Score")
    kinds: dict[tuple[bool, Range], list[str]] = {}
    for name in metrics["Metric"].unique():
        kinds.setdefault((is_logarithmic(name), within(name)), []).append(name)
    parts = [interval(values.loc[names], *kind).reset_index() for kind, names in kinds.items()]
    return pd.concat(parts, ignore_index=True)
