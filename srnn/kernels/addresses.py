"""Instructions at addresses, which compiled Python calls.

Addresses are integers, in bytes; so are steps, from one row to the next, unless said otherwise. Nothing is checked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from srnn.kernels.functions import Lanes
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
from srnn.kernels.team import HEAD as _HEAD
from srnn.kernels.team import NUMBER as _THREAD
from srnn.kernels.team import PARALLEL as _PARALLEL

#: Bytes of a vector, of a number, and of an address.
VECTOR, NUMBER, ADDRESS = 4 * LANES, 4, 8


def emitted(result: Any = types.void) -> Callable[[Callable[..., Any]], Any]:
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


def plus(builder: Any, address: Any, *steps: tuple[Any, int] | int) -> Any:
    """The address after steps: a number of bytes, or a pair of a number and the bytes of one."""
    for step in steps:
        count, size = step if isinstance(step, tuple) else (_integer(1), step)
        address = builder.add(address, builder.mul(count, _integer(size)))
    return address


def is_set(builder: Any, address: Any) -> Any:
    return builder.icmp_signed("!=", address, _integer(0))


def below(builder: Any, count: Any) -> Any:
    """The mask of the first ``count`` lanes."""
    lane = ir.Constant(ir.VectorType(_INT64, LANES), list(range(LANES)))
    return builder.icmp_signed("<", lane, _splat(builder, count))


def masked_load(builder: Any, address: Any, mask: Any) -> Lanes:
    kind = ir.FunctionType(_VECTOR, [_VECTOR.as_pointer(), _INT32, _MASK, _VECTOR])
    load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{LANES}f32.p0")
    pointer, zero = builder.inttoptr(address, _VECTOR.as_pointer()), ir.Constant(_VECTOR, [0.0] * LANES)
    return Lanes(builder, builder.call(load, [pointer, ir.Constant(_INT32, NUMBER), mask, zero]))


def masked_store(number: Lanes, address: Any, mask: Any) -> None:
    builder = number.builder
    kind = ir.FunctionType(ir.VoidType(), [_VECTOR, _VECTOR.as_pointer(), _INT32, _MASK])
    store = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.v{LANES}f32.p0")
    pointer = builder.inttoptr(address, _VECTOR.as_pointer())
    builder.call(store, [number.value, pointer, ir.Constant(_INT32, NUMBER), mask])


def entry(builder: Any, table: Any, number: Any) -> Any:
    """An address that a table holds."""
    return builder.load(builder.inttoptr(plus(builder, table, (number, ADDRESS)), _INT64.as_pointer()))


def emit_prefetch(builder: Any, address: Any) -> None:
    """Have memory brought into the second cache meanwhile."""
    pointer = builder.inttoptr(address, _BYTE.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, _INT32, _INT32, _INT32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [pointer, *(ir.Constant(_INT32, x) for x in (0, 2, 1))])


def sixteens(builder: Any, count: Any, whole: Callable[[Any], None], rest: Callable[[Any, Any], None]) -> None:
    """``whole(first)`` for each sixteen of ``count`` numbers and ``rest(first, mask)`` for those left over, if any."""
    end = builder.and_(count, _integer(-LANES))
    with cgutils.for_range_slice(builder, _integer(0), end, _integer(LANES), _INT64) as (first, _):
        whole(first)
    with builder.if_then(builder.icmp_signed("<", end, count)):
        rest(end, below(builder, builder.sub(count, end)))


class Variable:
    """A vector that a loop changes."""

    def __init__(self, builder: Any, value: Lanes | float = 0.0) -> None:
        self.builder, self.slot = builder, cgutils.alloca_once(builder, _VECTOR)
        self.set(value if isinstance(value, Lanes) else Lanes.constant(builder, value))

    def get(self) -> Lanes:
        return Lanes(self.builder, self.builder.load(self.slot))

    def set(self, value: Lanes) -> None:
        self.builder.store(value.value, self.slot)


@contextmanager
def cases(builder: Any, value: Any, numbers: Iterable[int]) -> Iterator[Iterator[int]]:
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
# For compiled Python.

prefetch = emitted()(emit_prefetch)


@emitted(types.int64)
def claim(builder: Any, address: Any, amount: Any) -> Any:
    """Add the amount to the int64 at the address, at once for all threads; what was there before."""
    return builder.atomic_rmw("add", builder.inttoptr(address, _INT64.as_pointer()), amount, "acq_rel")


@emitted(types.int64)
def number_of_thread(builder: Any, function: Any) -> Any:
    """Which of its team the thread is, by OpenMP's function at the address."""
    return builder.sext(builder.call(builder.inttoptr(function, _THREAD.as_pointer()), []), _INT64)


@emitted(types.float32)
def number_at(builder: Any, address: Any) -> Any:
    """The float32 at the address."""
    return builder.load(builder.inttoptr(address, _FLOAT.as_pointer()))


@emitted(types.int64)
def integer_at(builder: Any, address: Any) -> Any:
    """The int64 at the address."""
    return builder.load(builder.inttoptr(address, _INT64.as_pointer()))


@emitted()
def put_number(builder: Any, address: Any, number: Any) -> None:
    """Store a float32."""
    builder.store(number, builder.inttoptr(address, _FLOAT.as_pointer()))


@emitted()
def put_integer(builder: Any, address: Any, number: Any) -> None:
    """Store an int64."""
    builder.store(number, builder.inttoptr(address, _INT64.as_pointer()))


@emitted()
def put_label(builder: Any, address: Any, label: Any) -> None:
    """Store the number of a class as an int32."""
    builder.store(builder.trunc(label, _INT32), builder.inttoptr(address, _INT32.as_pointer()))


@emitted(types.voidptr)
def pointer_to(builder: Any, address: Any) -> Any:
    """The address as Numba's views of memory take it."""
    return builder.inttoptr(address, _BYTE.as_pointer())


@emitted()
def call_at(builder: Any, address: Any, packet: Any) -> None:
    """Call the kernel at the address, see :mod:`srnn.kernels.team`."""
    kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer()])
    builder.call(builder.inttoptr(address, kind.as_pointer()), [builder.inttoptr(packet, _BYTE.as_pointer())])


def _work_of_team(context: Any, work: Any) -> Any:
    """The address of a kernel each of whose threads calls ``work(packet)``: compiled code that raises nothing.

    The packet's slots are those of :data:`srnn.kernels.team.HEAD`, of which work itself sees to what is claimed.
    Denormal numbers are zero meanwhile.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
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

        whole = _function(builder, "team", [_BYTE.as_pointer()])
        outside = ir.IRBuilder(whole.append_basic_block())
        [packet] = whole.args
        slots = outside.bitcast(packet, _INT64.as_pointer())
        parallel, threads = (
            outside.load(outside.gep(slots, [_integer(_HEAD.index(name))])) for name in ("parallel", "threads")
        )
        with outside.if_else(outside.icmp_signed(">", threads, _integer(1))) as (several, alone):
            with several:
                together = outside.inttoptr(parallel, _PARALLEL.as_pointer())
                outside.call(together, [member, packet, outside.trunc(threads, _INT32), ir.Constant(_INT32, 0)])
            with alone:
                outside.call(member, [packet])
        outside.ret_void()
        return builder.ptrtoint(whole, _INT64)

    return types.int64(work), codegen


work_of_team: Any = intrinsic(_work_of_team)
