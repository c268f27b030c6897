"""The threads of a team: a kernel for all particles, of instructions for some."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from srnn.kernels.llvm import BYTE, INT32, INT64, LANES, flush_denormal, function, integer, set_float_mode

#: OpenMP's function that has a number of threads call another with a pointer.
PARALLEL = ir.FunctionType(
    ir.VoidType(),
    [ir.FunctionType(ir.VoidType(), [BYTE.as_pointer()]).as_pointer(), BYTE.as_pointer(), INT32, INT32],
)


class Array(NamedTuple):
    """An array ``(rows, N)`` or ``(N,)`` of the caller, as LLVM values."""

    data: Any
    count: Any


def team(emit: Callable[..., None], step: int = LANES) -> Any:
    """Turn ``emit(builder, hidden, *arguments, first)``, for the particles from ``first`` on, into a kernel for all.

    The threads of a team claim some particles at a time until none is left.

    Args:
        emit: Emits the instructions for ``step`` particles. Arrays arrive as :class:`Array`, ``None`` as ``None``,
            numbers as LLVM values.
        step: Particles that one emission is for.

    Returns:
        An intrinsic ``(hidden, arguments, count, claim, parallel, threads)`` for compiled code, where ``claim`` is a
        multiple of ``step`` and ``parallel`` is :func:`srnn.kernels.threads.parallel`, of no meaning for a single one.
    """

    def typed(context: Any, hidden: Any, arguments: Any, count: Any, claim: Any, parallel: Any, threads: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            _, given, count, claim, parallel, threads = values
            # The particles from 0 to count; of a team's packet, those from 0 on are the ones unclaimed.
            leaves = [*_leaves(context, builder, arguments, given), integer(0), count]
            some = function(builder, emit.__name__, [leaf.type for leaf in leaves])
            # On its own: LLVM knows of arguments alone, and of no other pointers, that they are not scratch memory.
            some.attributes.add("noinline")
            _write_some(some, emit, hidden.count, arguments, step)
            packet = cgutils.alloca_once_value(builder, cgutils.pack_struct(builder, [*leaves, claim]))
            member = function(builder, f"{emit.__name__}_member", [BYTE.as_pointer()])
            _write_member(member, packet.type, some)
            with builder.if_else(builder.icmp_signed(">", threads, integer(1))) as (several, alone):
                with several:
                    together = builder.inttoptr(parallel, PARALLEL.as_pointer())
                    packet = builder.bitcast(packet, BYTE.as_pointer())
                    builder.call(together, [member, packet, builder.trunc(threads, INT32), ir.Constant(INT32, 0)])
                with alone:
                    builder.call(some, leaves)
            return context.get_dummy_value()

        return types.void(hidden, arguments, count, claim, parallel, threads), codegen

    return intrinsic(typed)


def _write_some(some: Any, emit: Callable[..., None], hidden: int, kinds: Any, step: int) -> None:
    """The body of ``some(*leaves, start, stop)``, which computes with the particles from ``start`` to ``stop``."""
    builder = ir.IRBuilder(some.append_basic_block())
    *leaves, start, stop = some.args
    before = flush_denormal(builder)
    arguments = [*_from_leaves(kinds, iter(leaves))]
    with cgutils.for_range_slice(builder, start, stop, integer(step), INT64) as (first, _):
        emit(builder, hidden, *arguments, first)
    if before is not None:
        set_float_mode(builder, before)
    builder.ret_void()


def _write_member(member: Any, packet: Any, some: Any) -> None:
    """The body of ``member(packet)``, what each thread does: it calls ``some`` as long as there are particles left."""
    builder = ir.IRBuilder(member.append_basic_block())
    shared = builder.bitcast(member.args[0], packet)
    *leaves, unclaimed, count, claim = (cgutils.gep_inbounds(builder, shared, 0, i) for i in range(len(some.args) + 1))
    leaves, count, claim = [builder.load(leaf) for leaf in leaves], builder.load(count), builder.load(claim)
    again, work, done = (builder.append_basic_block(name) for name in ("again", "work", "done"))
    builder.branch(again)
    builder.position_at_end(again)
    start = builder.atomic_rmw("add", unclaimed, claim, "monotonic")
    builder.cbranch(builder.icmp_signed("<", start, count), work, done)
    builder.position_at_end(work)
    stop = builder.add(start, claim)
    stop = builder.select(builder.icmp_signed("<", stop, count), stop, count)
    builder.call(some, [*leaves, start, stop])
    builder.branch(again)
    builder.position_at_end(done)
    builder.ret_void()


def _leaves(context: Any, builder: Any, kinds: Any, given: Any) -> Iterator[Any]:
    """The arguments as plain numbers and pointers; none for ``None``."""
    for position, kind in enumerate(kinds):
        value = builder.extract_value(given, position)
        if isinstance(kind, types.Array):
            array = context.make_array(kind)(context, builder, value)
            yield array.data
            yield builder.extract_value(array.shape, kind.ndim - 1)
        elif not isinstance(kind, types.NoneType):
            yield value


def _from_leaves(kinds: Any, leaves: Iterator[Any]) -> Iterator[Any]:
    for kind in kinds:
        if isinstance(kind, types.Array):
            yield Array(next(leaves), next(leaves))
        else:
            yield None if isinstance(kind, types.NoneType) else next(leaves)
