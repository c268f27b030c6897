"""A sweep's folder: what is to be done, what becomes of it, and how its runs have ended.

``config.toml`` is the experiment with its ``[sweep]``, ``plan.json`` all points, ``POINT/seed-S`` their runs, as any
others, and ``sweep.parquet`` how they ended.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from srnn import tasks
from srnn.errors import UserError, nearest, option, shorten
from srnn.experiment import Experiment
from srnn.files import is_file, replacing
from srnn.runs.groups import first_difference, is_sweep, sweeps_in
from srnn.runs.lock import BeingWrittenError, only_writer, writer
from srnn.runs.making import make_folder, write_config
from srnn.runs.status import read_status, recorded
from srnn.settings import RangeConfig, SweepConfig
from srnn.shown import Rows, Shown, figure
from srnn.sweeps.plan import Point, named_apart, planned, point_of, read_plan, require_possible, write_plan
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
        if writer(folder):
            return "running"
        return "failed" if recorded(folder).status == "failed" else "waiting"
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
        unread: Why a point is not in :attr:`table`, by its name, where its folder holds something else or is damaged;
            known once the table was read.

    Example:
        >>> sweep = srnn.Sweep.open("runs/alpha-hidden")  # doctest: +SKIP
        >>> sweep.table.pivot_table("test_accuracy", "replication.alpha", "particle.hidden")  # doctest: +SKIP
    """

    def __init__(self, folder: Path, experiment: Experiment, points: Iterable[Point]) -> None:
        self.folder, self.experiment, self.points = folder, experiment, list(points)
        self.unread: dict[str, str] = {}
        #: What was read of each point, and what it was read off.
        self._rows: dict[str, tuple[object, pd.DataFrame]] = {}

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

        frames = []
        self.unread = {}
        for point in self.points:
            try:
                if (rows := self._rows_of(point)) is not None:
                    frames.append(rows)
            except UserError as error:
                self.unread[point.name] = str(error)
        if not frames:
            return pd.DataFrame({"Point": [], "Seed": [], "Status": [], "Epoch": []})
        table = pd.concat(frames, ignore_index=True)
        settings = {name: sweeps.as_column(table[name].tolist()) for name in self.experiment.sweep.over}
        return table.assign(**settings)

    def _rows_of(self, point: Point) -> pd.DataFrame | None:
        import pandas as pd

        from srnn.analysis import sweeps

        runs = [one for one in self.runs(point) if is_file(one.folder / "metrics.csv")]
        if not runs:
            return None
        source = [(one.folder, one.status, (one.folder / "metrics.csv").stat().st_mtime_ns) for one in runs]
        if point.name in self._rows and self._rows[point.name][0] == source:
            return self._rows[point.name][1]
        self._require_own(point, runs)
        statuses = {one.experiment.seed: one.status for one in runs}
        frame = pd.DataFrame({"Point": point.name, "Seed": list(statuses), **_columns(point, len(runs))})
        try:
            frame = frame.assign(
                Status=[status.status for status in statuses.values()],
                Epoch=[int(one.metrics["Epoch"].max()) for one in runs],
            )
            frame = frame.join(sweeps.final_metrics(runs), on="Seed")
        except UserError as error:
            raise UserError(f"{error}; without the folder of this run the sweep trains it anew") from None
        self._rows[point.name] = source, frame
        return frame

    def _require_own(self, point: Point, runs: Iterable[Run]) -> None:
        there = point_of(self.experiment, point.settings)[1]
        there = there.model_copy(update={"name": point.name, "task": tasks.complete(there.task)})
        for run in runs:
            found, seed = run.experiment, int(run.folder.name.removeprefix("seed-"))
            difference = first_difference(found, there)
            if found.seed != seed:
                difference = ("seed", found.seed, seed)
            if difference is not None:
                key, theirs, ours = difference
                raise UserError(
                    f"{run.folder} holds a run with {key} {shorten(repr(theirs))} and not {shorten(repr(ours))}, as "
                    "the sweep has it there: move it elsewhere, or remove it"
                )

    def read_ahead(self, stop: Callable[[], bool]) -> None:
        """For :attr:`table`, read off their folders how points ended all of whose runs have, until told to stop."""
        for point in [*self.points]:
            if stop():
                return
            every = Task(point, tuple(self.experiment.sweep.all_seeds), self.folder / point.name)
            if every.state == "ended":
                with suppress(UserError):  # which the table tells
                    self._rows_of(point)

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
        """Write ``sweep.parquet``, the table of all runs: of points, too, that were added since this was opened."""
        path = self.folder / TABLE
        _ = self.table  # so that others need not wait for long
        # Whoever writes last has read last.
        with alone(self.folder):
            now = Sweep.open(self.folder)
            self.experiment, self.points = now.experiment, now.points
            self.__dict__.pop("table", None)
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


