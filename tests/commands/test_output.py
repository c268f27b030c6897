"""What cannot be printed ends nothing: in real processes, whose reader, disk or terminal is gone."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from processes import SRNN, environment, forked, process, start

from srnn import Run, terminal
from srnn.commands.output import Lasting, clean_environment
from srnn.shown import with_interval

SMALL = """name = "small"
[task]
size = 4
[body]
width = 3
depth = 3
[particle]
hidden = 3
[training]
epochs = 2
batch_size = 500
"""
PAIR = (
    SMALL.replace("small", "pair") + '[comparison.variants]\none = ["training.lr=0.01"]\ntwo = ["training.lr=0.02"]\n'
)
#: It diverges in its first epoch, which is told on stderr.
WILD = SMALL.replace("batch_size", "lr = 900.0\nbatch_size")


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    for name, text in (("small", SMALL), ("pair", PAIR), ("wild", WILD)):
        (tmp_path / f"{name}.toml").write_text(text)


def undrawn(before: Callable[[], None] = lambda: None) -> None:
    """In a process that has begun, and without figures, which take longer than all else."""
    from srnn.laboratory import compare, job

    job.draw = lambda *arguments: None
    compare._DRAWINGS = {}
    before()


def lose(*descriptors: int) -> None:
    """Close the reading end of what these descriptors write to."""
    for descriptor in descriptors:
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, descriptor)


def fill(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)


def close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
    # As Python finds them then.
    for descriptor, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        if descriptor in descriptors:
            setattr(sys, name, None)


def lose_output() -> None:
    lose(1)


def lose_errors() -> None:
    lose(2)


def lose_both() -> None:
    lose(1, 2)


def fill_output() -> None:
    fill(1)


def fill_both() -> None:
    fill(1, 2)


def close_all() -> None:
    close(0, 1, 2)


def lose_terminal() -> None:
    """Stdout and stderr are a terminal that is gone."""
    ours, theirs = pty.openpty()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.dup2(theirs, 1)
    os.dup2(theirs, 2)
    os.close(theirs)
    os.close(ours)


LOST = {
    lose_output: 141,
    lose_errors: 0,  # nothing is said there
    lose_both: 141,
    fill_output: 3,
    fill_both: 3,
    close_all: 0,
    lose_terminal: 3,
}


@pytest.mark.parametrize(("lost", "code"), LOST.items(), ids=[lost.__name__ for lost in LOST])
@pytest.mark.parametrize("quiet", [True, False], ids=["quiet", "display"])
def test_a_comparison_comes_to_its_end(tmp_path: Path, lost: Callable[[], None], code: int, quiet: bool) -> None:
    arguments = ["run", "pair.toml", "--out", "out", *(["--quiet"] if quiet else [])]
    answer = start(arguments, tmp_path, before=partial(undrawn, lost)).end()
    assert answer.code == code
    for variant in ("one", "two"):
        assert Run.open(tmp_path / f"out/pair-{variant}/seed-0").status.status == "finished"
    assert (tmp_path / "out/pair/results/final.csv").is_file()
    if lost is fill_output:
        assert answer.err == "srnn: standard output: No space left on device\n"


@pytest.mark.parametrize("lost", [lose_errors, fill_both, lose_terminal], ids=lambda lost: lost.__name__)
def test_what_nobody_could_be_told_is_in_the_status(tmp_path: Path, lost: Callable[[], None]) -> None:
    answer = start(["run", "wild.toml", "--out", "out", "--quiet"], tmp_path, before=partial(undrawn, lost)).end()
    assert answer.code != 0
    status = json.loads((tmp_path / "out/small/seed-0/status.json").read_text())
    assert status["status"] == "finished"
    [line] = status["unsaid"]
    assert line.startswith("seed 0, epoch 1: ")
    shown = forked(["show", "out/small"], tmp_path)
    assert line in shown.out


def test_what_was_told_is_not(tmp_path: Path) -> None:
    answer = forked(["run", "wild.toml", "--out", "out", "--quiet"], tmp_path)
    assert answer.code == 0
    assert answer.err.startswith("srnn: seed 0, epoch 1: ")
    assert "unsaid" not in json.loads((tmp_path / "out/small/seed-0/status.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "lost", "code"),
    [
        (["presets"], lose_output, 141),
        (["presets"], fill_output, 3),
        (["schema"], lose_output, 141),
        (["schema"], fill_output, 3),
        (["--help"], lose_output, 141),
        (["run", "--help"], fill_output, 3),
        (["run", "absent.toml"], lose_errors, 2),
        (["run", "absent.toml"], fill_both, 2),
        (["presets"], close_all, 0),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_only_prints_ends_without_a_traceback(
    tmp_path: Path, arguments: list[str], lost: Callable[[], None], code: int
) -> None:
    answer = start(arguments, tmp_path, before=lost).end()
    assert answer.code == code
    assert "Traceback" not in answer.err
    assert answer.err == (
        "srnn: standard output: No space left on device\n" if (lost, code) == (fill_output, 3) else ""
    )


@pytest.mark.parametrize("lines", [0, 3])
def test_a_reader_that_has_seen_enough(tmp_path: Path, lines: int) -> None:
    """A fresh process in a pipe of a shell, to the very end of the interpreter."""
    command = f"{' '.join(SRNN)} presets | head -n {lines}; echo ${{PIPESTATUS[0]}}"
    answer = process(("bash", "-c", command), tmp_path)
    *shown, code = answer.out.splitlines()
    assert len(shown) == lines
    assert code in ("0", "141")
    assert answer.err == ""


def test_a_pipe_that_does_not_wait_is_waited_for(tmp_path: Path) -> None:
    """As some programs make that of those that they start: what does not fit at once would be lost."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    running = subprocess.Popen([*SRNN, "schema"], stdout=writing, cwd=tmp_path, env=environment())
    os.close(writing)
    time.sleep(0.1)
    with os.fdopen(reading, "rb") as read:
        content = read.read()
    assert running.wait() == 0
    assert json.loads(content)["$schema"]


