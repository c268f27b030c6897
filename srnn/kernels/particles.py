"""The kernels of particles: the algebra of a group, for swarms in memory.

Each function here gives the address of a kernel (:mod:`srnn.kernels.team`) for arguments of these types. The number of
hidden units comes as a tuple of that length, a choice as None or not: they are then part of the types, for each
combination of which Numba compiles one specialisation.
"""

from __future__ import annotations

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
    position_products,
    product,
    replication_step,
    row_vector,
    total,
    weight_count,
)
from srnn.kernels.cache import compiled
from srnn.kernels.llvm import (
    BYTES,
    FLOAT,
    LANES,
    MASK,
    VECTOR,
    Rows,
    Scalars,
    Scratch,
    Vector,
    barrier,
    integer,
    splat,
)
from srnn.kernels.team import team

#: Particles copied to the scratch memory at a time: four cache lines of each row, which spares page look-ups.
BLOCK = 4 * LANES


def _emit_train(
    builder: Any, hidden: int, weights: Any, buffer: Any, losses: Any, constants: Any, live: Any, steps: Any, first: Any
) -> None:
    size = weight_count(hidden)
    groups = BLOCK // LANES
    arrays = [weights] if buffer is None else [weights, buffer]
    starts = [builder.add(first, integer(LANES * group)) for group in range(groups)]
    with builder.goto_entry_block():
        memory = builder.alloca(ir.ArrayType(FLOAT, 2 * groups * (size + 1) * LANES))
    memory.align = 64
    memory = builder.bitcast(memory, FLOAT.as_pointer())

    def scratch(array: int, group: Any) -> Scratch:
        part = integer(array * groups * (size + 1) * LANES)
        offset = builder.add(part, builder.mul(group, integer((size + 1) * LANES)))
        return Scratch(builder, builder.gep(memory, [offset]))

    def copy(inwards: bool) -> None:
        for number, array in enumerate(arrays):
            outside = [Rows(builder, array, start) for start in starts]
            inside = [scratch(number, integer(group)) for group in range(groups)]
            with cgutils.for_range(builder, integer(size)) as loop:
                for there, here in zip(outside, inside, strict=True):
                    if inwards:
                        here[loop.index] = there[loop.index]
                    else:
                        there[loop.index] = here[loop.index]

    copy(inwards=True)
    c = Constants(Scalars(builder, constants.data), hidden)
    left = builder.sdiv(builder.add(builder.sub(losses.count, first), integer(LANES - 1)), integer(LANES))
    count = builder.select(builder.icmp_signed("<", left, integer(groups)), left, integer(groups))
    with cgutils.for_range(builder, count) as group:
        w, b = scratch(0, group.index), scratch(1, group.index)
        zero = Vector(builder, ir.Constant(VECTOR, [0.0] * LANES))
        if buffer is None:
            with cgutils.for_range(builder, integer(size)) as loop:
                b[loop.index] = zero
        b[size] = zero  # the row after the last sums up the losses
        with cgutils.for_range(builder, steps):
            loss = replication_step(w, b, c, live is not None, barrier(builder))
            # Rounding can leave a loss of zero a little below zero; a NaN stays.
            below = builder.fcmp_ordered("<", loss.value, zero.value)
            loss = Vector(builder, builder.select(below, zero.value, loss.value))
            b[size] = b[size] + loss
        mean = b[size] * c.loss_scale
        Rows(builder, losses, builder.add(first, builder.mul(group.index, integer(LANES))))[0] = mean
    copy(inwards=False)


def _emit_effective_weight(builder: Any, hidden: int, weights: Any, out: Any, first: Any) -> None:
    Rows(builder, out, first)[0] = row_vector(Rows(builder, weights, first), hidden, inputs=[4])[1][0]


def _emit_effective_weight_gradient(
    builder: Any, hidden: int, weights: Any, effective_gradient: Any, out: Any, first: Any
) -> None:
    w, grad = Rows(builder, weights, first), Rows(builder, out, first)
    S, _ = row_vector(w, hidden, inputs=[])
    g = [None] * 4 + [Rows(builder, effective_gradient, first)[0]]
    zero = Vector(builder, ir.Constant(VECTOR, [0.0] * LANES))
    for k, _, derivative in gradient(w, hidden, S, g, barrier(builder)):
        if derivative is None:
            grad[k] = zero
        else:
            grad[k] = product(derivative)


def _emit_sgd_step(
    builder: Any, hidden: int, weights: Any, effective_gradient: Any, buffer: Any, constants: Any, first: Any
) -> None:
    w = Rows(builder, weights, first)
    for k in range(weight_count(hidden)):
        w.ahead(k)
    _sgd_move(builder, hidden, w, effective_gradient, buffer, constants, first, True)


def _sgd_move(
    builder: Any, hidden: int, w: Any, effective_gradient: Any, buffer: Any, constants: Any, first: Any, all_move: bool
) -> None:
    """Move the group ``w`` by a step of SGD; unless all move, weights without a gradient are without momentum."""
    c = Constants(Scalars(builder, constants.data), hidden)
    S, _ = row_vector(w, hidden, inputs=[])
    g = [None] * 4 + [Rows(builder, effective_gradient, first)[0]]
    if buffer is None:
        lr = c.lr
        for k, value, derivative in gradient(w, hidden, S, g, barrier(builder)):
            if derivative is not None:
                w[k] = value - lr * product(derivative)
        return
    b = Rows(builder, buffer, first)
    momentum, lr = c.momentum, c.lr
    for k, value, derivative in gradient(w, hidden, S, g, barrier(builder)):
        if derivative is None and not all_move:
            # As if its momentum had been read: what is below 1e-38 becomes zero.
            w[k] = value - lr * 0.0
            continue
        velocity = plus(b[k] * momentum, derivative)
        b.ahead(k)
        b[k] = velocity
        w[k] = value - lr * velocity


