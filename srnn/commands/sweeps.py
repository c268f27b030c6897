"""What is printed of a sweep: what it is to do, and how its points have ended."""

from __future__ import annotations

import shlex
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srnn.commands.tables import grid
from srnn.shown import with_interval

if TYPE_CHECKING:
    from srnn.experiment import Experiment
    from srnn.sweeps.folder import Sweep

#: Points that are printed of many, and settings for each of which 80 columns have room.
_POINTS, _SETTINGS = 40, 3


def print_plan(experiment: Experiment, out: Path, data_dir: Path | None, jobs: int) -> None:
    """Print the points that a sweep has, and about how long those that are left take."""
    from rich.markup import escape

    from srnn.commands.output import console
    from srnn.sweeps.estimate import measured, seconds
    from srnn.sweeps.folder import Sweep, planned_in
    from srnn.sweeps.plan import point_of

    folder = out / experiment.name
    points = planned_in(experiment, folder)
    if experiment.sweep.method == "optuna":
        seeds = len(experiment.sweep.all_seeds)
        print(f"{experiment.sweep.points:,} points × {seeds:,} seeds, each chosen by how those before it have ended")
        return
    found = Sweep(folder, experiment, points)
    printed, tasks = console(), found.tasks
    states = {task.name: task.state for task in tasks}
    table = grid()
    table.add_column("point", overflow="fold")
    table.add_column("state")
    for point in found.points[:_POINTS]:
        own = [states[task.name] for task in tasks if task.point == point]
        table.add_row(escape(point.name), ", ".join(dict.fromkeys(own)))
    printed.print(table)
    if len(found.points) > _POINTS:
        printed.print(f"… and {len(found.points) - _POINTS:,} more", highlight=False)
    left = [task for task in tasks if states[task.name] != "ended"]
    seeds = len(experiment.sweep.all_seeds)
    printed.print()
    printed.print(f"{len(found.points):,} points × {seeds:,} seeds in {found.folder}", markup=False, soft_wrap=True)
    if not left:
        printed.print("all have ended", highlight=False)
        return
    there = {task.point.name: point_of(experiment, task.point.settings)[1] for task in left}
    costs = {name: seconds(one, 1) for name, one in there.items()}
    cheapest = min(left, key=lambda task: costs[task.point.name])
    each = measured(there[cheapest.point.name], cheapest.seeds, data_dir) / costs[cheapest.point.name]
    total = each * sum(costs[task.point.name] * len(task.seeds) / len(cheapest.seeds) for task in left)
    where = "one process" if jobs == 1 else f"{jobs} processes"
    about = f"about {_duration(total / min(jobs, len(left)))} in {where}"
    printed.print(f"{len(left):,} of {len(tasks):,} tasks are left: {about}", highlight=False)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1, round(seconds))} s"


def print_sweep(found: Sweep) -> None:
    """Print how the points of a sweep have ended: the best first."""
    from rich.markup import escape

    from srnn.commands.output import console
    from srnn.sweeps.folder import unmeasured

    printed, experiment = console(), found.experiment
    printed.print(f"\n[bold]{escape(experiment.name)}[/bold]  {escape(experiment.about)}")
    states = found.states
    told = ", ".join(
        f"{states[state]:,} {state}" for state in ("ended", "running", "waiting", "failed") if states[state]
    )
    what = f"{len(found.points):,} points × {len(experiment.sweep.all_seeds):,} seeds: {told}"
    printed.print(what, style="dim", highlight=False)
    goals = found.goals
    if goals:
        _print_points(found, goals)
    for why in found.unread.values():
        printed.print(why, markup=False, soft_wrap=True)
    if len(found.table) and (missing := unmeasured(experiment.sweep, map(str, found.table))):
        printed.print(missing, markup=False, soft_wrap=True)
    if states.total() > states["ended"] + states["running"]:
        again = " --retry-failed" if states["failed"] else ""
        command = f"srnn sweep {shlex.quote(str(found.folder))}{again}"
        printed.print(f"go on with: {command}", markup=False, soft_wrap=True)
    for path in (found.folder / "sweep.parquet", *found.figures):
        if path.exists():
            printed.print(
                f"{'table' if path.suffix == '.parquet' else 'figure':<7} {path}", soft_wrap=True, markup=False
            )


def _print_points(found: Sweep, goals: dict[str, bool]) -> None:
    from rich.markup import escape

    from srnn.analysis import sweeps
    from srnn.commands.output import console

    points = sweeps.of_points(found.table, goals)
    ends = {goal: sweeps.means(found.table, "Point", goal).set_index("Point") for goal in goals}
    first = next(iter(goals))
    points = points.sort_values(first, ascending=not goals[first], kind="stable")
    axes = found.axes if len(found.axes) <= _SETTINGS else []
    settings = {point.name: point.settings for point in found.points}
    table = grid()
    short = [axis.rpartition(".")[2] for axis in axes]
    for axis in (short if len({*short}) == len(short) else axes) or ["point"]:
        table.add_column(axis, overflow="fold", justify="right" if axes else "left")
    for goal in goals:
        table.add_column(goal.replace("_", " "), justify="right")
    table.add_column("runs", justify="right")
    if len(goals) == 2:
        table.add_column("front", justify="center")
    for _, row in points.head(_POINTS).iterrows():
        name = str(row["Point"])
        cells = [_written(settings[name].get(axis)) for axis in axes] or [name]
        for goal in goals:
            mean, *interval = map(float, ends[goal].loc[[name], ["Mean", "Low", "High"]].to_numpy()[0])
            # Two intervals have no room beside each other.
            cells.append(with_interval(mean, *(interval if len(goals) == 1 else (nan, nan))))
        cells.append(str(row["Runs"]))
        if len(goals) == 2:
            cells.append("●" if row["Front"] else "")
        table.add_row(*map(escape, cells))
    printed = console()
    printed.print()
    printed.print(table)
    if len(points) > _POINTS:
        printed.print(f"… and {len(points) - _POINTS:,} more, in {found.folder / 'sweep.parquet'}", highlight=False)
    printed.print()


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