def sweeps_of(folders: Sequence[Path]) -> list[Sweep]:
    """The sweeps in these folders, and in those that hold experiments: there, what is damaged is left out.

    Raises:
        UserError: One that is named itself is damaged.
    """
    found = []
    for folder in sweeps_in(folders):
        try:
            found.append(Sweep.open(folder))
        except UserError:
            if folder in folders:
                raise
    return found


def wanted(settings: SweepConfig) -> dict[str, bool]:
    """The goals that are named: whether more is better."""
    return {**dict.fromkeys(settings.maximize, True), **dict.fromkeys(settings.minimize, False)}


def unmeasured(settings: SweepConfig, measured: Iterable[str]) -> str:
    """That a goal is none of these metrics, and which may be meant; empty if all are."""
    known = list(measured)
    for goal in wanted(settings):
        if goal not in known:
            which = "maximize" if goal in settings.maximize else "minimize"
            return f"no run measured {shorten(goal)}, which sweep.{which} names{nearest(goal, known)}"
    return ""


def begin(experiment: Experiment, out: Path) -> Sweep:
    """The folder of a sweep, in which all that it is to do is written down.

    Raises:
        UserError: A setting is wrong, or the folder is that of something else.
    """
    # The file may lie elsewhere than whoever goes on with the folder.
    experiment = experiment.model_copy(update={"task": tasks.complete(experiment.task)})
    points, folder = _all(experiment), out / experiment.name
    make_folder(folder)
    with alone(folder):
        points = _as_there(experiment, folder, points)
        try:
            known = Sweep.open(folder)
        except UserError:
            known = None
        if known is None or (known.points, known.experiment) != (points, experiment):
            write_config(folder, experiment)
            write_plan(folder, experiment.sweep, points)
    return Sweep(folder, experiment, points)


def planned_in(experiment: Experiment, folder: Path) -> list[Point]:
    """All points of a sweep, those that its folder has already as they are there.

    Raises:
        UserError: A setting is wrong, or the folder is that of something else.
    """
    return _as_there(experiment, folder, _all(experiment))


def _all(experiment: Experiment) -> list[Point]:
    """The points of a sweep that are known before any has ended."""
    if experiment.sweep.method == "optuna":
        require_possible(experiment)
        return []
    return planned(experiment)


def _as_there(experiment: Experiment, folder: Path, points: list[Point]) -> list[Point]:
    if not folder.exists():
        return points
    if not is_sweep(folder):
        if not folder.is_dir() or any(path.name != ".lock" and path.suffix != ".tmp" for path in folder.iterdir()):
            raise UserError(f"{folder} exists already and is no sweep: choose another {option('out')} or name")
        return points
    before = Experiment.from_toml(folder / "config.toml")
    try:
        there = read_plan(folder)
    except UserError:  # it is made anew
        there = []
    _require_same(folder, before, experiment)
    missing = [f"seed {seed}" for seed in before.sweep.all_seeds if seed not in experiment.sweep.all_seeds]
    if experiment.sweep.method == "optuna":
        missing += [point.name for point in there if not _is_inside(point, experiment.sweep)]
        points = there
    else:
        known, keys = {point.key: point for point in there}, {point.key for point in points}
        missing += [point.name for point in there if point.key not in keys]
        points = [known.get(point.key) or named_apart(point, there) for point in points]
    if missing:
        raise UserError(
            f"{folder} is a sweep that has {missing[0]}, which this one lacks; a sweep may only become larger: "
            f"give this one a name of its own, choose another {option('out')}, or remove it first"
        )
    return points


def _require_same(folder: Path, before: Experiment, experiment: Experiment) -> None:
    """Make sure that a sweep that is there is the same but for what may grow, or tells how it is done and looked at.

    Raises:
        UserError: It is another one.
    """
    free: dict[str, object] = {"seeds": 1, "seeds_per_task": 1, "points": 1, "over": {}, "maximize": [], "minimize": []}
    same = [
        one.model_copy(
            update={"sweep": one.sweep.model_copy(update=free), "task": tasks.complete(one.task)},
        )
        for one in (before, experiment)
    ]
    if (difference := first_difference(*same)) is not None:
        key, theirs, ours = difference
        what = f"{folder} is a sweep with {key} {shorten(repr(theirs))} and not {shorten(repr(ours))}"
        raise UserError(f"{what}: give this one a name of its own, choose another {option('out')}, or remove it first")


def _is_inside(point: Point, sweep: SweepConfig) -> bool:
    """Whether a point is one of those that are searched."""
    return point.settings.keys() == sweep.over.keys() and all(
        values.low <= point.settings[key] <= values.high
        if isinstance(values, RangeConfig)
        else point.settings[key] in values
        for key, values in sweep.over.items()
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