@pytest.mark.parametrize("columns", ["0", "-5", "wide", "", "1", "9" * 30])
@pytest.mark.parametrize("arguments", [["--help"], ["presets"], ["run", "small.toml", "--out", "out"]], ids=str)
def test_a_terminal_of_no_columns(tmp_path: Path, columns: str, arguments: list[str]) -> None:
    answer = start(arguments, tmp_path, before=undrawn, COLUMNS=columns, LINES=columns, TERMINAL_WIDTH=columns).end()
    assert (answer.code, answer.err) == (0, "")
    assert max(map(len, answer.out.splitlines())) > 30


def test_any_encoding_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "é"
    folder.mkdir()
    (folder / "small.toml").write_text(SMALL)
    ascii_alone = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    for arguments, variables in (
        (["run", "é/small.toml", "--out", "é/ü"], ascii_alone),
        (["show", "é/ü/small/seed-0"], {"PYTHONIOENCODING": "latin-1:strict"}),
    ):
        done = subprocess.run(
            [*SRNN, *arguments], cwd=tmp_path, env=environment(**variables), capture_output=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        assert b"identity share" in done.stdout
    assert Run.open(folder / "ü/small/seed-0").status.status == "finished"


THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@pytest.mark.parametrize("value", ["0", "-1", "many", "", "1e3", "99999999999999999999"])
def test_thread_variables_that_are_no_numbers(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in THREADS:
        monkeypatch.setenv(name, value)
    clean_environment()
    assert not [name for name in THREADS if name in os.environ]


def test_a_run_whose_thread_variables_are_no_numbers(tmp_path: Path) -> None:
    """In a fresh process, for libraries look at them while they are loaded."""
    variables = dict(zip(THREADS, ("0", "many", "0", "many"), strict=True))
    answer = process((*SRNN, "run", "small.toml", "--out", "out", "--quiet"), tmp_path, **variables)
    assert answer == (0, "out/small/seed-0\n", "")


def test_thread_variables_that_are_numbers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"OMP_NUM_THREADS": "4,2", "NUMBA_NUM_THREADS": "3", "COLUMNS": "100"}
    for name, value in good.items():
        monkeypatch.setenv(name, value)
    clean_environment()
    assert {name: os.environ[name] for name in good} == good


class TestErrorsFromInside:
    """Of a command itself: none is taken for Ctrl-C, or for a reader that has gone."""

    @pytest.mark.parametrize("error", [EOFError("cut"), BrokenPipeError(errno.EPIPE, "Broken pipe")], ids=repr)
    def test_they_are_told(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: Exception):
        from srnn import commands

        def fail(*arguments: object, **options: object) -> None:
            raise error

        monkeypatch.setattr("srnn.presets.preset_names", fail)
        monkeypatch.setattr(sys, "argv", ["srnn", "presets"])
        if isinstance(error, EOFError):
            with pytest.raises(EOFError, match="cut"):
                commands.main()
            return
        with pytest.raises(SystemExit) as ended:
            commands.main()
        assert ended.value.code == 3
        assert capfd.readouterr().err == "srnn: Broken pipe\n"

    def test_an_error_of_no_file_blames_none(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from srnn.commands import run
        from srnn.experiment import Experiment

        def fail(*arguments: object, **options: object) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr("srnn.laboratory.job.run", fail)
        with pytest.raises(OSError, match="Input/output error; once that is mended, ") as told:
            run.train(Experiment(), tmp_path, [0], False, True, [], "", {})
        assert told.value.filename is None


class Broken(io.StringIO):
    """A stream whose every write ends in an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.raised = error

    def write(self, text: str) -> int:
        raise self.raised


@pytest.mark.parametrize("error", [BrokenPipeError(errno.EPIPE, ""), OSError(errno.EIO, ""), ValueError("closed")])
def test_a_stream_lasts(error: Exception) -> None:
    stream = Lasting(Broken(error))
    for _ in range(2):
        assert stream.write("text") == 4
        stream.flush()
    assert isinstance(stream.error, OSError)
    assert not stream.isatty()


def test_telling_fails_where_nobody_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Lasting(Broken(OSError(errno.EIO, ""))))
    with pytest.raises(OSError, match=r"\[Errno 5\]"):
        terminal.tell("something")


@pytest.mark.parametrize(
    ("mean", "half_width", "shown"),
    [
        (0.8963, 0.03404, "0.896 ± 0.034"),
        (0.8963, 0.0, "0.8963"),
        (0.8963, float("nan"), "0.8963"),
        (123456.7, 1234.5, "123,457 ± 1,234"),
        (0.5, 12.0, "0 ± 12"),
        (1e-9, 2e-10, "1e-09 ± 2e-10"),
        (float("nan"), float("nan"), "–"),
        (float("inf"), float("nan"), "inf"),
        (1031.4, 0.0, "1,031"),
        (12.3456, 0.00012, "12.34560 ± 0.00012"),
    ],
)
def test_a_mean_has_the_digits_that_its_interval_leaves(mean: float, half_width: float, shown: str) -> None:
    assert re.sub(r"1\.0+e", "1e", with_interval(mean, mean - half_width, mean + half_width)) == shown


def test_counts_without_an_interval_have_none() -> None:
    assert with_interval(1031.4, 1031.4, 1031.4, counts=True) == "1,031"
    assert with_interval(1031.4, 1017.2, 1045.6, counts=True) == "1,031 ± 14"
    assert with_interval(3.4, 1.2, 9.9, counts=True) == "3 (1 … 10)"


def test_an_interval_that_is_not_symmetric_is_told_by_its_ends() -> None:
    assert with_interval(0.772, 0.6659, 0.8519) == "0.77 (0.67 … 0.85)"
