"""Runs in progress are watched from outside, by what stands in their folders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from processes import forked, start
from rich.console import Console

import srnn
from srnn.commands.watch import picture
from srnn.laboratory.event_files import EventFiles, apart, tag
from srnn.laboratory.watching import Progress, Watch
from srnn.runs import disk

SHORT = ("training.epochs=3", "log.every=1", "checkpoint.every=1", "body.width=3", "body.depth=3")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[Progress]]]:
    """The folder of two seeds, and what was seen of it while they were trained, at every batch."""
    folder = tmp_path_factory.mktemp("watched")
    watch, looks = Watch([folder]), []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(disk, "_MOST", 0)  # an epoch waits for what was measured before it
        srnn.run(
            srnn.load_preset("digits").override(SHORT),
            folder,
            seeds=2,
            image_format=None,
            after_batch=lambda: looks.append(watch.look()),
        )
    return folder / "digits", [*looks, watch.look()]


def test_a_run_in_progress_is_running_and_its_epochs_grow(seen: tuple[Path, list[list[Progress]]]) -> None:
    _, looks = seen
    assert {one.status.status for look in looks[:-1] for one in look} == {"running"}
    epochs = [look[0].epoch for look in looks]
    assert epochs == sorted(epochs)
    # An epoch is seen once it is on the disk, and a short one may be there together with the next.
    assert {0, 3} <= {*epochs} <= {0, 1, 2, 3}
    assert any(look[0].epoch > 0 for look in looks[:-1])
    assert all(one.epochs == 3 and (one.quiet or 0) >= 0 for look in looks for one in look)


def test_the_time_left_is_told_once_a_pace_was_seen(seen: tuple[Path, list[list[Progress]]]) -> None:
    _, looks = seen
    assert all((one.left is None) == (one.epoch == 0) for look in looks[:-1] for one in look)
    assert all(one.left is None and one.status.status == "finished" for one in looks[-1])


def test_what_is_seen_is_what_was_measured(seen: tuple[Path, list[list[Progress]]]) -> None:
    folder, looks = seen
    for seed, progress in enumerate(looks[-1]):
        metrics = srnn.Run.open(folder / f"seed-{seed}").metrics
        wanted = metrics[metrics["Metric"] == "test_accuracy"]["Score"].iloc[-1]
        assert progress.scores["test_accuracy"] == wanted


def test_of_many_runs_those_in_progress_are_shown_first(seen: tuple[Path, list[list[Progress]]]) -> None:
    _, looks = seen
    console = Console(width=80, height=7)
    with console.capture() as shown:
        console.print(picture([*looks[-1], looks[0][0]], console.height))
    lines = shown.get().splitlines()
    assert "running" in lines[2]
    assert lines[-1] == "3 runs: 2 finished, 1 running; 2 not shown"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("width", [20, 40, 60])
def test_in_a_narrow_terminal_names_and_states_stay(seen: tuple[Path, list[list[Progress]]], width: int) -> None:
    _, looks = seen
    far = [replace(one, epoch=11_630, epochs=100_000) for one in looks[-1]]
    console = Console(width=width)
    with console.capture() as shown:
        console.print(picture(far))
    lines = shown.get().splitlines()
    assert max(map(len, lines)) <= width
    told = "".join(line.split()[0] for line in lines[2 : lines.index("")])
    assert "digits/seed-0" in told
    assert [line for line in lines if "finished" in line and "dig" in line]
    assert ("11,630/100,000" in shown.get()) == (width >= 40)
    assert ("test" in lines[0]) == (width >= 60)


def test_where_the_output_is_no_terminal_it_looks_once(seen: tuple[Path, list[list[Progress]]], tmp_path: Path) -> None:
    folder, _ = seen
    answer = forked(["watch", str(folder)], tmp_path)
    assert answer.code == 0
    assert "digits/seed-1    3/3  finished" in answer.out
    assert answer.out.endswith("2 runs: 2 finished\n")


class TestEventFiles:
    def test_they_hold_what_was_measured_once(self, seen: tuple[Path, list[list[Progress]]], tmp_path: Path) -> None:
        pytest.importorskip("tensorboardX")
        folder, _ = seen
        answer = forked(["watch", str(folder), "--tensorboard", "board"], tmp_path)
        assert answer.code == 0
        run = srnn.Run.open(folder / "seed-1")
        files = EventFiles(tmp_path / "again")
        files.write([run])
        files.write([run])
        for board in ("board", "again"):
            assert_holds(tmp_path / board / "digits/seed-1", run)

    def test_what_is_measured_later_is_added(self, seen: tuple[Path, list[list[Progress]]], tmp_path: Path) -> None:
        pytest.importorskip("tensorboardX")
        run = srnn.Run.open(copytree(seen[0] / "seed-0", tmp_path / "digits/seed-0"))
        path = run.folder / "metrics.csv"
        whole = path.read_text().splitlines(keepends=True)
        files = EventFiles(tmp_path / "board")
        early = [line for line in whole if line.startswith(("Epoch", "0,", "1,"))]
        for lines in (early, whole):
            path.write_text("".join(lines))
            files.write([srnn.Run(run.folder)])
        assert_holds(tmp_path / "board/digits/seed-0", run)

    def test_runs_of_the_same_name_are_told_apart(
        self, seen: tuple[Path, list[list[Progress]]], tmp_path: Path
    ) -> None:
        pytest.importorskip("tensorboardX")
        runs = [srnn.Run.open(copytree(seen[0] / "seed-0", tmp_path / place / "digits/seed-0")) for place in "AB"]
        assert forked(["watch", "A", "B", "--tensorboard", "board"], tmp_path).code == 0
        for place, run in zip("AB", runs, strict=True):
            assert_holds(tmp_path / "board" / place / "digits/seed-0", run)
        # One that is begun later, and one of no longer a path.
        paths = [Path(*("/", *name.split())) for name in ("e seed-0", "a e seed-0", "b a e seed-0", "f seed-0")]
        wanted = ["e/seed-0", "a/e/seed-0", "b/a/e/seed-0", "f/seed-0"]
        assert list(map(str, apart(paths).values())) == wanted

    def test_a_run_has_its_name_wherever_one_stands(
        self, seen: tuple[Path, list[list[Progress]]], tmp_path: Path
    ) -> None:
        folder, _ = seen
        pytest.importorskip("tensorboardX")
        board = str(tmp_path / "board")
        assert forked(["watch", "..", "--tensorboard", board], folder / "seed-0").code == 0
        assert_holds(tmp_path / "board/digits/seed-0", srnn.Run.open(folder / "seed-0"))

    @pytest.mark.skipif(sys.platform == "win32", reason="it has no such limit")
    def test_of_many_runs_none_stays_open(self, seen: tuple[Path, list[list[Progress]]], tmp_path: Path) -> None:
        pytest.importorskip("tensorboardX")
        for seed in range(100):
            copytree(
                seen[0] / "seed-0", tmp_path / f"many/seed-{seed}", ignore=ignore_patterns("checkpoints", "figures")
            )
        answer = start(["watch", "many", "--tensorboard", "board"], tmp_path, before=open_few).end()
        assert (answer.code, answer.err) == (0, "")
        assert len([*(tmp_path / "board").glob("many/seed-*/*")]) == 100

    def test_those_of_a_kind_stand_together(self) -> None:
        wanted = {"test_accuracy": "test_accuracy", "L0_zero": "types/L0_zero", "test_recall_3": "recall/3"}
        assert {name: tag(name) for name in wanted} == wanted


def open_few() -> None:
    """Let a process have few files open."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def assert_holds(board: Path, run: srnn.Run) -> None:
    """The one event file in a folder holds what a run has measured, and each of it once."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    [path] = board.iterdir()
    events = [*map(event_pb2.Event.FromString, records(path.read_bytes()))]
    assert [event.file_version for event in events if event.file_version] == ["brain.Event:2"]
    values = [(event.step, value.tag, value.simple_value) for event in events for value in event.summary.value]
    wanted = run.metrics
    assert len(values) == len(wanted)
    for (step, name, value), row in zip(values, wanted.itertuples(), strict=True):
        assert (step, name) == (row.Epoch, tag(str(row.Metric)))
        assert value == pytest.approx(row.Score, rel=1e-6)


def records(content: bytes) -> Iterator[bytes]:
    """The records of a file of TensorFlow: a length of 8 bytes, its checksum, the record and its checksum."""
    place = 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 8], "little")
        yield content[place + 12 : place + 12 + length]
        place += length + 16


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    assert forked(["watch", "nowhere"], tmp_path).line.startswith("nowhere is not a folder; name a run")
    assert forked(["watch", ".", "--every", "0"], tmp_path).line == (
        "--every is 0; allowed: a number of seconds from 0.1 to 86400"
    )
