"""A sweep's folder: what is to be done, what becomes of it, and how its runs have ended.

``config.toml`` is the experiment with its ``[sweep]``, ``plan.json`` all points, ``POINT/seed-S`` their runs, as any
others, and ``sweep.parquet`` how they ended.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from srnn.errors import UserError, option, shorten
from srnn.experiment import Experiment
from srnn.files import is_file, replacing
from srnn.runs.groups import first_difference, is_sweep
from srnn.runs.lock import BeingWrittenError, only_writer, writer
from srnn.runs.making import make_folder, write_config
from srnn.runs.status import read_status
from srnn.settings import SweepConfig
from srnn.shown import Rows, Shown, figure
from srnn.sweeps.plan import Point, planned, read_plan, require_settings, write_plan
from srnn.untrusted import expanded

if TYPE_CHECKING:
    import pandas as pd

    from srnn.runs.run import Run

#: What a task is doing: some seeds of a point.
State = Literal["waiting", "running", "ended", "failed"]
TABLE = "sweep.parquet"
#: Seconds in which a plan is written.
_PLANNING = 60.0
#: Points that are shown of many.
_SHOWN = 10


@dataclass(frozen=True)
class Task:
    """Some seeds of a point, trained side by side.

    Attributes:
        point: The point.
        seeds: Its seeds.
        folder: Of the point.
    """

    point: Point
    seeds: tuple[int, ...]
    folder: Path

    @property
    def name(self) -> str:
        """The point and its seeds, as it is told."""
        return f"{self.point.name} seed {','.join(map(str, self.seeds))}"

    @property
    def alone(self) -> list[Task]:
        """Each of its seeds by itself."""
        return [replace(self, seeds=(seed,)) for seed in self.seeds]

    @property
    def state(self) -> State:
        """What becomes of it, by its run folders."""
        states = {_state(self.folder / f"seed-{seed}") for seed in self.seeds}
        return next(one for one in ("running", "failed", "waiting", "ended") if one in states)


def _state(folder: Path) -> State:
    if not is_file(folder / "config.toml"):
        return "running" if writer(folder) else "waiting"
    status = read_status(folder)
    if status.ended:
        return "ended"
    return status.status if status.status in ("running", "failed") else "waiting"


class Sweep(Shown):
    """A sweep's folder, to be read.

    Attributes:
        folder: Where its points are.
        experiment: What has the sweep.
        points: All points that are planned.

    Example:
        >>> sweep = srnn.Sweep.open("runs/alpha-hidden")  # doctest: +SKIP
        >>> sweep.table.pivot_table("test_accuracy", "replication.alpha", "particle.hidden")  # doctest: +SKIP
    """

    def __init__(self, folder: Path, experiment: Experiment, points: Iterable[Point]) -> None:
        self.folder, self.experiment, self.points = folder, experiment, list(points)
        self._rows: dict[str, pd.DataFrame] = {}

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Sweep:
        """The sweep in that folder.

        Raises:
            UserError: The folder is missing or is not that of a sweep, or what it says is damaged.
        """
        folder = expanded(folder)
        if not is_sweep(folder):
            raise UserError(f"{folder} is not the folder of a sweep; name one such as runs/NAME")
        return cls(folder, Experiment.from_toml(folder / "config.toml"), read_plan(folder))

    @property
    def tasks(self) -> list[Task]:
        """What is done at once: some seeds of a point."""
        together = self.experiment.sweep.seeds_together(len(self.points))
        return [Task(point, seeds, self.folder / point.name) for point in self.points for seeds in together]

    @property
    def states(self) -> Counter[State]:
        """How many runs are in which state."""
        return Counter(one.state for task in self.tasks for one in task.alone)

    @property
    def goals(self) -> dict[str, bool]:
        """The metrics that it is looked at by, and whether more is better; those that are measured."""
        from srnn.analysis import sweeps

        return sweeps.goals_of(self.table, wanted(self.experiment.sweep))

    @property
    def axes(self) -> list[str]:
        """The settings that really differ."""
        from srnn.analysis import sweeps

        return sweeps.axes_of(self.table, list(self.experiment.sweep.over))

    @cached_property
    def table(self) -> pd.DataFrame:
        """The runs that have measured anything, as :mod:`srnn.analysis.sweeps` describes it; read off their folders."""
        import pandas as pd

        from srnn.analysis import sweeps

        frames = [rows for point in self.points if (rows := self._rows_of(point)) is not None]
        if not frames:
            return pd.DataFrame({"Point": [], "Seed": [], "Status": [], "Epoch": []})
        table = pd.concat(frames, ignore_index=True)
        settings = {name: sweeps.as_column(table[name].tolist()) for name in self.experiment.sweep.over}
        return table.assign(**settings)

    def _rows_of(self, point: Point) -> pd.DataFrame | None:
        import pandas as pd

        from srnn.analysis import sweeps

        if point.name in self._rows:
            return self._rows[point.name]
        runs = [one for one in self.runs(point) if is_file(one.folder / "metrics.csv")]
        if not runs:
            return None
        statuses = {one.experiment.seed: one.status for one in runs}
        frame = pd.DataFrame({"Point": point.name, "Seed": list(statuses), **_columns(point, len(runs))})
        frame = frame.assign(
            Status=[status.status for status in statuses.values()],
            Epoch=[int(one.metrics["Epoch"].max()) for one in runs],
        )
        return frame.join(sweeps.final_metrics(runs), on="Seed")

    def read_ahead(self, stop: Callable[[], bool]) -> None:
        """For :attr:`table`, read off their folders how points ended all of whose runs have, until told to stop."""
        for point in [*self.points]:
            if stop():
                return
            every = Task(point, tuple(self.experiment.sweep.all_seeds), self.folder / point.name)
            if point.name in self._rows or every.state != "ended":
                continue
            if (rows := self._rows_of(point)) is not None:
                self._rows[point.name] = rows

    def runs(self, point: Point) -> list[Run]:
        """The runs of a point that are begun, in the order of their seeds."""
        from srnn.runs.run import Run

        folders = [self.folder / point.name / f"seed-{seed}" for seed in self.experiment.sweep.all_seeds]
        return [Run(folder) for folder in folders if is_file(folder / "config.toml")]

    @property
    def figures(self) -> list[Path]:
        """The figures, by name."""
        from srnn.runs.run import figures

        return figures(self.folder)

    def write_table(self) -> Path:
        """Write ``sweep.parquet``, the table of all runs."""
        path = self.folder / TABLE
        with replacing(path) as file:
            self.table.to_parquet(file, index=False)
        return path

    def _line(self) -> str:
        done = self.states
        return f"Sweep({str(self.folder)!r}: {len(self.points)} points, {done['ended']} of {done.total()} runs ended)"

    def _shown(self) -> tuple[str, Rows]:
        from srnn.analysis import sweeps

        goals = self.goals
        found = sweeps.of_points(self.table, goals).head(_SHOWN)
        rows = [("point", *goals, "runs")]
        rows += [
            (row["Point"], *(figure(row[goal]) for goal in goals), str(row["Runs"])) for _, row in found.iterrows()
        ]
        return str(self.folder), rows


def _columns(point: Point, rows: int) -> dict[str, list[object]]:
    return {name: [value] * rows for name, value in point.settings.items()}


def wanted(settings: SweepConfig) -> dict[str, bool]:
    """The goals that are named: whether more is better."""
    return {**dict.fromkeys(settings.maximize, True), **dict.fromkeys(settings.minimize, False)}


def begin(experiment: Experiment, out: Path) -> Sweep:
    """The folder of a sweep, in which all that it is to do is written down.

    Raises:
        UserError: A setting is wrong, or the folder is that of something else.
    """
    searched = experiment.sweep.method == "optuna"
    points = [] if searched else planned(experiment)
    if searched:
        require_settings(experiment)
    folder = out / experiment.name
    make_folder(folder)
    with alone(folder):
        if is_sweep(folder):
            before = Sweep.open(folder)
            _require_grown(before, experiment, before.points if searched else points)
            points = before.points if searched else points
        elif any(path.name not in (".lock", "config.toml") for path in folder.iterdir()):
            raise UserError(f"{folder} exists already and is no sweep: choose another {option('out')} or name")
        known = Sweep.open(folder) if is_sweep(folder) else None
        if known is None or (known.points, known.experiment.sweep) != (points, experiment.sweep):
            write_config(folder, experiment)
            write_plan(folder, experiment.sweep, points)
    return Sweep(folder, experiment, points)


def _require_grown(before: Sweep, experiment: Experiment, points: list[Point]) -> None:
    """Make sure that a sweep that is there is the same, or has become larger.

    Raises:
        UserError: It is another one.
    """
    # What grows, and what only tells how the rest is done or looked at.
    free: dict[str, object] = {"seeds": 1, "seeds_per_task": 1, "points": 1}
    free |= {} if experiment.sweep.method == "optuna" else {"over": {}, "maximize": [], "minimize": []}
    same = [
        one.model_copy(update={"sweep": one.sweep.model_copy(update=free)}) for one in (before.experiment, experiment)
    ]
    if (difference := first_difference(*same)) is not None:
        key, theirs, ours = difference
        what = f"{before.folder} is a sweep with {key} {shorten(repr(theirs))} and not {shorten(repr(ours))}"
        raise UserError(f"{what}: give this one a name of its own, choose another {option('out')}, or remove it first")
    kept = {point.name: point for point in points}
    missing = [point.name for point in before.points if kept.get(point.name) != point]
    missing += [f"seed {seed}" for seed in before.experiment.sweep.all_seeds if seed not in experiment.sweep.all_seeds]
    if missing:
        raise UserError(
            f"{before.folder} is a sweep that has {missing[0]}, which this one lacks; a sweep may only become larger: "
            f"give this one a name of its own, choose another {option('out')}, or remove it first"
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only one who plans, inside this context."""
    end = time.monotonic() + _PLANNING
    while True:
        try:
            with only_writer(folder):
                yield
                return
        except BeingWrittenError:
            if time.monotonic() > end:
                raise
