"""How often Python looks through its objects for garbage, in processes that are srnn's own."""

from __future__ import annotations

import gc

#: New objects after which it looks. By the 700 of Python 3.11 a fifth of the time in which torch and the kernels are
#: imported is spent on that, by these a fifteenth.
_OBJECTS = 5_000


def collect_rarely() -> None:
    """Look for garbage more seldom; to be called before anything large is imported."""
    gc.set_threshold(_OBJECTS)


def spare_all() -> None:
    """Leave what is there now, such as the imported libraries, out of all later looks, that at the end among them."""
    gc.freeze()
