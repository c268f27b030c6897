"""How torch is to compute while an organism or a dense network trains: fast, and the same on every machine load."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from srnn.kernels.threads import on_every_thread

#: Products of one pass over a batch below which waking a second thread costs more than it saves.
_WORTH_THREADS = 2_000_000


def order_products() -> None:
    """Have MKL add up in the same order on any number of threads.

    MKL looks at this before the first product of a process, and never again: a process that computes other things
    before it trains calls this first, and so do those that it starts.
    """
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")


@contextmanager
def fast_arithmetic(products: int) -> Iterator[None]:
    """Compute as fast as may be, with results that do not depend on the number of threads, inside this context.

    Args:
        products: Multiplications of one network's forward pass over a batch: of one, so that a network is computed in
            the same way whatever stands beside it.
    """
    order_products()
    threads = torch.get_num_threads()
    if products < _WORTH_THREADS:
        torch.set_num_threads(1)
    # Zero fixpoints shrink for ever; below 1e-38 a processor would compute with them a hundred times more slowly.
    on_every_thread(lambda: torch.set_flush_denormal(True))
    try:
        yield
    finally:
        on_every_thread(lambda: torch.set_flush_denormal(False))
        torch.set_num_threads(threads)
