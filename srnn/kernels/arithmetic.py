"""How torch is to compute while an organism or a dense network trains: fast, and the same on every machine load."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from srnn.kernels.threads import keep, on_every_thread

#: Products of one pass over a batch below which waking a second thread costs torch more than it saves.
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
    threads, flushed = torch.get_num_threads(), _flushes()
    if products < _WORTH_THREADS:
        torch.set_num_threads(1)
    # NumPy 2.2 warns if it is asked about a type for the first time where its smallest number is zero, and Numba asks.
    for dtype in (np.float32, np.float64):
        np.finfo(dtype)
    # Zero fixpoints shrink for ever; below 1e-38 a processor would compute with them a hundred times more slowly.
    on_every_thread(lambda: torch.set_flush_denormal(True))
    try:
        with keep(threads):
            yield
    finally:
        on_every_thread(lambda: torch.set_flush_denormal(flushed))
        torch.set_num_threads(threads)


@contextmanager
def plain_torch() -> Iterator[None]:
    """As in a process in which nobody has set anything, inside this context (or, as a decorator, this function).

    What a notebook has set for its own work, such as a default type of numbers or ``no_grad``, would otherwise change
    or end ours; it is as it was afterwards.
    """
    with ExitStack() as stack:
        dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
        if dtype is not torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if precision != "highest":
            stack.callback(torch.set_float32_matmul_precision, precision)
            torch.set_float32_matmul_precision("highest")
        if torch.are_deterministic_algorithms_enabled():
            only_warn = torch.is_deterministic_algorithms_warn_only_enabled()
            stack.callback(torch.use_deterministic_algorithms, True, warn_only=only_warn)
            torch.use_deterministic_algorithms(False)
        if _flushes():
            stack.callback(on_every_thread, lambda: torch.set_flush_denormal(True))
            on_every_thread(lambda: torch.set_flush_denormal(False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autograd.set_detect_anomaly(False))
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        yield


def _flushes() -> bool:
    """Whether numbers below 1e-38 are zero by now: torch does not tell."""
    with torch.inference_mode():
        return not bool(torch.full((1,), 1e-39, dtype=torch.float32, device="cpu").mul(1).item())
