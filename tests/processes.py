"""``srnn`` as a process of its own, as its users start it.

A fresh interpreter takes seconds to import torch. Where many processes are needed, they are forked from one that has
done so (``warm.py``): from there on they go the same way, from the same entry point, and have their own folder,
environment, files, signals and end. What is looked at while Python starts or torch is imported, such as
``OMP_NUM_THREADS``, is that of the process they are forked from; what has to be seen from there is for a fresh process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, NamedTuple

import pytest

SRNN = (sys.executable, "-m", "srnn")

#: Seconds after which a process that hangs is ended, by a signal.
_PATIENCE = 300
#: Starts processes that are forked from one that has imported all.
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["warm"])


class Answer(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error: exit code 2, nothing on stdout, no traceback."""
        assert (self.code, self.out) == (2, "")
        assert self.err.startswith("srnn: ")
        assert self.err.endswith("\n")
        assert len(self.err.splitlines()) == 1
        return self.err.removeprefix("srnn: ").rstrip("\n")


def environment(**changes: str) -> dict[str, str]:
    """That of the tests, without the data of whoever runs them; one thread, as the cores are shared.

    Where a test asks for more, those that wait for others sleep: while they spin nobody else can work.
    """
    hidden = ("SRNN_DATA_DIR", "NO_PROXY", "no_proxy")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    own = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    return {**kept, **own, **changes}


def without_compiling(err: str) -> str:
    """What stands on stderr, but for what the kernels say when they are compiled for the first time."""
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith("srnn: compiling the kernels"))


def process(command: tuple[str, ...], folder: Path, **changes: str) -> Answer:
    """Run any command, in that folder."""
    done = subprocess.run(
        command, cwd=folder, env=environment(**changes), capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    return Answer(done.returncode, done.stdout, without_compiling(done.stderr))


def forked(arguments: list[str], folder: Path, **changes: str) -> Answer:
    """Run ``srnn`` with these arguments in that folder, forked."""
    return start(arguments, folder, **changes).end()


class Running:
    """A process that has begun.

    Attributes:
        pid: Its number.
        stdout: What it writes.
    """

    def __init__(self, pid: int, stdout: IO[str], stderr: IO[str], wait: Callable[[float | None], int | None]) -> None:
        self.pid, self.stdout, self._stderr, self._wait = pid, stdout, stderr, wait

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def ends_within(self, seconds: float) -> bool:
        return self._wait(seconds) is not None

    def end(self) -> Answer:
        """Wait until it ends; how. What it writes on stderr must fit into a pipe."""
        with self.stdout, self._stderr:
            out, err = self.stdout.read(), self._stderr.read()
        code = self._wait(None)
        assert code is not None
        return Answer(code, out, without_compiling(err))


def begin_forking() -> None:
    """Start, if it is not there yet, the process that others are forked from, which has one thread only."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).parent))
        patched.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()


def start(
    arguments: list[str],
    folder: Path,
    before: Callable[[], object] | None = None,
    stdin: str = os.devnull,
    **changes: str,
) -> Running:
    """Start ``srnn`` in a forked process.

    Args:
        arguments: Those of the command line.
        folder: Where it runs.
        before: Done in the new process before anything else.
        stdin: The path of what it reads, such as a terminal.
        changes: To the environment.
    """
    begin_forking()
    (out, their_out), (err, their_err) = FORKING.Pipe(duplex=False), FORKING.Pipe(duplex=False)
    given = (arguments, folder, environment(**changes), before, stdin, their_out, their_err)
    forked = FORKING.Process(target=_become_srnn, args=given)
    forked.start()
    for pipe in (their_out, their_err):
        pipe.close()
    assert forked.pid is not None

    def wait(seconds: float | None) -> int | None:
        forked.join(seconds)
        return forked.exitcode

    return Running(forked.pid, _readable(out), _readable(err), wait)


def start_fresh(
    command: tuple[str, ...], folder: Path, before: Callable[[], object] | None = None, **changes: str
) -> Running:
    """Start any command in a process of its own, as :func:`start` does ``srnn``."""

    def prepare() -> None:
        signal.alarm(_PATIENCE)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # see _become_srnn
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if before is not None:
            before()

    fresh = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=prepare,
    )
    assert fresh.stdout is not None
    assert fresh.stderr is not None

    def wait(seconds: float | None) -> int | None:
        try:
            return fresh.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    return Running(fresh.pid, fresh.stdout, fresh.stderr, wait)


def _readable(pipe: Connection) -> IO[str]:
    with pipe:
        return os.fdopen(os.dup(pipe.fileno()), encoding="utf-8")


def _become_srnn(
    arguments: list[str],
    folder: Path,
    variables: dict[str, str],
    before: Callable[[], object] | None,
    stdin: str,
    out: Connection,
    err: Connection,
) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    signal.alarm(_PATIENCE)
    # A shell in the background, as of a CI, and nohup have them ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    source = os.open(stdin, os.O_RDWR | os.O_NOCTTY)
    for number, descriptor in enumerate((source, out.fileno(), err.fileno())):
        os.dup2(descriptor, number)
    for pipe in (out, err):
        pipe.close()
    sys.stdin, sys.stdout = os.fdopen(0, encoding="utf-8"), os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8")
    sys.argv = ["srnn", *arguments]
    if before is not None:
        before()
    from srnn.commands import main

    main()
