"""IDX files, and one line for everything that is wrong with them."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from task_files import assert_one_line, good_labels, idx_bytes

from srnn.errors import UserError
from srnn.tasks import idx


class TestIdx:
    @settings(max_examples=50, deadline=None)
    @given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)))
    def test_what_is_written_is_read(self, tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
        folder = tmp_path_factory.mktemp("idx")
        idx.write(folder / "a.gz", array)
        (folder / "a").write_bytes(idx_bytes(array))
        for name in ("a", "a.gz"):
            found = idx.read(folder / name, array.ndim)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, array)
        assert sorted(path.name for path in folder.iterdir()) == ["a", "a.gz"]

    def test_the_same_data_give_the_same_file(self, tmp_path: Path) -> None:
        for name in ("a.gz", "b.gz"):
            idx.write(tmp_path / name, np.arange(6, dtype=np.uint8))
        assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()

    def test_a_failed_write_leaves_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a.gz").mkdir()  # cannot be replaced by a file
        with pytest.raises(OSError, match=r"a\.gz"):
            idx.write(tmp_path / "a.gz", np.arange(6, dtype=np.uint8))
        assert [path.name for path in tmp_path.iterdir()] == ["a.gz"]

    good = idx_bytes(np.arange(24).reshape(2, 3, 4))

    @pytest.mark.parametrize(
        ("data", "complaint"),
        [
            (b"", "truncated: the header takes 16 bytes, the file holds 0"),
            (good[:9], "truncated: the header takes 16 bytes, the file holds 9"),
            (good[:-1], "truncated: the header promises 24 bytes, the file holds 23"),
            (good[:16], "truncated: the header promises 24 bytes, the file holds 0"),
            (good + b"\0", "trailing bytes: the header promises 24 bytes, the file holds more"),
            (b"\x89PNG" + good, "not an IDX file of bytes with 3 dimensions: it begins with 89 50 4e 47, expected 00 "),
            (b"\0\0\x0d\x03" + good[4:], "begins with 00 00 0d 03, expected 00 00 08 03"),  # floats
            (idx_bytes(np.arange(5)), "begins with 00 00 08 01, expected 00 00 08 03"),  # labels for images
            (idx_bytes(np.zeros((0, 28, 28))), "empty: its dimensions are 0 × 28 × 28"),
            (
                good[:4] + struct.pack(">III", 2**32 - 1, 2**32 - 1, 2**32 - 1),
                "bytes; more than 2,147,483,648 are not read",
            ),
        ],
    )
    @pytest.mark.parametrize("zipped", [False, True])
    def test_a_damaged_file_is_named_with_what_is_wrong(
        self, tmp_path: Path, data: bytes, complaint: str, zipped: bool
    ) -> None:
        path = tmp_path / "images"
        path.write_bytes(gzip.compress(data) if zipped else data)
        with pytest.raises(UserError) as caught:
            idx.read(path, 3)
        assert str(caught.value).startswith(f"{path}: ")
        assert complaint in str(caught.value)

    def test_a_false_header_allocates_nothing(self, tmp_path: Path) -> None:
        """Two gigabytes promised, one byte held: read as what it is."""
        import tracemalloc

        data = struct.pack(">BBBBI", 0, 0, 8, 1, 2 * 1024**3) + b"\0"
        complaints = {
            "plain": (data, "truncated: the header promises 2,147,483,648 bytes, the file holds 1"),
            "zipped.gz": (
                gzip.compress(data),
                r"would unpack from \d+ to 2,147,483,648 bytes, more than 100 times as many",
            ),
        }
        for name, (content, complaint) in complaints.items():
            (tmp_path / name).write_bytes(content)
            tracemalloc.start()
            with pytest.raises(UserError, match=complaint):
                idx.read(tmp_path / name, 1)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 10_000_000

    def test_a_bomb_is_not_unpacked(self, tmp_path: Path) -> None:
        (tmp_path / "a.gz").write_bytes(gzip.compress(good_labels(3) + bytes(50_000_000), compresslevel=1))
        with pytest.raises(UserError, match="trailing bytes"):
            idx.read(tmp_path / "a.gz", 1)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda data: data[:-12],  # ends within the stream
            lambda data: data[:-8] + b"\0\0\0\0" + data[-4:],  # checksum
            lambda data: data[:12] + b"\xff\xff\xff\xff" + data[16:],  # stream
            lambda data: data + b"junk",
            lambda data: data[:2],
        ],
    )
    def test_a_corrupt_gzip_is_named(self, tmp_path: Path, damage: Any) -> None:
        (tmp_path / "a.gz").write_bytes(damage(gzip.compress(self.good)))
        with pytest.raises(UserError, match=r"a\.gz: corrupt gzip: ") as caught:
            idx.read(tmp_path / "a.gz", 3)
        assert "\n" not in str(caught.value)

    def test_a_folder_or_nothing_in_place_of_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="cannot be read: Is a directory"):
            idx.read(tmp_path, 3)
        with pytest.raises(UserError, match="cannot be read: No such file"):
            idx.read(tmp_path / "absent", 3)

    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_no_damage_ends_in_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        path = tmp_path_factory.mktemp("fuzz") / "a"
        content = bytearray(data.draw(st.sampled_from([self.good, gzip.compress(self.good)])))
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        try:
            assert idx.read(path, 3).ndim == 3
        except UserError as error:
            assert_one_line(error)