def _emit_number_step(
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
    with builder.goto_entry_block():
        memory = builder.alloca(ir.ArrayType(FLOAT, (size + hidden + INPUTS) * LANES))
    memory.align = 64
    outside, w = Rows(builder, weights, first), Scratch(builder, builder.bitcast(memory, FLOAT.as_pointer()))
    with cgutils.for_range(builder, integer(size)) as loop:
        w[loop.index] = outside[loop.index]
        outside.ahead(loop.index)
    return outside, w


def _emit_lift(
    builder: Any, hidden: int, weights: Any, effective: Any, left: Any, worth: Any, iterations: Any, first: Any
) -> None:
    outside, w = scratch(builder, hidden, weights, first)
    goal = Rows(builder, effective, first)[0]
    after = lifted(builder, hidden, outside, w, goal, iterations)
    for array, value in zip((left, worth), after, strict=True):
        Rows(builder, array, first)[0] = value


def _emit_sgd_and_project(
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
    _sgd_move(builder, hidden, w, effective_gradient, buffer, constants, first, False)
    with cgutils.for_range(builder, integer(weight_count(hidden))) as loop:
        outside[loop.index] = w[loop.index]
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
    with cgutils.for_range(builder, integer(weight_count(hidden))) as loop:
        outside[loop.index] = w[loop.index].where(better, outside[loop.index])
    return largest_after.where(better, largest_before), worth_after.where(better, worth_before)


def _emit_attack(builder: Any, hidden: int, attackers: Any, victims: Any, out: Any, constants: Any, first: Any) -> None:
    c = Constants(Scalars(builder, constants.data), hidden)
    _, v = row_vector(Rows(builder, attackers, first), hidden, inputs=range(4))
    w, result = Rows(builder, victims, first), Rows(builder, out, first)
    barrier(builder)()
    for k, position_term in position_products(v, c):
        result[k] = w[k] * v[0] + position_term


def _emit_classify(
    builder: Any, hidden: int, weights: Any, out: Any, constants: Any, tolerance: Any, first: Any
) -> None:
    c = Constants(Scalars(builder, constants.data), hidden)
    w = Rows(builder, weights, first)
    _, v = row_vector(w, hidden, inputs=range(4))
    bound = Vector(builder, splat(builder, builder.fptrunc(tolerance, FLOAT)))
    barrier(builder)()
    finite = zero = identity = secondary = ir.Constant(MASK, [1] * LANES)
    for k, position_term in position_products(v, c):
        value = w[k]
        once = value * v[0] + position_term
        twice = once * v[0] + position_term
        finite = builder.and_(finite, value.within(float("inf"), strictly=True))
        zero = builder.and_(zero, value.within(bound))
        identity = builder.and_(identity, (once - value).within(bound))
        secondary = builder.and_(secondary, (twice - value).within(bound))
    # The values of srnn.fixpoints.FixpointType, from the last test to the first: the first that holds decides.
    kind = ir.Constant(BYTES, [4] * LANES)
    for number, holds in ((3, secondary), (2, identity), (1, zero), (0, builder.not_(finite))):
        kind = builder.select(holds, ir.Constant(BYTES, [number] * LANES), kind)
    Rows(builder, out, first, BYTES)[0] = Vector(builder, kind)


_train = team(_emit_train, step=BLOCK)
_effective_weight = team(_emit_effective_weight)
_effective_weight_gradient = team(_emit_effective_weight_gradient)
_sgd_step = team(_emit_sgd_step)
_sgd_and_project = team(_emit_sgd_and_project)
_number_step = team(_emit_number_step)
_lift = team(_emit_lift)
_attack = team(_emit_attack)
_classify = team(_emit_classify)


# Each under a name of its own, by which the cache tells them apart.
@compiled
def train(hidden: Any, arguments: Any) -> Any:
    return _train(hidden, arguments)


@compiled
def effective_weight(hidden: Any, arguments: Any) -> Any:
    return _effective_weight(hidden, arguments)


@compiled
def effective_weight_gradient(hidden: Any, arguments: Any) -> Any:
    return _effective_weight_gradient(hidden, arguments)


@compiled
def sgd_step(hidden: Any, arguments: Any) -> Any:
    return _sgd_step(hidden, arguments)


@compiled
def sgd_and_project(hidden: Any, arguments: Any) -> Any:
    return _sgd_and_project(hidden, arguments)


@compiled
def number_step(hidden: Any, arguments: Any) -> Any:
    return _number_step(hidden, arguments)


@compiled
def lift(hidden: Any, arguments: Any) -> Any:
    return _lift(hidden, arguments)


@compiled
def attack(hidden: Any, arguments: Any) -> Any:
    return _attack(hidden, arguments)


@compiled
def classify(hidden: Any, arguments: Any) -> Any:
    return _classify(hidden, arguments)
