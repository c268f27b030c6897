"""What ``srnn.run`` shows of its progress: where somebody looks, and never at the cost of the run."""

from __future__ import annotations

import builtins
import os
import pty
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

import srnn
from srnn import Experiment, Run
from srnn.laboratory import live
from srnn.training import Report

SMALL = Experiment.from_dict(
    {
        "name": "small",
        "task": {"name": "digits", "size": 4},
        "body": {"depth": 3, "width": 3},
        "particle": {"hidden": 3},
        "training": {"epochs": 2, "batch_size": 500},
    }
)
#: Large enough for every particle to diverge.
WILD = SMALL.override(["training.lr=1e3", "replication.divergent=keep", "name=wild"])


class Terminal:
    """A real one, with a reader; what it was given is known once it is closed."""

    _GONE = b"hang up"

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        self.stream: TextIO = os.fdopen(theirs, "w", buffering=1, encoding="utf-8")
        self._read = bytearray()
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()

    def _listen(self) -> None:
        with suppress(OSError):  # the other end is closed
            while self._GONE not in self._read and (part := os.read(self._ours, 4096)):
                self._read += part
        os.close(self._ours)

    def hang_up(self) -> None:
        """The terminal is gone: from now on writing to it is an error."""
        self.stream.write(f"{self._GONE.decode()}\n")
        self._reader.join()

    def shown(self) -> str:
        with suppress(OSError):
            self.stream.close()
        self._reader.join()
        return self._read.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """One that is not yet stderr."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    opened = Terminal()
    yield opened
    opened.shown()


def run(out: Path, experiment: Experiment = SMALL, **options: Any) -> list[Run]:
    return srnn.run(experiment, out, image_format=None, **options)


def run_on(terminal: Terminal, out: Path, experiment: Experiment = SMALL, **options: Any) -> list[Run]:
    """Stderr is a terminal, and stdout is not."""
    with redirect_stderr(terminal.stream):
        runs = run(out, experiment, **options)
        assert sys.stderr is terminal.stream
    return runs


def test_on_a_terminal_it_is_shown_and_changes_nothing(
    terminal: Terminal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun, epochs = list[str](), list[int]()

    def after_report(report: Report) -> None:
        epochs.append(report.epoch)
        print(f"epoch {report.epoch} is over")

    hooks = {"after_report": after_report, "after_start": lambda _: begun.append("begun")}
    runs = run_on(terminal, tmp_path / "shown", seeds=2, **hooks)
    silent = run(tmp_path / "silent", seeds=2, progress=False)
    shown = terminal.shown()
    assert "epoch 2/2" in shown.replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert shown.count("small") == shown.count("identity") >= 1
    # What is printed meanwhile goes where it always went.
    assert capsys.readouterr().out == "".join(f"epoch {epoch} is over\n" for epoch in (0, 1, 2))
    assert (begun, epochs) == (["begun"], [0, 1, 2])
    for one, other in zip(runs, silent, strict=True):
        assert (one.folder / "metrics.csv").read_bytes() == (other.folder / "metrics.csv").read_bytes()


def test_it_is_silent_where_nobody_looks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_it_is_silent_where_nobody_wants_it(terminal: Terminal, tmp_path: Path) -> None:
    run_on(terminal, tmp_path, progress=False)
    assert terminal.shown() == ""


def test_what_is_finished_is_not_shown_again(terminal: Terminal, tmp_path: Path) -> None:
    run(tmp_path)
    run_on(terminal, tmp_path, resume=True)
    assert "2/2" not in terminal.shown()


def test_a_comparison_shows_each_of_its_variants(terminal: Terminal, tmp_path: Path) -> None:
    short = ["training.epochs=1"]
    pair = {**SMALL.model_dump(), "comparison": {"variants": {"one": short, "two": short}}}
    run_on(terminal, tmp_path, Experiment.from_dict(pair))
    shown = terminal.shown()
    assert "small-one" in shown
    assert "small-two" in shown


@pytest.mark.parametrize("pause", [0.0, 1e9], ids=["often", "at the end"])
def test_a_file_gets_pictures_one_below_the_other(
    pause: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr(live, "_PAUSE", pause)
    with (tmp_path / "log").open("w+") as file:
        monkeypatch.setattr(sys, "stderr", file)
        run(tmp_path, progress=True)
    pictures = (tmp_path / "log").read_text()
    assert "\x1b" not in pictures
    assert "epoch 2/2" in pictures
    assert (pictures.count("identity") > 2) == (pause == 0)


@pytest.mark.parametrize("experiment", [SMALL, WILD], ids=lambda experiment: experiment.name)
def test_a_terminal_that_is_closed_ends_no_run(terminal: Terminal, tmp_path: Path, experiment: Experiment) -> None:
    [ended] = run_on(terminal, tmp_path, experiment, after_start=lambda _: terminal.hang_up())
    wild = experiment is WILD
    assert ended.status.status == ("diverged" if wild else "finished")
    # Of that it diverged nobody could be told.
    assert len(ended.status.unsaid) == wild


@pytest.mark.parametrize("stream", [None, "closed"])
def test_without_stderr_it_comes_to_its_end(
    stream: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stream:
        with (tmp_path / "log").open("w") as file:
            pass
        monkeypatch.setattr(sys, "stderr", file)
    else:
        monkeypatch.setattr(sys, "stderr", None)
    for progress in (None, True):
        [ended] = run(tmp_path / str(progress), progress=progress)
        assert ended.status.status == "finished"


class TestNotebook:
    """As in Jupyter, which alone has all of this: there, rich finds the shell by its name."""

    @pytest.fixture
    def pictures(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
        shown = list[dict[str, str]]()

        class Handle:
            def update(self, picture: dict[str, str], raw: bool) -> None:
                shown.append(picture)

        def display(picture: dict[str, str], raw: bool, display_id: bool) -> Handle:
            shown.append(picture)
            return Handle()

        module = types.ModuleType("IPython.display")
        module.display = display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
        monkeypatch.setitem(sys.modules, "IPython.display", module)
        shell = type("ZMQInteractiveShell", (), {})()
        monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
        return shown

    def test_a_cell_has_one_output_that_is_replaced(
        self, pictures: list[dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(tmp_path)
        assert len(pictures) > 3
        assert "epoch 2/2" in pictures[-1]["text/plain"]
        assert pictures[-1]["text/html"].startswith("<pre>")
        assert capsys.readouterr() == ("", "")

    def test_of_nothing_trained_nothing_stays(self, pictures: list[dict[str, str]], tmp_path: Path) -> None:
        run(tmp_path, progress=False)
        assert pictures == []
        run(tmp_path, resume=True)
        assert pictures[-1] == {"text/plain": ""}
