"""Which seeds are meant: a number of them, a range or a list, on the command line and in Python."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex

from srnn.errors import UserError, option, shorten

#: Seeds are from 0 to below this: each is recorded as a number that any program can read.
LIMIT = 2**31
#: Of one experiment, at once.
MOST = 1000

_WORDS = f"from 0 to {LIMIT - 1}, {MOST:,} at most"


def parse_seeds(text: str) -> list[int]:
    """The seeds that ``3`` (0, 1, 2), ``0-4`` or ``0,7,9`` stand for.

    Raises:
        UserError: The text is none of these.
    """
    allowed = f"allowed: a number of seeds (3), a range (0-4) or a list (0,7,9), {_WORDS}"
    seeds: list[int] = []
    try:
        if "," not in text and "-" not in text:
            seeds = list(range(min(int(text), MOST + 1)))
        else:
            for part in text.strip(",").split(","):
                first, _, last = part.partition("-")
                seeds += range(int(first), min(int(last or first), int(first) + MOST + 1) + 1)
        return _checked(seeds)
    except ValueError:
        raise UserError(f"{option('seeds')} is {shorten(repr(text))}; {allowed}") from None


def numbers(seeds: SupportsIndex | str | Iterable[SupportsIndex]) -> list[int]:
    """Seeds as Python gives them: ``3`` (three: 0, 1, 2), ``"0-4"``, or each of them, as whole numbers of any kind.

    Raises:
        UserError: One is not a whole number, out of range or named twice.
    """
    if isinstance(seeds, str):
        return parse_seeds(seeds)
    try:
        if (count := _index(seeds)) is not None:
            return _checked(list(range(min(count, MOST + 1))))
        given: list[int] = []
        for seed in seeds:  # type: ignore[union-attr]
            if (number := _index(seed)) is None:
                raise ValueError(f"one of them is {shorten(repr(seed))}")
            given.append(number)
            if len(given) > MOST:
                break
        return _checked(given)
    except TypeError:
        complaint = f"it is {shorten(repr(seeds))}"
    except ValueError as error:
        complaint = str(error)
    allowed = f"allowed: a number of seeds (3) or whole numbers ([0, 7, 9]), {_WORDS}"
    raise UserError(f"seeds: {complaint}; {allowed}")


def _index(value: Any) -> int | None:
    """A whole number of any kind as one of Python; None for anything else, also for what holds several."""
    several = getattr(value, "ndim", 0) != 0  # of NumPy or torch
    if isinstance(value, bool) or several or "bool" in str(getattr(value, "dtype", "")):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _checked(seeds: list[int]) -> list[int]:
    """The same, if they are what seeds may be.

    Raises:
        ValueError: They are not; it says which.
    """
    if not seeds:
        raise ValueError("there is none")
    if len(seeds) > MOST:
        raise ValueError(f"they are more than {MOST:,}")
    for place, seed in enumerate(seeds):
        if not 0 <= seed < LIMIT:
            raise ValueError(f"one of them is {seed if abs(seed) < 10**30 else 'larger than can be printed'}")
        if seed in seeds[:place]:
            raise ValueError(f"{seed} is named twice")
    return seeds
