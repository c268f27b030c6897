"""Doing a sweep, in any number of processes: its folder is the queue, and the lock of each run keeps them apart."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING, Self

from srnn.bodies.module import ModuleConfig, with_body
from srnn.choices import require_format
from srnn.errors import StoppedError, UserError, option, shorten
from srnn.experiment import Experiment
from srnn.files import is_file
from srnn.presets import load_experiment
from srnn.runs.lock import BeingWrittenError, only_writer
from srnn.runs.making import is_free, make_folder
from srnn.runs.status import Status, read_status, recorded, write_status
from srnn.sweeps.engine import LOST, Job, LostError, carry_out
from srnn.sweeps.estimate import seconds
from srnn.sweeps.folder import State, Sweep, Task, begin, unmeasured
from srnn.sweeps.plan import point_of
from srnn.sweeps.point import train as train_point
from srnn.sweeps.search import Search
from srnn.untrusted import expanded

if TYPE_CHECKING:
    from srnn.bodies.module import Body
    from srnn.laboratory.job import Named
    from srnn.sweeps.workers import Workers

#: Seconds between two looks at what other processes are doing.
_PAUSE = 1.0
#: Tasks, the shortest, of which each seed is done by itself.
_LAST = 4
#: From so many tasks for each that is being done, the end is prepared: that takes as long as some four short ones.
_FEW = 8


@dataclass
class Doing:
    """What a sweep tells of while it goes on.

    Attributes:
        states: How many runs are in which state, those of other processes among them.
        running: What this process and its workers do: task → state.
    """

    states: Counter[State] = field(default_factory=Counter)
    running: Mapping[str, str] = field(default_factory=dict)


def sweep(
    experiment: Named,
    out: str | os.PathLike[str] = "runs",
    *,
    workers: Workers | None = None,
    fail_fast: bool = False,
    retry_failed: bool = False,
    wait: bool = True,
    data_dir: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    image_format: str | None = "png",
    body: Body | None = None,
    watch: Callable[[Doing], None] = lambda doing: None,
    stop: Callable[[], bool] = lambda: False,
) -> Sweep:
    """Run all points of an experiment with a ``[sweep]``, or what others have left of them.

    Any number of processes may do so at once, on any machines that share the folder: none trains what another does, and
    what one leaves behind, however it ends, is gone on with by the others.

    Args:
        experiment: What is run: an experiment, or a TOML file.
        out: Its folder is ``out/NAME``.
        workers: Where to work, such as ``srnn.sweeps.workers.Processes(4)``; without, in this process.
        fail_fast: End with the first point that fails; otherwise all others are done first.
        retry_failed: Do again what has failed before.
        wait: Wait for what other processes are doing, to go on with it should they end.
        data_dir, device, body: As of :func:`srnn.run`.
        image_format: Of the figures of the whole sweep; its runs have none.
        watch: Told now and then what is going on.
        stop: Asked likewise; once it says yes, the whole state of all runs is saved, and it ends.

    Raises:
        UserError: A setting is wrong, another sweep is in the folder, or, at the end, some points have failed.
        OSError: A folder cannot be written.
        StoppedError: Because of ``stop``.

    Example:
        >>> srnn.sweep("my-sweep.toml", workers=srnn.sweeps.workers.Processes(4)).table  # doctest: +SKIP
    """
    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment)
    experiment = with_body(experiment, body, begins=True)
    if device != "cpu":
        from srnn.laboratory.job import require_device

        device = require_device(device)
    if image_format is not None:
        require_format(image_format)
    found = begin(experiment, expanded(out))
    data_dir = None if data_dir is None else expanded(data_dir).absolute()
    train = partial(train_point, data_dir=data_dir, device=device, body=_body_of(experiment))
    doing = _Worker(found, workers, train, fail_fast, retry_failed, image_format, watch, stop)
    while (states := doing.to_do()) or doing.may_ask():
        free = {name for name, state in states.items() if state != "running"}
        if free or doing.may_ask():
            doing.carry_out(free)
        elif not wait:
            break
        else:
            doing.look()
            time.sleep(_PAUSE)
    return doing.end()


def _body_of(experiment: Experiment) -> str | None:
    """The class of the body, to which whoever begins the sweep has consented."""
    return experiment.body.path if isinstance(experiment.body, ModuleConfig) else None


class _Worker:
    """What one process does of a sweep."""

    def __init__(
        self,
        found: Sweep,
        workers: Workers | None,
        train: Callable[..., None],
        fail_fast: bool,
        retry_failed: bool,
        image_format: str | None,
        watch: Callable[[Doing], None],
        stop: Callable[[], bool],
    ) -> None:
        self._sweep, self._workers, self._train, self._fail_fast = found, workers, train, fail_fast
        self._image_format, self._watch, self._stop = image_format, watch, stop
        self._search = Search(found) if found.experiment.sweep.method == "optuna" else None
        self._runs = {run.name: run for task in found.tasks for run in task.alone}
        self._ended: set[str] = set()
        self._failed: dict[str, str] = {}
        self._tasks: dict[str, Task] = {}
        # What failed before it began, perhaps for what this machine has and another had not, each process tries.
        self._again = {
            name
            for name, state in self._states().items()
            if state == "failed" and (retry_failed or self._may_be_tried(self._runs[name]))
        }
        self._looked, self._counts = -inf, Counter[State]()

    def _states(self) -> dict[str, State]:
        """What becomes of each run; what has ended is not looked at again."""
        found: dict[str, State] = {
            name: "ended" if name in self._ended else run.state for name, run in self._runs.items()
        }
        self._ended |= {name for name, state in found.items() if state == "ended"}
        return found

    @staticmethod
    def _may_be_tried(run: Task) -> bool:
        folder = run.folder / f"seed-{run.seeds[0]}"
        return is_free(folder) and LOST not in recorded(folder).why

    def to_do(self) -> dict[str, State]:
        """The runs that are still to be done, or are being done."""
        if self._search is not None:
            self._ask(0)
        return {
            name: state
            for name, state in self._states().items()
            if name not in self._failed
            and (state in ("waiting", "running") or (state == "failed" and name in self._again))
        }

    def may_ask(self) -> bool:
        """Whether there are points that are not chosen yet."""
        return self._search is not None and self._search.left

    def _ask(self, count: int) -> list[Task]:
        """Have points chosen; the tasks that were not known before, of whoever asked for them."""
        assert self._search is not None
        self._sweep.points = self._search.ask(count)
        new = [task for task in self._sweep.tasks if task.alone[0].name not in self._runs]
        self._runs |= {run.name: run for task in new for run in task.alone}
        return new

    def _more(self, count: int) -> list[Job]:
        each = len(self._sweep.experiment.sweep.seeds_together(len(self._sweep.points)))
        return [self._job(task) for task in self._ask(-(-count // each))] if self.may_ask() else []

    def _job(self, task: Task) -> Job:
        there = point_of(self._sweep.experiment, task.point.settings)[1].model_copy(update={"name": task.point.name})
        work = partial(self._train, there.model_dump(), task.folder.absolute().parent, task.seeds)
        self._tasks[task.name] = task
        return Job(task.name, work, seconds(there, len(task.seeds)))

    def _jobs(self, names: Collection[str]) -> list[Job]:
        """What does these runs: of each task what is left of it, of the last few each run by itself."""
        left = [[run for run in task.alone if run.name in names] for task in self._sweep.tasks]
        tasks = [replace(runs[0], seeds=tuple(run.seeds[0] for run in runs)) for runs in left if runs]
        jobs = sorted(map(self._job, tasks), key=lambda job: job.seconds, reverse=True)
        if self._workers is None or self._sweep.experiment.sweep.seeds_per_task != "auto":
            return jobs
        # So that no worker waits long for the others.
        last = [run for job in jobs[-_LAST:] for run in self._tasks[job.name].alone]
        return jobs[:-_LAST] + [self._job(run) for run in last]

    def carry_out(self, names: Collection[str]) -> None:
        """Do those runs that no other process is doing."""
        with _Ahead(self._sweep, self._image_format is not None) as ahead:

            def told(done: int, total: int, running: Mapping[str, str]) -> None:
                # Not while the workers are importing, either: those who have told anything are at work.
                ends = self._workers is not None and any(running.values()) and total - done <= _FEW * len(running)
                if ends and not (self.may_ask() or self._stop()):
                    ahead.begin()
                self._told(running)

            for job, error in carry_out(self._jobs(names), self._workers, told, self._stop, self._more):
                if error is not None and not isinstance(error, BeingWrittenError):  # by another process
                    self._fail(self._tasks[job.name], error)
        self.look()

    def _fail(self, task: Task, error: Exception) -> None:
        """Take note of why a task has failed, or end because of that."""
        if isinstance(error, StoppedError | OSError):
            if self._stop():
                return  # the others are stopping, too
            raise error
        why = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        why = why.removeprefix(f"{task.name}: ")
        self._record(task, error, why)
        self._failed |= {run.name: why for run in task.alone}
        if self._fail_fast:
            self._sweep.write_table()
            raise UserError(f"{task.name}: {why}") from error

    def _record(self, task: Task, error: Exception, why: str) -> None:
        """Say so of what has failed and cannot: before it began, or because its process was ended from outside.

        Nothing is written beside what is not the sweep's, and nothing of seeds that may have failed for another's sake.
        """
        lost = isinstance(error, LostError)
        folders = [task.folder / f"seed-{seed}" for seed in task.seeds]
        if not lost and not all(map(is_free, folders)):
            return
        for folder in folders:
            with suppress(UserError, OSError):  # what is told is why it failed
                make_folder(folder)
                with only_writer(folder):
                    begun = is_file(folder / "config.toml")
                    if is_free(folder) or (lost and begun and not recorded(folder).ended):
                        write_status(folder, Status("failed", recorded(folder).epoch, why))

    def look(self) -> None:
        """Tell what is going on, and stop if that is wished."""
        self._stop_if_asked()
        self._told({})

    def _stop_if_asked(self) -> None:
        if self._stop():
            raise StoppedError("a sweep was asked to stop; the whole state of its runs is saved")

    def _told(self, running: Mapping[str, str]) -> None:
        if (now := time.monotonic()) - self._looked > _PAUSE:
            self._counts, self._looked = Counter(self._states().values()), now
        self._watch(Doing(self._counts, running))

    def end(self) -> Sweep:
        """Write down and draw how all runs have ended.

        Raises:
            UserError: Some have failed.
        """
        if self._search is not None:
            self._ask(0)
        ended = self._sweep
        self._watch(Doing(ended.states))
        ended.read_ahead(self._stop)  # so that others need not wait for long
        self._stop_if_asked()
        ended.write_table()
        if self._image_format is not None:
            from srnn.sweeps.figures import draw

            draw(ended, self._image_format, self._stop_if_asked)
        failed = [name for name, state in self._states().items() if name in self._failed or state == "failed"]
        if failed:
            status = read_status(self._runs[failed[0]].folder / f"seed-{self._runs[failed[0]].seeds[0]}")
            why = self._failed.get(failed[0]) or status.why
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            again = option("retry-failed", "retry_failed=True")
            raise UserError(f"{failed[0]} failed{more}: {shorten(why, 300)}; do it again by {again}")
        if ended.unread:
            raise UserError(next(iter(ended.unread.values())))
        if len(ended.table) and (missing := unmeasured(ended.experiment.sweep, map(str, ended.table))):
            raise UserError(missing)
        return ended


class _Ahead:
    """Prepares the end, once it is told to begin, in a thread that ends with this context.

    It imports what that takes, and reads what has ended.
    """

    def __init__(self, found: Sweep, draws: bool) -> None:
        self._found, self._draws = found, draws
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._prepare, daemon=True)
            self._thread.start()

    def _prepare(self) -> None:
        with suppress(Exception):  # which the end tells
            if self._draws:
                import_module("srnn.sweeps.figures")
                import_module("scipy.special")  # which intervals import late
            while not self._over.wait(_PAUSE / 4):
                self._found.read_ahead(self._over.is_set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._over.set()
        if self._thread is not None and kind is None:
            self._thread.join()
