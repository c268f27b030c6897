"""Runs in progress are watched from outside, by what stands in their folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import forked
from rich.console import Console

import srnn
from srnn.commands.watch import picture
from srnn.laboratory.event_files import EventFiles, tag
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


def test_where_the_output_is_no_terminal_it_looks_once(seen: tuple[Path, list[list[Progress]]], tmp_path: Path) -> None:
    folder, _ = seen
    answer = forked(["watch", str(folder)], tmp_path)
    assert answer.code == 0
    assert "digits/seed-1    3/3  finished" in answer.out
    assert answer.out.endswith("2 runs: 2 finished\n")


class TestEventFiles:
    def test_they_hold_what_was_measured_once(self, seen: tuple[Path, list[list[Progress]]], tmp_path: Path) -> None:
        event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
        folder, _ = seen
        answer = forked(["watch", str(folder), "--tensorboard", "board"], tmp_path)
        assert answer.code == 0
        run = srnn.Run.open(folder / "seed-1")
        with EventFiles(tmp_path / "again") as files:
            files.write([run])
            files.write([run])
        for board in ("board", "again"):
            [path] = (tmp_path / board / "digits/seed-1").iterdir()
            values = [
                (event.step, value.tag, value.simple_value)
                for event in map(event_pb2.Event.FromString, records(path.read_bytes()))
                for value in event.summary.value
            ]
            wanted = run.metrics
            assert len(values) == len(wanted)
            for (step, name, value), row in zip(values, wanted.itertuples(), strict=True):
                assert (step, name) == (row.Epoch, tag(str(row.Metric)))
                assert value == pytest.approx(row.Score, rel=1e-6)

    def test_those_of_a_kind_stand_together(self) -> None:
        wanted = {"test_accuracy": "test_accuracy", "L0_zero": "types/L0_zero", "test_recall_3": "recall/3"}
        assert {name: tag(name) for name in wanted} == wanted


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
