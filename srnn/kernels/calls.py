"""Kernels at their addresses, and how Python calls them: some two microseconds, in which other threads go on."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Hashable
from typing import NamedTuple

from srnn.kernels import choice


class Kernel(NamedTuple):
    """A compiled kernel, see :mod:`srnn.kernels.team`.

    Attributes:
        address: Where it is.
        call: Calls it with the address of a packet.
    """

    address: int
    call: Callable[[int], None]


_KIND = ctypes.CFUNCTYPE(None, ctypes.c_int64)
_kernels: dict[Hashable, Kernel] = {}


def kernel(key: Hashable, make: Callable[[], int]) -> Kernel:
    """The kernel of that key; ``make`` compiles it when it is first asked for, and gives its address.

    Raises:
        UnusableError: It cannot be compiled.
    """
    found = _kernels.get(key)
    if found is None:
        try:
            address = make()
        except Exception as error:
            reason = f"they cannot be compiled: {type(error).__name__}: {error}"
            choice.give_up(reason)
            raise choice.UnusableError(reason) from error
        found = _kernels[key] = Kernel(address, _KIND(address))
    return found
