"""How often Python looks through its objects for garbage, in processes that are srnn's own."""

from __future__ import annotations

import gc

#: New objects after which it looks; Python's 700 take a third of the time in which libraries are imported.
_OBJECTS = 5_000


def collect_rarely() -> None:
    """Look for garbage a seventh as often; to be called before anything large is imported."""
    gc.set_threshold(_OBJECTS)


def spare_all() -> None:
    """Never look again through what is there now, such as the imported libraries, be it at the end of the process."""
    gc.freeze()
