"""Modules draw from torch's global generator and know no other: how they are given one for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawing_from(generator: torch.Generator | None) -> Iterator[None]:
    """Have torch's global generator draw what this one would, inside this context.

    Args:
        generator: One of the CPU, which goes on as if it had been drawn from; without one, nothing changes.
    """
    if generator is None:
        yield
        return
    before = torch.get_rng_state()
    torch.set_rng_state(generator.get_state())
    try:
        yield
    finally:
        generator.set_state(torch.get_rng_state())
        torch.set_rng_state(before)
