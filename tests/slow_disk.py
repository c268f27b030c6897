"""A slow disk: it is said on stdout before and after each file is synced, and each of the two takes a while.

For tests that stop ``srnn`` in the middle of its writes; as a program it is ``srnn`` on such a disk. ``SLOW`` in the
environment is how many seconds each takes.
"""

from __future__ import annotations

import os
import time


def slow_disk() -> None:
    """Make it slow, in this process from now on."""
    from srnn.runs import disk

    seconds, sync = float(os.environ.get("SLOW", "0.01")), os.fsync

    def slow_sync(descriptor: int) -> None:
        for step in (lambda: None, lambda: sync(descriptor)):
            step()
            os.write(1, b"sync\n")
            time.sleep(seconds)

    os.fsync = slow_sync
    disk._MOST = 0  # as where much is to be written: training waits for it


if __name__ == "__main__":
    from srnn.commands import main

    slow_disk()
    main()
