"""Jobs in parallel processes, each as soon as those that it waits for are done."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import SimpleQueue, active_children, get_context, parent_process
from typing import TYPE_CHECKING

import torch

from srnn.errors import UserError

if TYPE_CHECKING:
    Messages = SimpleQueue[tuple[str, str]]

#: Told how many jobs are done, of how many, and what the others are doing: name → state.
Watch = Callable[[int, int, dict[str, str]], None]
#: What is sent to all processes of a job; SIGTERM is not, by which they are ended.
_FOR_ALL = {
    getattr(signal, name) for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU") if hasattr(signal, name)
}
#: Seconds between two looks at what the processes are doing.
_PATIENCE = 0.25


@dataclass(frozen=True)
class Job:
    """A piece of work that leaves files behind.

    Attributes:
        name: Told apart from the others by it.
        work: Does it, and tells a function what it is doing; it can be pickled, and so can what it raises.
        seconds: About how long it takes: what takes long is to start early.
        needs: The names of the jobs that are done before.
    """

    name: str
    work: Callable[[Callable[[str], None]], None]
    seconds: float
    needs: frozenset[str] = frozenset()


def run_all(jobs: Sequence[Job], processes: int, watch: Watch) -> None:
    """Do all jobs, one after the other here or in several processes of one thread each.

    What a job raises ends the others, too, wherever they are; so does Ctrl-C.
    """
    waiting = sorted(jobs, key=lambda job: _seconds_to_end(job, jobs), reverse=True)
    if processes > 1 and len(jobs) > 1:
        _run_in_processes(waiting, min(processes, len(jobs)), watch)
        return
    done: set[str] = set()
    while waiting:
        job = _take(waiting, done)
        assert job is not None, "jobs wait for each other"
        watch(len(done), len(jobs), {job.name: ""})
        job.work(lambda state, name=job.name: watch(len(done), len(jobs), {name: state}))  # type: ignore[misc]
        done.add(job.name)


def _seconds_to_end(job: Job, jobs: Sequence[Job]) -> float:
    """How long it takes until the job and what waits for it are done, if nothing else holds them up."""
    after = (_seconds_to_end(other, jobs) for other in jobs if job.name in other.needs)
    return job.seconds + max(after, default=0.0)


def _take(waiting: list[Job], done: set[str]) -> Job | None:
    """Take out the first that waits for nothing any more."""
    for place, job in enumerate(waiting):
        if job.needs <= done:
            return waiting.pop(place)
    return None


def _run_in_processes(waiting: list[Job], processes: int, watch: Watch) -> None:
    total, done = len(waiting), set[str]()
    running: dict[Future[None], Job] = {}
    states: dict[str, str] = {}
    messages: Messages = get_context("spawn").SimpleQueue()
    with _pool(processes, messages) as pool:
        while waiting or running:
            while len(running) < processes and (job := _take(waiting, done)):
                running[_submit(pool, job)] = job
                states[job.name] = ""
            watch(len(done), total, states)
            finished, _ = wait(running, _PATIENCE, FIRST_COMPLETED)
            while not messages.empty():
                name, state = messages.get()
                states[name] = state
            for future in finished:
                job = running.pop(future)
                try:
                    future.result()
                except BrokenProcessPool:
                    raise UserError(
                        f"{job.name}: its process was ended from outside, perhaps for lack of memory; try fewer --jobs"
                    ) from None
                done.add(job.name)
                del states[job.name]


@contextmanager
def _pool(processes: int, messages: Messages) -> Iterator[ProcessPoolExecutor]:
    """Processes to work in; an error or Ctrl-C ends them, whatever they are doing."""
    others = {*active_children()}
    # Spawned: threads, torch's among them, do not survive a fork.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (messages,))
    try:
        yield pool
    except BaseException:
        for child in {*active_children()} - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, job: Job) -> Future[None]:
    # A new process inherits what is blocked: what a terminal or a cluster sends to all is for this process to handle.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_ALL)
    try:
        return pool.submit(_work, job)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# What follows runs in the processes.

_messages: Messages


def _begin(messages: Messages) -> None:
    global _messages
    _messages = messages
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(job: Job) -> None:
    job.work(lambda state: _messages.put((job.name, state)))
