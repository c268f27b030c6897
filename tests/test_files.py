"""Files appear whole or not at all, on file systems that know little, too; an error names the file it concerns."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from srnn.files import NOT_KNOWN, write_whole

#: A name as long as most file systems take, and one whose letters take three bytes each.
LONG = ["x" * 255, "あ" * 85]


@pytest.fixture
def syncing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has every sync of a folder, or of a file, end in an error."""
    real = os.fsync

    def refuse(number: int, folders: bool) -> None:
        def fsync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folders:
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return refuse


@pytest.mark.parametrize("folders", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("number", sorted(NOT_KNOWN), ids=errno.errorcode.get)
def test_a_sync_that_is_not_known_is_done_without(
    syncing: Callable[..., None], tmp_path: Path, number: int, folders: bool
) -> None:
    syncing(number, folders)
    write_whole(tmp_path / "file", b"content")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"content"}


@pytest.mark.parametrize("folders", [True, False], ids=["folder", "file"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_what_is_lost_is_told_with_its_file(
    syncing: Callable[..., None], tmp_path: Path, number: int, folders: bool
) -> None:
    syncing(number, folders)
    with pytest.raises(OSError, match="file") as error:
        write_whole(tmp_path / "file", b"content")
    assert (error.value.errno, error.value.filename) == (number, str(tmp_path / "file"))
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_a_folder_that_may_be_written_to_and_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: Path, flags: int, *more: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)
    write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("name", [*LONG, os.fsdecode(b"a\xff b"), "a\nb"], ids=ascii)
def test_any_name_that_the_system_takes(tmp_path: Path, name: str) -> None:
    for content in (b"first", b"second"):
        write_whole(tmp_path / name, content)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"second"}


def test_through_a_link_to_a_folder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link/file", b"content")
    assert (tmp_path / "real/file").read_bytes() == b"content"


def test_a_new_file_has_the_permissions_that_the_user_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "file", b"content")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
