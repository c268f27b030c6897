"""The threads of a team: a kernel for all particles, of instructions for some.

A kernel is machine code at an address, ``void kernel(int64 *packet)``. Its packet, eight bytes a slot, holds what it
computes with: see :data:`HEAD`, and behind that each argument, an address or a number. Of a kernel for particles a slot
for each thread follows, of how many of its particles are taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import islice
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
#: OpenMP's function that tells which of its team a thread is.
NUMBER = ir.FunctionType(INT32, [])
#: A packet's first slots: tasks that are taken (of no meaning for particles), all particles, how many a thread takes at
#: a time (a multiple of the kernel's step), the threads, and, of no meaning for a single one,
#: :func:`srnn.kernels.threads.parallel` before and :func:`srnn.kernels.threads.number` behind them.
HEAD = ("claimed", "count", "claim", "parallel", "threads", "number")
#: Particles for which several parts are done before it is the next ones' turn: a multiple of every part's step.
FEW = 16 * LANES


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


class Part(NamedTuple):
    """Instructions for some particles.

    Attributes:
        emit: Emits them, ``emit(builder, hidden, *arguments, first)``, for the particles from ``first`` on. Arrays
            arrive as :class:`Array`, ``None`` as ``None``, numbers as LLVM values.
        step: For how many.
        masked: Whether it is so even where all are there: a compiler that may fuse products and sums does not fuse all
            instructions alike in both cases, and a particle's bits must not hang on its place.
    """

    emit: Callable[..., None]
    step: int = LANES
    masked: bool = False


def team(*parts: Part) -> Any:
    """Turn parts into a kernel that does them for all particles, one part after the other.

    Each thread of a team has a share of the particles, the same in every call: they are in the cache of its core. It
    claims some of them at a time, and when none is left, what is left of the others' shares. Of several parts all are
    done for a few particles before it is the next ones' turn, which are then in the cache; each rounds as it does by
    itself.

    Returns:
        An intrinsic ``(hidden, arguments) -> address`` for compiled code, with the arguments of the first part, then
        those of the second …. Only their types matter.
    """

    def typed(context: Any, hidden: Any, arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            name, kinds = "_and_".join(part.emit.__name__ for part in parts), iter(arguments)
            functions = []
            for part in parts:
                # Besides them it takes the builder, the hidden units, and the first particle.
                own = list(islice(kinds, len(inspect.signature(part.emit).parameters) - 3))
                leaves = [_leaf(context, kind) for kind in own if not isinstance(kind, types.NoneType)]
                functions.append((_write_part(builder, part, leaves, hidden.count, own), len(leaves)))
            [(some, _), *others] = functions
            if others:
                some = _write_row(builder, name, functions)
            member = function(builder, f"{name}_member", [BYTE.as_pointer()])
            _write_member(member, some)
            whole = function(builder, f"{name}_all", [BYTE.as_pointer()])
            _write_all(whole, member, some)
            return builder.ptrtoint(whole, INT64)

        return types.int64(hidden, arguments), codegen

    return intrinsic(typed)


def _leaf(context: Any, kind: Any) -> Any:
    """The LLVM type of an argument."""
    if isinstance(kind, types.Array):
        return context.get_data_type(kind.dtype).as_pointer()
    return ir.DoubleType() if isinstance(kind, types.Float) else INT64


def _write_part(outer: Any, part: Part, leaves: list[Any], hidden: int, kinds: Any) -> Any:
    """A function ``some(*leaves, count, start, stop)`` that does it for the particles from ``start`` to ``stop``."""
    names = part.emit.__name__, f"{part.emit.__name__}_rest", f"{part.emit.__name__}_whole"
    some, rest, *unmasked = (
        function(outer, name, [*leaves, INT64, INT64, INT64]) for name in names[: 2 if part.masked else 3]
    )
    # Where all are there nothing is masked: processors without AVX-512 may take twenty cycles for a masked store.
    for one in (*unmasked, rest):
        # On its own: LLVM knows of arguments alone, and of no other pointers, that they are not scratch memory.
        one.attributes.add("noinline")
        builder = ir.IRBuilder(one.append_basic_block())
        *own, count, start, stop = one.args
        before = flush_denormal(builder)
        arguments = [*_from_leaves(kinds, iter(own), count, whole=one is not rest)]
        with cgutils.for_range_slice(builder, start, stop, integer(part.step), INT64) as (first, _):
            part.emit(builder, hidden, *arguments, first)
        if before is not None:
            set_float_mode(builder, before)
        builder.ret_void()
    builder = ir.IRBuilder(some.append_basic_block())
    *own, count, start, stop = some.args
    end = start
    for whole in unmasked:
        end = builder.sub(stop, builder.srem(builder.sub(stop, start), integer(part.step)))
        builder.call(whole, [*own, count, start, end])
    with builder.if_then(builder.icmp_signed("<", end, stop)):
        builder.call(rest, [*own, count, end, stop])
    builder.ret_void()
    return some


def _write_row(outer: Any, name: str, functions: list[tuple[Any, int]]) -> Any:
    """A function that does what several do, each with so many of the leaves, for a few particles after the others."""
    leaves = [argument.type for each, count in functions for argument in each.args[:count]]
    some = function(outer, name, [*leaves, INT64, INT64, INT64])
    builder = ir.IRBuilder(some.append_basic_block())
    *own, count, start, stop = some.args
    with cgutils.for_range_slice(builder, start, stop, integer(FEW), INT64) as (first, _):
        end = builder.add(first, integer(FEW))
        end = _smaller(builder, end, stop)
        given = iter(own)
        for each, taken in functions:
            builder.call(each, [*islice(given, taken), count, first, end])
    builder.ret_void()
    return some


def _from_leaves(kinds: Any, leaves: Iterator[Any], count: Any, whole: bool) -> Iterator[Any]:
    for kind in kinds:
        if isinstance(kind, types.Array):
            yield Array(next(leaves), count, whole)
        else:
            yield None if isinstance(kind, types.NoneType) else next(leaves)


def _slots(builder: Any, packet: Any, some: Any) -> tuple[dict[str, Any], list[Any], Any]:
    """Of a packet its head, loaded; what ``some`` computes with; the first of the slots of what is claimed."""
    *slots, claimed = [
        builder.gep(builder.bitcast(packet, INT64.as_pointer()), [integer(slot)])
        for slot in range(len(HEAD) + len(some.args) - 3 + 1)  # all but the last three arguments, and one more
    ]
    head = {name: builder.load(slot) for name, slot in zip(HEAD, slots, strict=False)}
    leaves = [
        builder.load(builder.bitcast(slot, leaf.type.as_pointer()))
        for slot, leaf in zip(slots[len(HEAD) :], some.args, strict=False)
    ]
    return head, leaves, claimed


def _write_all(whole: Any, member: Any, some: Any) -> None:
    """The body of the kernel: several threads call ``member``; one by itself ``some``, with all particles."""
    builder = ir.IRBuilder(whole.append_basic_block())
    [packet] = whole.args
    head, leaves, claimed = _slots(builder, packet, some)
    with builder.if_else(builder.icmp_signed(">", head["threads"], integer(1))) as (several, alone):
        with several:
            with cgutils.for_range(builder, head["threads"]) as loop:
                builder.store(integer(0), builder.gep(claimed, [loop.index]))
            together = builder.inttoptr(head["parallel"], PARALLEL.as_pointer())
            builder.call(together, [member, packet, builder.trunc(head["threads"], INT32), ir.Constant(INT32, 0)])
        with alone:
            builder.call(some, [*leaves, head["count"], integer(0), head["count"]])
    builder.ret_void()


def _write_member(member: Any, some: Any) -> None:
    """The body of ``member(packet)``, what each thread does: first its own share, then what is left of the others'."""
    builder = ir.IRBuilder(member.append_basic_block())
    head, leaves, claimed = _slots(builder, member.args[0], some)
    count, claim, threads = head["count"], head["claim"], head["threads"]
    own = builder.sext(builder.call(builder.inttoptr(head["number"], NUMBER.as_pointer()), []), INT64)
    share = builder.mul(_rounded_up(builder, _rounded_up(builder, count, threads), claim), claim)
    with cgutils.for_range(builder, threads) as loop:
        whose = builder.srem(builder.add(own, loop.index), threads)
        begin = builder.mul(whose, share)
        end = _smaller(builder, builder.add(begin, share), count)
        slot = builder.gep(claimed, [whose])
        again, work, done = (builder.append_basic_block(name) for name in ("again", "work", "done"))
        builder.branch(again)
        builder.position_at_end(again)
        start = builder.add(begin, builder.atomic_rmw("add", slot, claim, "monotonic"))
        builder.cbranch(builder.icmp_signed("<", start, end), work, done)
        builder.position_at_end(work)
        builder.call(some, [*leaves, count, start, _smaller(builder, builder.add(start, claim), end)])
        builder.branch(again)
        builder.position_at_end(done)
    builder.ret_void()


def _rounded_up(builder: Any, number: Any, divisor: Any) -> Any:
    """The quotient, rounded up."""
    return builder.sdiv(builder.sub(builder.add(number, divisor), integer(1)), divisor)


def _smaller(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.icmp_signed("<", one, other), one, other)
