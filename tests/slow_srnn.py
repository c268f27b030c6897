"""srnn as it is on a slow disk, ``python slow_srnn.py run …``: it says on stdout before and after each file is synced.

For tests that stop it in the middle of its writes. ``SLOW`` is how many seconds each of the two takes.
"""

from __future__ import annotations

import os
import time

from srnn.commands import main

SECONDS = float(os.environ.get("SLOW", "0.01"))
sync = os.fsync


def slow_sync(descriptor: int) -> None:
    for step in (lambda: None, lambda: sync(descriptor)):
        step()
        os.write(1, b"sync\n")
        time.sleep(SECONDS)


os.fsync = slow_sync
main()
