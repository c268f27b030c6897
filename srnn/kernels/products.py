"""The inner loops of a network's batch, as instructions that compiled Python calls.

A block of examples has its signals twice. **Panels** are sixteen examples side by side: a row for each unit, in it one
number of each example, 64 bytes. **Rows** are one for each example, in it its units, up to a multiple of sixteen.
Sums over units run over panels and sums over examples over rows, so each is a chain of fused multiply-adds in one lane,
from the first term to the last: how many of them are computed at once makes no difference to a bit.

Addresses are integers, in bytes; so are steps, from one row to the next, unless said otherwise.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from srnn.kernels.functions import _INTEGERS, EMITTED, Lanes, exp, integers, log
from srnn.kernels.llvm import BYTE as _BYTE
from srnn.kernels.llvm import FLOAT as _FLOAT
from srnn.kernels.llvm import INT32 as _INT32
from srnn.kernels.llvm import INT64 as _INT64
from srnn.kernels.llvm import LANES
from srnn.kernels.llvm import MASK as _MASK
from srnn.kernels.llvm import VECTOR as _VECTOR
from srnn.kernels.llvm import flush_denormal as _flush_denormal
from srnn.kernels.llvm import function as _function
from srnn.kernels.llvm import integer as _integer
from srnn.kernels.llvm import set_float_mode as _set_float_mode
from srnn.kernels.llvm import splat as _splat
from srnn.kernels.team import PARALLEL as _PARALLEL

#: Bytes of a vector, and of a number.
VECTOR, NUMBER = 4 * LANES, 4
#: Rows of a product that are computed at once: with sixteen registers of 256 bits, twelve sums, an operand and a rest.
TILE = 6


def _emitted(result: Any = types.void) -> Callable[[Callable[..., Any]], Any]:
    """Turn ``emit(builder, *arguments)`` into an intrinsic; arguments are integers or float32."""

    def decorate(emit: Callable[..., Any]) -> Any:
        def typed(context: Any, *kinds: Any) -> Any:
            def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                made = emit(builder, *values)
                return context.get_dummy_value() if result is types.void else made

            arguments = [types.float32 if isinstance(kind, types.Float) else types.int64 for kind in kinds]
            return result(*arguments), codegen

        typed.__name__ = emit.__name__
        # For Numba, which leaves out the first.
        typed.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]
        return intrinsic(typed)

    return decorate


def _plus(builder: Any, address: Any, *steps: tuple[Any, int] | int) -> Any:
    """The address after steps: a number of bytes, or a pair of a number and the bytes of one."""
    for step in steps:
        count, size = step if isinstance(step, tuple) else (_integer(1), step)
        address = builder.add(address, builder.mul(count, _integer(size)))
    return address


def _is_set(builder: Any, address: Any) -> Any:
    return builder.icmp_signed("!=", address, _integer(0))


def _below(builder: Any, count: Any) -> Any:
    """The mask of the first ``count`` lanes."""
    lane = ir.Constant(ir.VectorType(_INT64, LANES), list(range(LANES)))
    return builder.icmp_signed("<", lane, _splat(builder, count))


def _masked_load(builder: Any, address: Any, mask: Any) -> Lanes:
    kind = ir.FunctionType(_VECTOR, [_VECTOR.as_pointer(), _INT32, _MASK, _VECTOR])
    load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0")
    pointer, zero = builder.inttoptr(address, _VECTOR.as_pointer()), ir.Constant(_VECTOR, [0.0] * LANES)
    return Lanes(builder, builder.call(load, [pointer, ir.Constant(_INT32, NUMBER), mask, zero]))


def _masked_store(number: Lanes, address: Any, mask: Any) -> None:
    builder = number.builder
    kind = ir.FunctionType(ir.VoidType(), [_VECTOR, _VECTOR.as_pointer(), _INT32, _MASK])
    store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
    pointer = builder.inttoptr(address, _VECTOR.as_pointer())
    builder.call(store, [number.value, pointer, ir.Constant(_INT32, NUMBER), mask])


def _sixteens(builder: Any, count: Any, whole: Callable[[Any], None], rest: Callable[[Any, Any], None]) -> None:
    """``whole(first)`` for each sixteen of ``count`` numbers and ``rest(first, mask)`` for those left over, if any."""
    end = builder.and_(count, _integer(-LANES))
    with cgutils.for_range_slice(builder, _integer(0), end, _integer(LANES), _INT64) as (first, _):
        whole(first)
    with builder.if_then(builder.icmp_signed("<", end, count)):
        rest(end, _below(builder, builder.sub(count, end)))


class _Variable:
    """A vector that a loop changes."""

    def __init__(self, builder: Any, value: Lanes | float = 0.0) -> None:
        self.builder, self.slot = builder, cgutils.alloca_once(builder, _VECTOR)
        self.set(value if isinstance(value, Lanes) else Lanes.constant(builder, value))

    def get(self) -> Lanes:
        return Lanes(self.builder, self.builder.load(self.slot))

    def set(self, value: Lanes) -> None:
        self.builder.store(value.value, self.slot)


@contextmanager
def _cases(builder: Any, value: Any, numbers: Iterable[int]) -> Iterator[Iterator[int]]:
    """For each number, code that runs if the value is it: to be emitted by a loop over what is given."""
    done = builder.append_basic_block()
    switch = builder.switch(value, done)

    def each() -> Iterator[int]:
        for number in numbers:
            block = builder.append_basic_block()
            switch.add_case(_integer(number), block)
            builder.position_at_end(block)
            yield number
            builder.branch(done)

    yield each()
    builder.position_at_end(done)


# ---------------------------------------------------------------------------------------------------------------------
# Products.


@_emitted()
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
    with _cases(builder, units, range(1, TILE + 1)) as cases:
        for count in cases:
            sums = [_Variable(builder) for _ in range(count)]
            with builder.if_then(_is_set(builder, start)):
                for u, sum_ in enumerate(sums):
                    sum_.set(Lanes.load(builder, _plus(builder, start, VECTOR * u)))
            with cgutils.for_range(builder, inner) as loop:
                row = Lanes.load(builder, _plus(builder, signal, (loop.index, VECTOR)))
                column = builder.gep(weights, [builder.mul(loop.index, inner_step)])
                for u, sum_ in enumerate(sums):
                    number = builder.load(builder.gep(column, [builder.mul(_integer(u), unit_step)]))
                    sum_.set(Lanes(builder, _splat(builder, number)).fused(row, sum_.get()))
            for u, sum_ in enumerate(sums):
                sum_.get().store(_plus(builder, out, VECTOR * u))


@_emitted()
def correlate(
    builder: Any,
    units: Any,
    out: Any,
    out_step: Any,
    panel: Any,
    panel_step: Any,
    rows: Any,
    row_step: Any,
    count: Any,
    add: Any,
) -> None:
    """``out[u] = Σ_e panel[u, e] · rows[e]`` for up to :data:`TILE` units and sixteen inputs: part of a gradient.

    Args:
        builder: Emits.
        units: How many, at least 1.
        out: The first unit's sixteen sums.
        out_step: From there to the next unit's.
        panel: The units' rows of the first panel of the block.
        panel_step: From one panel to the next.
        rows: The sixteen inputs in the row of the first example.
        row_step: From one row to the next.
        count: Examples.
        add: Whether the sums begin with what ``out`` holds, not with zero.
    """
    with _cases(builder, units, range(1, TILE + 1)) as cases:
        for size in cases:
            places = [builder.add(out, builder.mul(_integer(u), out_step)) for u in range(size)]
            sums = [_Variable(builder) for _ in places]
            with builder.if_then(_is_set(builder, add)):
                for sum_, place in zip(sums, places, strict=True):
                    sum_.set(Lanes.load(builder, place))
            with cgutils.for_range_slice(builder, _integer(0), count, _integer(LANES), _INT64) as (first, _):
                here = builder.add(panel, builder.mul(builder.sdiv(first, _integer(LANES)), panel_step))
                left = builder.sub(count, first)
                several = builder.select(builder.icmp_signed("<", left, _integer(LANES)), left, _integer(LANES))
                block = builder.add(rows, builder.mul(first, row_step))
                with cgutils.for_range(builder, several) as loop:
                    row = Lanes.load(builder, builder.add(block, builder.mul(loop.index, row_step)))
                    column = _plus(builder, here, (loop.index, NUMBER))
                    for u, sum_ in enumerate(sums):
                        factor = Lanes.everywhere(builder, _plus(builder, column, VECTOR * u))
                        sum_.set(factor.fused(row, sum_.get()))
            for sum_, place in zip(sums, places, strict=True):
                sum_.get().store(place)


@_emitted()
def add_up(
    builder: Any, gradient: Any, fresh: Any, parts: Any, count: Any, part_step: Any, rows: Any, columns: Any
) -> None:
    """Add ``count`` parts of a gradient to it, one after the other: each ``(rows, columns)``, its rows filled up.

    If it is fresh, what it holds counts as nothing.
    """
    padded = builder.mul(builder.sdiv(builder.add(columns, _integer(LANES - 1)), _integer(LANES)), _integer(VECTOR))
    with cgutils.for_range(builder, rows) as row:
        here = builder.add(parts, builder.mul(row.index, padded))
        there = _plus(builder, gradient, (builder.mul(row.index, columns), NUMBER))

        def add(first: Any, load: Callable[[Any], Lanes], store: Callable[[Lanes, Any], None]) -> None:
            sum_, place = _Variable(builder), _plus(builder, there, (first, NUMBER))
            with builder.if_then(builder.not_(_is_set(builder, fresh))):
                sum_.set(load(place))
            with cgutils.for_range(builder, count) as part:
                number = builder.add(_plus(builder, here, (first, NUMBER)), builder.mul(part.index, part_step))
                sum_.set(sum_.get() + Lanes.load(builder, number))
            store(sum_.get(), place)

        _sixteens(
            builder,
            columns,
            lambda first: add(first, partial(Lanes.load, builder), Lanes.store),
            lambda first, mask: add(
                first, lambda place: _masked_load(builder, place, mask), partial(_masked_store, mask=mask)
            ),
        )


# ---------------------------------------------------------------------------------------------------------------------
# From rows to panels and back.


@_emitted()
def fetch(builder: Any, source: Any, target: Any, count: Any) -> None:
    """Copy ``count`` numbers to a row of the block, filled up with zeros."""

    def places(first: Any) -> tuple[Any, Any]:
        return _plus(builder, source, (first, NUMBER)), _plus(builder, target, (first, NUMBER))

    def whole(first: Any) -> None:
        here, there = places(first)
        Lanes.load(builder, here).store(there)

    def rest(first: Any, mask: Any) -> None:
        here, there = places(first)
        _masked_load(builder, here, mask).store(there)

    _sixteens(builder, count, whole, rest)


@_emitted()
def turn(builder: Any, source: Any, source_step: Any, target: Any, target_step: Any) -> None:
    """Turn sixteen by sixteen numbers from rows into columns."""
    quarter, half = LANES // 4, LANES // 2

    def address(start: Any, step: Any, row: Any, column: Any) -> Any:
        return _plus(builder, builder.add(start, builder.mul(row, step)), (column, NUMBER))

    def load(row: Any, column: Any) -> Any:
        place = address(source, source_step, row, column)
        return builder.load(builder.inttoptr(place, ir.VectorType(_FLOAT, quarter).as_pointer()), align=4)

    def merge(a: Any, b: Any, places: list[int]) -> Any:
        return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT32, half), places))

    # Eight rows by four columns at a time: two rows, four apart, share a register, and nothing crosses its middle.
    with (
        cgutils.for_range_slice(builder, _integer(0), _integer(LANES), _integer(half), _INT64) as (row, _),
        cgutils.for_range_slice(builder, _integer(0), _integer(LANES), _integer(quarter), _INT64) as (column, _),
    ):
        lines = [
            merge(
                load(builder.add(row, _integer(i)), column),
                load(builder.add(row, _integer(i + 4)), column),
                [*range(8)],
            )
            for i in range(4)
        ]
        low = [merge(lines[i], lines[i + 1], [0, 8, 1, 9, 4, 12, 5, 13]) for i in (0, 2)]
        high = [merge(lines[i], lines[i + 1], [2, 10, 3, 11, 6, 14, 7, 15]) for i in (0, 2)]
        for i, (pair, places) in enumerate(
            (pair, places)
            for pair in (low, high)
            for places in ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15])
        ):
            place = address(target, target_step, builder.add(column, _integer(i)), row)
            pointer = builder.inttoptr(place, ir.VectorType(_FLOAT, half).as_pointer())
            builder.store(merge(pair[0], pair[1], places), pointer, align=4)


# ---------------------------------------------------------------------------------------------------------------------
# One number of each example at a time.


@_emitted()
def activate(
    builder: Any, kind: Any, units: Any, signal: Any, slope: Any, mask: Any, mask_step: Any, examples: Any, source: Any
) -> None:
    """Take the units of a panel through activation and dropout, in place, and add what a residual brings.

    Args:
        builder: Emits.
        kind: Of the activation, as in :data:`srnn.kernels.functions.ACTIVATIONS`.
        units: How many.
        signal: Their rows.
        slope: Where the derivative goes, as many rows, or 0.
        mask: The factors of the units, or 0; ``mask_step`` from one unit to the next.
        mask_step: See ``mask``.
        examples: How many of the panel are real: the others have no factor.
        source: Rows to add, or 0.
    """
    real = _below(builder, examples)
    with _cases(builder, kind, [0, *EMITTED]) as cases:
        for number in cases:
            with cgutils.for_range(builder, units) as loop:
                here = (loop.index, VECTOR)
                before = Lanes.load(builder, _plus(builder, signal, here))
                if number in EMITTED:
                    value, derivative = (_Variable(builder, x) for x in EMITTED[number](before))
                else:
                    value, derivative = _Variable(builder, before), _Variable(builder, 1.0)
                with builder.if_then(_is_set(builder, mask)):
                    factor = _masked_load(builder, builder.add(mask, builder.mul(loop.index, mask_step)), real)
                    value.set(value.get() * factor)
                    derivative.set(derivative.get() * factor)
                with builder.if_then(_is_set(builder, source)):
                    value.set(value.get() + Lanes.load(builder, _plus(builder, source, here)))
                with builder.if_then(_is_set(builder, slope)):
                    derivative.get().store(_plus(builder, slope, here))
                value.get().store(_plus(builder, signal, here))


@_emitted()
def pull(builder: Any, units: Any, back: Any, slope: Any, out: Any) -> None:
    """``back · slope`` for the units of a panel; nothing comes back where the slope is zero."""
    with cgutils.for_range(builder, units) as loop:
        here = (loop.index, VECTOR)
        factor = Lanes.load(builder, _plus(builder, slope, here))
        product = Lanes.load(builder, _plus(builder, back, here)) * factor
        none = builder.fcmp_ordered("==", factor.value, ir.Constant(_VECTOR, [0.0] * LANES))
        Lanes.constant(builder, 0.0).where(none, product).store(_plus(builder, out, here))


@_emitted()
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
    best, right_logit = (_Variable(builder, Lanes.load(builder, logits)) for _ in range(2))
    place = cgutils.alloca_once_value(builder, integers(0))

    def is_right(unit: Any) -> Any:
        return builder.icmp_signed("==", right, _splat(builder, builder.trunc(unit, _INT32)))

    with cgutils.for_range(builder, units) as loop:
        logit = Lanes.load(builder, _plus(builder, logits, (loop.index, VECTOR)))
        above = builder.fcmp_unordered(">", logit.value, best.get().value)
        above = builder.and_(above, best.get().is_number())
        best.set(logit.where(above, best.get()))
        number = _splat(builder, builder.trunc(loop.index, _INT32))
        builder.store(builder.select(above, number, builder.load(place)), place)
        right_logit.set(logit.where(is_right(loop.index), right_logit.get()))
    total = _Variable(builder)
    with cgutils.for_range(builder, units) as loop:
        logit = Lanes.load(builder, _plus(builder, logits, (loop.index, VECTOR)))
        part = exp(logit - best.get())
        part.store(_plus(builder, back, (loop.index, VECTOR)))
        total.set(total.get() + part)
    everywhere = Lanes(builder, _splat(builder, share))
    factor = everywhere / total.get()
    with cgutils.for_range(builder, units) as loop:
        row = _plus(builder, back, (loop.index, VECTOR))
        one = everywhere.where(is_right(loop.index), 0.0)
        Lanes.load(builder, row).fused(factor, -one).store(row)
    real = _below(builder, examples)
    _masked_store(log(total.get()) - (right_logit.get() - best.get()), losses, real)
    hit = builder.icmp_signed("==", builder.load(place), right)
    _masked_store(Lanes.constant(builder, 1.0).where(hit, 0.0), scores, real)


@_emitted()
def regress(
    builder: Any, units: Any, outputs: Any, targets: Any, examples: Any, share: Any, back: Any, losses: Any, scores: Any
) -> None:
    """Mean squared and mean absolute error of a panel, and ``share`` times the former's derivative.

    As :func:`classify`; ``targets`` are rows of a panel as ``outputs`` are.
    """
    squares, sizes = _Variable(builder), _Variable(builder)
    count = Lanes(builder, _splat(builder, builder.sitofp(units, _FLOAT)))
    factor = Lanes(builder, _splat(builder, share)) * 2.0 / count
    with cgutils.for_range(builder, units) as loop:
        here = (loop.index, VECTOR)
        error = Lanes.load(builder, _plus(builder, outputs, here)) - Lanes.load(builder, _plus(builder, targets, here))
        squares.set(error.fused(error, squares.get()))
        sizes.set(sizes.get() + error.magnitude())
        (error * factor).store(_plus(builder, back, here))
    real = _below(builder, examples)
    _masked_store(squares.get() / count, losses, real)
    _masked_store(sizes.get() / count, scores, real)


# ---------------------------------------------------------------------------------------------------------------------
# Memory, the float mode, and threads.


@_emitted(types.int64)
def claim(builder: Any, address: Any, amount: Any) -> Any:
    """Add the amount to the int64 at the address, at once for all threads; what was there before."""
    return builder.atomic_rmw("add", builder.inttoptr(address, _INT64.as_pointer()), amount, "acq_rel")


@_emitted(types.float32)
def number_at(builder: Any, address: Any) -> Any:
    """The float32 at the address."""
    return builder.load(builder.inttoptr(address, _FLOAT.as_pointer()))


@_emitted(types.int64)
def integer_at(builder: Any, address: Any) -> Any:
    """The int64 at the address."""
    return builder.load(builder.inttoptr(address, _INT64.as_pointer()))


@_emitted()
def put_number(builder: Any, address: Any, number: Any) -> None:
    """Store a float32."""
    builder.store(number, builder.inttoptr(address, _FLOAT.as_pointer()))


@_emitted()
def put_label(builder: Any, address: Any, label: Any) -> None:
    """Store the number of a class as an int32."""
    builder.store(builder.trunc(label, _INT32), builder.inttoptr(address, _INT32.as_pointer()))


@_emitted(types.voidptr)
def pointer_to(builder: Any, address: Any) -> Any:
    """The address as Numba's views of memory take it."""
    return builder.inttoptr(address, _BYTE.as_pointer())


