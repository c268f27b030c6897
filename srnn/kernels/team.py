"""The threads of a team: a kernel for all particles, of instructions for some.

A kernel is machine code at an address, ``void kernel(int64 *packet)``. Its packet, eight bytes a slot, holds what it
computes with: see :data:`HEAD`, and behind that each argument, an address or a number.
"""

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
#: A packet's first slots: particles that are taken, all particles, how many a thread takes at a time (a multiple of the
#: kernel's step), :func:`srnn.kernels.threads.parallel`, of no meaning for a single thread, and the threads.
HEAD = ("claimed", "count", "claim", "parallel", "threads")


class Array(NamedTuple):
    """An array ``(rows, N)`` or ``(N,)`` of the caller, as LLVM values.

    Attributes:
        data: Where it is.
        count: N.
        whole: Whether none of the particles that instructions are emitted for is past the last.
    """

    data: Any
    count: Any
    whole: bool


def team(emit: Callable[..., None], step: int = LANES) -> Any:
    """Turn ``emit(builder, hidden, *arguments, first)``, for the particles from ``first`` on, into a kernel for all.

    The threads of a team claim some particles at a time until none is left.

    Args:
        emit: Emits the instructions for ``step`` particles. Arrays arrive as :class:`Array`, ``None`` as ``None``,
            numbers as LLVM values.
        step: Particles that one emission is for.

    Returns:
        An intrinsic ``(hidden, arguments) -> address`` for compiled code. Of the arguments only the types matter.
    """

    def typed(context: Any, hidden: Any, arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            leaves = [_leaf(context, kind) for kind in arguments if not isinstance(kind, types.NoneType)]
            some = function(builder, emit.__name__, [*leaves, INT64, INT64, INT64])
            # On its own: LLVM knows of arguments alone, and of no other pointers, that they are not scratch memory.
            some.attributes.add("noinline")
            _write_some(some, emit, hidden.count, arguments, step)
            member = function(builder, f"{emit.__name__}_member", [BYTE.as_pointer()])
            _write_member(member, some)
            whole = function(builder, f"{emit.__name__}_all", [BYTE.as_pointer()])
            _write_all(whole, member, some)
            return builder.ptrtoint(whole, INT64)

        return types.int64(hidden, arguments), codegen

    return intrinsic(typed)


def _leaf(context: Any, kind: Any) -> Any:
    """The LLVM type of an argument."""
    if isinstance(kind, types.Array):
        return context.get_data_type(kind.dtype).as_pointer()
    return ir.DoubleType() if isinstance(kind, types.Float) else INT64


def _write_some(some: Any, emit: Callable[..., None], hidden: int, kinds: Any, step: int) -> None:
    """The body of ``some(*leaves, count, start, stop)``, for the particles from ``start`` to ``stop``."""
    builder = ir.IRBuilder(some.append_basic_block())
    *leaves, count, start, stop = some.args
    before = flush_denormal(builder)
    # Where all are there nothing is masked: processors without AVX-512 may take twenty cycles for a masked store.
    left = builder.srem(builder.sub(stop, start), integer(step))
    end = builder.sub(stop, left)
    with cgutils.for_range_slice(builder, start, end, integer(step), INT64) as (first, _):
        emit(builder, hidden, *_from_leaves(kinds, iter(leaves), count, whole=True), first)
    with builder.if_then(builder.icmp_signed(">", left, integer(0))):
        emit(builder, hidden, *_from_leaves(kinds, iter(leaves), count, whole=False), end)
    if before is not None:
        set_float_mode(builder, before)
    builder.ret_void()


def _from_leaves(kinds: Any, leaves: Iterator[Any], count: Any, whole: bool) -> Iterator[Any]:
    for kind in kinds:
        if isinstance(kind, types.Array):
            yield Array(next(leaves), count, whole)
        else:
            yield None if isinstance(kind, types.NoneType) else next(leaves)


def _slots(builder: Any, packet: Any, some: Any) -> tuple[Any, list[Any], list[Any]]:
    """Of a packet the slot of what is claimed; the loaded rest of its head; what ``some`` computes with."""
    head, *others = [
        builder.gep(builder.bitcast(packet, INT64.as_pointer()), [integer(slot)])
        for slot in range(len(HEAD) + len(some.args) - 3)
    ]
    numbers = [builder.load(slot) for slot in others[: len(HEAD) - 1]]
    leaves = [
        builder.load(builder.bitcast(slot, leaf.type.as_pointer()))
        for slot, leaf in zip(others[len(HEAD) - 1 :], some.args, strict=False)
    ]
    return head, numbers, leaves


def _write_all(whole: Any, member: Any, some: Any) -> None:
    """The body of the kernel: several threads call ``member``; one by itself ``some``, with all particles."""
    builder = ir.IRBuilder(whole.append_basic_block())
    [packet] = whole.args
    claimed, (count, _, parallel, threads), leaves = _slots(builder, packet, some)
    builder.store(integer(0), claimed)
    with builder.if_else(builder.icmp_signed(">", threads, integer(1))) as (several, alone):
        with several:
            together = builder.inttoptr(parallel, PARALLEL.as_pointer())
            builder.call(together, [member, packet, builder.trunc(threads, INT32), ir.Constant(INT32, 0)])
        with alone:
            builder.call(some, [*leaves, count, integer(0), count])
    builder.ret_void()


def _write_member(member: Any, some: Any) -> None:
    """The body of ``member(packet)``, what each thread does: it calls ``some`` as long as there are particles left."""
    builder = ir.IRBuilder(member.append_basic_block())
    claimed, (count, claim, _, _), leaves = _slots(builder, member.args[0], some)
    again, work, done = (builder.append_basic_block(name) for name in ("again", "work", "done"))
    builder.branch(again)
    builder.position_at_end(again)
    start = builder.atomic_rmw("add", claimed, claim, "monotonic")
    builder.cbranch(builder.icmp_signed("<", start, count), work, done)
    builder.position_at_end(work)
    stop = builder.add(start, claim)
    stop = builder.select(builder.icmp_signed("<", stop, count), stop, count)
    builder.call(some, [*leaves, count, start, stop])
    builder.branch(again)
    builder.position_at_end(done)
    builder.ret_void()
