"""What is shown of runs wherever one stands, whatever their folders are called, and whether or not they have ended."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path
from shutil import copytree

import pytest
from processes import forked
from safetensors import safe_open

import srnn
from srnn.commands.output import console, print_path
from srnn.runs.groups import names_apart
from srnn.terminal import harmless

EXPERIMENT = srnn.load_preset("digits").override(
    ["name=small", "training.epochs=3", "log.every=1", "checkpoint.every=1", "body.width=3", "body.depth=3"]
)
#: A name that clears the screen.
HOSTILE = "\x1b[2J[red]"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run."""
    [run] = srnn.run(EXPERIMENT, tmp_path_factory.mktemp("overview"), image_format=None)
    return run.folder


@pytest.fixture
def killed(finished: Path, tmp_path: Path) -> Path:
    """The same as if it was killed in its first epochs: of all it has measured, no checkpoint was told."""
    folder = copytree(finished, tmp_path / "runs/small/seed-0")
    (folder / "status.json").write_text('{"status": "running", "epoch": 0, "why": ""}')
    return folder


def test_the_epoch_of_a_killed_run_is_what_it_measured_last(killed: Path, tmp_path: Path) -> None:
    run = srnn.Run.open(killed)
    assert (run.status.status, run.status.epoch, run.epoch) == ("killed", 0, 3)
    assert forked(["list"], tmp_path).out.splitlines()[-1].split()[:4] == ["runs/small/seed-0", "1", "3/3", "killed"]
    [told] = json.loads(forked(["show", "runs/small", "--json"], tmp_path).out)[0]["runs"]
    assert told["epoch"] == 3


def test_exported_weights_are_of_their_own_epoch(killed: Path) -> None:
    run = srnn.Run.open(killed)
    run.checkpoints[-1].unlink()
    with safe_open(srnn.export(run, "safetensors"), "pt") as file:
        assert file.metadata()["epoch"] == "2"
    with safe_open(srnn.export(run, "safetensors", epoch=1), "pt") as file:
        assert file.metadata()["epoch"] == "1"


def test_they_are_listed_from_inside_too(finished: Path) -> None:
    for place, given in ((finished.parent, "."), (finished, ".."), (finished.parent.parent, "small")):
        answer = forked(["list", given], place, COLUMNS="300")
        assert (answer.code, answer.err) == (0, "")
        shown = answer.out.splitlines()[-1].split()
        assert shown[:4] == ["small/seed-0" if given == "small" else str(finished), "1", "3/3", "finished"]


def test_no_folder_commands_the_terminal(finished: Path, tmp_path: Path) -> None:
    copytree(finished, tmp_path / "runs" / HOSTILE / "seed-0")
    for command in (
        ["list"],
        ["show", "runs"],
        ["show", "runs", "--verify"],
        ["watch", "runs"],
        ["analyze", "runs", "--only", "connectivity"],
    ):
        answer = forked(command, tmp_path)
        assert (answer.code, answer.err) == (0, "")
        assert "\x1b" not in answer.out
        assert "\\x1b[2J[red]" in "".join(answer.out.split())


def test_what_is_printed_for_others_is_as_it_is_but_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_path(Path(HOSTILE))
    assert capsys.readouterr().out == f"{HOSTILE}\n"
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        print_path(Path(HOSTILE))
        terminal.flush()
        assert os.read(reader, 100) == b"\\x1b[2J[red]\r\n"
    os.close(reader)


def test_all_else_is_printed_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("\none [bold]two[/bold]")
    assert capsys.readouterr().out == "\none two\n"
    # Lines, and the byte of a path that is no text, which the stream knows.
    assert harmless("one\ntwo \udcff\x9b") == "one\ntwo \udcff\\x9b"


def test_names_apart_hold_no_root() -> None:
    def group(folder: str) -> list[srnn.Run]:
        run = srnn.Run(folder)
        vars(run)["experiment"] = EXPERIMENT  # without a file at the top of this machine
        return [run]

    assert names_apart([group("/a/seed-0"), group("/b/seed-0")]) == ["small-1", "small-2"]
    assert names_apart([group("/a/b/seed-0"), group("/a/b/seed-1")]) == ["a-small-1", "a-small-2"]
    assert names_apart([group("/a/b/c/seed-0"), group("/d/b/c/seed-0")]) == ["a-b-small", "d-b-small"]
