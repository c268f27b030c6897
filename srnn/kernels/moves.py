"""How particles move, a group at a time: steps on replication and on the task, and onto the self-replicators."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils

from srnn.kernels.algebra import (
    INPUTS,
    Constants,
    closing_step,
    gradient,
    newton_step,
    plus,
    product,
    replication_step,
    row_vector,
    rows,
    total,
    weight_count,
)
from srnn.kernels.llvm import LANES, VECTOR, Rows, Scalars, Scratch, Vector, barrier, integer

#: Particles copied to the scratch memory at a time: four cache lines of each row, which spares page look-ups.
BLOCK = 4 * LANES


def emit_train(
    builder: Any, hidden: int, weights: Any, buffer: Any, losses: Any, constants: Any, live: Any, steps: Any, first: Any
) -> None:
    """So many steps, or one where ``steps`` is None."""
    size, groups = weight_count(hidden), BLOCK // LANES
    arrays = [weights] if buffer is None else [weights, buffer]
    c = Constants(Scalars(builder, constants.data), hidden)
    zero = Vector(builder, ir.Constant(VECTOR, [0.0] * LANES))

    def step(w: Any, b: Any) -> Vector:
        loss = replication_step(w, b, c, live is not None, barrier(builder))
        # Rounding can leave a loss of zero a little below zero, or at minus zero; a NaN stays.
        below = builder.fcmp_ordered("<=", loss.value, zero.value)
        return Vector(builder, builder.select(below, zero.value, loss.value))

    def fill(b: Any) -> None:
        with cgutils.for_range(builder, integer(size)) as loop:
            b[loop.index] = zero

    if steps is None:
        # Where the particles are, if all sixteen of a group are there: to copy them takes as long as the step. (What a
        # masked store has written is slow to be read again.)
        done = integer(groups)
        if not weights.whole:
            left = builder.sdiv(builder.sub(losses.count, first), integer(LANES))
            done = builder.select(builder.icmp_signed("<", left, done), left, done)
        fresh = Scratch.of(builder, size) if buffer is None else None
        with cgutils.for_range(builder, done) as group:
            start = builder.add(first, builder.mul(group.index, integer(LANES)))
            own = [Rows(builder, array._replace(whole=True), start) for array in arrays]
            for k in range(size):
                for there in own:
                    there.ahead(k)
            if fresh is not None:
                fill(fresh)
            mean = step(own[0], own[1] if fresh is None else fresh) * c.loss_scale
            Rows(builder, losses._replace(whole=True), start)[0] = mean
        if weights.whole:
            return
        first = builder.add(first, builder.mul(done, integer(LANES)))

    starts = [builder.add(first, integer(LANES * group)) for group in range(groups)]
    memory = Scratch.of(builder, 2 * groups * (size + 1))

    def scratch(array: int, group: Any) -> Scratch:
        row = builder.mul(group, integer(size + 1))
        return memory.part(builder.add(integer(array * groups * (size + 1)), row))

    def copy(inwards: bool) -> None:
        for number, array in enumerate(arrays):
            outside = [Rows(builder, array, start) for start in starts]
            inside = [scratch(number, integer(group)) for group in range(groups)]
            with cgutils.for_range(builder, integer(size)) as loop:
                for start, there, here in zip(starts, outside, inside, strict=True):
                    is_there = builder.icmp_signed("<", start, losses.count)
                    with nullcontext() if weights.whole else builder.if_then(is_there):
                        if inwards:
                            here[loop.index] = there[loop.index]
                            there.ahead(loop.index, BLOCK)
                        else:
                            there[loop.index] = here[loop.index]

    copy(inwards=True)
    left = builder.sdiv(builder.add(builder.sub(losses.count, first), integer(LANES - 1)), integer(LANES))
    count = builder.select(builder.icmp_signed("<", left, integer(groups)), left, integer(groups))
    with cgutils.for_range(builder, count) as group:
        w, b = scratch(0, group.index), scratch(1, group.index)
        if buffer is None:
            fill(b)
        b[size] = zero  # the row after the last sums up the losses
        with cgutils.for_range(builder, integer(1) if steps is None else steps):
            b[size] = b[size] + step(w, b)
        mean = b[size] * c.loss_scale
        Rows(builder, losses, builder.add(first, builder.mul(group.index, integer(LANES))))[0] = mean
    copy(inwards=False)


def emit_sgd_step(
    builder: Any,
    hidden: int,
    weights: Any,
    effective_gradient: Any,
    buffer: Any,
    constants: Any,
    all_move: Any,
    first: Any,
) -> None:
    w = Rows(builder, weights, first)
    b = None if buffer is None else Rows(builder, buffer, first)
    moving = all_move is not None and buffer is not None
    for k in range(weight_count(hidden)) if moving else _worth_something(hidden):
        w.ahead(k)
        if b is not None:
            b.ahead(k)
    _sgd_move(builder, hidden, w, b, effective_gradient, constants, first, moving)


def _worth_something(hidden: int) -> list[int]:
    """The weights that the effective weight depends on: all but those of ``W1`` that see no task."""
    W1, W2, W3 = rows(hidden)
    return [row[4] for row in W1] + [k for row in W2 for k in row] + W3


def _sgd_move(
    builder: Any,
    hidden: int,
    w: Any,
    b: Any,
    effective_gradient: Any,
    constants: Any,
    first: Any,
    all_move: bool,
) -> None:
    """Move the group ``w`` by a step of SGD, with momentum ``b`` if any.

    Unless all move, weights without a gradient are without momentum, and neither is looked at.
    """
    c = Constants(Scalars(builder, constants.data), hidden)
    S, _ = row_vector(w, hidden, inputs=[])
    g = [None] * 4 + [Rows(builder, effective_gradient, first)[0]]
    momentum, lr = c.momentum, c.lr
    for k, value, derivative in gradient(w, hidden, S, g, barrier(builder)):
        if derivative is None and not all_move:
            continue
        if b is None:
            w[k] = value - lr * product(derivative)
            continue
        velocity = plus(b[k] * momentum, derivative)
        b[k] = velocity
        w[k] = value - lr * velocity


def emit_number_step(
    builder: Any, hidden: int, numbers: Any, gradient: Any, buffer: Any, constants: Any, first: Any
) -> None:
    # Rounded as torch does on processors with fused multiply-add, on whichever this is.
    settings = Scalars(builder, constants.data)
    x, velocity = Rows(builder, numbers, first), Rows(builder, gradient, first)[0]
    if buffer is not None:
        b = Rows(builder, buffer, first)
        kept = builder.fmul(b[0].value, settings[0].value)
        velocity = Vector(builder, builder.fadd(kept, velocity.value))
        b[0] = velocity
    x[0] = velocity.fused(settings[1], x[0])


def scratch(builder: Any, hidden: int, weights: Any, first: Any) -> tuple[Rows, Scratch]:
    """A group in its array, and on the stack as a copy of it, with room for ``S`` and ``c``."""
    size = weight_count(hidden)
    outside, w = Rows(builder, weights, first), Scratch.of(builder, size + hidden + INPUTS)
    with cgutils.for_range(builder, integer(size)) as loop:
        w[loop.index] = outside[loop.index]
        outside.ahead(loop.index)
    return outside, w


class Driven:
    """Of what an optimizer remembers of a group, the rows that a task drives: read there, but written to the stack.

    What is written waits for :meth:`put_back`. (Of a copy that is also read, products and sums would be fused otherwise
    than in a step that is alone.)
    """

    def __init__(self, builder: Any, hidden: int, outside: Rows) -> None:
        self._rows, self._outside = _worth_something(hidden), outside
        self._inside = Scratch.of(builder, weight_count(hidden))
        for k in self._rows:
            outside.ahead(k)

    def __getitem__(self, k: int) -> Vector:
        return self._outside[k]

    def __setitem__(self, k: int, number: Vector) -> None:
        self._inside[k] = number

    def put_back(self) -> None:
        def write(there: Rows) -> None:
            for k in self._rows:
                there[k] = self._inside[k]

        self._outside.written(write)


def put_back(builder: Any, hidden: int, outside: Rows, number: Callable[[Any, Rows], Vector]) -> None:
    """Write all rows of a group, ``number(k, rows)`` to row k of the rows."""
    forget = barrier(builder)

    def write(there: Rows) -> None:
        with cgutils.for_range(builder, integer(weight_count(hidden))) as loop:
            value = number(loop.index, there)
            # Or a choice between what is there and something else becomes a masked store: see Rows.written.
            forget()
            there[loop.index] = value

    outside.written(write)


def emit_lift(
    builder: Any, hidden: int, weights: Any, effective: Any, left: Any, worth: Any, iterations: Any, first: Any
) -> None:
    outside, w = scratch(builder, hidden, weights, first)
    goal = Rows(builder, effective, first)[0]
    after = lifted(builder, hidden, outside, w, goal, iterations)
    for array, value in zip((left, worth), after, strict=True):
        Rows(builder, array, first)[0] = value


def emit_sgd_and_project(
    builder: Any,
    hidden: int,
    weights: Any,
    effective_gradient: Any,
    buffer: Any,
    constants: Any,
    worth: Any,
    iterations: Any,
    first: Any,
) -> None:
    outside, w = scratch(builder, hidden, weights, first)
    b = None if buffer is None else Driven(builder, hidden, Rows(builder, buffer, first))
    _sgd_move(builder, hidden, w, b, effective_gradient, constants, first, False)
    if b is not None:
        b.put_back()
    put_back(builder, hidden, outside, lambda k, there: w[k])
    _, value = lifted(builder, hidden, outside, w, None, iterations)
    Rows(builder, worth, first)[0] = value


def lifted(
    builder: Any, hidden: int, outside: Rows, w: Scratch, goal: Vector | None, iterations: Any
) -> tuple[Vector, Vector]:
    """Lift the group ``w``, a copy of ``outside``, and put it back; the deviation left, and what it is then worth.

    Without a goal it stays worth what it is.
    """
    forget = barrier(builder)
    size = weight_count(hidden)

    def look(goal: Vector | None) -> tuple[list[Vector], Vector]:
        """Put down ``S`` and ``c``, the deviation; ``c`` and the effective weight."""
        forget()
        S, v = row_vector(w, hidden)
        c = [v[0] - 1.0, *v[1:4], v[4] - (v[4] if goal is None else goal)]
        for k, x in enumerate([*S, *c]):
            w[size + k] = x
        forget()
        return c, v[4]

    def seen() -> tuple[list[Vector], list[Vector]]:
        return [w[size + i] for i in range(hidden)], [w[size + hidden + m] for m in range(INPUTS)]

    def norms(c: list[Vector]) -> tuple[Vector, Vector]:
        """Squared length and largest entry."""
        largest = c[0].magnitude()
        for x in c[1:]:
            largest = largest.where(x.magnitude().less(largest), x.magnitude())
        # Comparisons pass over a NaN, sums do not.
        return total(x * x for x in c), largest + total(x * 0.0 for x in c)

    c, worth_before = look(goal)
    before, largest_before = norms(c)
    goal = worth_before if goal is None else goal
    with cgutils.for_range(builder, iterations):
        newton_step(w, hidden, *seen(), forget)
        look(goal)
    closing_step(w, hidden, *seen())
    c, worth_after = look(goal)
    after, largest_after = norms(c)
    # False for NaN, before or after: such particles stay as they are.
    better = after.less(before)
    put_back(builder, hidden, outside, lambda k, there: w[k].where(better, there[k]))
    return largest_after.where(better, largest_before), worth_after.where(better, worth_before)
