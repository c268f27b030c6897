"""The kernel of penalties: the slopes of costs on what particles are worth, off a table, added to the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from torch import Tensor

from srnn.kernels.addresses import pointer_to, work_of_team
from srnn.kernels.cache import compiled
from srnn.kernels.calls import kernel
from srnn.kernels.packets import Call, alone, slot
from srnn.kernels.passes import inner
from srnn.kernels.pieces import FIRST, LEFT_OUT, PIECES
from srnn.kernels.team import HEAD

#: What a call needs: addresses of numbers ``(count,)``, of lines ``(PIECES, 2)``, and of another penalty's packet, 0
#: for none; the largest slope in terms of the worth.
PENALTY = np.dtype(
    [(name, np.int64) for name in (*HEAD, "worth", "gradient", "inverse", "factor", "lines", "then")]
    + [("cap", np.float64)]
)


@inner
def _add(address: int) -> None:
    while address:
        packet: Any = carray(pointer_to(address), (1,), PENALTY)[0]
        count, cap = packet.count, np.float32(packet.cap)
        worth = carray(pointer_to(packet.worth), (count,), np.float32)
        gradient = carray(pointer_to(packet.gradient), (count,), np.float32)
        inverse = carray(pointer_to(packet.inverse), (count,), np.float32)
        factor = carray(pointer_to(packet.factor), (count,), np.float32)
        lines = carray(pointer_to(packet.lines), (PIECES, 2), np.float32)
        for i in range(count):
            size = abs(worth[i])
            x = np.float32(size * inverse[i])
            piece: Any = ((x.view(np.int32) - np.int32(FIRST)) >> np.int32(LEFT_OUT)) + 1
            piece = min(max(piece, 0), PIECES - 1)
            slope = (lines[piece, 0] + lines[piece, 1] * x) * factor[i]
            most = size * cap
            slope = most if slope > most else slope
            gradient[i] += slope if worth[i] > 0 else -slope
        address = packet.then


@compiled
def _adding() -> Any:
    return work_of_team(_add)


def adding(
    worth: Tensor, gradient: Tensor, inverse: Tensor, factor: Tensor, lines: Tensor, cap: float, then: Call | None
) -> Call:
    """The call that adds the slope of a penalty to a gradient: see :class:`srnn.terms.slope.Slope`.

    Args:
        worth: ``(N,)``.
        gradient: ``(N,)``, added to in place.
        inverse: What a worth is multiplied by before it is looked up, ``(N,)``.
        factor: What the slope found is multiplied by, ``(N,)``.
        lines: The table, ``(PIECES, 2)``.
        cap: The largest slope, in terms of the worth.
        then: Another penalty's call, which this one does as well.
    """
    tensors = worth, gradient, inverse, factor, lines
    after = 0 if then is None else then.packet.buffer_info()[0]
    packet = alone(worth.numel(), *map(slot, tensors), after, slot(cap))
    return Call(kernel("penalties", _adding), packet, (*tensors, then))
