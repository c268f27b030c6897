"""The products of a network's batch: the inner loops that take the time.

A block of examples has its signals twice. **Panels** are sixteen examples side by side: a row for each unit, in it one
number of each example, 64 bytes. **Rows** are one for each example, in it its units; their addresses are in a table.
Sums over units run over panels and sums over examples over rows, so each is a chain of fused multiply-adds in one lane,
from the first term to the last: how many of them are computed at once makes no difference to a bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numba.core import cgutils

from srnn.kernels.addresses import (
    ADDRESS,
    NUMBER,
    VECTOR,
    Variable,
    cases,
    emit_prefetch,
    emitted,
    entry,
    is_set,
    masked_load,
    masked_store,
    plus,
    sixteens,
)
from srnn.kernels.functions import Lanes
from srnn.kernels.llvm import FLOAT as _FLOAT
from srnn.kernels.llvm import INT64 as _INT64
from srnn.kernels.llvm import LANES
from srnn.kernels.llvm import integer as _integer
from srnn.kernels.llvm import splat as _splat

#: Rows of a product that are computed at once: with sixteen registers of 256 bits, twelve sums, an operand and a rest.
TILE = 6


@emitted()
def multiply(
    builder: Any,
    units: Any,
    out: Any,
    weights: Any,
    unit_step: Any,
    inner_step: Any,
    signal: Any,
    inner: Any,
    start: Any,
) -> None:
    """``out[u] = start[u] + Σ_k weights[u, k] · signal[k]`` for a panel and up to :data:`TILE` units.

    Args:
        builder: Emits.
        units: How many, at least 1.
        out: Where their rows of the panel go.
        weights: The first unit's first; steps are in numbers, so that the same product takes a matrix or its transpose.
        unit_step: From one unit to the next.
        inner_step: From one term to the next.
        signal: The rows of the panel that are summed over.
        inner: How many, at least 1.
        start: Rows that the sums begin with, or 0.
    """
    weights = builder.inttoptr(weights, _FLOAT.as_pointer())
    with cases(builder, units, range(1, TILE + 1)) as counts:
        for count in counts:
            sums = [Variable(builder) for _ in range(count)]
            with builder.if_then(is_set(builder, start)):
                for u, sum_ in enumerate(sums):
                    sum_.set(Lanes.load(builder, plus(builder, start, VECTOR * u)))
            with cgutils.for_range(builder, inner) as loop:
                row = Lanes.load(builder, plus(builder, signal, (loop.index, VECTOR)))
                column = builder.gep(weights, [builder.mul(loop.index, inner_step)])
                for u, sum_ in enumerate(sums):
                    number = builder.load(builder.gep(column, [builder.mul(_integer(u), unit_step)]))
                    sum_.set(Lanes(builder, _splat(builder, number)).fused(row, sum_.get()))
            for u, sum_ in enumerate(sums):
                sum_.get().store(plus(builder, out, VECTOR * u))


@emitted()
def correlate(
    builder: Any,
    units: Any,
    out: Any,
    out_step: Any,
    panel: Any,
    panel_step: Any,
    rows: Any,
    column: Any,
    count: Any,
    add: Any,
    ahead: Any,
) -> None:
    """``out[u] = Σ_e panel[u, e] · rows[e]`` for up to :data:`TILE` units and sixteen inputs: part of a gradient.

    Args:
        builder: Emits.
        units: How many, at least 1.
        out: The first unit's sixteen sums.
        out_step: From there to the next unit's.
        panel: The units' rows of the first panel of the block.
        panel_step: From one panel to the next.
        rows: A table of the addresses of the examples' rows.
        column: The bytes from there to the sixteen inputs.
        count: Examples.
        add: Whether the sums begin with what ``out`` holds, not with zero.
        ahead: A table of as many rows whose ``column`` is to be fetched from memory meanwhile, or 0.
    """
    with cases(builder, units, range(1, TILE + 1)) as counts:
        for size in counts:
            places = [builder.add(out, builder.mul(_integer(u), out_step)) for u in range(size)]
            sums = [Variable(builder) for _ in places]
            with builder.if_then(is_set(builder, add)):
                for sum_, place in zip(sums, places, strict=True):
                    sum_.set(Lanes.load(builder, place))
            with cgutils.for_range_slice(builder, _integer(0), count, _integer(LANES), _INT64) as (first, _):
                left = builder.sub(count, first)
                several = builder.select(builder.icmp_signed("<", left, _integer(LANES)), left, _integer(LANES))
                with builder.if_then(is_set(builder, ahead)), cgutils.for_range(builder, several) as loop:
                    row = entry(builder, ahead, builder.add(first, loop.index))
                    emit_prefetch(builder, builder.add(row, column))
                here = builder.add(panel, builder.mul(builder.sdiv(first, _integer(LANES)), panel_step))
                table = plus(builder, rows, (first, ADDRESS))
                with cgutils.for_range(builder, several) as loop:
                    row = Lanes.load(builder, builder.add(entry(builder, table, loop.index), column))
                    factors = plus(builder, here, (loop.index, NUMBER))
                    for u, sum_ in enumerate(sums):
                        factor = Lanes.everywhere(builder, plus(builder, factors, VECTOR * u))
                        sum_.set(factor.fused(row, sum_.get()))
            for sum_, place in zip(sums, places, strict=True):
                sum_.get().store(place)


@emitted()
def add_up(
    builder: Any, gradient: Any, fresh: Any, parts: Any, count: Any, part_step: Any, rows: Any, columns: Any
) -> None:
    """Add ``count`` parts of a gradient to it, one after the other: each ``(rows, columns)``, its rows filled up.

    If it is fresh, what it holds counts as nothing.
    """
    padded = builder.mul(builder.sdiv(builder.add(columns, _integer(LANES - 1)), _integer(LANES)), _integer(VECTOR))
    with cgutils.for_range(builder, rows) as row:
        here = builder.add(parts, builder.mul(row.index, padded))
        there = plus(builder, gradient, (builder.mul(row.index, columns), NUMBER))

        def add(first: Any, load: Callable[[Any], Lanes], store: Callable[[Lanes, Any], None]) -> None:
            sum_, place = Variable(builder), plus(builder, there, (first, NUMBER))
            with builder.if_then(builder.not_(is_set(builder, fresh))):
                sum_.set(load(place))
            with cgutils.for_range(builder, count) as part:
                number = builder.add(plus(builder, here, (first, NUMBER)), builder.mul(part.index, part_step))
                sum_.set(sum_.get() + Lanes.load(builder, number))
            store(sum_.get(), place)

        sixteens(
            builder,
            columns,
            lambda first: add(first, partial(Lanes.load, builder), Lanes.store),
            lambda first, mask: add(
                first, lambda place: masked_load(builder, place, mask), partial(masked_store, mask=mask)
            ),
        )
