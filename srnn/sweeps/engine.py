"""Jobs, each as soon as those that it waits for are done: here, in processes of this machine, or on a cluster."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from srnn.errors import StoppedError, UserError, command_line, on_command_line, option

if TYPE_CHECKING:
    from srnn.sweeps.workers import Workers

#: Told how many jobs are done, of how many, and what the others are doing: name → state.
Watch = Callable[[int, int, dict[str, str]], None]
#: Seconds between two looks at what the workers are doing.
_PATIENCE = 0.25
#: How often a job is begun whose worker is ended from outside.
_ATTEMPTS = 3
#: Why one is given up then.
LOST = "its process was ended from outside"
#: The file that is there as long as workers are to go on: nor are they to where nobody waits for them any more.
_GO_ON = "go on"
#: In a worker of several threads jobs take turns: how torch computes is a matter of the whole process.
_turn = threading.Lock()


@dataclass(frozen=True)
class Contact:
    """How a job and whoever waits for it speak to each other.

    Attributes:
        tell: Told what the job is doing.
        stop: Whether it is to stop.
    """

    tell: Callable[[str], None]
    stop: Callable[[], bool]


@dataclass(frozen=True)
class Job:
    """A piece of work that leaves files behind.

    Attributes:
        name: Told apart from the others by it.
        work: Does it; it can be pickled, and so can what it raises. If its process dies it is done again, and must get
            on with what is there already.
        seconds: About how long it takes: what takes long is to start early.
        needs: The names of the jobs that are done before.
    """

    name: str
    work: Callable[[Contact], None]
    seconds: float = 0
    needs: frozenset[str] = frozenset()


def carry_out(
    jobs: Sequence[Job],
    workers: Workers | None,
    watch: Watch,
    stop: Callable[[], bool] = lambda: False,
    more: Callable[[int], Sequence[Job]] = lambda count: (),
) -> Iterator[tuple[Job, Exception | None]]:
    """Do all jobs; each as it has ended, and what it raised.

    Whoever asks for no more of them ends those that are going on, wherever they are; so does Ctrl-C.

    Args:
        jobs: None waits for one that fails, or nobody asks for more after that.
        workers: Where they are done; None: in this process, one after the other.
        watch: Told what is going on.
        stop: Once it says yes, jobs are told so, and no other is begun.
        more: Asked for as many more jobs as there is room for when none is left; they wait for no others.
    """
    waiting = _longest_first(jobs)
    return _here(waiting, watch, stop, more) if workers is None else _elsewhere(waiting, workers, watch, stop, more)


def _here(
    waiting: list[Job], watch: Watch, stop: Callable[[], bool], more: Callable[[int], Sequence[Job]]
) -> Iterator[tuple[Job, Exception | None]]:
    done = set[str]()
    while not stop():
        if not waiting:
            waiting.extend(more(1))
        if not waiting:
            return
        total = len(waiting) + len(done)
        job = _take(waiting, done)
        assert job is not None, "jobs wait for each other"
        tell = partial(_tell_here, watch, len(done), total, job.name)
        tell("")
        error: Exception | None = None
        try:
            job.work(Contact(tell, stop))
        except Exception as raised:
            error = raised
        done.add(job.name)
        yield job, error


def _tell_here(watch: Watch, done: int, total: int, name: str, state: str) -> None:
    watch(done, total, {name: state})


def _elsewhere(
    waiting: list[Job],
    workers: Workers,
    watch: Watch,
    stop: Callable[[], bool],
    more: Callable[[int], Sequence[Job]],
) -> Iterator[tuple[Job, Exception | None]]:
    done, attempts = set[str](), Counter[str]()
    running: dict[Future[None], Job] = {}
    with TemporaryDirectory(prefix=".at-work-", dir=workers.folder) as name, workers:
        folder = Path(name)
        stopped = False
        while True:
            if stop() and not stopped:
                stopped = True
                (folder / _GO_ON).unlink(missing_ok=True)
                waiting.clear()
            if not stopped:
                (folder / _GO_ON).touch()  # what nobody touches for days may be cleared away
            if not waiting and not stopped and (room := workers.room() - len(running)) > 0:
                waiting.extend(more(room))
            if not (waiting or running):
                return
            while len(running) < workers.room() and (job := _take(waiting, done)):
                running[workers.submit(_work, job, folder, on_command_line())] = job
            total = len(waiting) + len(running) + len(done)
            watch(len(done), total, {job.name: _state(_place(folder, job)) for job in running.values()})
            ended, _ = wait(running, _PATIENCE, FIRST_COMPLETED)
            for future in ended:
                job = running.pop(future)
                error = _error_of(future)
                workers.release(future)
                if isinstance(error, BrokenExecutor | CancelledError):
                    attempts[job.name] += 1
                    if attempts[job.name] < _ATTEMPTS and not stopped:
                        waiting.insert(0, job)
                        continue
                    lost = f"{job.name}: {LOST}"
                    error = (
                        StoppedError(lost)
                        if stopped
                        else LostError(
                            f"{lost} {_ATTEMPTS} times, perhaps for lack of memory; try fewer {option('jobs')}"
                        )
                    )
                done.add(job.name)
                yield job, error


def _place(folder: Path, job: Job) -> Path:
    """The file in which a job tells what it is doing; its name may be none of a file."""
    return folder / hashlib.sha256(job.name.encode()).hexdigest()[:16]


class LostError(UserError):
    """A job whose process was ended from outside, again and again."""


def _error_of(future: Future[None]) -> Exception | None:
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return cancelled
    if error is not None and not isinstance(error, Exception):
        raise error
    return error


def _state(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):  # not told yet, or half of it
        return ""


def _longest_first(jobs: Sequence[Job]) -> list[Job]:
    """By how long it takes until a job and what waits for it are done, if nothing else holds them up."""
    followers: dict[str, list[Job]] = {}
    for job in jobs:
        for need in job.needs:
            followers.setdefault(need, []).append(job)

    def seconds_to_end(job: Job) -> float:
        return job.seconds + max(map(seconds_to_end, followers.get(job.name, ())), default=0.0)

    return sorted(jobs, key=seconds_to_end, reverse=True)


def _take(waiting: list[Job], done: set[str]) -> Job | None:
    """Take out the first that waits for nothing any more."""
    for place, job in enumerate(waiting):
        if job.needs <= done:
            return waiting.pop(place)
    return None


# What follows runs in the workers.


def _work(job: Job, folder: Path, for_command_line: bool) -> None:
    with _turn, command_line() if for_command_line else nullcontext():
        job.work(Contact(partial(_tell, _place(folder, job)), lambda: not (folder / _GO_ON).exists()))


def _tell(path: Path, state: str) -> None:
    with suppress(OSError):  # whoever waited has gone
        path.write_text(state, "utf-8")
