"""One writer per folder, wherever: a lock dies with its process, and nobody else takes it before."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from lock_holder import hold
from processes import FORKING, begin_forking

from srnn.errors import UserError
from srnn.runs import lock
from srnn.runs.lock import only_writer, open_files, writer

NO_LOCKS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL]

Without = Callable[[int], None]


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> Without:
    """Has the system know no locks, and say so by this error."""

    def lack(number: int) -> None:
        def flock(descriptor: int, operation: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", flock)

    return lack


def held_by_another(folder: Path, number: int | None) -> BaseProcess:
    begin_forking()
    ours, theirs = FORKING.Pipe(duplex=False)
    process = FORKING.Process(target=hold, args=(folder, number, theirs))
    process.start()
    assert ours.recv()
    return process


@pytest.mark.parametrize("number", [None, *NO_LOCKS], ids=lambda number: errno.errorcode.get(number, "flock"))
class TestWithAndWithoutTheSystemsLocks:
    @pytest.fixture(autouse=True)
    def _system(self, number: int | None, without_locks: Without) -> None:
        if number is not None:
            without_locks(number)

    def test_there_is_one_writer(self, tmp_path: Path) -> None:
        assert writer(tmp_path) == ""
        with only_writer(tmp_path):
            assert writer(tmp_path).startswith(f"process {os.getpid()} on ")
            with (
                pytest.raises(UserError, match=f"is being written by process {os.getpid()} on .*: wait for its end"),
                only_writer(tmp_path),
            ):
                pass
        assert writer(tmp_path) == ""
        assert not list(tmp_path.iterdir())
        with only_writer(tmp_path):
            pass

    def test_it_dies_with_its_process(self, tmp_path: Path, number: int | None) -> None:
        process = held_by_another(tmp_path, number)
        assert writer(tmp_path).startswith(f"process {process.pid} on ")
        with pytest.raises(UserError, match=f"is being written by process {process.pid} on "), only_writer(tmp_path):
            pass
        process.kill()
        process.join()
        assert (tmp_path / lock.NAME).exists()
        assert writer(tmp_path) == ""
        with only_writer(tmp_path):
            assert writer(tmp_path).startswith(f"process {os.getpid()} on ")

    def test_one_that_nobody_has_asked_how_it_ended_is_dead(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "100"]) as process:
            left = {"process": process.pid, "host": "", "machine": lock._machine(), "file": True}
            left["start"] = lock._start_of(process.pid)
            (tmp_path / lock.NAME).write_text(json.dumps(left))
            assert writer(tmp_path) == f"process {process.pid} on "
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert writer(tmp_path) == ""

    def test_one_that_cannot_run_is_not_dead(self, tmp_path: Path, number: int | None) -> None:
        process = held_by_another(tmp_path, number)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(UserError, match="is being written by"), only_writer(tmp_path):
            pass
        process.kill()
        process.join()

    def test_a_later_process_of_the_same_number_is_another(self, tmp_path: Path) -> None:
        left = {"process": os.getpid(), "host": "old", "machine": lock._machine(), "start": "1", "file": True}
        (tmp_path / lock.NAME).write_text(json.dumps(left))
        assert writer(tmp_path) == ""
        with only_writer(tmp_path):
            pass


class TestOfAnotherMachine:
    """Nobody can look whether its process runs: it touches the file as long as it does."""

    LEFT = json.dumps({"process": 1, "host": "far", "machine": "another", "start": "1", "file": True})

    @pytest.mark.parametrize("number", [None, errno.ENOLCK], ids=["flock", "without"])
    def test_it_holds_while_it_is_touched(self, tmp_path: Path, without_locks: Without, number: int | None) -> None:
        if number is not None:
            without_locks(number)
        path = tmp_path / lock.NAME
        path.write_text(self.LEFT)
        assert writer(tmp_path) == "process 1 on far"
        with pytest.raises(UserError, match="is being written by process 1 on far"), only_writer(tmp_path):
            pass
        long_ago = time.time() - 1000
        os.utime(path, (long_ago, long_ago))
        assert writer(tmp_path) == ""
        with only_writer(tmp_path):
            pass
        assert not list(tmp_path.iterdir())

    def test_ours_is_touched(self, tmp_path: Path, without_locks: Without, monkeypatch: pytest.MonkeyPatch) -> None:
        without_locks(errno.ENOSYS)
        monkeypatch.setattr(lock, "_TOUCH", 0.01)
        with only_writer(tmp_path):
            os.utime(tmp_path / lock.NAME, (1, 1))
            end = time.monotonic() + 60
            while (tmp_path / lock.NAME).stat().st_mtime < 2:
                assert time.monotonic() < end
                time.sleep(0.01)

    def test_one_taken_away_is_not_removed(self, tmp_path: Path, without_locks: Without) -> None:
        """As of a process that was stopped for so long that it counted as gone."""
        without_locks(errno.ENOSYS)
        with only_writer(tmp_path):
            (tmp_path / lock.NAME).write_text(self.LEFT)
        assert (tmp_path / lock.NAME).read_text() == self.LEFT


@pytest.mark.parametrize("content", [b"", b"process 1 on old\n", b"\xff" * 5000, b'{"process": 1e400}', b"[]"])
@pytest.mark.parametrize("number", [None, errno.ENOSYS], ids=["flock", "without"])
def test_a_file_that_names_nobody_is_left_behind(
    tmp_path: Path, without_locks: Without, content: bytes, number: int | None
) -> None:
    if number is not None:
        without_locks(number)
    (tmp_path / lock.NAME).write_bytes(content)
    os.utime(tmp_path / lock.NAME, (1, 1))
    assert writer(tmp_path) == ""
    with only_writer(tmp_path):
        assert writer(tmp_path).startswith(f"process {os.getpid()} ")


def test_another_error_is_told_with_the_file(tmp_path: Path, without_locks: Without) -> None:
    without_locks(errno.EIO)
    with pytest.raises(OSError, match=r"\.lock") as error, only_writer(tmp_path):
        pass
    assert error.value.errno == errno.EIO


def test_more_locks_than_files_may_be_open(tmp_path: Path) -> None:
    """Beyond what the system allows they are files that need not be open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    folders = [tmp_path / str(place) for place in range(60)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (lock._SPARE_FILES + 30, before[1]))
    try:
        with ExitStack() as locks:
            for folder in folders:
                folder.mkdir()
                locks.enter_context(only_writer(folder))
            assert all(writer(folder) for folder in folders)
            for folder in (folders[0], folders[-1]):
                with pytest.raises(UserError, match="is being written by"), only_writer(folder):
                    pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not any(list(folder.iterdir()) for folder in folders)


def test_room_for_open_files_is_made_and_given_back() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = (100, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, low)
    try:
        with open_files(200):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 200
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == low
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