def _on_team(context: Any, work: Any, call: Any, parallel: Any, threads: Any) -> Any:
    """Have each of the threads call ``work(call)``, compiled code that takes an address and raises nothing.

    Denormal numbers are zero meanwhile. ``parallel`` is :func:`srnn.threads.parallel`, of no meaning for one.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, call, parallel, threads = values
        kind = types.void(types.int64)
        work.dispatcher.compile(kind.args)
        made = work.dispatcher.get_compile_result(kind)
        context.active_code_library.add_linking_library(made.library)
        member = _function(builder, "member_of_a_team", [_BYTE.as_pointer()])
        inside = ir.IRBuilder(member.append_basic_block())
        before = _flush_denormal(inside)
        given = [inside.ptrtoint(member.args[0], _INT64)]
        context.call_internal_no_propagate(inside, made.fndesc, kind, given)
        if before is not None:
            _set_float_mode(inside, before)
        inside.ret_void()
        packet = builder.inttoptr(call, _BYTE.as_pointer())
        with builder.if_else(builder.icmp_signed(">", threads, _integer(1))) as (several, alone):
            with several:
                together = builder.inttoptr(parallel, _PARALLEL.as_pointer())
                builder.call(together, [member, packet, builder.trunc(threads, _INT32), ir.Constant(_INT32, 0)])
            with alone:
                builder.call(member, [packet])
        return context.get_dummy_value()

    return types.void(work, types.int64, types.int64, types.int64), codegen


on_team: Any = intrinsic(_on_team)
