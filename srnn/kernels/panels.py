"""What is done with panels, sixteen examples side by side, besides products: see :mod:`srnn.kernels.products`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils

from srnn.kernels.addresses import (
    NUMBER,
    VECTOR,
    Variable,
    below,
    cases,
    emitted,
    entry,
    is_set,
    masked_store,
    plus,
)
from srnn.kernels.functions import _INTEGERS, EMITTED, Lanes, exp, integers, log
from srnn.kernels.llvm import FLOAT as _FLOAT
from srnn.kernels.llvm import INT32 as _INT32
from srnn.kernels.llvm import INT64 as _INT64
from srnn.kernels.llvm import LANES
from srnn.kernels.llvm import VECTOR as _VECTOR
from srnn.kernels.llvm import integer as _integer
from srnn.kernels.llvm import splat as _splat


@emitted()
def turn_rows(builder: Any, rows: Any, columns: Any, target: Any) -> None:
    """Bring sixteen rows, whose addresses are in the table, into a panel: as many columns, a multiple of four."""
    _turn(builder, lambda row: entry(builder, rows, row), columns, target, _integer(VECTOR))


@emitted()
def turn(builder: Any, source: Any, source_step: Any, target: Any, target_step: Any) -> None:
    """Turn sixteen by sixteen numbers from rows into columns."""
    rows = lambda row: builder.add(source, builder.mul(row, source_step))  # noqa: E731
    _turn(builder, rows, _integer(LANES), target, target_step)


def _turn(builder: Any, address: Callable[[Any], Any], columns: Any, target: Any, target_step: Any) -> None:
    quarter, half = LANES // 4, LANES // 2
    four = ir.VectorType(_FLOAT, quarter)

    def merge(a: Any, b: Any, places: list[int]) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT32, half), places))

    # Eight rows by four columns at a time.
    with cgutils.for_range_slice(builder, _integer(0), _integer(LANES), _integer(half), _INT64) as (row, _):
        rows = [address(builder.add(row, _integer(i))) for i in range(half)]
        with cgutils.for_range_slice(builder, _integer(0), columns, _integer(quarter), _INT64) as (column, _):
            pointers = [builder.inttoptr(plus(builder, row, (column, NUMBER)), four.as_pointer()) for row in rows]
            parts = [builder.load(pointer, align=4) for pointer in pointers]
            # A row and, in the same register, the one four below: nothing crosses its middle.
            lines = [merge(a, b, [*range(half)]) for a, b in zip(parts[:quarter], parts[quarter:], strict=True)]
            low = [merge(lines[i], lines[i + 1], [0, 8, 1, 9, 4, 12, 5, 13]) for i in (0, 2)]
            high = [merge(lines[i], lines[i + 1], [2, 10, 3, 11, 6, 14, 7, 15]) for i in (0, 2)]
            turned = [
                merge(first, second, places)
                for first, second in (low, high)
                for places in ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
            ]
            for i, line in enumerate(turned):
                place = builder.add(target, builder.mul(builder.add(column, _integer(i)), target_step))
                pointer = builder.inttoptr(plus(builder, place, (row, NUMBER)), line.type.as_pointer())
                builder.store(line, pointer, align=4)


@emitted()
def put_tail(builder: Any, address: Any, source: Any, count: Any) -> None:
    """Copy fewer than sixteen numbers, and fill up with zeros."""
    Lanes.constant(builder, 0.0).store(address)
    # One by one: a masked load waits for the memory behind them as well, which nobody has fetched.
    with cgutils.for_range(builder, count) as loop:
        here, there = (plus(builder, start, (loop.index, NUMBER)) for start in (source, address))
        number = builder.load(builder.inttoptr(here, _FLOAT.as_pointer()))
        builder.store(number, builder.inttoptr(there, _FLOAT.as_pointer()))


@emitted()
def activate(builder: Any, kind: Any, units: Any, signal: Any, slope: Any, mask: Any, source: Any) -> None:
    """Take the units of a panel through activation and dropout, in place, and add what a residual brings.

    Args:
        builder: Emits.
        kind: Of the activation, as in :data:`srnn.kernels.functions.ACTIVATIONS`.
        units: How many.
        signal: Their rows.
        slope: Where the derivative goes, as many rows, or 0.
        mask: The rows of what dropout multiplies them by, or 0.
        source: Rows to add, or 0.
    """
    with cases(builder, kind, [0, *EMITTED]) as kinds:
        for number in kinds:
            with cgutils.for_range(builder, units) as loop:
                here = (loop.index, VECTOR)
                before = Lanes.load(builder, plus(builder, signal, here))
                if number in EMITTED:
                    value, derivative = (Variable(builder, x) for x in EMITTED[number](before))
                else:
                    value, derivative = Variable(builder, before), Variable(builder, 1.0)
                with builder.if_then(is_set(builder, mask)):
                    factor = Lanes.load(builder, plus(builder, mask, here))
                    value.set(value.get() * factor)
                    derivative.set(derivative.get() * factor)
                with builder.if_then(is_set(builder, source)):
                    value.set(value.get() + Lanes.load(builder, plus(builder, source, here)))
                with builder.if_then(is_set(builder, slope)):
                    derivative.get().store(plus(builder, slope, here))
                value.get().store(plus(builder, signal, here))


@emitted()
def pull(builder: Any, units: Any, back: Any, slope: Any, out: Any) -> None:
    """``back · slope`` for the units of a panel; nothing comes back where the slope is zero."""
    with cgutils.for_range(builder, units) as loop:
        here = (loop.index, VECTOR)
        factor = Lanes.load(builder, plus(builder, slope, here))
        product = Lanes.load(builder, plus(builder, back, here)) * factor
        none = builder.fcmp_ordered("==", factor.value, ir.Constant(_VECTOR, [0.0] * LANES))
        Lanes.constant(builder, 0.0).where(none, product).store(plus(builder, out, here))


@emitted()
def classify(
    builder: Any, units: Any, logits: Any, labels: Any, examples: Any, share: Any, back: Any, losses: Any, scores: Any
) -> None:
    """Cross entropy of a panel, whether the largest logit is the right one, and ``share`` times the derivative.

    As in torch the first of several largest counts, and a NaN as the largest of all.

    Args:
        builder: Emits.
        units: Classes.
        logits: Their rows.
        labels: The right class of each example of the panel, as sixteen int32.
        examples: How many of the panel are real.
        share: Of an example in the mean.
        back: Where the derivatives go, as many rows as classes.
        losses: Where a number of each example goes.
        scores: Likewise.
    """
    right = builder.load(builder.inttoptr(labels, _INTEGERS.as_pointer()), align=4)
    best, right_logit = (Variable(builder, Lanes.load(builder, logits)) for _ in range(2))
    place = cgutils.alloca_once_value(builder, integers(0))

    def is_right(unit: Any) -> Any:
        return builder.icmp_signed("==", right, _splat(builder, builder.trunc(unit, _INT32)))

    with cgutils.for_range(builder, units) as loop:
        logit = Lanes.load(builder, plus(builder, logits, (loop.index, VECTOR)))
        above = builder.fcmp_unordered(">", logit.value, best.get().value)
        above = builder.and_(above, best.get().is_number())
        best.set(logit.where(above, best.get()))
        number = _splat(builder, builder.trunc(loop.index, _INT32))
        builder.store(builder.select(above, number, builder.load(place)), place)
        right_logit.set(logit.where(is_right(loop.index), right_logit.get()))
    total = Variable(builder)
    with cgutils.for_range(builder, units) as loop:
        logit = Lanes.load(builder, plus(builder, logits, (loop.index, VECTOR)))
        part = exp(logit - best.get())
        part.store(plus(builder, back, (loop.index, VECTOR)))
        total.set(total.get() + part)
    everywhere = Lanes(builder, _splat(builder, share))
    factor = everywhere / total.get()
    with cgutils.for_range(builder, units) as loop:
        row = plus(builder, back, (loop.index, VECTOR))
        one = everywhere.where(is_right(loop.index), 0.0)
        Lanes.load(builder, row).fused(factor, -one).store(row)
    real = below(builder, examples)
    masked_store(log(total.get()) - (right_logit.get() - best.get()), losses, real)
    hit = builder.icmp_signed("==", builder.load(place), right)
    masked_store(Lanes.constant(builder, 1.0).where(hit, 0.0), scores, real)


@emitted()
def regress(
    builder: Any, units: Any, outputs: Any, targets: Any, examples: Any, share: Any, back: Any, losses: Any, scores: Any
) -> None:
    """Mean squared and mean absolute error of a panel, and ``share`` times the former's derivative.

    As :func:`classify`; ``targets`` are rows of a panel as ``outputs`` are.
    """
    squares, sizes = Variable(builder), Variable(builder)
    count = Lanes(builder, _splat(builder, builder.sitofp(units, _FLOAT)))
    factor = Lanes(builder, _splat(builder, share)) * 2.0 / count
    with cgutils.for_range(builder, units) as loop:
        here = (loop.index, VECTOR)
        error = Lanes.load(builder, plus(builder, outputs, here)) - Lanes.load(builder, plus(builder, targets, here))
        squares.set(error.fused(error, squares.get()))
        sizes.set(sizes.get() + error.magnitude())
        (error * factor).store(plus(builder, back, here))
    real = below(builder, examples)
    masked_store(squares.get() / count, losses, real)
    masked_store(sizes.get() / count, scores, real)
