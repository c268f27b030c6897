"""The kernels of Adam: a step of plain numbers or particles, and what counts the steps (:mod:`srnn.kernels.adam`).

Each product, sum, root and quotient is rounded once, in an order that no compiler chooses: the same on every processor
with fused multiply-add.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray  # type: ignore[attr-defined]

from srnn.kernels.adam import CORRECTIONS, SETTINGS, corrections
from srnn.kernels.addresses import NUMBER, number_at, pointer_to, put_number, work_of_team
from srnn.kernels.algebra import gradient, product, row_vector
from srnn.kernels.cache import compiled
from srnn.kernels.functions import Lanes
from srnn.kernels.llvm import Rows, Scalars, Vector, barrier
from srnn.kernels.moves import Driven, lifted, put_back, scratch
from srnn.kernels.particles import weigh
from srnn.kernels.passes import inner
from srnn.kernels.team import HEAD, Part, team

#: The packet of what counts: the addresses of the step, a float32, and of the settings; the learning rate.
COUNT = np.dtype([(name, np.int64) for name in (*HEAD, "step", "settings")] + [("lr", np.float64)])

_corrections = inner(corrections)


def _emit_adam(
    builder: Any,
    hidden: int,
    moved: Any,
    slope: Any,
    mean: Any,
    square: Any,
    constants: Any,
    first: Any,
) -> None:
    x, m, v = (Rows(builder, array, first) for array in (moved, mean, square))
    _adam_move(builder, hidden, x, slope, m, v, constants, first)


def _emit_adam_and_project(
    builder: Any,
    hidden: int,
    moved: Any,
    slope: Any,
    mean: Any,
    square: Any,
    constants: Any,
    worth: Any,
    iterations: Any,
    first: Any,
) -> None:
    outside, w = scratch(builder, hidden, moved, first)
    m, v = (Driven(builder, hidden, Rows(builder, array, first)) for array in (mean, square))
    _adam_move(builder, hidden, w, slope, m, v, constants, first)
    m.put_back()
    v.put_back()
    put_back(builder, hidden, outside, lambda k, there: w[k])
    Rows(builder, worth, first)[0] = lifted(builder, hidden, outside, w, None, iterations)[1]


def _adam_move(builder: Any, hidden: int, x: Any, slope: Any, m: Any, v: Any, constants: Any, first: Any) -> None:
    """Move a group ``x``, of moments ``m`` and ``v``: plain numbers where no hidden units are, otherwise particles."""
    settings, slopes = Scalars(builder, constants.data), Rows(builder, slope, first)
    derivatives: Any = [(0, x[0], (slopes[0],))]
    if hidden:
        S, _ = row_vector(x, hidden, inputs=[])
        derivatives = gradient(x, hidden, S, [None] * 4 + [slopes[0]], barrier(builder))
    for k, value, derivative in derivatives:
        fresh, kept, fresh_square, smallest, undecayed, step, correction = (
            Lanes(builder, settings[i].value) for i in range(SETTINGS)
        )
        moves = Lanes(builder, value.value) * undecayed
        # Where there is never a gradient, nothing is remembered.
        if derivative is not None:
            g, before = Lanes(builder, product(derivative).value), Lanes(builder, m[k].value)
            mean_now = (g - before).fused(fresh, before)
            square_now = (g * fresh_square).fused(g, Lanes(builder, v[k].value) * kept)
            m[k], v[k] = Vector(builder, mean_now.value), Vector(builder, square_now.value)
            root = square_now.sqrt().fused(correction, smallest)
            moves = (mean_now / root).fused(-step, moves)
        x[k] = Vector(builder, moves.value)


_step = Part(_emit_adam)
_adam = team(_step)
_adam_and_weigh = team(_step, weigh)
_adam_and_project = team(Part(_emit_adam_and_project, masked=True))


@compiled
def adam(hidden: Any, arguments: Any) -> Any:
    return _adam(hidden, arguments)


@compiled
def adam_and_weigh(hidden: Any, arguments: Any) -> Any:
    return _adam_and_weigh(hidden, arguments)


@compiled
def adam_and_project(hidden: Any, arguments: Any) -> Any:
    return _adam_and_project(hidden, arguments)


@inner
def _count(address: int) -> None:
    packet = carray(pointer_to(address), (1,), COUNT)[0]
    step = np.float32(number_at(packet.step) + np.float32(1))
    put_number(packet.step, step)
    size, root = _corrections(int(step), packet.lr)
    put_number(packet.settings + NUMBER * CORRECTIONS, np.float32(size))
    put_number(packet.settings + NUMBER * (CORRECTIONS + 1), np.float32(root))


@compiled
def count() -> Any:
    """The address of the kernel that counts a step, and puts into the settings what it decides."""
    return work_of_team(_count)
