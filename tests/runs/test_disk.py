"""Files that are written in a thread: in their order, whole, and none after one that could not be."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from srnn.runs import disk as module
from srnn.runs.disk import Disk


def test_all_is_there_when_it_ends_in_the_order_in_which_it_was_handed_over(tmp_path: Path) -> None:
    seen: list[int] = []
    with Disk() as disk:
        for number in range(5):
            disk.write(tmp_path / f"{number}", b"content")
            disk.do(lambda: seen.append(len([*tmp_path.iterdir()])))
    assert seen == [1, 2, 3, 4, 5]


def test_whoever_hands_over_does_not_wait(tmp_path: Path) -> None:
    """Until the end, or the wish to: what is to be written may take as long as it likes."""
    gate = threading.Event()
    with Disk() as disk:
        disk.do(lambda: None if gate.wait(60) else pytest.fail("nobody went on"))
        disk.write(tmp_path / "file", b"content")
        assert not [*tmp_path.iterdir()]
        gate.set()
        disk.wait()
        assert (tmp_path / "file").read_bytes() == b"content"


def test_what_waits_takes_so_much_memory_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 100)
    done: list[int] = []
    with Disk() as disk:
        for number in range(4):
            disk.do(lambda number=number: done.append(number), 60)  # type: ignore[misc]
            assert len(done) >= number  # two of them are too many
        disk.do(lambda: done.append(9), 1000)  # one alone always fits
    assert done == [0, 1, 2, 3, 9]


def test_after_one_that_failed_nothing_is_written_and_it_is_told(tmp_path: Path) -> None:
    """A checkpoint without the measurements before it would be one that nobody can go on from."""
    disk = Disk()
    disk.write(tmp_path / "missing/file", b"content")
    with pytest.raises(FileNotFoundError, match="missing"):
        disk.wait()
    with pytest.raises(FileNotFoundError, match="missing"):
        disk.write(tmp_path / "later", b"content")
    with pytest.raises(FileNotFoundError, match="missing"):
        disk.__exit__(None, None, None)
    assert not [*tmp_path.iterdir()]


def test_an_error_meanwhile_is_what_is_told_and_the_rest_is_written(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with Disk() as disk:
            disk.write(tmp_path / "file", b"content")
            raise KeyError

    with pytest.raises(KeyError):
        write_and_fail()
    assert (tmp_path / "file").exists()
