"""Jobs here and in other processes: what waits for what, and what a process that is killed costs."""

from __future__ import annotations

import os
import signal
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import light_jobs
import pytest

from srnn.errors import StoppedError, UserError, command_line
from srnn.sweeps import engine
from srnn.sweeps.engine import Job, carry_out
from srnn.sweeps.workers import Processes


def unwatched(done: int, total: int, running: dict[str, str]) -> None:
    pass


def test_what_others_wait_for_starts_first() -> None:
    """A takes long, but B is what the longest waits for."""
    jobs = [
        Job("a", lambda contact: None, 10),
        Job("b", lambda contact: None, 1),
        Job("c", lambda contact: None, 20, frozenset({"b"})),
    ]
    assert [job.name for job, _ in carry_out(jobs, None, unwatched)] == ["b", "c", "a"]


def test_here_an_error_is_handed_on_and_the_others_are_done() -> None:
    jobs = [Job("a", partial(light_jobs.fail, "no"), 2), Job("b", lambda contact: None, 1)]
    ended = {job.name: str(error) for job, error in carry_out(jobs, None, unwatched)}
    assert ended == {"a": "no", "b": "None"}


def test_here_no_other_is_begun_once_it_is_to_stop() -> None:
    asked: list[str] = []
    jobs = [Job(name, lambda contact: asked.append(str(contact.stop()))) for name in "ab"]
    assert [job.name for job, _ in carry_out(jobs, None, unwatched, lambda: bool(asked))] == ["a"]
    assert asked == ["False"]


def test_a_killed_process_costs_one_job_and_no_other(tmp_path: Path) -> None:
    """The other process goes on with what it is doing, and does not begin it again; a job that fails is told."""
    told: set[tuple[str, str]] = set()

    def watch(done: int, total: int, running: dict[str, str]) -> None:
        told.update(running.items())

    killed, beside = tmp_path / "killed", tmp_path / "beside"
    jobs = [
        Job("killed", partial(light_jobs.be_killed_once, killed), 9),
        Job("beside", partial(light_jobs.wait_for, beside, [killed]), 8),
        Job("fails", partial(light_jobs.fail, "no"), 1),
        Job("after", partial(light_jobs.write, tmp_path / "after"), 0, frozenset({"beside"})),
    ]
    ended = {job.name: str(error) for job, error in carry_out(jobs, Processes(2), watch)}
    assert ended == {"killed": "None", "beside": "None", "fails": "no", "after": "None"}
    # Each once, with the threads of this process' share.
    assert [(tmp_path / name).read_text() for name in ("killed", "beside", "after")] == ["1\n"] * 3
    assert {name for name, _ in told} == {"killed", "beside", "fails", "after"}


def test_a_job_that_is_killed_each_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_ATTEMPTS", 1)
    [(_, error)] = carry_out([Job("killed", light_jobs.be_killed)], Processes(1), unwatched)
    assert isinstance(error, UserError)
    assert str(error).startswith("killed: its process was ended from outside 1 times, perhaps for lack of memory")


def test_they_are_asked_to_stop_and_the_rest_is_left(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    jobs = [
        Job("goes on", partial(light_jobs.wait_for_stop, begun), 1),
        Job("is left", partial(light_jobs.write, tmp_path / "left")),
    ]
    assert [(job.name, error) for job, error in carry_out(jobs, Processes(1), unwatched, begun.exists)] == [
        ("goes on", None)
    ]
    assert begun.read_text() == "stopped"
    assert not (tmp_path / "left").exists()


def test_what_is_killed_while_all_are_stopping_is_not_begun_again(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    jobs = [Job("stops", partial(light_jobs.be_killed_at_the_stop, begun))]
    [(_, error)] = carry_out(jobs, Processes(1), unwatched, begun.exists)
    assert isinstance(error, StoppedError)
    assert begun.read_text() == "begun\n"


def test_processes_are_begun_before_there_is_work_and_one_that_is_ended_by_then_is_replaced(tmp_path: Path) -> None:
    with Processes(1) as workers:
        workers.start()
        [executor] = workers._idle
        [process] = executor._processes
        os.kill(process, signal.SIGKILL)
        ended = [
            (job.name, error)
            for job, error in carry_out([Job("a", partial(light_jobs.write, tmp_path / "a"))], workers, unwatched)
        ]
    assert ended == [("a", None)]


def test_processes_that_are_begun_early_seldom_look_for_garbage_and_never_in_what_they_import(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with Processes(1) as workers:
        workers.start()
        list(carry_out([Job("a", partial(light_jobs.tell_of_garbage, told))], workers, unwatched))
    assert told.read_text() == "5000 True"


def test_messages_of_other_processes_speak_to_whoever_waits_for_them(tmp_path: Path) -> None:
    named = tmp_path / "named"
    jobs = [Job("a", partial(light_jobs.name_an_option, named))]
    told = []
    for who in (nullcontext(), command_line()):
        with who:
            list(carry_out(jobs, Processes(1), unwatched))
        told.append(named.read_text())
    assert told == ["data_dir", "--data-dir"]


def test_a_process_does_one_job_after_the_other(tmp_path: Path) -> None:
    jobs = [Job(name, partial(light_jobs.say_who, tmp_path / "who")) for name in "abc"]
    assert [error for _, error in carry_out(jobs, Processes(1), unwatched)] == [None] * 3
    [who, *others] = (tmp_path / "who").read_text().split()
    assert others == [who] * 2
    assert int(who) != os.getpid()
