"""Folders of runs are made side by side with others that come and go."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from srnn.runs.making import make_folder


def test_a_folder_is_made_whoever_removes_empty_ones_above_it(tmp_path: Path) -> None:
    above, over = tmp_path / "point", threading.Event()

    def remove() -> None:
        while not over.wait(0.0001):
            with suppress(OSError):
                above.rmdir()

    removing = threading.Thread(target=remove)
    removing.start()
    try:
        for _ in range(3000):
            made = make_folder(above / "seed-0")
            assert made[0] == above / "seed-0"
            made[0].rmdir()
    finally:
        over.set()
        removing.join()
