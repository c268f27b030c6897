"""What Adam computes with, whoever computes: :class:`torch.optim.Adam`, and with decay :class:`torch.optim.AdamW`."""

from __future__ import annotations

import math

#: Share of what was there that is kept of the mean gradient and of the mean square, and what is added to a root.
MEAN, SQUARE, SMALLEST = 0.9, 0.999, 1e-8

#: Where in the settings of a call is what its step decides: see :func:`corrections`.
SETTINGS, CORRECTIONS = 7, 5
#: Where there is the share of a number that a step leaves.
UNDECAYED = 4


def settings(lr: float, decay: float) -> list[float]:
    """What the kernel computes with; of the corrections, the last two, there is only the room."""
    return [1 - MEAN, SQUARE, 1 - SQUARE, SMALLEST, 1 - lr * decay, 0.0, 0.0]


def corrections(step: int, lr: float) -> tuple[float, float]:
    """What the mean gradient and the root of the mean square are multiplied by in a step, counted from one.

    Both means start at zero and are too small at first. Powers by multiplication alone, which is rounded in the same
    way everywhere: also compiled, for many steps in one call.
    """
    mean = square = 1.0
    mean_factor, square_factor = MEAN, SQUARE
    while step:
        if step & 1:
            mean *= mean_factor
            square *= square_factor
        mean_factor *= mean_factor
        square_factor *= square_factor
        step >>= 1
    return lr / (1.0 - mean), 1.0 / math.sqrt(1.0 - square)
