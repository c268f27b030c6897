"""Sweeps on clusters: a real Dask scheduler, and the script that begins a sweep as an array of SLURM."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import SRNN, Answer, environment, forked, start_fresh
from test_sweeps import Reference, assert_whole, file, reference, soak, wait_until

from srnn import Sweep
from srnn.sweeps import slurm

__all__ = ["file", "reference"]


@contextmanager
def dask(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Dask that runs until the end of this context, whatever it says is in a file."""
    log = (folder / f"dask-{arguments[0]}-{arguments[-1]}.log").open("w")
    command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
    with log, subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


@soak
def test_dask_does_it_all_even_if_a_worker_is_killed(tmp_path: Path, file: Path, reference: Reference) -> None:
    pytest.importorskip("distributed")
    found = str(tmp_path / "scheduler.json")
    local = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", found]
    worker = [*local, "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path), "--name"]
    command = [*SRNN, "sweep", str(file), "--out", str(tmp_path), "-q", "--backend", "dask", "--scheduler-file", found]
    with dask(tmp_path, "scheduler", *local, "--port", "0"):
        wait_until(Path(found).exists)
        with dask(tmp_path, "worker", *worker, "one") as one, dask(tmp_path, "worker", *worker, "two"):
            running = start_fresh(tuple(command), tmp_path)
            wait_until(lambda: Sweep.open(tmp_path / "tiny").states["ended"] if begun(tmp_path) else 0)
            one.send_signal(signal.SIGKILL)
            assert running.end() == Answer(0, f"{tmp_path / 'tiny'}\n", "")
    assert_whole(tmp_path / "tiny", reference)


def begun(tmp_path: Path) -> bool:
    return (tmp_path / "tiny/plan.json").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--backend", "dask"], "named by --scheduler or --scheduler-file"),
        (["--backend", "dask", "--scheduler-file", "none.json"], "none.json, and there is no such file"),
        (["--backend", "dask", "--scheduler", "tcp://x:1", "--jobs", "2"], "leave --jobs out"),
        (["--scheduler", "tcp://x:1"], "is for --backend dask"),
        (["--backend", "ray"], "--backend is 'ray'; allowed: loky, dask"),
    ],
)
def test_what_is_wrong_with_a_scheduler_is_one_line(
    file: Path, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    pytest.importorskip("distributed")
    assert complaint in forked(["sweep", str(file), *arguments], tmp_path).line


def test_the_script_for_slurm_is_the_same_command_many_times(file: Path, tmp_path: Path) -> None:
    answer = forked(
        ["sweep", str(file), "--sbatch", "--jobs", "3", "--out", "the runs", "--set", "body.width=4"], tmp_path
    )
    assert (answer.code, answer.err) == (0, "")
    subprocess.run(["bash", "-n"], input=answer.out, text=True, check=True)
    lines = answer.out.splitlines()
    assert lines[0] == "#!/bin/bash"
    asked = dict(line.removeprefix("#SBATCH --").partition("=")[::2] for line in lines if line.startswith("#SBATCH"))
    assert asked["array"] == "0-2"
    assert (asked["requeue"], asked["open-mode"], asked["signal"]) == ("", "append", "B:TERM@60")
    assert lines[-1].startswith("exec ")
    # What it says is what bash makes of it: the last line as a command that prints its words.
    said = subprocess.run(
        ["bash"], input=lines[-1].replace("exec ", "printf '%s\\n' ", 1), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said == [
        *(sys.executable, "-m", "srnn", "sweep", str(file), "--out", "the runs", "--set", "body.width=4"),
        *("--no-wait", "--quiet"),
    ]


def test_an_array_has_a_task_for_each_that_there_is() -> None:
    assert "--array=0-11\n" in slurm.script("name", ["srnn"], Path("/"), 12)
    assert f"--array=0-{slurm.MOST - 1}\n" in slurm.script("name", ["srnn"], Path("/"), 10_000)
