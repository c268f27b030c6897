"""Kernels of particles with what they compute with, ready to be called."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from srnn.kernels import moves, threads
from srnn.kernels.calls import Kernel, kernel
from srnn.kernels.team import HEAD

#: Weight updates for which other threads are worth calling: each takes about 0.15 ns, to call them some 10 µs.
_WORTH_THREADS = 100_000
#: Claims for each thread of a team, and the most particles in one.
_CLAIMS, _LARGEST_CLAIM = 8, 512


class Paced(NamedTuple):
    """A number in memory that follows the learning rate.

    Attributes:
        address: Where it is.
        of: What it is at a learning rate, as the type that it has there.
        next: Whether it is of the batch after the one in which it is read.
    """

    address: int
    of: Callable[[float], np.floating[Any]]
    next: bool = False


class Call(NamedTuple):
    """A kernel and what it computes with, to be called as often as one likes.

    Attributes:
        kernel: What is called.
        packet: Its packet.
        held: What the packet has the addresses of.
        paced: What of that follows the learning rate.
    """

    kernel: Kernel
    packet: array[int]
    held: tuple[Any, ...]
    paced: tuple[Paced, ...] = ()

    def __call__(self) -> None:
        self.kernel.call(self.packet.buffer_info()[0])


def call_of(
    make: Callable[..., int],
    hidden: int,
    arguments: tuple[Any, ...],
    count: int,
    work: int,
    paced: tuple[Paced, ...] = (),
) -> Call:
    """The call of a kernel for all particles: on torch's threads, if it is worth it.

    A particle's result does not depend on which thread computes it.
    """
    parallel = threads.parallel() if work > _WORTH_THREADS else 0
    # A team of other sizes than torch's or ours would have OpenMP end threads, and start them again.
    team = threads.count() if parallel else 1
    # Several for each thread, since not all are equally fast; but neighbours should not share their cache lines.
    claim = min(_LARGEST_CLAIM, -(-count // (_CLAIMS * team * moves.BLOCK)) * moves.BLOCK)
    head = 0, count, claim, parallel, team, threads.number()
    packet = array("q", (*head, *map(slot, filter(_given, arguments)), *[0] * team))
    return Call(kernel_of(make, hidden, arguments), packet, arguments, paced)


def kernel_of(make: Callable[..., int], hidden: int, arguments: tuple[Any, ...]) -> Kernel:
    """A kernel for so many hidden units and arguments of these types."""

    def compile_it() -> int:
        examples = tuple(one.detach().numpy() if isinstance(one, Tensor) else one for one in arguments)
        return make((0,) * hidden, examples)

    return kernel((make, hidden, *map(_given, arguments)), compile_it)


def _given(argument: Any) -> bool:
    return argument is not None


def alone(count: int, *slots: int) -> array[int]:
    """The packet of a kernel that one thread does for so many particles: behind its head the slots."""
    head = dict.fromkeys(HEAD, 0) | {"count": count, "threads": 1}
    return array("q", (*head.values(), *slots))


def slot(argument: Any) -> int:
    """What stands for an argument in a packet."""
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    if isinstance(argument, float):
        return int.from_bytes(struct.pack("=d", argument), sys.byteorder, signed=True)
    return int(argument)
