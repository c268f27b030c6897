"""By what data are known again: their content, wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srnn.errors import shorten


def fingerprint(arrays: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """What a run records of its data.

    Args:
        arrays: As they were read, before anything was done to them.

    Returns:
        Under the name of each its dtype, its shape and the SHA-256 of its bytes, such as
        ``"float64 (150, 4) 9f86d0…"``; how it lies in memory, in rows or in columns, makes no difference.
    """
    return {
        name: f"{array.dtype} {array.shape} {hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()}"
        for name, array in arrays.items()
    }


def difference(known: Mapping[str, str], found: Mapping[str, str]) -> str:
    """In what the data found differ from those that are known, in words; empty if they do not."""
    changes = []
    for name in dict.fromkeys([*known, *found]):
        then, now = known.get(name), found.get(name)
        if then is None or now is None:
            changes.append(f"{name} is {'new' if then is None else 'missing'}")
        elif then.rpartition(" ")[0] != now.rpartition(" ")[0]:
            changes.append(f"{name} is {now.rpartition(' ')[0]}, not {then.rpartition(' ')[0]}")
        elif then != now:
            changes.append(f"{name} has other values")
    return shorten(", ".join(changes), 200)
