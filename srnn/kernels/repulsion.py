"""The kernel of repulsion: what pushes what particles are worth away from other such weights, added to the gradient."""

from __future__ import annotations

from collections.abc import Callable
from math import cosh, exp, sqrt
from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from torch import Tensor

from srnn.kernels.addresses import NUMBER, pointer_to, work_of_team
from srnn.kernels.cache import compiled
from srnn.kernels.calls import kernel
from srnn.kernels.packets import Call, Paced, alone, slot
from srnn.kernels.passes import inner
from srnn.kernels.team import HEAD

#: What a call needs: addresses of numbers ``(networks · N,)``, of the minima ``(minima, networks · N)`` and of the
#: squares of the widths, a float64 a network; N; whether the kernel is tanh; the height of the hills together.
REPULSION = np.dtype(
    [(name, np.int64) for name in (*HEAD, "worth", "gradient", "minima", "squares")]
    + [(name, np.int64) for name in ("numbers", "networks", "many", "tanh")]
    + [("strength", np.float64)]
)
#: Added to the square of a distance: the slope of its root is undefined at 0.
SMALLEST = 1e-12


@inner
def _square(one: Any, other: Any) -> Any:
    difference = np.float64(one) - np.float64(other)
    return difference * difference


@inner
def _distance(worth: Any, minimum: Any, count: int) -> float:
    """The mean square of differences, summed up in four parts, so that no sum waits for the one before it."""
    a = b = c = d = 0.0
    end = count - count % 4
    for i in range(0, end, 4):
        a += _square(worth[i], minimum[i])
        b += _square(worth[i + 1], minimum[i + 1])
        c += _square(worth[i + 2], minimum[i + 2])
        d += _square(worth[i + 3], minimum[i + 3])
    for i in range(end, count):
        a += _square(worth[i], minimum[i])
    return ((a + b) + (c + d)) / count


@inner
def _push(address: int) -> None:
    packet: Any = carray(pointer_to(address), (1,), REPULSION)[0]
    count, height = packet.numbers, packet.strength / packet.many
    squares = carray(pointer_to(packet.squares), (packet.networks,), np.float64)
    for network in range(packet.networks):
        start, square = NUMBER * count * network, squares[network]
        worth = carray(pointer_to(packet.worth + start), (count,), np.float32)
        gradient = carray(pointer_to(packet.gradient + start), (count,), np.float32)
        for m in range(packet.many):
            place = packet.minima + NUMBER * count * packet.networks * m + start
            minimum = carray(pointer_to(place), (count,), np.float32)
            distance = _distance(worth, minimum, count)
            if packet.tanh:
                length, width = sqrt(distance + SMALLEST), sqrt(square)
                slope = height / (cosh(length / width) ** 2 * width * count * length)
            else:
                slope = height * exp(-distance / (2 * square)) / (count * square)
            push = np.float32(slope)
            for i in range(count):
                gradient[i] -= push * (worth[i] - minimum[i])


@compiled
def _pushing() -> Any:
    return work_of_team(_push)


def pushing(
    worth: Tensor,
    gradient: Tensor,
    minima: Tensor,
    squares: Tensor,
    tanh: bool,
    strength: float,
    paced: Callable[[float], float] | None = None,
) -> Call:
    """The call that adds the gradient of hills at the minima: see :class:`srnn.terms.repulsion.Hills`.

    Args:
        worth: ``(S · N,)``.
        gradient: ``(S · N,)``, added to in place.
        minima: ``(M, S · N)``, contiguous.
        squares: The squares of the widths, float64 ``(S,)``.
        tanh: Whether the kernel is tanh, and not rbf.
        strength: The height of the hills together.
        paced: The height at a learning rate, if it follows that.
    """
    networks, tensors = len(squares), (worth, gradient, minima, squares)
    numbers = worth.numel() // networks, networks, len(minima), int(tanh)
    packet = alone(worth.numel(), *map(slot, tensors), *numbers, slot(float(strength)))
    place = packet.buffer_info()[0] + (len(packet) - 1) * packet.itemsize
    of = () if paced is None else (Paced(place, lambda lr: np.float64(paced(lr))),)
    return Call(kernel("repulsion", _pushing), packet, tensors, of)
